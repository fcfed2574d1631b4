package cria

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slow answers in three pieces, a second after each other, unless it is cancelled.
func slow() *fakeLM {
	return &fakeLM{generate: func(ctx context.Context, call int, _ *Request, yield func(Chunk, error) bool) {
		for _, piece := range []string{"one ", "two ", "three"} {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				yield(Chunk{}, ctx.Err())
				return
			}
			if !yield(Chunk{Text: piece}, nil) {
				return
			}
		}
		yield(Chunk{Finish: FinishStop, Usage: Usage{CompletionTokens: 3}}, nil)
	}}
}

// shared is what became of a request that several make at the same time.
type shared struct {
	text   string
	cached bool
	err    error
	first  time.Duration // until the first piece
	took   time.Duration
}

// readAll makes the same request for each context at the same time, the first one first.
func readAll(lm LM, ctxs ...context.Context) []shared {
	results := make([]shared, len(ctxs))
	var all sync.WaitGroup
	start := time.Now()
	for i, ctx := range ctxs {
		all.Go(func() {
			r := &results[i]
			for chunk, err := range lm.Generate(ctx, ask("x")) {
				if r.text == "" && chunk.Text != "" {
					r.first = time.Since(start)
				}
				r.text += chunk.Text
				r.cached, r.err = chunk.Usage.Cached, err
			}
			r.took = time.Since(start)
		})
		synctest.Wait()
	}
	all.Wait()
	return results
}

// Identical requests at the same time are computed once, and stream to all.
func TestFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lm := slow()
		results := readAll(openCache(t, "", nil).LM(lm), t.Context(), t.Context(), t.Context())
		for i, r := range results {
			if r.text != "one two three" || r.err != nil || r.cached != (i > 0) || r.first != time.Second || r.took != 3*time.Second {
				t.Errorf("reader %d: %+v", i, r)
			}
		}
		if n := lm.calls.Load(); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

// Whoever goes away, goes at once and alone; what is computed is computed on.
func TestFlightOutlivesCancelledReaders(t *testing.T) {
	for _, gone := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			lm := slow()
			ctxs := []context.Context{t.Context(), t.Context(), t.Context()}
			short, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			ctxs[gone] = short
			for i, r := range readAll(openCache(t, "", nil).LM(lm), ctxs...) {
				want := shared{text: "one two three", cached: i > 0, first: time.Second, took: 3 * time.Second}
				if i == gone {
					want = shared{text: "one ", err: context.DeadlineExceeded, first: time.Second, took: 1500 * time.Millisecond}
				}
				if r != want {
					t.Errorf("%d gone: reader %d: %+v, want %+v", gone, i, r, want)
				}
			}
			if n := lm.calls.Load(); n != 1 {
				t.Errorf("%d gone: %d calls, want 1", gone, n)
			}
		})
	}
}

// When the last one goes the work ends, before the call returns, and the next begins anew.
func TestFlightEndsWithTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lm, ended := slow(), false
		generate := lm.generate
		lm.generate = func(ctx context.Context, call int, req *Request, yield func(Chunk, error) bool) {
			defer func() { ended = true }()
			generate(ctx, call, req, yield)
		}
		cached := openCache(t, "", nil).LM(lm)
		short, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		for i, r := range readAll(cached, short, short) {
			if !errors.Is(r.err, context.DeadlineExceeded) || r.took != 1500*time.Millisecond {
				t.Errorf("reader %d: %+v", i, r)
			}
		}
		if !ended {
			t.Error("the model still works")
		}
		ended = false
		for range cached.Generate(t.Context(), ask("x")) {
			break
		}
		if !ended {
			t.Error("after a break the model still works")
		}
		if text, _ := mustGenerate(t, cached, ask("x")); text != "one two three" || lm.calls.Load() != 3 {
			t.Errorf("the next: %q, %d calls, want 3", text, lm.calls.Load())
		}
	})
}

// A failure is that of the first; the others have another try, once.
func TestFlightFails(t *testing.T) {
	boom := errors.New("boom")
	for name, tt := range map[string]struct {
		failures int // of the first calls
		text     string
		errs     []bool // of each reader
		calls    int32
	}{
		"once":                  {1, "", []bool{true, false, false}, 2},
		"always":                {9, "", []bool{true, true, true}, 2},
		"after its first piece": {1, "a", []bool{true, true, true}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			lm := &fakeLM{generate: func(_ context.Context, call int, _ *Request, yield func(Chunk, error) bool) {
				time.Sleep(time.Second)
				if tt.text != "" {
					yield(Chunk{Text: tt.text}, nil)
				}
				if call <= tt.failures {
					yield(Chunk{}, fmt.Errorf("call %d: %w", call, boom))
					return
				}
				yield(Chunk{Text: "b", Finish: FinishStop}, nil)
			}}
			for i, r := range readAll(openCache(t, "", nil).LM(lm), t.Context(), t.Context(), t.Context()) {
				if errors.Is(r.err, boom) != tt.errs[i] || r.err == nil && !strings.HasSuffix(r.text, "b") {
					t.Errorf("%s: reader %d: %+v", name, i, r)
				}
			}
			if n := lm.calls.Load(); n != tt.calls {
				t.Errorf("%s: %d calls, want %d", name, n, tt.calls)
			}
		})
	}
}

// A panic of the model reaches who asked it, and the end of its goroutine is an error.
func TestFlightPanics(t *testing.T) {
	cause := errors.New("the cause")
	lm := &fakeLM{generate: func(context.Context, int, *Request, func(Chunk, error) bool) { panic(cause) }}
	func() {
		defer func() {
			if p := recover(); p != cause {
				t.Errorf("recovered %v, want the panic's own value", p)
			}
		}()
		for range openCache(t, "", nil).LM(lm).Generate(t.Context(), ask("x")) {
			t.Error("a reply came")
		}
	}()
	lm = &fakeLM{generate: func(context.Context, int, *Request, func(Chunk, error) bool) { runtime.Goexit() }}
	if _, _, err := generate(t.Context(), openCache(t, "", nil).LM(lm), ask("x")); !errors.Is(err, ErrGoexit) {
		t.Errorf("the end of the goroutine: %v", err)
	}
}

// Who reads slowly, or asks the same again while it reads, holds nobody up.
func TestFlightOfSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lm := slow()
		cached := openCache(t, "", nil).LM(lm)
		var inner string
		for chunk, err := range cached.Generate(t.Context(), ask("x")) {
			if err != nil {
				t.Fatal(err)
			}
			if inner == "" {
				inner, _ = mustGenerate(t, cached, ask("x"))
			}
			_ = chunk
		}
		if inner != "one two three" || lm.calls.Load() != 1 {
			t.Errorf("the same request within the first: %q, %d calls, want 1", inner, lm.calls.Load())
		}
	})
}

// wrapper is an LM that asks another one, of the same identity.
type wrapper struct{ LM }

func (wrapper) Identity() string { return "m" }

// A computation that meets its own cache again does not wait for itself.
func TestFlightWithinItself(t *testing.T) {
	cache := openCache(t, "", nil)
	lm := echo()
	once := wrapper{cache.LM(wrapper{lm})}
	outer := cache.LM(wrapper{once})
	if text, cached := mustGenerate(t, outer, ask("x")); text != "x" || cached || lm.calls.Load() != 1 {
		t.Errorf("%q, cached: %t, %d calls", text, cached, lm.calls.Load())
	}
	if _, cached := mustGenerate(t, outer, ask("x")); !cached {
		t.Error("the reply was not kept")
	}
}

// A reply that one of the readers wants kept is kept.
func TestFlightKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lm := slow()
		cached := openCache(t, "", nil).LM(lm)
		var all sync.WaitGroup
		for _, policy := range []CachePolicy{CacheReadOnly, CacheOn, CacheReadOnly} {
			all.Go(func() {
				req := ask("x")
				req.CachePolicy = policy
				mustGenerate(t, cached, req)
			})
			synctest.Wait()
		}
		all.Wait()
		if _, cached := mustGenerate(t, cached, ask("x")); !cached || lm.calls.Load() != 1 {
			t.Errorf("cached: %t, %d calls, want 1", cached, lm.calls.Load())
		}
	})
}

// The values of a context reach the model, its deadline does not.
func TestFlightContext(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Hour)
	defer cancel()
	lm := &fakeLM{generate: func(ctx context.Context, _ int, _ *Request, yield func(Chunk, error) bool) {
		if _, limited := ctx.Deadline(); limited || ctx.Value(key{}) != "value" {
			t.Errorf("the model has a deadline: %t, and the value %v", limited, ctx.Value(key{}))
		}
		yield(Chunk{Finish: FinishStop}, nil)
	}}
	if _, _, err := generate(ctx, openCache(t, "", nil).LM(lm), ask("x")); err != nil {
		t.Error(err)
	}
}

// Many goroutines with few different requests, some of which go away: for the race
// detector.
func TestFlightsOfMany(t *testing.T) {
	lm := echo()
	cached := openCache(t, t.TempDir(), nil).LM(named{lm, "m"})
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for j := range 50 {
				text := fmt.Sprint((i + j) % 7)
				for chunk, err := range cached.Generate(t.Context(), ask(text)) {
					if err != nil || chunk.Text != "" && chunk.Text != text {
						t.Errorf("%q, %v, want %s", chunk.Text, err, text)
					}
					if (i+j)%3 == 0 {
						break
					}
				}
			}
		})
	}
	all.Wait()
}
