package llamacpp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/testmodel"
)

// split cuts the default model into parts.
func split(t *testing.T, n int) (paths []string) {
	t.Helper()
	path := testmodel.Model(t)
	header, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var metadata []gguf.KeyValue
	for _, key := range header.Metadata().Keys() {
		if v, ok := header.Metadata().Value(key); ok {
			metadata = append(metadata, gguf.KeyValue{Key: key, Value: v.Any()})
		}
	}
	all := header.Tensors()
	dir := t.TempDir()
	for i := range n {
		kv := []gguf.KeyValue{{Key: "split.no", Value: uint16(i)}, {Key: "split.count", Value: uint16(n)}, {Key: "split.tensors.count", Value: int32(len(all))}}
		if i == 0 {
			kv = append(kv, metadata...)
		}
		var tensors []gguf.TensorData
		for _, tensor := range all[i*len(all)/n : (i+1)*len(all)/n] {
			tensors = append(tensors, gguf.TensorData{Name: tensor.Name, Type: tensor.Type, Dims: tensor.Dims, Data: data[tensor.Offset : tensor.Offset+tensor.Size]})
		}
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("m-%05d-of-%05d.gguf", i+1, n)))
		f, err := os.Create(paths[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(gguf.Write(f, kv, tensors), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// A split model answers as the whole one, is watched in all its parts while it is in use,
// and says which parts are missing.
func TestSplitModel(t *testing.T) {
	testmodel.Libraries(t)
	paths := split(t, 4)
	m, err := Load(t.Context(), paths[2], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	whole, err := Load(t.Context(), "", &Options{AsShipped: true})
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	want, err := reply(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := reply(t.Context(), m); err != nil || got != want {
		t.Errorf("%q, %v; the whole model says %q", got, err, want)
	}
	for _, i := range []int{1, 3} {
		if err := os.Remove(paths[i]); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := reply(t.Context(), m); err != nil || got != want {
		t.Errorf("after parts were removed: %q, %v", got, err)
	}
	for _, named := range []string{paths[0], paths[2]} {
		_, err = Load(t.Context(), named, nil)
		var parts *gguf.PartsError
		if !errors.Is(err, ErrModelNotLoaded) || !errors.As(err, &parts) || !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("parts are missing: %v", err)
		}
		if len(parts.Missing) != 2 || parts.Missing[0] != paths[1] || parts.Missing[1] != paths[3] || parts.Path != named {
			t.Errorf("missing are %v of %s", parts.Missing, parts.Path)
		}
		for _, text := range []string{filepath.Base(paths[1]), filepath.Base(paths[3]), filepath.Dir(named), "of 4"} {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%q is not in %q", text, err)
			}
		}
	}
	if err := os.Truncate(paths[2], 100); err != nil {
		t.Fatal(err)
	}
	var changed *engine.FileChangedError
	if _, err := reply(t.Context(), m); !errors.As(err, &changed) || changed.Path != paths[2] {
		t.Errorf("a part was cut short: %v", err)
	}
	if got, err := reply(t.Context(), whole); err != nil || got != want {
		t.Errorf("another model: %q, %v", got, err)
	}
}
