package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/llama"
)

func share(t *testing.T, e *Engine, o Options) *Engine {
	t.Helper()
	o.Threads = 1
	other, err := e.Share(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return other
}

// users are the engines of weights.
func users(w *weights) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.users)
}

// Engines with the same weights, which are there once, answer as each does alone, at the
// same time and also when others are closed.
func TestShare(t *testing.T) {
	first := newTestEngine(t, &Options{ContextLength: 512, NoSpeculation: true})
	defer first.Close()
	second := share(t, first, Options{ContextLength: 128, CacheLength: 1024, Slots: 2, NoSpeculation: true})
	if second.model != first.model || second.Vocab() != first.Vocab() {
		t.Error("there are two models")
	}
	if first.ContextLength() != 512 || second.ContextLength() != 128 {
		t.Errorf("contexts of %d and %d tokens", first.ContextLength(), second.ContextLength())
	}
	if a, err := first.Fingerprint(); err != nil {
		t.Error(err)
	} else if b, err := second.Fingerprint(); err != nil || !slices.Equal(a, b) {
		t.Errorf("fingerprints %x and %x, %v", a, b, err)
	}
	ask := func(e *Engine) []Token {
		r := together(t, e, []*Request{{Prompt: encode(t, e, "The capital of France is"), MaxTokens: 24}})[0]
		if r.err != nil {
			t.Error(r.err)
		}
		return r.output
	}
	want := ask(first)
	if alone := ask(second); !slices.Equal(alone, want) {
		t.Errorf("the second says %v, the first %v", alone, want)
	}
	var all sync.WaitGroup
	for _, e := range []*Engine{first, second} {
		all.Go(func() {
			for range 3 {
				if got := ask(e); !slices.Equal(got, want) {
					t.Errorf("at the same time: %v, want %v", got, want)
				}
			}
		})
	}
	all.Wait()
	first.Close()
	if _, _, err := collect(t.Context(), first, &Request{Prompt: []Token{1}, MaxTokens: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("of the closed one: %v", err)
	}
	if got := ask(second); !slices.Equal(got, want) {
		t.Errorf("after the first was closed: %v, want %v", got, want)
	}
	second.Close()
	if n := users(first.weights); n != 0 {
		t.Errorf("%d have the weights", n)
	}
	if _, err := first.Vocab().Encode("x"); !errors.Is(err, ErrClosed) {
		t.Errorf("encoding without a model: %v", err)
	}
	if _, err := second.Share(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("sharing what is freed: %v", err)
	}
}

// A context that cannot be made leaves the weights to those who have them.
func TestShareFails(t *testing.T) {
	e := testEngine(t)
	before := users(e.weights)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Share(ended, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	if _, err := e.Share(t.Context(), &Options{Slots: 1000}); !errors.As(err, new(*OptionError)) {
		t.Errorf("with an option that cannot be: %v", err)
	}
	missing := map[string]string{"l": filepath.Join(t.TempDir(), "missing")}
	if _, err := e.Share(t.Context(), &Options{LoRAs: missing}); !errors.As(err, new(*LoRAError)) {
		t.Errorf("with an adapter that is not there: %v", err)
	}
	off := false
	impossible := &Options{KV: gguf.Q8_0, FlashAttention: &off}
	if _, err := e.Share(t.Context(), impossible); err == nil {
		t.Error("there are quantized values without flash attention")
	}
	if n := users(e.weights); n != before {
		t.Errorf("%d have the weights, before there were %d", n, before)
	}
	if _, err := Load(t.Context(), testModelPath(t), impossible); err == nil {
		t.Error("a model is loaded whose context is impossible")
	}
	if _, _, err := collect(t.Context(), e, &Request{Prompt: []Token{1, 2}, MaxTokens: 1}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// sharers are engines with the weights of a file that a test may change.
func sharers(t *testing.T, n int, o Options) (path string, all []*Engine) {
	t.Helper()
	path = ownModelPath(t)
	o.Threads, o.ContextLength, o.BatchSize = 1, 256, smallBatch
	first, err := Load(t.Context(), path, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { first.Close() })
	all = []*Engine{first}
	for range n - 1 {
		all = append(all, share(t, first, o))
	}
	return path, all
}

// wantChanged checks that engines have ended by themselves, since their file was changed,
// and have nothing of it any more.
func wantChanged(t *testing.T, path string, all []*Engine) {
	t.Helper()
	for i, e := range all {
		own := e.Err() // at once
		_, _, request := collect(t.Context(), e, &Request{Prompt: []Token{1}, MaxTokens: 1})
		_, text := e.Vocab().Encode("a")
		_, other := e.Share(t.Context(), nil)
		<-e.ended
		for what, err := range map[string]error{"Err": own, "a request": request, "tokenizing": text, "sharing": other} {
			if changed := (*FileChangedError)(nil); !errors.As(err, &changed) || changed.Path != path || changed.Loading {
				t.Errorf("%s of engine %d: %v", what, i, err)
			}
		}
	}
	if w := all[0].weights; users(w) != 0 || !w.freed || w.files.open != nil {
		t.Errorf("%d have the weights, freed %v, files open %v", users(w), w.freed, w.files.open)
	}
}

// A file that is written to ends all who have its weights, also those who do nothing.
func TestShareOfChangedFile(t *testing.T) {
	t.Run("while one computes", func(t *testing.T) {
		path, all := sharers(t, 3, Options{})
		steps := 0
		if err := all[1].onOwner(func() error {
			decode := all[1].sched.decode
			all[1].sched.decode = func(b *llama.Batch) int32 {
				if steps++; steps == 3 {
					touch(t, path)
				}
				return decode(b)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		text, _, err := collect(t.Context(), all[1], &Request{Prompt: encode(t, all[1], "Once upon a time"), MaxTokens: 50})
		if !errors.As(err, new(*FileChangedError)) || text == "" {
			t.Errorf("%q, %v", text, err)
		}
		wantChanged(t, path, all)
	})
	t.Run("while all compute", func(t *testing.T) {
		path, all := sharers(t, 3, Options{})
		var computing, ended sync.WaitGroup
		for _, e := range all {
			computing.Add(1)
			ended.Go(func() {
				first := sync.OnceFunc(computing.Done)
				defer first()
				var last error
				for _, err := range e.Generate(t.Context(), &Request{Prompt: encode(t, e, "Once upon a time"), MaxTokens: 200}) {
					first()
					last = err
				}
				if !errors.As(last, new(*FileChangedError)) {
					t.Error(last)
				}
			})
		}
		computing.Wait()
		touch(t, path)
		ended.Wait()
		wantChanged(t, path, all)
	})
	t.Run("while nobody computes", func(t *testing.T) {
		path, all := sharers(t, 2, Options{})
		touch(t, path)
		if all[0].Err() != nil {
			t.Error("somebody has looked")
		}
		if _, err := all[1].Share(t.Context(), nil); !errors.As(err, new(*FileChangedError)) {
			t.Errorf("sharing: %v", err)
		}
		wantChanged(t, path, all)
	})
	t.Run("that one has closed before", func(t *testing.T) {
		path, all := sharers(t, 2, Options{})
		all[0].Close()
		touch(t, path)
		if _, _, err := collect(t.Context(), all[1], &Request{Prompt: []Token{1}, MaxTokens: 1}); !errors.As(err, new(*FileChangedError)) {
			t.Error(err)
		}
		if err := all[0].Err(); err != nil {
			t.Errorf("Err of the closed one: %v", err)
		}
		wantChanged(t, path, all[1:])
	})
	t.Run("whose weights are copied", func(t *testing.T) {
		path, all := sharers(t, 2, Options{CopyWeights: true})
		touch(t, path)
		for _, e := range append(all, share(t, all[0], Options{ContextLength: 64})) {
			if _, _, err := collect(t.Context(), e, &Request{Prompt: []Token{1}, MaxTokens: 1}); err != nil || e.Err() != nil {
				t.Error(err, e.Err())
			}
		}
	})
}

// An engine that ends by itself for a reason of its own leaves the others alone.
func TestShareWithEnded(t *testing.T) {
	_, all := sharers(t, 2, Options{})
	why := errors.New("some reason")
	all[0].fail(why)
	<-all[0].ended
	if _, _, err := collect(t.Context(), all[0], &Request{Prompt: []Token{1}, MaxTokens: 1}); err != why || all[0].Err() != why {
		t.Errorf("%v, Err: %v", err, all[0].Err())
	}
	if _, err := all[0].Vocab().Encode("a"); err != nil {
		t.Error(err)
	}
	for _, e := range []*Engine{all[1], share(t, all[0], Options{ContextLength: 64})} {
		if _, _, err := collect(t.Context(), e, &Request{Prompt: []Token{1}, MaxTokens: 1}); err != nil || e.Err() != nil {
			t.Error(err, e.Err())
		}
	}
}

// sharedWeights has engines with the same weights use adapters of their own.
func (l *loraTest) sharedWeights(t *testing.T) {
	first := l.engine(t, Options{ContextLength: 256, LoRAs: map[string]string{"a": l.a}})
	second := share(t, first, Options{ContextLength: 256, BatchSize: smallBatch, LoRAs: map[string]string{"a": l.a, "b": l.b}})
	if a, b := first.LoRAs(), second.LoRAs(); !slices.Equal(a, []string{"a"}) || !slices.Equal(b, []string{"a", "b"}) {
		t.Errorf("adapters %v and %v", a, b)
	}
	request := func(e *Engine, set loraCase) *Request {
		return &Request{Prompt: story(t, e, 0, 20), MaxTokens: 20, LoRA: set.loras}
	}
	var all sync.WaitGroup
	results := make([][]result, len(l.sets))
	for i, set := range l.sets {
		engines := []*Engine{first, second}
		if i == len(l.sets)-1 {
			engines = engines[1:] // the first does not have b
		}
		results[i] = make([]result, len(engines))
		for j, e := range engines {
			all.Go(func() { results[i][j] = together(t, e, []*Request{request(e, set)})[0] })
		}
	}
	all.Go(func() { // others come and go
		for range 5 {
			share(t, first, Options{ContextLength: 64, BatchSize: smallBatch, LoRAs: map[string]string{"b": l.b}}).Close()
		}
	})
	all.Wait()
	for i, set := range l.sets {
		for _, r := range results[i] {
			set.check(t, r) // which computes with one context
		}
	}
	replaced := filepath.Join(filepath.Dir(l.base), "moved.gguf")
	if err := os.Rename(l.base, replaced); err != nil {
		t.Fatal(err)
	}
	defer os.Rename(replaced, l.base)
	share(t, first, Options{ContextLength: 64, BatchSize: smallBatch, LoRAs: map[string]string{"b": l.b}}).Close()
	first.Close()
	last := l.sets[len(l.sets)-1]
	last.check(t, together(t, second, []*Request{request(second, last)})[0])
}
