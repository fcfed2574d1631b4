package llamacpp

import (
	"context"
	"sync"
)

// budget is a total of tokens that requests draw on. What a request may use at
// most is reserved while it runs, so that concurrent ones cannot overdraw.
type budget struct {
	limit int

	mu       sync.Mutex
	used     int
	reserved int
	freed    chan struct{} // closed and replaced when a reservation ends
}

func newBudget(limit int) *budget { return &budget{limit: limit, freed: make(chan struct{})} }

// reserve takes a prompt and up to want tokens of reply, and returns how many
// the reply may have, at least one. While running requests hold what is left, it
// waits for what they do not use.
func (b *budget) reserve(ctx context.Context, prompt, want int) (int, error) {
	for {
		grant, freed, err := b.try(prompt, want)
		if err != nil || grant > 0 {
			return grant, err
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// try is reserve without waiting: a grant of 0 says to wait for freed.
func (b *budget) try(prompt, want int) (grant int, freed <-chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+prompt >= b.limit {
		return 0, nil, &TokenBudgetError{Used: b.used, Prompt: prompt, Limit: b.limit}
	}
	grant = min(want, b.limit-b.used-b.reserved-prompt)
	if grant < 1 {
		return 0, b.freed, nil
	}
	b.reserved += prompt + grant
	return grant, nil, nil
}

// settle ends a reservation, of which used tokens were used.
func (b *budget) settle(reserved, used int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved -= reserved
	b.used += used
	close(b.freed)
	b.freed = make(chan struct{})
}
