package llama_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria/llama"
)

// Another build of the CPU backend stands in for a GPU's: it loads on every machine. The
// child reads the registry meanwhile.
func TestLoadBackend(t *testing.T) {
	f := testFiles(t)
	text := filepath.Join(t.TempDir(), "text.so")
	write(t, text, []byte("this is no library\n"))
	plain := slices.IndexFunc(f.CPU, func(path string) bool { return strings.Contains(path, "x64") || strings.Contains(path, "armv8.0") })
	if plain < 0 {
		t.Fatalf("no plain build among %v", f.CPU)
	}
	for name, tt := range map[string]struct{ path, want string }{
		"good":      {f.CPU[plain], "<nil> 2\n<nil> 2\n"},
		"missing":   {"/no/such/file.so", "no such file 1"},
		"relative":  {"libggml-vulkan.so", "must be absolute 1"},
		"text":      {text, "not a shared library"},
		"no ggml's": {f.Base, "it is not a ggml backend 1"},
	} {
		t.Setenv(backendEnv, tt.path)
		out, ok := strings.CutPrefix(loadInChild(t, f), "<nil>\n")
		if !ok || !strings.Contains(out, tt.want) || strings.Count(out, "\n") != 2 {
			t.Errorf("%s: %q", name, out)
		}
	}
	if err := llama.LoadBackend(t.Context(), text); err == nil {
		t.Error("a text is a backend")
	}
}

// A backend is not added while a model is being loaded, and who does not want to wait need
// not.
func TestLoadBackendWhileLoading(t *testing.T) {
	load(t)
	variant := testFiles(t).CPU[0]
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	devices := len(llama.Devices())
	var waited error
	m, err := llama.LoadModel(testModelPath(t), llama.DefaultModelParams(), func(part float32) bool {
		if waited == nil {
			waited = llama.LoadBackend(gone, variant)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Free()
	if !errors.Is(waited, context.Canceled) || len(llama.Devices()) != devices {
		t.Errorf("while a model was loaded: %v, %d devices", waited, len(llama.Devices()))
	}
}
