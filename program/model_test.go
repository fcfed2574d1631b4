package program_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llamacpp"
	"github.com/cria-lm/cria/pool"
	"github.com/cria-lm/cria/program"
)

// A program whose model cannot be had is an error that names the file, the model and what
// there is instead. Other programs go on.
func TestModelThatNobodyHas(t *testing.T) {
	testmodel.Lock(t)
	testmodel.Model(t)
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name+".json") }
	missing := filepath.Join(folder, "none.gguf")
	for name, model := range map[string]string{"good": hub.DefaultModel, "unknown": "smollm9", "gone": missing} {
		data, err := json.Marshal(map[string]any{"signature": "question -> yes: bool", "model": model})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	models := pool.New(&pool.Models{Options: func(string) *llamacpp.Options { return &llamacpp.Options{ContextLength: 512} }}, nil)
	catalog := []program.Model{{Name: hub.DefaultModel, Fits: true}, {Name: "too-large"}}
	for _, listed := range []bool{false, true} {
		o := &program.Options{Folder: folder, Interval: -1}
		want := "cria models --all"
		if listed {
			o.Catalog, want = func() []program.Model { return catalog }, "there are "+hub.DefaultModel
		}
		e, err := program.New(program.Pool(models), o)
		if err != nil {
			t.Fatal(err)
		}
		type input struct {
			Question string `json:"question"`
		}
		type output struct {
			Yes bool `json:"yes"`
		}
		if err := program.Add(e, "in-go", cria.NewPredict[input, output]("", nil), program.Requirement{Name: "smollm9"}); err != nil {
			t.Fatal(err)
		}
		tries := map[string]string{"unknown": "smollm9", "gone": missing, "in-go": "smollm9"}
		if listed { // a declaration is compared with the list
			delete(tries, "unknown")
			var refused *program.FileError
			if _, err := e.Run(t.Context(), "unknown", nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), `nobody has the model "smollm9"; there are smollm2`) {
				t.Errorf("unknown to the catalogue: %v", err)
			}
		}
		for name, model := range tries {
			_, err := e.Run(t.Context(), name, cria.Example{"question": "Is it?"})
			path := file(name)
			if name == "in-go" {
				path = ""
			}
			var failed *program.ModelError
			if !errors.As(err, &failed) || failed.Program != name || failed.Path != path || failed.Model != model || !errors.Is(err, llamacpp.ErrModelNotLoaded) {
				t.Fatalf("%s: %v", name, err)
			}
			for _, text := range []string{path, model, want} {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%s: %q is not in %q", name, text, err)
				}
			}
			if strings.Contains(err.Error(), "too-large") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if answer, err := e.Run(t.Context(), "good", cria.Example{"question": "Is water wet?"}); err != nil || answer.Model != hub.DefaultModel {
			t.Errorf("another program: %+v, %v", answer, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := models.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
