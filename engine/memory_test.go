package engine

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/llama"
)

// memoryKinds are models by what their memory can do. The tokens of a sliding
// window that it has moved past may be lost; a recurrent state is that of all
// tokens, never of a part.
var memoryKinds = []struct {
	name  string
	shape synth.Shape
	parts bool // the memory can share and forget parts of sequences
}{
	{"cache", synth.Shape{Architecture: synth.Llama}, true},
	{"window", synth.Shape{Architecture: synth.Gemma3, Window: 16}, true},
	{"wide window", synth.Shape{Architecture: synth.Gemma3, Window: 2048}, true},
	{"recurrent", synth.Shape{Architecture: synth.Mamba}, false},
	{"hybrid", synth.Shape{Architecture: synth.Jamba}, false},
}

// memoryTolerance is how much better than a greedy token another may be: logits of
// weights that are F32 hardly depend on the batch.
const memoryTolerance = 0.05

// memoryTest runs engines of one model.
type memoryTest struct {
	path  string
	ref   *reference
	parts bool
}

// Whatever the memory can do, the output is that of a request alone.
func TestMemory(t *testing.T) {
	t.Parallel()
	vocabulary := soakModel(t, synth.Llama) // small, so that most of the time is not spent on logits
	for _, kind := range memoryKinds {
		t.Run(kind.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			if err := synth.Write(t.Context(), path, vocabulary, kind.shape, nil); err != nil {
				t.Fatal(err)
			}
			m := memoryTest{path, newReferenceOf(t, path), kind.parts}
			t.Run("shared", m.shared)
			t.Run("crowded", m.crowded)
			t.Run("preempted", m.preempted)
			t.Run("interrupted", m.interrupted)
			t.Run("cancelled", m.cancelled)
			t.Run("grown", m.grown)
			t.Run("pinned", m.pinned)
			t.Run("failed", m.failed)
			t.Run("lost", m.lost)
			t.Run("guessed", m.guessed)
			t.Run("samples", m.samples)
		})
	}
}

func (m *memoryTest) engine(t *testing.T, o Options) *Engine {
	t.Helper()
	o.Threads, o.BatchSize = 1, smallBatch
	e, err := Load(t.Context(), m.path, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// check compares outputs with the reference.
func (m *memoryTest) check(t *testing.T, results []result) {
	t.Helper()
	for i, r := range results {
		if r.err != nil || r.last.Finish != FinishLength {
			t.Errorf("request %d: %d tokens, %+v, %v", i, len(r.output), r.last, r.err)
			continue
		}
		m.ref.checkWithin(t, r.prompt, r.output, soakFirst, m.ref.end(), memoryTolerance)
	}
}

// requests are n of some tokens each, which begin with the same ones, and each end
// with ones of their own.
func (m *memoryTest) requests(t *testing.T, e *Engine, n, common, own, output int) (requests []*Request) {
	for i := range n {
		prompt := slices.Concat(story(t, e, 0, common), story(t, e, 1+i, own))
		requests = append(requests, &Request{Prompt: prompt, MaxTokens: output})
	}
	return requests
}

func (m *memoryTest) shared(t *testing.T) {
	e := m.engine(t, Options{ContextLength: 256, CacheLength: 512})
	var others []*Request
	for i := range 12 {
		others = append(others, &Request{Prompt: story(t, e, 20+i, 100+i), MaxTokens: 4})
	}
	for _, n := range []int{1, 6, 6} { // the last ones find what those before have left
		for _, r := range others {
			m.check(t, together(t, e, []*Request{r}))
		}
		requests := append(m.requests(t, e, n, 60, 12, 8), m.requests(t, e, n, 30, 20, 8)...)
		results := together(t, e, requests)
		m.check(t, results)
		cached := 0
		for _, r := range results {
			cached += r.last.Usage.CachedTokens
		}
		if cached > 0 != m.parts {
			t.Errorf("%d tokens were shared by %d requests", cached, len(results))
		}
	}
	_ = e.onOwner(func() error {
		if s := &e.sched; !s.asked || s.share != m.parts || s.forgets != m.parts {
			t.Errorf("the memory was asked: %t, shares: %t, forgets: %t", s.asked, s.share, s.forgets)
		}
		return nil
	})
}

// The cache has room for few of the requests at once.
func (m *memoryTest) crowded(t *testing.T) {
	e := m.engine(t, Options{ContextLength: 128, CacheLength: 128})
	m.check(t, together(t, e, m.requests(t, e, 32, 10, 20, 5)))
	if free := e.sched.cells - e.sched.tree.cells; free < 0 {
		t.Errorf("%d cells too many are in use", -free)
	}
}

// The memory has no room now and then, or is not asked.
func (m *memoryTest) preempted(t *testing.T) {
	e := m.engine(t, Options{ContextLength: 256})
	f := &faulty{codes: []int32{0, 0, 0, 0, 1, 1, 1, 0, 1, 2, 0, 0, 2, 2, 1, 1}}
	f.beside(e)
	m.check(t, together(t, e, m.requests(t, e, 4, 20, 30, 12)))
}

// A step that is interrupted has computed a part of what it should.
func (m *memoryTest) interrupted(t *testing.T) {
	e := m.engine(t, Options{ContextLength: 256})
	steps := 0
	decode := e.sched.decode
	e.sched.decode = func(b *llama.Batch) int32 {
		if steps++; steps < 14 && steps%2 == 0 {
			e.llm.Abort()
			defer e.llm.ClearAbort()
		}
		return decode(b)
	}
	m.check(t, together(t, e, m.requests(t, e, 4, 20, 30, 12)))
}

func (m *memoryTest) cancelled(t *testing.T) {
	e := m.engine(t, Options{ContextLength: 256})
	requests := m.requests(t, e, 6, 40, 10, 12)
	ctx, cancel := context.WithCancel(t.Context())
	beforeSteps(e, func(step int) {
		if step == 5 {
			cancel()
		}
	})
	done := make(chan error)
	for _, r := range requests[:2] {
		go func() {
			_, _, err := collect(ctx, e, &Request{Prompt: r.Prompt, MaxTokens: 200})
			done <- err
		}()
	}
	m.check(t, together(t, e, requests[2:]))
	for range 2 {
		if err := <-done; err != context.Canceled {
			t.Errorf("a cancelled request ended with %v", err)
		}
	}
	m.check(t, together(t, e, requests))
}

// The cache grows while requests are under way.
func (m *memoryTest) grown(t *testing.T) {
	e := m.engine(t, Options{ContextLength: 512, CacheLength: 4096})
	first := make(chan []result)
	started := make(chan struct{})
	if e.sched.cells != firstCells {
		t.Fatalf("the cache begins with %d cells, want %d", e.sched.cells, firstCells)
	}
	beforeSteps(e, func(step int) {
		if step == 5 {
			close(started)
			e.queue.awaitWaiting(4) // so that they begin in one step
		}
	})
	go func() { first <- together(t, e, m.requests(t, e, 1, 60, 10, 100)) }()
	<-started
	m.check(t, together(t, e, m.requests(t, e, 4, 40, 250, 8)))
	m.check(t, <-first)
	if e.sched.cells != 2*firstCells {
		t.Errorf("the cache has %d cells, want %d", e.sched.cells, 2*firstCells)
	}
	again := together(t, e, m.requests(t, e, 2, 40, 250, 8)) // of the four
	m.check(t, again)
	for _, r := range again {
		if cached := r.last.Usage.CachedTokens; m.parts && cached < 280 || !m.parts && cached > 0 {
			t.Errorf("%d tokens of what was computed before were kept", cached)
		}
	}
}

func (m *memoryTest) pinned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prefix")
	for round := range 2 { // the second engine finds the snapshot of the first
		e := m.engine(t, Options{ContextLength: 256, Slots: 2})
		requests := m.requests(t, e, 3, 60, 10, 8)
		p, err := e.Pin(t.Context(), requests[0].Prompt[:60], &PinOptions{Snapshot: path})
		if err != nil {
			t.Fatal(err)
		}
		if again := round > 0 && m.parts; p.Restored() != again {
			t.Errorf("engine %d: restored: %t", round, p.Restored())
		}
		for range 2 {
			results := together(t, e, requests)
			m.check(t, results)
			for i, r := range results {
				if cached := r.last.Usage.CachedTokens; m.parts && cached < 60 || !m.parts && cached > 0 {
					t.Errorf("request %d found %d tokens", i, cached)
				}
			}
		}
		p.Release()
		m.check(t, together(t, e, requests))
		e.Close()
	}
}

// A backend that fails ends at most the requests of the batch, and only where their
// states are lost with it.
func (m *memoryTest) failed(t *testing.T) {
	e := m.engine(t, Options{ContextLength: 256})
	f := &faulty{codes: []int32{0, 0, 0, 0, 0, 0, 0, 0, -3}}
	e.sched.decode = f.wrap(e.sched.decode)
	e.queue.call(func() { e.queue.awaitWaiting(4) }) // so that they begin in one step: one alone whose batch fails ends
	for i, r := range together(t, e, m.requests(t, e, 4, 20, 30, 12)) {
		if decode := (*DecodeError)(nil); !m.parts && errors.As(r.err, &decode) && decode.Code == -3 {
			continue
		}
		if r.err != nil {
			t.Errorf("request %d: %v", i, r.err)
		}
		m.check(t, []result{r})
	}
	m.check(t, together(t, e, m.requests(t, e, 4, 20, 30, 12)))
}

// What was held is lost, the beginning of it, as behind a sliding window, or all: it
// is computed again, and then shared again.
func (m *memoryTest) lost(t *testing.T) {
	e := m.engine(t, Options{ContextLength: 256})
	requests := m.requests(t, e, 3, 60, 10, 8)
	p, err := e.Pin(t.Context(), requests[0].Prompt[:60], nil)
	if err != nil {
		t.Fatal(err)
	}
	m.check(t, together(t, e, requests))
	beginning := func() {
		for _, b := range e.sched.cached {
			e.mem.SeqRemove(b.seq, 0, e.mem.SeqPosMax(b.seq)-4)
		}
	}
	for _, lose := range []func(){beginning, e.forget} {
		if err := e.onOwner(func() error { lose(); return nil }); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			m.check(t, together(t, e, requests))
		}
		for i, r := range together(t, e, requests) {
			m.check(t, []result{r})
			if cached := r.last.Usage.CachedTokens; cached >= 60 != m.parts {
				t.Errorf("request %d found %d tokens", i, cached)
			}
		}
	}
	p.Release()
	m.check(t, together(t, e, requests))
}

// narrow allows only a few tokens, so that the output repeats itself.
type narrow struct{ recorder }

const narrowFirst, narrowEnd Token = 300, 310

func (*narrow) Allowed(t Token) bool { return t >= narrowFirst && t < narrowEnd }

func (m *memoryTest) guessed(t *testing.T) {
	e := m.engine(t, Options{ContextLength: 256})
	var guessed, right atomic.Int32
	beforeSteps(e, func(int) {
		cheap(e) // in spite of what it learns
		for _, slot := range e.sched.slots {
			guessed.Add(int32(len(slot.draft)))
		}
	})
	var all sync.WaitGroup
	var outputs [5]narrow
	for i := range outputs {
		all.Go(func() {
			_, last, err := collect(t.Context(), e, &Request{Prompt: story(t, e, i, 20), MaxTokens: 60, Matcher: &outputs[i]})
			if err != nil || last.Finish != FinishLength {
				t.Errorf("request %d: %+v, %v", i, last, err)
			}
			right.Add(int32(last.Usage.GuessedTokens))
		})
	}
	all.Wait()
	for i, output := range outputs {
		m.ref.checkWithin(t, story(t, e, i, 20), output.tokens, narrowFirst, narrowEnd, memoryTolerance)
	}
	t.Logf("%d of %d guesses were right", right.Load(), guessed.Load())
	if some := right.Load() > 0 && right.Load() < guessed.Load(); some != m.parts {
		t.Errorf("%d of %d guesses were right; the memory can take them back: %t", right.Load(), guessed.Load(), m.parts)
	}
}

func (m *memoryTest) samples(t *testing.T) {
	e := m.engine(t, Options{ContextLength: 256})
	const n = 3
	req := &Request{Prompt: story(t, e, 0, 50), MaxTokens: 8, Logprobs: true}
	var outputs [n][]Token
	for s, err := range e.Samples(t.Context(), req, n) {
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range s.Logprobs {
			outputs[s.Index] = append(outputs[s.Index], l.Token)
		}
	}
	for _, output := range outputs {
		if len(output) == 0 {
			t.Error("an output without tokens")
		}
		m.ref.checkWithin(t, req.Prompt, output, 0, m.ref.end(), memoryTolerance)
	}
}
