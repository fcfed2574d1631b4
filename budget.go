package cria

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Budget limits what the calls of a context may use together, whatever modules make
// them. Fields that are zero are no limit, but one must not be.
type Budget struct {
	Calls  int           // requests to language models; a call of a predictor takes one, or up to three, see [Predictor.Call]
	Tokens int           // of prompts and replies; those of a response cache are free
	Time   time.Duration // from [WithBudget] on
}

// BudgetError stops a call whose context's budget is spent. No request was made that the
// budget did not allow; those that ran were told how many tokens were left.
type BudgetError struct {
	Limit   Budget
	Calls   int // begun
	Tokens  int // used
	Elapsed time.Duration
	Trace   *Trace // what was done under the budget, the call that it stopped included once that has ended
	reason  string
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("the budget is spent: %s (%d calls, %d tokens, %v)", e.reason, e.Calls, e.Tokens, e.Elapsed.Round(time.Millisecond))
}

// Is reports a deadline as [context.DeadlineExceeded] too.
func (e *BudgetError) Is(target error) bool {
	return target == context.DeadlineExceeded && e.Limit.Time > 0 && e.Elapsed >= e.Limit.Time
}

// meter counts what a budget limits. Meters nest: what the inner one counts, the outer
// one does too.
type meter struct {
	limit  Budget
	outer  *meter
	trace  *Trace
	begun  time.Time
	mu     sync.Mutex
	calls  int
	tokens int
}

type meterKey struct{}

// WithBudget returns a context whose calls fail with a *[BudgetError] once they have used
// what the budget allows; requests that run at its deadline are stopped. Budgets nest.
// Tokens are counted when a request ends. Each may generate what was left when it began:
// its prompt, and requests at the same time, can pass the budget by what they use, and so
// can an LM whose own limit is above 1,024 tokens. cancel frees the deadline's timer. A
// negative limit, and a budget without one, stop every call. The budget keeps a trace of
// its own for its error, as [WithTrace] does.
func WithBudget(ctx context.Context, b Budget) (_ context.Context, cancel context.CancelFunc) {
	outer := meterOf(ctx)
	ctx, trace := WithTrace(ctx)
	m := &meter{limit: b, outer: outer, trace: trace, begun: time.Now()}
	cancel = func() {}
	if b.Time > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, b.Time, &timeUp{m})
	}
	return context.WithValue(ctx, meterKey{}, m), cancel
}

func meterOf(ctx context.Context) *meter {
	m, _ := ctx.Value(meterKey{}).(*meter)
	return m
}

func (m *meter) spent(reason string) *BudgetError {
	return &BudgetError{m.limit, m.calls, m.tokens, time.Since(m.begun), m.trace, reason}
}

// usualTokens is at least what LMs generate that are not told a limit. Where more are
// left, a request is as it would be without a budget, and so is its place in a cache.
const usualTokens = 1024

// begin counts a request that may generate so many tokens (0: as many as the LM likes),
// and returns how many it may, or why it may not begin.
func (m *meter) begin(tokens int) (int, error) {
	for first := m; m != nil; m = m.outer {
		left, err := m.one()
		if err != nil {
			for ; first != m; first = first.outer { // these would have allowed it
				first.mu.Lock()
				first.calls--
				first.mu.Unlock()
			}
			return 0, err
		}
		if left > 0 && left < cmp.Or(tokens, usualTokens) {
			tokens = left
		}
	}
	return tokens, nil
}

// one counts a request of one meter, and returns how many tokens are left, 0 if they are
// not limited.
func (m *meter) one() (left int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if reason := m.refusal(); reason != "" {
		return 0, m.spent(reason)
	}
	m.calls++
	if m.limit.Tokens > 0 {
		left = m.limit.Tokens - m.tokens
	}
	return left, nil
}

// refusal says why no request may begin, "" if one may. The caller holds m.mu.
func (m *meter) refusal() string {
	switch b := m.limit; {
	case b == Budget{}:
		return "it has no limit; set Calls, Tokens or Time"
	case b.Calls < 0 || b.Tokens < 0 || b.Time < 0:
		return "a limit is negative"
	case b.Calls > 0 && m.calls >= b.Calls:
		return fmt.Sprintf("all of %d calls are made", b.Calls)
	case b.Tokens > 0 && m.tokens >= b.Tokens:
		return fmt.Sprintf("all of %d tokens are used", b.Tokens)
	}
	return ""
}

// refuses reports whether no request may begin.
func (m *meter) refuses() bool {
	for ; m != nil; m = m.outer {
		m.mu.Lock()
		reason := m.refusal()
		m.mu.Unlock()
		if reason != "" {
			return true
		}
	}
	return false
}

// use counts what a request used.
func (m *meter) use(u Usage) {
	for ; m != nil && !u.Cached; m = m.outer {
		m.mu.Lock()
		m.tokens += u.TotalTokens()
		m.mu.Unlock()
	}
}

// timeUp is the cause of a context whose budget's time is up.
type timeUp struct{ meter *meter }

func (e *timeUp) Error() string { return "the budget's time is up" }

// Unwrap returns [context.DeadlineExceeded].
func (e *timeUp) Unwrap() error { return context.DeadlineExceeded }

// outOfTime returns the budget's error in place of one that its deadline led to; a reply
// that could not be read before stays with it.
func outOfTime(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	late := (*timeUp)(nil)
	if !errors.As(context.Cause(ctx), &late) {
		return err
	}
	late.meter.mu.Lock()
	defer late.meter.mu.Unlock()
	spent := late.meter.spent("its time is up")
	if unread := (*ParseError)(nil); errors.As(err, &unread) {
		return fmt.Errorf("%w; the reply before: %w", spent, unread)
	}
	return spent
}
