package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/llama"
)

// The soak test runs requests of all kinds from many goroutines, through an
// engine that is too small for them, with a decoder that fails now and then.
// Whatever happens, every request ends in a way that its kind allows, and the
// engine has nothing of it left.

const (
	soakWorkers = 48
	soakSlots   = 8
	soakQueue   = 24 // fewer than the workers less the slots
	soakContext = 128
	soakCache   = 256 // two of the longest requests

	// soakTolerance is how much better than a greedy token another may be. The
	// order of the cells changes logits by up to 0.005 here.
	soakTolerance = 0.05
)

// Tokens of soakModel's vocabulary.
const (
	soakEnd    = 2
	soakPoison = 16 // cannot be computed at position 3
	soakFirst  = 17 // of those that are text, as in the tests' model: see recorder
)

// soakModel writes a small model with a vocabulary of some 400 tokens: bytes and
// pairs of letters. Weights are F32, whose logits hardly depend on the batch.
func soakModel(t testing.TB, architecture synth.Architecture) string {
	t.Helper()
	testModelPath(t) // loads the libraries
	const normal, unknown, control, byteToken = 1, 2, 3, 6
	var tokens []string
	var kinds []int32
	add := func(kind int32, texts ...string) {
		for _, text := range texts {
			tokens, kinds = append(tokens, text), append(kinds, kind)
		}
	}
	add(unknown, "<unk>")
	add(control, "<s>", "</s>")
	for i := len(tokens); i < soakFirst; i++ {
		add(control, fmt.Sprintf("<c%d>", i))
	}
	for i := range 256 {
		add(byteToken, fmt.Sprintf("<0x%02X>", i))
	}
	for _, c := range "abcdefgh" {
		for _, d := range "abcdefghijklmnop" {
			add(normal, string(c)+string(d))
		}
	}
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "vocabulary.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	err = gguf.Write(file, []gguf.KeyValue{
		{Key: "tokenizer.ggml.model", Value: "llama"},
		{Key: "tokenizer.ggml.tokens", Value: tokens},
		{Key: "tokenizer.ggml.scores", Value: make([]float32, len(tokens))},
		{Key: "tokenizer.ggml.token_type", Value: kinds},
		{Key: "tokenizer.ggml.unknown_token_id", Value: uint32(0)},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1)},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(soakEnd)},
	}, nil)
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.gguf")
	shape := synth.Shape{Architecture: architecture, Window: map[synth.Architecture]int{synth.Gemma3: 16}[architecture]}
	if architecture == synth.Llama {
		shape.Layers = 1
	}
	if err := synth.Write(t.Context(), path, file.Name(), shape, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// soak is one run of the test.
type soak struct {
	*Engine
	prompts  [][]Token // each is that of several requests
	breakers *DRYBreakers

	next       atomic.Int64 // request
	overloaded atomic.Int64
	closing    atomic.Bool

	// Of the owner.
	steps     int // batches
	preempted int // requests that lost their cells

	mu    sync.Mutex
	ends  map[string]int // by kind and end
	exact []result       // undisturbed greedy requests
	left  []func()       // end the abandoned ones
	used  Usage          // by all
}

func newSoak(t testing.TB, path string) *soak {
	t.Helper()
	e, err := Load(t.Context(), path, &Options{ContextLength: soakContext, CacheLength: soakCache, Slots: soakSlots,
		QueueLength: soakQueue, BatchSize: 32, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := &soak{Engine: e, ends: map[string]int{}}
	if s.breakers, err = e.Vocab().DRYBreakers("ab"); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 0))
	stems := [][]Token{s.text(random, 60), s.text(random, 30), slices.Repeat(s.text(random, 5), 8)}
	for i := range 40 {
		stem := stems[i%len(stems)]
		// At least 4, lest a poisoned token be output at its place.
		s.prompts = append(s.prompts, slices.Concat(stem[:4+random.IntN(len(stem)-3)], s.text(random, random.IntN(20))))
	}
	decode := e.sched.decode
	e.sched.decode = func(b *llama.Batch) int32 { return s.decode(b, decode) }
	cheap(e)
	return s
}

// text returns n tokens that are text.
func (s *soak) text(random *rand.Rand, n int) []Token {
	tokens := make([]Token, n)
	for i := range tokens {
		tokens[i] = Token(soakFirst + random.IntN(s.vocab.NTokens()-soakFirst))
	}
	return tokens
}

// decode fails as llama_decode may, every hundredth batch: it finds no room,
// though there should be some, or is stopped, before the batch or when it is
// computed. A poisoned batch always fails.
func (s *soak) decode(b *llama.Batch, decode func(*llama.Batch) int32) int32 {
	if b.Contains(soakPoison, 3) {
		return -1
	}
	s.steps++
	alone := len(s.sched.slots) < 2 // then the request would fail
	switch s.steps % 300 {
	case 0, 1, 2: // several times, so that there is nothing left to evict
		if alone {
			return decode(b)
		}
		if len(s.sched.cached) == 0 {
			s.preempted++
		}
		return 1
	case 100:
		return 2
	case 200:
		return max(2, decode(b))
	}
	return decode(b)
}

// one runs the request of a number to a legal end. It reports false when the
// engine is closed.
func (s *soak) one(t *testing.T, n int64) bool {
	k, r, random := s.request(n)
	e := k.run(t.Context(), s, random, r)
	for ; errors.Is(e.err, ErrOverloaded); e = k.run(t.Context(), s, random, r) {
		s.overloaded.Add(1)
		if e.last.Finish != "" || e.last.Usage != (Usage{}) {
			t.Errorf("request %d, overloaded: %+v", n, e.last)
		}
		time.Sleep(5 * time.Millisecond)
	}
	closed := errors.Is(e.err, ErrClosed)
	how := string(e.last.Finish)
	switch {
	case closed && s.closing.Load():
		how = "closed"
	case e.odd != "" || e.panicked != nil && k.name != "panic" || !k.legal(r, e):
		t.Errorf("request %d (%s, prompt of %d, at most %d) ended with %+v (%v)", n, k.name, len(r.Prompt), r.MaxTokens, e, e.err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends[fmt.Sprintf("%s: %s %T", k.name, how, e.err)]++
	s.used.CompletionTokens += e.last.Usage.CompletionTokens
	s.used.CachedTokens += e.last.Usage.CachedTokens
	s.used.GuessedTokens += e.last.Usage.GuessedTokens
	if m, ok := r.Matcher.(*recorder); ok && e.err == nil {
		s.exact = append(s.exact, result{r.Prompt, m.tokens, e.last, e.err})
	}
	return !closed
}

// run runs the requests up to number most from many goroutines, until all are
// over or the engine is closed.
func (s *soak) run(t *testing.T, most int64) {
	var workers sync.WaitGroup
	for range soakWorkers {
		workers.Go(func() {
			for n := s.next.Add(1); n <= most && s.one(t, n); n = s.next.Add(1) {
			}
		})
	}
	workers.Wait()
	for _, stop := range s.left {
		stop()
	}
	s.left = nil
}

// between runs f between steps.
func (s *soak) between(t *testing.T, f func()) {
	t.Helper()
	if err := s.onOwner(func() error { f(); return nil }); err != nil {
		t.Fatal(err)
	}
}

// checkIdle reports what an engine without requests has left of them, other
// than cached sequences, and then gives those up too. ids are all sequences.
func (s *soak) checkIdle(t *testing.T, ids []llama.SeqID) {
	q, d := s.queue, &s.sched
	q.mu.Lock()
	if len(q.running) != 0 || q.waiting.Len() != 0 || q.held != 0 {
		t.Errorf("the queue has %d requests that run, %d that wait and holds %d", len(q.running), q.waiting.Len(), q.held)
	}
	q.mu.Unlock()
	if len(d.slots) != 0 || len(d.ready) != 0 || len(d.idle) > d.most || len(d.pinned) != 0 {
		t.Errorf("%d slots run, %d are ready, %d idle of %d, %d prefixes pinned", len(d.slots), len(d.ready), len(d.idle), d.most, len(d.pinned))
	}

	held, cells := map[llama.SeqID]int{}, 0
	var walk func(n *node)
	walk = func(n *node) {
		if n.parent != nil && (n.computed != len(n.tokens) || n.computed == 0 || len(n.seqs) == 0) {
			t.Errorf("a node of %d tokens has %d computed, for sequences %v", len(n.tokens), n.computed, n.seqs)
		}
		cells += len(n.tokens)
		for _, seq := range n.seqs {
			held[seq] += len(n.tokens)
		}
		for _, c := range n.children {
			walk(c)
		}
	}
	for _, root := range d.tree.roots {
		walk(root)
	}
	if cells != d.tree.cells || cells > d.cells {
		t.Errorf("the tree has %d cells and counts %d, of %d", cells, d.tree.cells, d.cells)
	}
	have := slices.Clone(d.seqs)
	for _, b := range d.cached {
		have = append(have, b.seq)
		if n := len(b.path()); held[b.seq] != n || int(s.mem.SeqPosMax(b.seq)) != n-1 {
			t.Errorf("cached sequence %d has %d tokens, %d in the tree, to position %d in the memory", b.seq, n, held[b.seq], s.mem.SeqPosMax(b.seq))
		}
		delete(held, b.seq)
	}
	if len(held) != 0 {
		t.Errorf("sequences that nobody has are in the tree: %v", held)
	}
	if slices.Sort(have); !slices.Equal(have, ids) {
		t.Errorf("free and cached sequences are %v, want %v", have, ids)
	}

	for s.evict(never) {
	}
	if d.tree.cells != 0 || len(d.tree.roots) != 0 || len(d.seqs) != len(ids) {
		t.Errorf("after giving all up there are %d cells, %d roots and %d of %d free sequences", d.tree.cells, len(d.tree.roots), len(d.seqs), len(ids))
	}
	for _, seq := range ids {
		if s.mem.SeqPosMax(seq) != -1 {
			t.Errorf("sequence %d is free and in the memory", seq)
		}
	}
}

// checkGreedy compares the outputs of greedy requests with the model's best
// tokens. Those of one prompt are mostly the same, but logits that are nearly
// equal may change their order with the shape of a batch.
func (s *soak) checkGreedy(t *testing.T, path string) {
	ref := soakReference(t, path)
	slices.SortFunc(s.exact, func(a, b result) int { return len(b.output) - len(a.output) })
	seen := map[string][][]Token{} // by prompt
	checked := 0
	for _, r := range s.exact {
		if r.last.Finish != FinishLength || r.last.Usage.CompletionTokens != len(r.output) {
			t.Errorf("a greedy request ended with %+v and %d tokens", r.last, len(r.output))
		}
		prompt := fmt.Sprint(r.prompt)
		if slices.ContainsFunc(seen[prompt], func(o []Token) bool { return slices.Equal(o[:len(r.output)], r.output) }) {
			continue
		}
		seen[prompt] = append(seen[prompt], r.output)
		checked++
		checkBest(t, ref, r.prompt, r.output)
	}
	t.Logf("%d greedy requests of %d prompts gave %d different outputs", len(s.exact), len(seen), checked)
}

// soakReference is a context of its own for the model in the file at path.
func soakReference(t *testing.T, path string) *reference {
	model, err := llama.LoadModel(path, llama.DefaultModelParams(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Free)
	p := llama.DefaultContextParams()
	p.NThreads, p.NThreadsBatch, p.NCtx = 1, 1, 2*soakContext
	x, err := llama.NewContext(model, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Free)
	ref := &reference{x, llama.NewBatch(soakContext)}
	t.Cleanup(ref.b.Free)
	return ref
}

// checkBest is [reference.check] for a model whose logits hardly depend on the
// batch.
func checkBest(t *testing.T, ref *reference, prompt, output []Token) {
	ref.llm.Memory().Clear(false)
	ref.b.Clear()
	for i, token := range slices.Concat(prompt, output[:len(output)-1]) {
		ref.b.Add(token, llama.Pos(i), 0, i >= len(prompt)-1)
	}
	if rc := ref.llm.Decode(ref.b); rc != 0 {
		t.Fatalf("Decode: %d", rc)
	}
	for i, token := range output {
		row := ref.llm.LogitsIth(len(prompt) - 1 + i)
		best := soakFirst + must(argmax(row[soakFirst:]))
		if gap := row[best] - row[token]; gap > soakTolerance {
			t.Errorf("token %d of the output behind a prompt of %d is %d, the reference says %d, %.3f better", i, len(prompt), token, best, gap)
			return // what follows continues another text
		}
	}
}

func TestSoak(t *testing.T) {
	for _, test := range []struct {
		architecture synth.Architecture
		requests     int64
	}{{synth.Llama, 10_000}, {synth.Gemma3, 1000}, {synth.Mamba, 1000}, {synth.Jamba, 1000}} {
		t.Run(string(test.architecture), func(t *testing.T) { testSoak(t, test.architecture, test.requests) })
	}
}

func testSoak(t *testing.T, architecture synth.Architecture, requests int64) {
	path := soakModel(t, architecture)
	s := newSoak(t, path)
	defer s.Close()
	var ids []llama.SeqID
	s.between(t, func() { ids = slices.Sorted(slices.Values(s.sched.seqs)) })

	s.run(t, requests)
	s.between(t, func() { s.checkIdle(t, ids) })
	for _, how := range slices.Sorted(maps.Keys(s.ends)) {
		t.Logf("%5d %s", s.ends[how], how)
	}
	t.Logf("%d batches, %d times preempted, %d times overloaded, used %+v", s.steps, s.preempted, s.overloaded.Load(), s.used)
	if s.preempted == 0 || s.overloaded.Load() == 0 {
		t.Error("the engine was never too small")
	}
	if architecture == synth.Llama && (!s.sched.share || s.used.CachedTokens == 0 || s.used.GuessedTokens == 0) {
		t.Error("nothing is shared, or was guessed")
	}

	// It still answers.
	for _, prompt := range s.prompts {
		m := &recorder{}
		_, last, err := collect(t.Context(), s.Engine, &Request{Prompt: prompt, MaxTokens: 8, Matcher: m})
		if err != nil {
			t.Error("after the soak: ", err)
		}
		s.exact = append(s.exact, result{prompt, m.tokens, last, err})
	}
	s.checkGreedy(t, path)
	s.between(t, func() { s.checkIdle(t, ids) })
}

// An engine that is closed or shut down under load ends all requests in a legal
// way.
func TestSoakClose(t *testing.T) {
	path := soakModel(t, synth.Llama)
	for round := range 6 {
		s := newSoak(t, path)
		s.next.Store(int64(round * 1000))
		var all sync.WaitGroup
		all.Go(func() { s.run(t, math.MaxInt64) })
		for s.next.Load() < int64(round*1000+200) {
			time.Sleep(time.Millisecond)
		}
		s.closing.Store(true)
		if round%2 == 0 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(round)*5*time.Millisecond)
			if err := s.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
		if len(s.queue.running) != 0 || s.queue.held != 0 || len(s.sched.slots)+len(s.sched.ready) != 0 {
			t.Errorf("%d requests run, %d are held, %d slots run, %d are ready", len(s.queue.running), s.queue.held, len(s.sched.slots), len(s.sched.ready))
		}
	}
}
