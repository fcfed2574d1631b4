package llama_test

import (
	"testing"

	"github.com/cria-lm/cria/llama"
)

// nextToken decodes one token behind what a sequence holds and returns the most
// probable next one.
func nextToken(t *testing.T, x *llama.Context, token llama.Token, seq llama.SeqID) llama.Token {
	t.Helper()
	b := newBatch(t, 1)
	b.Add(token, x.Memory().SeqPosMax(seq)+1, seq, true)
	if rc := x.Decode(b); rc != 0 {
		t.Fatalf("decode: %d", rc)
	}
	return argmax(x.LogitsIth(0))
}

func TestStateSeq(t *testing.T) {
	m := loadModel(t)
	two := func(p *llama.ContextParams) { p.NSeqMax, p.KVUnified = 2, true }
	x := newContext(t, m, two)
	tokens := prompt(t, x, "The capital of France is Paris. The capital of Spain is")
	state := make([]byte, x.StateSeqSize(0))
	if n := x.StateSeqGet(state, 0); n != len(state) || n == 0 {
		t.Fatalf("%d of %d bytes written", n, len(state))
	}
	want := nextToken(t, x, tokens[0], 0)

	y := newContext(t, m, two)
	if n := y.StateSeqSet(state, 1); n != len(state) {
		t.Fatalf("%d of %d bytes read", n, len(state))
	}
	if last := y.Memory().SeqPosMax(1); int(last) != len(tokens)-1 {
		t.Errorf("last position %d, want %d", last, len(tokens)-1)
	}
	if got := nextToken(t, y, tokens[0], 1); got != want {
		t.Errorf("next token %d, want %d", got, want)
	}
	for name, n := range map[string]int{
		"a state cut off": y.StateSeqSet(state[:len(state)/2], 0), "none": y.StateSeqSet(nil, 0), "too small": x.StateSeqGet(make([]byte, 8), 0),
		"no such sequence": y.StateSeqSet(state, 2), "a negative one": y.StateSeqSet(state, -1), "get of none": x.StateSeqGet(state, 2), "size of none": x.StateSeqSize(2),
	} {
		if n != 0 {
			t.Errorf("%s: %d, want 0", name, n)
		}
	}
}

// A whole state keeps what sequences share, also in a larger context.
func TestState(t *testing.T) {
	m := loadModel(t)
	x := newContext(t, m, func(p *llama.ContextParams) { p.NCtx, p.NSeqMax, p.KVUnified = 256, 4, true })
	tokens := prompt(t, x, "The capital of France is Paris. The capital of Spain is")
	if err := x.Memory().SeqCopy(0, 3, 0, -1); err != nil {
		t.Fatal(err)
	}
	state := make([]byte, x.StateSize())
	if n := x.StateGet(state); n == 0 || n > len(state) {
		t.Fatalf("%d of %d bytes written", n, len(state))
	}
	want := nextToken(t, x, tokens[0], 3)

	n := len(tokens) + 3
	y := newContext(t, m, func(p *llama.ContextParams) { p.NCtx, p.NSeqMax, p.KVUnified = 512, 4, true })
	if y.StateSet(state) == 0 {
		t.Fatal("the state is refused")
	}
	for _, seq := range []llama.SeqID{0, 3} {
		if last := y.Memory().SeqPosMax(seq); int(last) != len(tokens)-1 {
			t.Errorf("sequence %d: last position %d, want %d", seq, last, len(tokens)-1)
		}
	}
	if got := nextToken(t, y, tokens[0], 3); got != want {
		t.Errorf("next token %d, want %d", got, want)
	}
	// Shared cells are one: as many single tokens fit as cells are left.
	for range y.NCtx() - n + 2 {
		nextToken(t, y, tokens[0], 0)
	}
	if y.StateSet(state[:len(state)/2]) != 0 {
		t.Error("half a state is accepted")
	}
}
