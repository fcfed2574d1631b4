package program_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/program"
)

func catalogOf(t *testing.T, free uint64, accepted ...string) func() []program.Model {
	t.Helper()
	h, err := hub.New(&hub.Options{CacheDir: t.TempDir(), AcceptLicense: accepted})
	if err != nil {
		t.Fatal(err)
	}
	return program.Catalog(h, hardware.Machine{OS: "linux", Memory: hardware.Memory{Total: 64 << 30, Available: free}})
}

// The cards of the catalogue, with what of them fits and what is to be accepted first.
func TestCatalog(t *testing.T) {
	t.Setenv("CRIA_ACCEPT_LICENSE", "")
	const gemma = "gemma-3-270m"
	for _, tt := range []struct {
		free     uint64
		accepted []string
		fit, not []string
	}{
		{32 << 30, nil, []string{hub.DefaultModel, "qwen3-4b"}, nil},
		{1536 << 20, []string{gemma}, []string{hub.DefaultModel, gemma}, []string{"qwen3-4b"}},
		{128 << 20, nil, nil, []string{hub.DefaultModel, gemma}},
	} {
		list := catalogOf(t, tt.free, tt.accepted...)()
		if len(list) != len(hub.Catalog()) {
			t.Fatalf("%d models", len(list))
		}
		for i, card := range hub.Catalog() {
			m := list[i]
			if m.Name != card.Name || m.Parameters != card.Parameters || !slices.Equal(m.Capabilities, card.Capabilities) {
				t.Errorf("%+v is of %+v", m, card)
			}
			if m.Unaccepted != (card.License.MustAccept && !slices.Contains(tt.accepted, m.Name)) {
				t.Errorf("%+v, accepted %v", m, tt.accepted)
			}
			if slices.Contains(tt.fit, m.Name) && !m.Fits || slices.Contains(tt.not, m.Name) && m.Fits {
				t.Errorf("%d bytes free: %+v", tt.free, m)
			}
		}
	}
}

// anything has all models, which say yes.
type anything struct{}

func (anything) Use(ctx context.Context, _ string, f func(context.Context, cria.LM) error) error {
	return f(ctx, anything{})
}

func (anything) Generate(context.Context, *cria.Request) iter.Seq2[cria.Chunk, error] {
	return func(yield func(cria.Chunk, error) bool) {
		yield(cria.Chunk{Text: "yes", Finish: cria.FinishStop}, nil)
	}
}

// A program that asks for capabilities runs on the smallest model of the catalogue that has
// them and fits the machine.
func TestCapabilities(t *testing.T) {
	t.Setenv("CRIA_ACCEPT_LICENSE", "")
	folder := t.TempDir()
	for name, model := range map[string]string{
		"empty":   ``,
		"thinks":  `, "model": {"capabilities": ["thinking", "multilingual"]}`,
		"base":    `, "model": {"capabilities": ["base"]}`, // whose licence is to be accepted
		"nothing": `, "model": {"capabilities": ["juggling"]}`,
		"named":   `, "model": "gemma-3-270m"`,
		"typo":    `, "model": "gemma-270m"`,
	} {
		declared := `{"signature": "question -> answer"` + model + `}`
		if err := os.WriteFile(filepath.Join(folder, name+".json"), []byte(declared), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	none := new(program.RequirementError)
	for _, tt := range []struct {
		program  string
		free     uint64
		accepted string
		want     string
		err      string
	}{
		{"empty", 32 << 30, "", hub.DefaultModel, ""},
		{"empty", 128 << 20, "", "", "the program empty cannot run: no model fits this machine: too large are"},
		{"thinks", 32 << 30, "", "qwen3-0.6b", ""},
		{"thinks", 400 << 20, "", "", "no model has all of thinking, multilingual and fits this machine: too large are "},
		{"base", 32 << 30, "", "", "no model has all of base; the licence is to be accepted first of gemma-3-270m; name a model in its declaration"},
		{"base", 32 << 30, "gemma-3-270m", "gemma-3-270m", ""},
		{"nothing", 32 << 30, "", "", `no model has the capability "juggling"; there are base, instruct, `},
		{"named", 32 << 30, "", "gemma-3-270m", ""},
		{"typo", 32 << 30, "", "", `nobody has the model "gemma-270m"; near are gemma-3-270m`},
	} {
		e, err := program.New(anything{}, &program.Options{Folder: folder, Interval: -1, Catalog: catalogOf(t, tt.free, tt.accepted)})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := e.Run(t.Context(), tt.program, cria.Example{"question": "Is it?"})
		if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || tt.program != "typo" && tt.program != "nothing" && !errors.As(err, &none)) {
			t.Errorf("%s: %v, want %q", tt.program, err, tt.err)
		}
		if tt.err == "" && (err != nil || answer.Model != tt.want || answer.Outputs["answer"] != "yes") {
			t.Errorf("%s: %+v, %v, want the model %s", tt.program, answer, err, tt.want)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
