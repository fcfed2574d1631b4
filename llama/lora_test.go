package llama_test

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/llama"
)

// loraModel writes a small model, an adapter for all of its matrices, and the model
// that both together are if the adapter has a scale of 0.5.
func loraModel(t *testing.T) (base, adapter, merged string) {
	t.Helper()
	dir := t.TempDir()
	base, adapter, merged = filepath.Join(dir, "base"), filepath.Join(dir, "adapter"), filepath.Join(dir, "merged")
	if err := synth.Write(t.Context(), base, testModelPath(t), synth.Shape{Embedding: 32, KVHeads: 2}, nil); err != nil {
		t.Fatal(err)
	}
	all := func(string) bool { return true }
	if err := synth.WriteAdapter(adapter, base, synth.Adapter{Rank: 3, Alpha: 6, Tensors: all, Seed: 7}); err != nil {
		t.Fatal(err)
	}
	if err := synth.Merge(merged, base, adapter, 0.5); err != nil {
		t.Fatal(err)
	}
	return base, adapter, merged
}

func loadPath(t *testing.T, path string) *llama.Model {
	t.Helper()
	load(t)
	m, err := llama.LoadModel(path, llama.DefaultModelParams(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m
}

// logitsOf are those behind a prompt, computed anew.
func logitsOf(t *testing.T, x *llama.Context) []float32 {
	t.Helper()
	x.Memory().Clear(true)
	prompt(t, x, "The capital of France is")
	return slices.Clone(x.LogitsIth(-1))
}

func farthest(a, b []float32) (most float64) {
	for i := range a {
		most = max(most, math.Abs(float64(a[i]-b[i])))
	}
	return most
}

// A model with an adapter computes what one with the changed weights does.
func TestLoRA(t *testing.T) {
	base, adapter, merged := loraModel(t)
	m := loadPath(t, base)
	l, err := llama.LoadLoRA(m, adapter)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Free)
	if got, ok := l.Meta("adapter.type"); !ok || got != "lora" {
		t.Errorf("its type is %q", got)
	}
	if _, ok := l.Meta("missing"); ok {
		t.Error("it has metadata that is missing")
	}
	x := newContext(t, m, nil)
	plain := logitsOf(t, x)
	x.SetLoRAs([]*llama.LoRA{l}, []float32{0.5})
	changed := logitsOf(t, x)
	want := logitsOf(t, newContext(t, loadPath(t, merged), nil))
	if d := farthest(changed, want); d > 0.01 {
		t.Errorf("logits differ by %v from those of the changed weights", d)
	}
	if d := farthest(changed, plain); d < 1 {
		t.Errorf("logits differ by %v from those without the adapter", d)
	}
	x.SetLoRAs([]*llama.LoRA{l}, []float32{0})
	if d := farthest(logitsOf(t, x), plain); d > 0.01 {
		t.Errorf("logits with a scale of 0 differ by %v from those without", d)
	}
	x.SetLoRAs(nil, nil)
	if d := farthest(logitsOf(t, x), plain); d > 0.01 {
		t.Errorf("logits without it differ by %v from those before", d)
	}
}

// Adapters come and go while other contexts of the model compute.
func TestLoRAsOfOthers(t *testing.T) {
	base, adapter, _ := loraModel(t)
	m := loadPath(t, base)
	l, err := llama.LoadLoRA(m, adapter)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Free)
	x := newContext(t, m, nil)
	x.SetLoRAs([]*llama.LoRA{l}, []float32{0.5})
	want := logitsOf(t, x)
	var others sync.WaitGroup
	defer others.Wait()
	others.Go(func() {
		for range 20 {
			other, err := llama.LoadLoRA(m, adapter)
			if err != nil {
				t.Error(err)
				return
			}
			other.Free()
		}
	})
	for i := range 20 {
		x.SetLoRAs(nil, nil) // so that the buffers are laid out anew
		x.SetLoRAs([]*llama.LoRA{l}, []float32{0.5})
		if d := farthest(logitsOf(t, x), want); d > 0 {
			t.Fatalf("after %d turns logits differ by %v", i, d)
		}
	}
}

func TestLoRAMisuse(t *testing.T) {
	base, adapter, _ := loraModel(t)
	m := loadPath(t, base)
	if _, err := llama.LoadLoRA(m, filepath.Join(t.TempDir(), "missing")); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("missing: %v", err)
	}
	if _, err := llama.LoadLoRA(m, base); err == nil || !strings.Contains(err.Error(), "adapter") {
		t.Errorf("a model: %v", err)
	}
	l, err := llama.LoadLoRA(m, adapter)
	if err != nil {
		t.Fatal(err)
	}
	x := newContext(t, m, nil)
	x.SetLoRAs([]*llama.LoRA{l}, []float32{1})
	foreign := newContext(t, loadPath(t, base), nil)
	for name, f := range map[string]func(){
		"no scale":       func() { x.SetLoRAs([]*llama.LoRA{l}, nil) },
		"another model":  func() { foreign.SetLoRAs([]*llama.LoRA{l}, []float32{1}) },
		"freed too soon": l.Free,
	} {
		if !panics(f) {
			t.Errorf("%s: no panic", name)
		}
	}
	x.SetLoRAs(nil, nil)
	l.Free() // no context computes with it any more
	if l, err = llama.LoadLoRA(m, adapter); err != nil {
		t.Fatal(err)
	}
	x.Free()
	if !panics(m.Free) {
		t.Error("a model with an adapter is freed")
	}
	l.Free()
	l.Free()
	if !panics(func() { l.Meta("adapter.type") }) {
		t.Error("an adapter is used after Free")
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}
