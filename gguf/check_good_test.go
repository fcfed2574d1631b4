package gguf_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
)

// vocabularies writes one file of each kind.
func vocabularies(t testing.TB) map[string]string {
	t.Helper()
	dir, paths := t.TempDir(), map[string]string{}
	for _, kind := range synth.Vocabularies {
		paths[kind] = filepath.Join(dir, kind+".gguf")
		if err := synth.WriteVocabulary(paths[kind], kind); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// goodShapes are models of all architectures that can be written, of many sizes and types.
func goodShapes() (shapes []synth.Shape) {
	for _, arch := range synth.Architectures {
		for i, typ := range synth.Types {
			s := synth.Shape{Architecture: arch, Type: typ, Embedding: 256, Seed: uint64(i)}
			if arch != synth.Mamba {
				s.FeedForward = 256 * (1 + i%2)
			}
			shapes = append(shapes, s)
			s.Layers, s.Context = 2+i, 128<<i
			if arch != synth.Mamba {
				s.Heads, s.KVHeads = 8, 1<<(i%4)
			}
			shapes = append(shapes, s)
		}
	}
	return shapes
}

func TestGoodModels(t *testing.T) {
	count := 0
	path := filepath.Join(t.TempDir(), "model.gguf")
	for kind, from := range vocabularies(t) {
		for _, shape := range goodShapes() {
			if err := synth.Write(t.Context(), path, from, shape, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := gguf.Check(path); err != nil {
				t.Errorf("%+v with the vocabulary %s: %v", shape, kind, err)
			}
			count++
		}
	}
	if count < 200 {
		t.Errorf("%d models", count)
	}
}

// The catalogue's model that tests have, and what llama.cpp makes of it.
func TestCheckDefaultModel(t *testing.T) {
	f, err := gguf.Check(testmodel.Model(t))
	if err != nil {
		t.Fatal(err)
	}
	if f.Architecture() != "llama" {
		t.Errorf("architecture %s", f.Architecture())
	}
}

// A model that is cut into two is checked as one, whichever part is named.
func TestCheckParts(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.gguf")
	if err := synth.Write(t.Context(), whole, vocabularies(t)["gpt2"], synth.Shape{}, nil); err != nil {
		t.Fatal(err)
	}
	metadata, tensors := parse(t, whole)
	write := func(i int, tensors []gguf.TensorData, total int32) string {
		path := filepath.Join(dir, fmt.Sprintf("m-%05d-of-00002.gguf", i+1))
		kv := []gguf.KeyValue{{Key: "split.no", Value: uint16(i)}, {Key: "split.count", Value: uint16(2)}, {Key: "split.tensors.count", Value: total}}
		if i == 0 {
			kv = append(metadata[:len(metadata):len(metadata)], kv...)
		}
		put(t, path, kv, tensors)
		return path
	}
	half, all := len(tensors)/2, int32(len(tensors))
	first := write(0, tensors[:half], all)
	second := write(1, tensors[half:], all)
	for _, path := range []string{first, second} {
		if f, err := gguf.Check(path); err != nil || f.Architecture() != "llama" {
			t.Errorf("%s: %v", path, err)
		}
	}
	f, err := gguf.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "one part alone", f.Validate(), "metadata.split.count: it is part 1 of 2")
	write(1, tensors[half-1:], all)
	_, err = gguf.Check(first)
	expect(t, "a tensor in both parts", err, "stands in two parts")
	write(1, tensors[half+1:], all)
	_, err = gguf.Check(first)
	expect(t, "a tensor in no part", err, "metadata.split.tensors.count")
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	if _, err := gguf.Check(first); err == nil {
		t.Error("a part that is missing is not missed")
	}
}

func BenchmarkCheck(b *testing.B) {
	path := testmodel.Model(b)
	for b.Loop() {
		if _, err := gguf.Check(path); err != nil {
			b.Fatal(err)
		}
	}
}
