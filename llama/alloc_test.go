package llama_test

import (
	"testing"

	"github.com/cria-lm/cria/llama"
)

// hotCalls are the calls of a generation's every token.
func hotCalls(t testing.TB) map[string]func() {
	m := loadModel(t)
	x := newContext(t, m, nil)
	v := m.Vocab()
	tokens := prompt(t, x, "The capital of France is")
	next := llama.Pos(len(tokens))
	b := newBatch(t, 1)
	piece := make([]byte, 0, 64)
	ids := make([]llama.Token, 0, 64)
	text := "some words to tokenize"
	return map[string]func(){
		"Decode": func() {
			b.Clear()
			b.Add(5, next, 0, true)
			if rc := x.Decode(b); rc != 0 {
				t.Fatalf("Decode: %d", rc)
			}
			x.Memory().SeqRemove(0, next, -1)
		},
		"LogitsIth":    func() { _ = x.LogitsIth(-1) },
		"IsEOG":        func() { v.IsEOG(7) },
		"TokenToPiece": func() { piece = v.TokenToPiece(piece[:0], 1234, false) },
		"Tokenize":     func() { ids = v.Tokenize(ids[:0], text, false, false) },
	}
}

func TestHotCallsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Log("the race detector empties pools at random: allocations are not counted")
		return
	}
	for name, f := range hotCalls(t) {
		if n := testing.AllocsPerRun(50, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkHotCalls(b *testing.B) {
	for name, f := range hotCalls(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}
