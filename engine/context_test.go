package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// What is held is computed again if it cannot be kept.
func TestForget(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 512, BatchSize: smallBatch})
	defer e.Close()
	beforeSteps(e, func(step int) {
		if step == 12 {
			e.queue.call(e.forget)
		}
	})
	var requests []*Request
	for i := range 3 {
		requests = append(requests, &Request{Prompt: story(t, e, i, 40), MaxTokens: 10})
	}
	checkAll(t, together(t, e, requests), 10)
}

// A context that cannot be made again when it should grow ends everything with an
// error; nothing hangs.
func TestContextLost(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 2048, BatchSize: smallBatch})
	defer e.Close()
	running := make(chan struct{})
	beforeSteps(e, func(step int) {
		if step == 3 {
			e.params.NOutputsMax = 1 // fewer than sequences: no context is made
			close(running)
		}
	})
	first := make(chan []result)
	go func() { first <- together(t, e, []*Request{{Prompt: story(t, e, 0, 40), MaxTokens: 900}}) }()
	<-running
	second := together(t, e, []*Request{{Prompt: story(t, e, 1, 200), MaxTokens: 900}, {Prompt: story(t, e, 2, 20), MaxTokens: 900}})
	for i, r := range slices.Concat(<-first, second) {
		if r.err == nil || !strings.Contains(r.err.Error(), "the KV cache is lost") && !errors.Is(r.err, ErrClosed) {
			t.Errorf("request %d: %v", i, r.err)
		}
	}
	if _, err := e.Pin(t.Context(), []Token{20}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a prefix after that: %v", err)
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
