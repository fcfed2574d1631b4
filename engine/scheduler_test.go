package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cria-lm/cria/llama"
)

// story returns a prompt of about n tokens that no other number shares.
func story(t testing.TB, e *Engine, number, n int) []Token {
	t.Helper()
	text := fmt.Sprintf("Story number %d. ", number)
	for len(text) < 5*n {
		text += fmt.Sprintf("On day %d the fox met %d birds near the river. ", len(text)%17, number)
	}
	return encode(t, e, text)[:n]
}

// result is what one of several requests gave.
type result struct {
	prompt, output []Token
	last           Chunk
	err            error
}

// together runs greedy requests at once.
func together(t testing.TB, e *Engine, requests []*Request) []result {
	results := make([]result, len(requests))
	var all sync.WaitGroup
	for i, r := range requests {
		all.Go(func() {
			m := &recorder{}
			r.Matcher = m
			_, last, err := collect(t.Context(), e, r)
			results[i] = result{r.Prompt, m.tokens, last, err}
		})
	}
	all.Wait()
	return results
}

func checkAll(t *testing.T, results []result, maxTokens int) {
	t.Helper()
	ref := newReference(t)
	for i, r := range results {
		if r.err != nil || len(r.output) != maxTokens || r.last.Finish != FinishLength {
			t.Errorf("request %d: %d tokens, %+v, %v", i, len(r.output), r.last, r.err)
			continue
		}
		ref.check(t, r.prompt, r.output)
	}
}

func TestManyUnrelatedRequests(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 1024, BatchSize: smallBatch})
	defer e.Close()
	var requests []*Request
	for i := range 8 {
		requests = append(requests, &Request{Prompt: story(t, e, i, 30+i), MaxTokens: 12})
	}
	checkAll(t, together(t, e, requests), 12)
}

// Requests that begin alike and come at once compute their prefix once.
func TestSharedPrefixIsComputedOnce(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 1024, BatchSize: smallBatch})
	defer e.Close()
	const n, prefix, own = 8, 120, 10
	start := story(t, e, 0, prefix)
	var requests []*Request
	for i := range n {
		tail := story(t, e, 100+i, own)
		requests = append(requests, &Request{Prompt: append(start[:prefix:prefix], tail...), MaxTokens: 4})
	}
	results := together(t, e, requests)
	computed := 0
	for _, r := range results {
		computed += r.last.Usage.PromptTokens - r.last.Usage.CachedTokens
	}
	if ideal := prefix + n*own; float64(computed) > 1.15*float64(ideal) {
		t.Errorf("%d prompt tokens were computed, ideally %d", computed, ideal)
	}
	checkAll(t, results, 4)

	// Later ones find it too, under the same salt only.
	again := together(t, e, []*Request{{Prompt: requests[0].Prompt, MaxTokens: 4}})
	if got := again[0].last.Usage.CachedTokens; got < prefix {
		t.Errorf("%d tokens were reused, want at least %d", got, prefix)
	}
	checkAll(t, again, 4)
	other := together(t, e, []*Request{{Prompt: requests[0].Prompt, MaxTokens: 4, Salt: "other"}})
	if got := other[0].last.Usage.CachedTokens; got != 0 {
		t.Errorf("%d tokens were reused across salts", got)
	}
	checkAll(t, other, 4)
}

// faulty makes decoding fail now and then.
type faulty struct {
	mu    sync.Mutex
	codes []int32 // of the next calls; 0 succeeds
	fails func(*llama.Batch) bool
}

func (f *faulty) wrap(decode func(*llama.Batch) int32) func(*llama.Batch) int32 {
	return func(b *llama.Batch) int32 {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.fails != nil && f.fails(b) {
			return -1
		}
		if len(f.codes) > 0 {
			code := f.codes[0]
			f.codes = f.codes[1:]
			if code != 0 {
				return code
			}
		}
		return decode(b)
	}
}

// beforeSteps calls f before each of an engine's batches, with its number from 1.
func beforeSteps(e *Engine, f func(step int)) {
	decode := e.sched.decode
	steps := 0
	e.sched.decode = func(b *llama.Batch) int32 {
		steps++
		f(steps)
		return decode(b)
	}
}

// beside makes an engine's decoding fail as f says, while several requests run: one
// alone that finds no room can only fail.
func (f *faulty) beside(e *Engine) {
	decode := e.sched.decode
	faulty := f.wrap(decode)
	e.sched.decode = func(b *llama.Batch) int32 {
		if len(e.sched.slots) < 2 {
			return decode(b)
		}
		return faulty(b)
	}
}

// A cache that turns out to be full makes the youngest wait; nobody fails.
func TestNoRoomPreempts(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 512, BatchSize: smallBatch})
	defer e.Close()
	f := &faulty{codes: []int32{0, 0, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1, 1}}
	f.beside(e)
	var requests []*Request
	for i := range 4 {
		requests = append(requests, &Request{Prompt: story(t, e, i, 40), MaxTokens: 10})
	}
	checkAll(t, together(t, e, requests), 10)
}

// The one request that cannot be computed fails, and no other.
func TestOneFailureIsItsOwn(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 512, BatchSize: smallBatch})
	defer e.Close()
	bad := story(t, e, 7, 40)
	bad[20] = 12345 // nobody else has this token
	f := &faulty{fails: func(b *llama.Batch) bool { return b.Contains(bad[20], 20) }}
	e.sched.decode = f.wrap(e.sched.decode)
	var requests []*Request
	for i := range 4 {
		requests = append(requests, &Request{Prompt: story(t, e, i, 40), MaxTokens: 6})
	}
	requests = append(requests, &Request{Prompt: bad, MaxTokens: 6})
	results := together(t, e, requests)
	if decode, ok := results[4].err.(*DecodeError); !ok || decode.Code != -1 {
		t.Errorf("the bad request ended with %v", results[4].err)
	}
	checkAll(t, results[:4], 6)
}

// Requests that wait for a slot get one, also if all that run end in one step.
func TestMoreThanSlots(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 512, Slots: 2})
	defer e.Close()
	var requests []*Request
	for i := range 7 {
		requests = append(requests, &Request{Prompt: story(t, e, i, 10), MaxTokens: 1})
	}
	checkAll(t, together(t, e, requests), 1)
}

// A request that is cancelled while a long step computes for others, too, does not
// wait for its end; the others go on.
func TestCancelInLongStep(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 1024})
	defer e.Close()
	together(t, e, []*Request{{Prompt: story(t, e, 0, 100), MaxTokens: 1}}) // learns what prompts cost
	ctx, cancel := context.WithCancel(t.Context())
	stopped := 0
	decode := e.sched.decode
	held := make(chan struct{})
	e.queue.call(func() {
		close(held)
		e.queue.awaitWaiting(2) // so that they begin in one step
		e.sched.decode = func(b *llama.Batch) int32 {
			if b.Len() > 300 {
				time.AfterFunc(10*time.Millisecond, cancel)
			}
			rc := decode(b)
			if rc == 2 {
				stopped++
			}
			return rc
		}
	})
	<-held
	cancelled := make(chan error)
	go func() {
		_, _, err := collect(ctx, e, &Request{Prompt: story(t, e, 1, 250), MaxTokens: 4})
		cancelled <- err
	}()
	results := together(t, e, []*Request{{Prompt: story(t, e, 2, 250), MaxTokens: 4}})
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled request: %v", err)
	}
	for i, r := range results {
		if r.err != nil || r.last.Finish != FinishLength {
			t.Errorf("request %d: %+v, %v", i, r.last, r.err)
		}
	}
	if stopped != 1 {
		t.Errorf("%d steps were stopped, want 1", stopped)
	}
}

// An urgent request does not wait behind one that waits for room.
func TestUrgentPassesOneThatWaitsForRoom(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 256, CacheLength: 256, BatchSize: smallBatch})
	defer e.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan string, 3)
	begun := make(chan struct{})
	run := func(name string, ctx context.Context, r *Request, first func()) {
		var last error
		for _, err := range e.Generate(ctx, r) {
			first()
			first, last = func() {}, err
		}
		if last != nil && ctx.Err() == nil {
			t.Errorf("%s: %v", name, last)
		}
		ended <- name
	}
	go run("long", ctx, &Request{Prompt: story(t, e, 0, 20), MaxTokens: 180}, func() { close(begun) })
	<-begun
	go run("large", t.Context(), &Request{Prompt: story(t, e, 1, 100), MaxTokens: 10}, func() {})
	e.queue.awaitHeld(1)
	go run("urgent", t.Context(), &Request{Prompt: story(t, e, 2, 10), MaxTokens: 4, Priority: 1}, func() {})
	if first := <-ended; first != "urgent" {
		t.Errorf("%s ended first", first)
	}
	cancel()
	<-ended
	<-ended
}

// A few long prefixes in turns stay in the cache, which grows for them.
func TestReturningPrefixesStay(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 1024})
	defer e.Close()
	prompts := [][]Token{story(t, e, 0, 540), story(t, e, 1, 540)}
	for round := range 4 {
		for i, p := range prompts {
			r := together(t, e, []*Request{{Prompt: append(p[:540:540], story(t, e, 10*round+i+2, 5)...), MaxTokens: 1}})[0]
			if r.err != nil {
				t.Fatal(r.err)
			}
			if cached := r.last.Usage.CachedTokens; round > 1 && cached < 540 {
				t.Errorf("round %d, prompt %d: %d tokens were in the cache", round, i, cached)
			}
		}
	}
}

// The first step of an engine, of which nothing is known, is stopped for a request
// that is cancelled.
func TestCancelInFirstStep(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 1024})
	defer e.Close()
	ctx, cancel := context.WithCancel(t.Context())
	stopped := false
	decode := e.sched.decode
	held := make(chan struct{})
	e.queue.call(func() {
		close(held)
		e.queue.awaitWaiting(2) // so that they begin in one step
		e.sched.decode = func(b *llama.Batch) int32 {
			cancel()
			rc := decode(b)
			stopped = stopped || rc == 2
			return rc
		}
	})
	<-held
	other := make(chan []result)
	go func() { other <- together(t, e, []*Request{{Prompt: story(t, e, 2, 150), MaxTokens: 2}}) }()
	if _, _, err := collect(ctx, e, &Request{Prompt: story(t, e, 1, 150), MaxTokens: 4}); !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled request: %v", err)
	}
	if r := (<-other)[0]; r.err != nil {
		t.Error(r.err)
	}
	if !stopped {
		t.Error("no step was stopped")
	}
}
