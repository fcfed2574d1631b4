package llamacpp

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/testmodel"
)

// The default model is shipped as Q4_1 and used as Q8_0, unless that is not wanted.
func TestRequantized(t *testing.T) {
	if got := filepath.Base(loadShared(t).Path()); got != "SmolLM2-135M-Instruct.Q4_1.Q8_0.gguf" {
		t.Errorf("loaded %s", got)
	}
	m, err := Load(t.Context(), "", &Options{AsShipped: true, ContextLength: 256})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Path() != testmodel.Model(t) {
		t.Errorf("as shipped: %s", m.Path())
	}
}

// A file of the user's own is loaded as it is, and so is one that has no copy.
func TestNotRequantized(t *testing.T) {
	h, err := hub.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	path := testmodel.Model(t)
	for name, m := range map[string]*hub.Model{
		"own file":     {Path: path, Paths: []string{path}},
		"in two parts": {Path: path, Paths: []string{path, path}, Digest: "1"},
		"large":        {Path: path, Paths: []string{path}, Digest: "1", Size: requantizedLimit + 1},
	} {
		if got, err := requantized(t.Context(), h, &checkedModel{Model: m}, nil); err != nil || got.path != path {
			t.Errorf("%s: %s, %v", name, got.path, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	broken, err := hub.New(&hub.Options{CacheDir: filepath.Join(file, "in a file")})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := requantized(t.Context(), broken, &checkedModel{Model: &hub.Model{Path: path, Paths: []string{path}, Digest: "1"}}, nil)
	if err != nil || got.path != path {
		t.Errorf("cache that cannot be written: %s, %v", got.path, err)
	}
}
