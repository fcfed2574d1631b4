package llamacpp

import "sync"

// budget is a total of tokens that requests draw on. What a request may use at
// most is reserved when it starts, so that concurrent ones cannot overdraw.
type budget struct {
	limit int

	mu   sync.Mutex
	used int // reservations included
}

// reserve takes a prompt and up to want tokens of reply, and returns how many
// the reply may have.
func (b *budget) reserve(prompt, want int) (int, error) {
	if b == nil {
		return want, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	grant := min(want, b.limit-b.used-prompt)
	if grant < 1 {
		return 0, &TokenBudgetError{Used: b.used + prompt, Limit: b.limit}
	}
	b.used += prompt + grant
	return grant, nil
}

// release gives back what was reserved and not used.
func (b *budget) release(unused int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= unused
}
