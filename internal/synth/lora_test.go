package synth

import (
	"path/filepath"
	"testing"

	"github.com/cria-lm/cria/gguf"
)

// An adapter fits the model that it is written for, and no other.
func TestWriteAdapter(t *testing.T) {
	models := map[Architecture]*gguf.File{}
	adapters := map[Architecture]*gguf.File{}
	for _, arch := range Architectures {
		path := write(t, Shape{Architecture: arch})
		adapter := filepath.Join(t.TempDir(), "adapter.gguf")
		if err := WriteAdapter(adapter, path, Adapter{Alpha: 8, Type: gguf.F16}); err != nil {
			t.Fatal(err)
		}
		models[arch], adapters[arch] = open(t, path), open(t, adapter)
	}
	for _, arch := range Architectures {
		for of, adapter := range adapters {
			if err := gguf.CheckLoRA(adapter, models[arch]); (err == nil) != (arch == of) {
				t.Errorf("an adapter of %s for %s: %v", of, arch, err)
			}
		}
	}
}

func open(t *testing.T, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMergeErrors(t *testing.T) {
	path := write(t, Shape{Type: gguf.F16})
	adapter := filepath.Join(t.TempDir(), "adapter.gguf")
	if err := WriteAdapter(adapter, path, Adapter{}); err != nil {
		t.Fatal(err)
	}
	if err := Merge(filepath.Join(t.TempDir(), "merged.gguf"), path, adapter, 1); err == nil {
		t.Error("weights of another type than F32 are changed")
	}
}
