//go:build !race

// With the race detector a sync.Pool drops what it gets.

package engine

import "testing"

// A long generation costs no more allocations than a short one, but for the
// growth of a long text.
func TestGenerateAllocations(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "Once upon a time")
	m := &recorder{tokens: make([]Token, 0, 1024)}
	run := func(n int) float64 {
		return testing.AllocsPerRun(1, func() {
			m.tokens = m.tokens[:0]
			for _, err := range e.Generate(t.Context(), &Request{Prompt: prompt, MaxTokens: n, Matcher: m}) {
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	short, long := run(10), run(110)
	t.Logf("%.0f allocations for 10 tokens, %.0f for 110", short, long)
	if long-short > 2 {
		t.Errorf("%.0f allocations for 100 more tokens", long-short)
	}
}

func TestSamplerDoesNotAllocate(t *testing.T) {
	row := logits(49152, 1)
	history := benchHistory()
	allowed := only{must(argmax(row)): true}
	for _, b := range samplings {
		x := newSampler(b.s, len(row))
		for what, m := range map[string]Matcher{"free": nil, "steered": allowed} {
			if n := testing.AllocsPerRun(5, func() { must(x.choose(row, history, m)) }); n != 0 {
				t.Errorf("%s, %s: %v allocations", b.name, what, n)
			}
		}
		if n := testing.AllocsPerRun(5, func() { must(0, second(x.logprobs(row, 5, 20))) }); n != 0 {
			t.Errorf("log probabilities: %v allocations", n)
		}
	}
}
