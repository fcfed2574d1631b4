package cria

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBudgetOfCallsAndTokens(t *testing.T) {
	lm := &answering{answer: func(*Request) string { return " a\nscore: 1" }}
	p := NewPredict[question, answer]("", nil)
	for name, tt := range map[string]struct {
		budget Budget
		calls  int // that are allowed
		reason string
	}{
		"calls":    {Budget{Calls: 2}, 2, "all of 2 calls"},
		"tokens":   {Budget{Tokens: 25}, 3, "all of 25 tokens"}, // 12 each
		"both":     {Budget{Calls: 5, Tokens: 12}, 1, "all of 12 tokens"},
		"none":     {Budget{}, 0, "it has no limit"},
		"negative": {Budget{Calls: -1}, 0, "negative"},
	} {
		lm.calls.Store(0)
		ctx, trace := WithTrace(With(t.Context(), Scope{LM: lm}))
		ctx, cancel := WithBudget(ctx, tt.budget)
		defer cancel()
		var err error
		for range tt.calls {
			if _, err := p.Call(ctx, question{"?"}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err = p.Call(ctx, question{"?"})
		var spent *BudgetError
		if !errors.As(err, &spent) || !strings.Contains(err.Error(), tt.reason) {
			t.Fatalf("%s: %v", name, err)
		}
		if int(lm.calls.Load()) != tt.calls || spent.Limit != tt.budget || spent.Calls != tt.calls || spent.Tokens != 12*tt.calls || !sameSteps(spent.Trace, trace) {
			t.Errorf("%s: %d requests, %+v", name, lm.calls.Load(), spent)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: counts as a deadline", name)
		}
	}
}

func sameSteps(a, b *Trace) bool {
	return slices.EqualFunc(a.Steps(), b.Steps(), func(x, y Step) bool { return x.Begun.Equal(y.Begun) && x.Prediction == y.Prediction })
}

// A budget's error has what was done under it, whoever keeps a trace besides.
func TestBudgetHasATrace(t *testing.T) {
	lm := &answering{answer: func(*Request) string { return " a\nscore: 1" }}
	ctx := With(t.Context(), Scope{LM: lm})
	p := NewPredict[question, answer]("", nil)
	traced, outside := WithTrace(ctx)
	if _, err := p.Call(traced, question{"before"}); err != nil {
		t.Fatal(err)
	}
	for name, ctx := range map[string]context.Context{"no trace": ctx, "a trace before": traced} {
		ctx, cancel := WithBudget(ctx, Budget{Calls: 2})
		defer cancel()
		if _, err := p.Call(ctx, question{"one"}); err != nil {
			t.Fatal(err)
		}
		within, inside := WithTrace(ctx)
		if _, err := p.Call(within, question{"two"}); err != nil {
			t.Fatal(err)
		}
		_, err := p.Call(within, question{"three"})
		var spent *BudgetError
		if !errors.As(err, &spent) {
			t.Fatalf("%s: %v", name, err)
		}
		var asked []any
		for _, step := range spent.Trace.Steps() {
			asked = append(asked, step.Inputs["question"])
		}
		if diff := cmp.Diff([]any{"one", "two", "three"}, asked); diff != "" {
			t.Errorf("%s: steps (-want +got):\n%s", name, diff)
		}
		if got := spent.Trace.Usage().TotalTokens(); got != 24 || spent.Tokens != got {
			t.Errorf("%s: %d tokens in the trace, %d in the error", name, got, spent.Tokens)
		}
		if n := len(inside.Steps()); n != 2 {
			t.Errorf("%s: the trace within has %d steps", name, n)
		}
	}
	if n := len(outside.Steps()); n != 4 {
		t.Errorf("the trace before has %d steps", n)
	}
}

// A request may generate no more than what the tightest budget has left.
func TestBudgetCapsRequests(t *testing.T) {
	lm := &answering{answer: func(*Request) string { return " a\nscore: 1" }}
	outer, cancel := WithBudget(With(t.Context(), Scope{LM: lm}), Budget{Tokens: 40})
	defer cancel()
	inner, cancel := WithBudget(outer, Budget{Tokens: 30, Calls: 9})
	defer cancel()
	p := NewPredict[question, answer]("", nil)
	for _, ctx := range []context.Context{inner, outer, inner, With(outer, Scope{MaxTokens: 3})} {
		if _, err := p.Call(ctx, question{"?"}); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{30, 28, 16, 3} { // 12 tokens each
		if got := lm.asked[i].MaxTokens; got != want {
			t.Errorf("request %d may have %d tokens, want %d", i, got, want)
		}
	}
	if _, err := p.Call(inner, question{"?"}); !errors.As(err, new(*BudgetError)) {
		t.Errorf("the outer budget is spent: %v", err)
	}
}

// slowLM is an LM that takes a while.
type slowLM struct {
	script
	takes time.Duration
}

func (s *slowLM) Generate(ctx context.Context, req *Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		select {
		case <-time.After(s.takes):
			s.script.Generate(ctx, req)(yield)
		case <-ctx.Done():
			yield(Chunk{}, ctx.Err())
		}
	}
}

func TestBudgetOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lm := &slowLM{script{pieces: []string{" a\nscore: 1"}}, time.Second}
		ctx, cancel := WithBudget(With(t.Context(), Scope{LM: lm}), Budget{Time: 1500 * time.Millisecond})
		defer cancel()
		p := NewPredict[question, answer]("", nil)
		if _, err := p.Call(ctx, question{"?"}); err != nil {
			t.Fatal(err)
		}
		_, err := p.Call(ctx, question{"?"})
		var spent *BudgetError
		if !errors.As(err, &spent) || spent.Elapsed != 1500*time.Millisecond || spent.Calls != 2 || spent.Tokens != 11 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v", err)
		}
	})
}

// A cached reply costs no tokens.
func TestBudgetAndCache(t *testing.T) {
	lm := &script{pieces: []string{" a\nscore: 1"}}
	cache, err := OpenCache("", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := WithBudget(With(t.Context(), Scope{LM: lm, Cache: cache}), Budget{Tokens: 2000})
	defer cancel()
	for range 300 { // of 11 tokens each
		if _, err := NewPredict[question, answer]("", nil).Call(ctx, question{"?"}); err != nil {
			t.Fatal(err)
		}
	}
	if lm.calls != 1 {
		t.Errorf("%d calls", lm.calls)
	}
}

// A context that ends for another reason says so.
func TestBudgetAndCancellation(t *testing.T) {
	ctx, cancel := WithBudget(With(t.Context(), Scope{LM: &slowLM{takes: time.Second}}), Budget{Time: time.Hour})
	defer cancel()
	stopped, stop := context.WithCancel(ctx)
	stop()
	if _, err := NewPredict[question, answer]("", nil).Call(stopped, question{"!"}); !errors.Is(err, context.Canceled) || errors.As(err, new(*BudgetError)) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestTrace(t *testing.T) {
	lm := &answering{answer: func(*Request) string { return " a\nscore: 1" }}
	ctx, outer := WithTrace(With(t.Context(), Scope{LM: lm}))
	p := NewPredict[question, answer]("", nil)
	if _, err := p.Call(ctx, question{"one"}); err != nil {
		t.Fatal(err)
	}
	ctx, inner := WithTrace(ctx)
	if _, err := p.Call(With(ctx, Scope{MaxTokens: -1}), question{"two"}); err == nil {
		t.Fatal("no error")
	}
	lm.answer = func(*Request) string { return " a" }
	if _, err := p.Call(ctx, question{"three"}); err == nil {
		t.Fatal("no error")
	}
	steps := outer.Steps()
	if len(steps) != 3 || len(inner.Steps()) != 2 {
		t.Fatalf("%d and %d steps", len(steps), len(inner.Steps()))
	}
	if s := steps[0]; s.Predictor != p.Predictor() || s.Inputs["question"] != "one" || s.Prediction.Value["answer"] != "a" || s.Err != nil ||
		lastTurn(s.Request) != "question: one" || s.Begun.IsZero() || s.Took <= 0 {
		t.Errorf("%+v", s)
	}
	if s := steps[1]; s.Err == nil || s.Prediction != nil || s.Request != nil {
		t.Errorf("%+v", s)
	}
	if s := steps[2]; !errors.Is(s.Err, ErrMissing) || s.Request == nil {
		t.Errorf("%+v", s)
	}
	if got, want := outer.Usage(), (Usage{PromptTokens: 20, CompletionTokens: 4}); got != want { // of the reply that could not be read too
		t.Errorf("usage %+v, want %+v", got, want)
	}
	if got := new(Trace).Usage(); got != (Usage{}) {
		t.Errorf("usage of nothing: %+v", got)
	}
}
