package cria

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Score says how good an output is.
type Score struct {
	Value    float64 // more is better; not NaN
	Feedback string  // what should be better, for the next attempt of a [Refine]
}

// Reward judges an output of a module. An error fails the attempt, and a panic is an
// error (*[PanicError]).
type Reward[In, Out any] func(ctx context.Context, in In, out Out) (Score, error)

func (r Reward[In, Out]) judge(ctx context.Context, in In, out Out) (s Score, err error) {
	defer recovered("the reward function", &err)
	s, err = r(ctx, in, out)
	if err == nil && math.IsNaN(s.Value) {
		err = errors.New("the reward function gave NaN")
	}
	return s, err
}

// AttemptsError says that a module which makes several attempts had no good one.
type AttemptsError struct {
	Errs []error // of each attempt
}

func (e *AttemptsError) Error() string {
	return fmt.Sprintf("all of %d attempts failed: %s", len(e.Errs), joinErrors(e.Errs))
}

// Unwrap returns the errors of the attempts.
func (e *AttemptsError) Unwrap() []error { return e.Errs }

// BestOfN makes up to so many attempts of a module and returns the one of the highest
// score. It is safe for concurrent use.
//
// The first attempt samples as the call does; the others sample at the call's
// temperature or, where that is greedy, at 1, each with a seed and a rollout of its own,
// so that a call repeats but for the computation's rounding. With a [Scope.Rollout] other
// than 0, as within another attempt than the first, the first one samples as the others
// do: it must not be as that of another rollout.
type BestOfN[In, Out any] struct {
	Module    Module[In, Out]
	n         int
	threshold float64
	reward    Reward[In, Out]
	refine    bool // feedback is fed forward
}

// NewBestOfN makes a module that ends at the first attempt whose score is at least the
// threshold; [math.Inf](1) tries all. It panics if n is less than 1.
func NewBestOfN[In, Out any](m Module[In, Out], n int, threshold float64, reward Reward[In, Out]) *BestOfN[In, Out] {
	if n < 1 {
		panic(fmt.Sprintf("cria: %d attempts; there must be at least 1", n))
	}
	return &BestOfN[In, Out]{Module: m, n: n, threshold: threshold, reward: reward}
}

// Call implements [Module]. An attempt that fails is passed over, as is one that has spent
// a budget of its own; if all fail, the error is an *[AttemptsError]. When the context
// ends, or its budget is spent, what was best so far is returned if there is any.
func (b *BestOfN[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	var best Out
	score := math.Inf(-1)
	found := false
	var errs []error
	attempt := ctx
	for i := range b.n {
		out, s, err := b.attempt(ctx, rollout(attempt, i), in)
		if err != nil {
			errs = append(errs, fmt.Errorf("attempt %d: %w", i+1, err))
			if over(ctx, err) {
				break
			}
			continue
		}
		if !found || s.Value > score {
			best, score, found = out, s.Value, true
		}
		if s.Value >= b.threshold {
			break
		}
		if hint := strings.TrimSpace(s.Feedback); b.refine && hint != "" {
			attempt = withHint(ctx, hint)
		}
	}
	if !found {
		return best, &AttemptsError{errs}
	}
	return best, nil
}

// attempt calls the module in a context of its own; what judges it has the call's.
func (b *BestOfN[In, Out]) attempt(ctx, own context.Context, in In) (Out, Score, error) {
	out, err := safely(own, b.Module, in)
	if err != nil {
		return out, Score{}, err
	}
	s, err := b.reward.judge(ctx, in, out)
	return out, s, err
}

// over reports whether the context of a call that failed allows no further one. A budget
// that was opened within the call is no concern of others.
func over(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.As(err, new(*BudgetError)) && meterOf(ctx).refuses()
}

// rollout returns a context whose calls are the attempt of a number; those of number 0
// are ordinary calls, unless they are within another attempt.
func rollout(ctx context.Context, number int) context.Context {
	const prime = 1_000_003 // so that attempts within attempts have numbers of their own
	if number += scopeOf(ctx).Rollout * prime; number == 0 {
		return ctx
	}
	return With(ctx, Scope{Rollout: number, attempt: true})
}

// attemptSampling is how an attempt samples in place of the call's sampling. Without a
// seed the rollout is the seed.
func attemptSampling(call *Sampling, rollout int) *Sampling {
	s := Sampling{}
	if call != nil {
		s = *call
	}
	if s.Temperature == 0 {
		s.Temperature = 1
	}
	if s.Seed != nil {
		seed := *s.Seed + uint32(rollout)
		s.Seed = &seed
	}
	return &s
}
