package cria

import (
	"context"
	"errors"
	"iter"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeLM answers as generate says, and counts its calls.
type fakeLM struct {
	calls    atomic.Int32
	generate func(ctx context.Context, call int, req *Request, yield func(Chunk, error) bool)
}

func (l *fakeLM) Generate(ctx context.Context, req *Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		l.generate(ctx, int(l.calls.Add(1)), req, yield)
	}
}

// named is an LM with an identity.
type named struct {
	LM
	name string
}

func (n named) Identity() string { return n.name }

// echo answers with the last message and the sampling's seed.
func echo() *fakeLM {
	return &fakeLM{generate: func(_ context.Context, _ int, req *Request, yield func(Chunk, error) bool) {
		messages := req.Chat.Messages()
		text := messages[len(messages)-1].Content
		_ = yield(Chunk{Text: text}, nil) && yield(Chunk{Finish: FinishStop, Usage: Usage{PromptTokens: 7, CompletionTokens: 3}}, nil)
	}}
}

func ask(text string) *Request {
	return &Request{Chat: Chat{Turns: []Message{{RoleUser, text}}}}
}

// generate returns the text of a reply and its last chunk.
func generate(ctx context.Context, lm LM, req *Request) (text string, last Chunk, err error) {
	for chunk, err := range lm.Generate(ctx, req) {
		if err != nil {
			return text, last, err
		}
		text, last = text+chunk.Text, chunk
	}
	return text, last, nil
}

func mustGenerate(t *testing.T, lm LM, req *Request) (text string, cached bool) {
	t.Helper()
	text, last, err := generate(t.Context(), lm, req)
	if err != nil || last.Finish != FinishStop {
		t.Fatalf("reply %q ended with %+v, %v", text, last, err)
	}
	return text, last.Usage.Cached
}

func openCache(t *testing.T, dir string, opts *CacheOptions) *Cache {
	t.Helper()
	c, err := OpenCache(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := openCache(t, "", &CacheOptions{TTL: time.Minute})
		for name, scoped := range map[string]func(*script) Scope{
			"around the LM":  func(lm *script) Scope { return Scope{LM: cache.LM(lm)} },
			"in a scope":     func(lm *script) Scope { return Scope{LM: lm, Cache: cache} },
			"in both places": func(lm *script) Scope { return Scope{LM: cache.LM(lm), Cache: cache} },
		} {
			lm := &script{pieces: []string{" a\nscore: 1"}}
			ctx := With(t.Context(), scoped(lm))
			call := func(q string, opts *PredictOptions) *Result[answer] {
				t.Helper()
				result, err := NewPredict[question, answer]("", opts).Run(ctx, question{q})
				if err != nil {
					t.Fatal(err)
				}
				return result
			}
			calls := func(want int) {
				t.Helper()
				if lm.calls != want {
					t.Fatalf("%s: %d calls, want %d", name, lm.calls, want)
				}
			}
			first := call("x", nil)
			if calls(1); first.Usage.Cached {
				t.Errorf("%s: the first reply counts as cached", name)
			}
			second := call("x", nil)
			if calls(1); !second.Usage.Cached || second.Value != first.Value || second.Text != first.Text {
				t.Errorf("%s: second = %+v, want the first from the cache", name, second)
			}
			call("y", nil)
			calls(2)
			call("x", &PredictOptions{Demos: []Example{{"question": "d", "answer": "e", "score": 1}}})
			calls(3)
			if _, err := NewPredict[question, answer]("Another instruction.", nil).Run(ctx, question{"x"}); err != nil {
				t.Fatal(err)
			}
			calls(4)
			time.Sleep(59 * time.Second)
			call("x", nil)
			calls(4)
			time.Sleep(2 * time.Second)
			call("x", nil)
			calls(5)
		}
	})
}

func TestCacheKeepsOnlyWholeReplies(t *testing.T) {
	for name, lm := range map[string]*script{
		"cut off":   {pieces: []string{" a\nscore: 1"}, finish: FinishLength},
		"cancelled": {pieces: []string{" a\nscore: 1"}, finish: FinishCancelled},
		"failed":    {pieces: []string{" a\nscore: 1"}, err: errors.New("boom")},
	} {
		dir := t.TempDir()
		cached := openCache(t, dir, nil).LM(named{lm, "m"})
		for range 2 {
			for _, err := range cached.Generate(t.Context(), &Request{}) {
				_ = err
			}
		}
		if lm.calls != 2 {
			t.Errorf("%s: %d calls, want 2", name, lm.calls)
		}
		if n, _, err := openCache(t, dir, nil).Size(); n != 0 || err != nil {
			t.Errorf("%s: the folder has %d replies, %v", name, n, err)
		}
	}
}

func TestCacheKeepsNothingOfABreak(t *testing.T) {
	lm := &fakeLM{generate: func(_ context.Context, _ int, _ *Request, yield func(Chunk, error) bool) {
		for yield(Chunk{Text: "a"}, nil) {
		}
	}}
	cached := openCache(t, "", nil).LM(lm)
	for range 2 {
		for range cached.Generate(t.Context(), &Request{}) {
			break
		}
	}
	if n := lm.calls.Load(); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

func TestCachePolicy(t *testing.T) {
	dir := t.TempDir()
	lm := echo()
	first, second := openCache(t, dir, nil).LM(named{lm, "m"}), openCache(t, dir, nil).LM(named{lm, "m"})
	for i, step := range []struct {
		lm     LM
		policy CachePolicy
		calls  int32 // after it
	}{
		{first, CacheOff, 1}, {first, CacheReadOnly, 2}, {first, CacheReadOnly, 3}, // kept nothing
		{first, CacheOn, 4}, {first, "", 4}, {first, CacheReadOnly, 4}, {first, CacheOff, 5},
		{second, CacheReadOnly, 5}, {second, CacheOn, 5},
	} {
		req := ask("x")
		req.CachePolicy = step.policy
		if mustGenerate(t, step.lm, req); lm.calls.Load() != step.calls {
			t.Errorf("step %d, %q: %d calls, want %d", i, step.policy, lm.calls.Load(), step.calls)
		}
	}
	req := ask("x")
	req.CachePolicy = "sometimes"
	if _, _, err := generate(t.Context(), first, req); err == nil || !strings.Contains(err.Error(), `"sometimes" is unknown; it is on, off or read-only`) {
		t.Errorf("an unknown policy: %v", err)
	}
	ctx := With(t.Context(), Scope{LM: lm, CachePolicy: "sometimes"})
	if _, err := NewPredict[question, answer]("", nil).Call(ctx, question{}); err == nil || !strings.Contains(err.Error(), "sometimes") {
		t.Errorf("an unknown policy in a scope: %v", err)
	}
}

func TestScopeOfCache(t *testing.T) {
	t.Cleanup(func() { Configure(Scope{}) })
	lm := &script{pieces: []string{" a\nscore: 1"}}
	Configure(Scope{LM: lm, Cache: openCache(t, "", nil), CachePolicy: CacheReadOnly})
	p := NewPredict[question, answer]("", nil)
	call := func(s Scope, calls int) {
		t.Helper()
		ctx := With(With(t.Context(), Scope{Salt: "outer"}), s)
		if _, err := p.Call(ctx, question{"x"}); err != nil || lm.calls != calls {
			t.Errorf("%+v: %d calls, want %d; %v", s, lm.calls, calls, err)
		}
	}
	call(Scope{}, 1)
	call(Scope{}, 2) // read-only by the process's defaults
	call(Scope{CachePolicy: CacheOn}, 3)
	call(Scope{}, 3)
	if lm.last.Salt != "outer" {
		t.Errorf("the model was asked with the salt %q", lm.last.Salt)
	}
	call(Scope{Salt: "inner"}, 4)
	call(Scope{Rollout: 1, CachePolicy: CacheOn}, 5)
	call(Scope{Rollout: 1}, 5)
	call(Scope{Rollout: 2}, 6)
	call(Scope{CachePolicy: CacheOff}, 7)
	call(Scope{Cache: openCache(t, "", nil)}, 8)
}

func TestRolloutSeeds(t *testing.T) {
	seed := func(s Scope) *uint32 {
		t.Helper()
		s.LM = echo()
		req, err := NewPredict[question, answer]("", nil).Predictor().Request(With(t.Context(), s), Example{"question": "x"})
		if err != nil {
			t.Fatal(err)
		}
		return req.Sampling.Seed
	}
	warm := &Sampling{Temperature: 1}
	one, again, two := seed(Scope{Sampling: warm, Rollout: 1}), seed(Scope{Sampling: warm, Rollout: 1}), seed(Scope{Sampling: warm, Rollout: 2})
	if one == nil || again == nil || two == nil || *one != *again || *one == *two || warm.Seed != nil {
		t.Errorf("the seeds of the rollouts 1, 1 and 2 are %v, %v and %v", one, again, two)
	}
	given := &Sampling{Temperature: 1, Seed: new(uint32(7))}
	for name, got := range map[string]*uint32{
		"no rollout": seed(Scope{Sampling: warm}),
		"greedy":     seed(Scope{Sampling: new(Sampling), Rollout: 1}),
	} {
		if got != nil {
			t.Errorf("%s: the seed is %d, want none", name, *got)
		}
	}
	if got := seed(Scope{Sampling: given, Rollout: 1}); *got != 7 {
		t.Errorf("the seed 7 became %d", *got)
	}
}

// Replies of an LM that cannot say what it is are its own, and never on disk.
func TestCacheIdentity(t *testing.T) {
	dir := t.TempDir()
	cache := openCache(t, dir, nil)
	anonymous, other, unnamed := echo(), echo(), echo()
	for _, lm := range []*fakeLM{anonymous, other} {
		for range 2 { // each call is wrapped anew, as by a scope
			mustGenerate(t, cache.LM(lm), ask("x"))
		}
	}
	mustGenerate(t, cache.LM(named{unnamed, ""}), ask("x"))
	if a, b, c := anonymous.calls.Load(), other.calls.Load(), unnamed.calls.Load(); a != 1 || b != 1 || c != 1 {
		t.Errorf("two LMs without an identity and one with an empty one were asked %d, %d and %d times", a, b, c)
	}
	if n, _, err := cache.Size(); n != 0 || err != nil {
		t.Errorf("%d of their replies are on the disk, %v", n, err)
	}
	one, same, another := echo(), echo(), echo()
	mustGenerate(t, cache.LM(named{one, "a"}), ask("x"))
	mustGenerate(t, cache.LM(named{same, "a"}), ask("x"))
	mustGenerate(t, openCache(t, dir, nil).LM(named{same, "a"}), ask("x"))
	mustGenerate(t, cache.LM(named{another, "b"}), ask("x"))
	if a, b, c := one.calls.Load(), same.calls.Load(), another.calls.Load(); a != 1 || b != 0 || c != 1 {
		t.Errorf("an LM, one of the same identity and one of another were asked %d, %d and %d times", a, b, c)
	}
}

// uncomparable is an LM that cannot be the key of a map.
type uncomparable struct {
	*script
	_ []int
}

func TestCacheOfUncomparableLM(t *testing.T) {
	cache := openCache(t, "", nil)
	lm := uncomparable{script: &script{pieces: []string{" a\nscore: 1"}}}
	for range 2 {
		if _, err := NewPredict[question, answer]("", nil).Call(With(t.Context(), Scope{LM: lm, Cache: cache}), question{}); err != nil {
			t.Fatal(err)
		}
	}
	if lm.calls != 2 {
		t.Errorf("in a scope it was asked %d times, want 2", lm.calls)
	}
	cached := cache.LM(lm)
	mustGenerate(t, cached, ask("x"))
	mustGenerate(t, cached, ask("x"))
	if lm.calls != 3 {
		t.Errorf("behind a cache of its own it was asked %d times more, want once", lm.calls-2)
	}
}

func TestCacheMemoryBound(t *testing.T) {
	lm := echo()
	cache := openCache(t, "", &CacheOptions{MemoryBytes: 10 << 10})
	cached := cache.LM(lm)
	text := func(i int) string { return strings.Repeat(string(rune('a'+i)), 1000) }
	for i := range 20 {
		mustGenerate(t, cached, ask(text(i)))
		mustGenerate(t, cached, ask(text(0))) // stays as it is used
	}
	if n, bytes, _ := cache.Size(); n != 6 || bytes > 10<<10 {
		t.Errorf("%d replies of %d bytes are kept, want 6 in 10 KiB", n, bytes)
	}
	if calls := lm.calls.Load(); calls != 20 {
		t.Errorf("%d calls, want 20", calls)
	}
	mustGenerate(t, cached, ask(strings.Repeat("z", 20<<10)))
	if n, _, _ := cache.Size(); n != 6 {
		t.Errorf("a reply larger than the memory left %d others, want 6", n)
	}
}

// scoring is a Scorer with a sampling of its own.
type scoring struct {
	LM
	calls  atomic.Int32
	scores []float64
}

func (s *scoring) Score(context.Context, *Request, []string) (*Scores, error) {
	s.calls.Add(1)
	return &Scores{Logprobs: s.scores, Usage: Usage{PromptTokens: 5}}, nil
}

func (s *scoring) DefaultSampling() Sampling { return Sampling{TopK: 3} }

func (s *scoring) Identity() string { return "scoring" }

func TestCacheScores(t *testing.T) {
	dir := t.TempDir()
	lm := &scoring{LM: echo(), scores: []float64{math.Inf(-1), 0}}
	cached := openCache(t, dir, nil).LM(lm).(Scorer)
	score := func(cached LM, calls int32, replies ...string) *Scores {
		t.Helper()
		s, err := cached.(Scorer).Score(t.Context(), ask("x"), replies)
		if err != nil || lm.calls.Load() != calls {
			t.Fatalf("%d calls, want %d; %v", lm.calls.Load(), calls, err)
		}
		return s
	}
	first := score(cached, 1, "a", "b")
	want := &Scores{Logprobs: []float64{math.Inf(-1), 0}, Usage: Usage{PromptTokens: 5}}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	first.Logprobs[0] = 42 // is the caller's
	want.Usage.Cached = true
	for name, c := range map[string]LM{"memory": cached, "disk": openCache(t, dir, nil).LM(lm)} {
		if diff := cmp.Diff(want, score(c, 1, "a", "b")); diff != "" {
			t.Errorf("from %s (-want +got):\n%s", name, diff)
		}
	}
	score(cached, 2, "a", "c")
	score(cached, 3, "a")
	score(cached, 4)
	mustGenerate(t, cached, ask("x")) // is not the scores of no replies
}

// What stands behind a cache is asked about itself as if there were none.
func TestCacheIsTransparent(t *testing.T) {
	cache := openCache(t, "", nil)
	full, plain := cache.LM(&scoring{LM: echo()}), cache.LM(echo())
	if s, ok := full.(Sampler); !ok || s.DefaultSampling().TopK != 3 {
		t.Error("the LM's own sampling is lost")
	}
	if _, ok := full.(Scorer); !ok {
		t.Error("the LM does not score any more")
	}
	if id, ok := full.(Identifier); !ok || id.Identity() != "scoring" {
		t.Error("the LM's identity is lost")
	}
	if _, ok := plain.(Scorer); ok {
		t.Error("an LM that does not score seems to")
	}
	if _, ok := plain.(Sampler); ok {
		t.Error("an LM without a sampling of its own seems to have one")
	}
	silent := cache.LM(&fakeLM{generate: func(_ context.Context, _ int, req *Request, _ func(Chunk, error) bool) {
		if req != nil {
			t.Error("a nil request became another one")
		}
	}})
	for range silent.Generate(t.Context(), nil) {
		t.Error("there is a reply to nothing")
	}
}

func TestOpenCacheRefusesOptions(t *testing.T) {
	for name, opts := range map[string]CacheOptions{
		"TTL": {TTL: -1}, "memory": {MemoryBytes: -1}, "disk": {DiskBytes: -1},
	} {
		_, err := OpenCache("", &opts)
		if e := (*CacheError)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), "negative") {
			t.Errorf("a negative %s: %v", name, err)
		}
	}
}
