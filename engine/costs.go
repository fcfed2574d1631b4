package engine

import "time"

// costs says how long batches take, from those that were computed: it depends on
// the model, the machine and who else uses it.
type costs struct {
	steps  [maxRows + 1]cost // by tokens, of batches in which each has logits
	prompt cost              // of a token among many
}

// cost is a running mean.
type cost struct {
	mean time.Duration
	n    int
}

// learnedFrom is over how many batches a cost is averaged, about.
const learnedFrom = 8

func (c *cost) learn(took time.Duration) {
	c.n = min(c.n+1, learnedFrom)
	c.mean += (took - c.mean) / time.Duration(c.n)
}

// learn takes what a batch has cost of which so many tokens had logits.
func (c *costs) learn(tokens, rows int, took time.Duration) {
	if tokens == rows && tokens < len(c.steps) {
		c.steps[tokens].learn(took)
	}
	if tokens >= minChunk {
		c.prompt.learn(took / time.Duration(tokens))
	}
}

// tile is of how many tokens kernels compute some at once: 8 may cost less than 7.
const tile = 4

// untried returns a number of tokens that was never computed and is less than a
// tile above n, or n. So the costs of all are soon known.
func (c *costs) untried(n int) int {
	for more := n; more < min(n+tile, len(c.steps)); more++ {
		if c.steps[more].n == 0 {
			return more
		}
	}
	return n
}

// step returns what a batch of n tokens with logits costs, 0 if there is nothing
// to judge by. Between sizes that have been seen it is on a line, and beyond
// them each token costs what one of a prompt does.
func (c *costs) step(n int) time.Duration {
	below := n
	for below > 0 && c.steps[below].n == 0 {
		below--
	}
	if below == 0 || below == n {
		return c.steps[below].mean
	}
	above := n
	for above < len(c.steps) && c.steps[above].n == 0 {
		above++
	}
	from := c.steps[below].mean
	if above < len(c.steps) {
		return from + (c.steps[above].mean-from)*time.Duration(n-below)/time.Duration(above-below)
	}
	if c.prompt.n == 0 {
		return 0
	}
	return from + c.prompt.mean*time.Duration(n-below)
}
