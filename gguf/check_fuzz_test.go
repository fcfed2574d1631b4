package gguf_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/synth"
)

// FuzzValidate looks for a file whose validation panics, or takes more memory than the size
// of the file is a reason for.
func FuzzValidate(f *testing.F) {
	path := filepath.Join(f.TempDir(), "model.gguf")
	for kind, from := range vocabularies(f) {
		for _, arch := range synth.Architectures {
			if err := synth.Write(f.Context(), path, from, synth.Shape{Architecture: arch, Embedding: 8}, nil); err != nil {
				f.Fatal(err)
			}
			metadata, tensors := parse(f, path)
			if kind == "t5" {
				metadata = append(metadata, gguf.KeyValue{Key: "tokenizer.ggml.precompiled_charsmap", Value: charsmap()})
			}
			put(f, path, metadata, tensors)
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		file, err := gguf.Read(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			err = file.Validate()
		}
		runtime.ReadMemStats(&after)
		if n, limit := after.TotalAlloc-before.TotalAlloc, uint64(2<<20+128*len(data)); n > limit {
			t.Errorf("%d bytes allocated for a file of %d", n, len(data))
		}
		if refusal := new(gguf.Error); err != nil && (!errors.As(err, &refusal) || refusal.Reason == "") {
			t.Errorf("refused without a reason: %v", err)
		}
	})
}

// charsmap is a table that normalizes nothing: a trie whose root has no children.
func charsmap() []uint8 {
	table := make([]uint8, 4+4*256+1)
	table[1] = 4 // 1024 bytes of trie
	return table
}
