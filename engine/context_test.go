package engine

import (
	"errors"
	"testing"

	"github.com/cria-lm/cria/llama"
)

// What is held is computed again if it cannot be kept.
func TestForget(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 512, BatchSize: smallBatch})
	defer e.Close()
	steps := 0
	decode := e.sched.decode
	e.sched.decode = func(b *llama.Batch) int32 {
		if steps++; steps == 12 {
			e.queue.call(e.forget)
		}
		return decode(b)
	}
	var requests []*Request
	for i := range 3 {
		requests = append(requests, &Request{Prompt: story(t, e, i, 40), MaxTokens: 10})
	}
	checkAll(t, together(t, e, requests), 10)
}

// A context that is lost ends everything with an error; nothing hangs.
func TestContextLost(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 512})
	defer e.Close()
	why := errors.New("why")
	decode := e.sched.decode
	e.sched.decode = func(b *llama.Batch) int32 {
		e.lost = why
		return decode(b)
	}
	for i, r := range together(t, e, []*Request{{Prompt: story(t, e, 0, 40), MaxTokens: 10}, {Prompt: story(t, e, 1, 40), MaxTokens: 10}}) {
		if !errors.Is(r.err, why) && !errors.Is(r.err, ErrClosed) {
			t.Errorf("request %d: %v", i, r.err)
		}
	}
	if _, _, err := collect(t.Context(), e, &Request{Prompt: []Token{20}, MaxTokens: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("a request after that: %v", err)
	}
}

// A request that there will never be room for, because the cache could not grow,
// fails by itself.
func TestCacheCannotGrow(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 2048, BatchSize: smallBatch})
	defer e.Close()
	e.sched.mostCells = e.sched.cells
	_, _, err := collect(t.Context(), e, &Request{Prompt: make([]Token, 1500), MaxTokens: 4})
	var decode *DecodeError
	if !errors.As(err, &decode) || decode.Code != 1 {
		t.Errorf("error %v, want one of no room", err)
	}
	checkAll(t, together(t, e, []*Request{{Prompt: story(t, e, 0, 40), MaxTokens: 4}}), 4)
}
