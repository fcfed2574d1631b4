package fidelity

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/cria-lm/cria/engine"
)

// Sameness is how constrained greedy outputs compare with those without a constraint
// that are of the grammar anyway.
type Sameness struct {
	Outputs int // without a constraint
	Valid   int // of those, of the grammar as a whole
	Same    int // of those, the text that the constraint gives, too

	// Ties is others, from a token on whose logit is within [TieGap] of the best one's
	// when all before it is given: forced tokens are computed in larger batches, which
	// changes logits a little.
	Ties int

	Examples []string // of those that are not the same, a few
}

// TieGap is how far apart the logits of two tokens may be that other batches can put in
// another order: with the default model each differs by up to 0.33 where it is the best
// (engine/reference_test.go).
const TieGap = 0.66

// Same lets the model do n tasks with and without a constraint, one after the other:
// requests at the same time would change each other's logits a little.
func Same(ctx context.Context, m *Model, n int) (*Sameness, error) {
	total := &Sameness{}
	var mu sync.Mutex
	err := each(ctx, n, 1, func(ctx context.Context, i int) error {
		task, err := newTask(i)
		if err != nil {
			return err
		}
		p, err := m.both(ctx, task)
		if err != nil {
			return fmt.Errorf("%q: %w", task.prompt, err)
		}
		mu.Lock()
		defer mu.Unlock()
		total.add(p)
		return nil
	})
	return total, err
}

// outputs are two of one task.
type outputs struct {
	free, constrained string
	valid             bool    // free is of the grammar
	gap               float32 // how much better than the constrained one's is the best token where they part
}

func (m *Model) both(ctx context.Context, task *task) (o outputs, err error) {
	prompt, err := m.Engine.Vocab().Encode(task.prompt)
	if err != nil {
		return o, err
	}
	// The prompt is computed first, so that both begin with the same cells.
	if _, _, err := m.generate(ctx, &engine.Request{Prompt: prompt, MaxTokens: 1}); err != nil {
		return o, err
	}
	free, last, err := m.generate(ctx, &engine.Request{Prompt: prompt, MaxTokens: outputLimit, Stop: []string{task.stop}})
	if err != nil {
		return o, err
	}
	o.free = free
	if o.valid, err = task.grammar.Match(free); err != nil || !o.valid || last.Finish != engine.FinishStop {
		o.valid = false
		return o, err
	}
	r := newRecorder(task.grammar.Matcher(m.Vocabulary))
	o.constrained, _, err = m.generate(ctx, &engine.Request{Prompt: prompt, MaxTokens: outputLimit, Matcher: r})
	if err == nil && o.constrained != o.free {
		o.gap, err = m.gap(ctx, prompt, r, commonPrefix(o.free, o.constrained))
	}
	return o, err
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// gap returns how much better than the token that was chosen at a byte of an output
// another would be, when all before is given.
func (m *Model) gap(ctx context.Context, prompt []engine.Token, r *recorder, at int) (float32, error) {
	i := 0
	for ; i < len(r.tokens); i++ {
		if at -= len(m.Vocabulary.Piece(r.tokens[i])); at < 0 {
			break
		}
	}
	token, ended := r.ends[i]
	switch {
	case !ended && i == len(r.tokens):
		return none, nil
	case !ended:
		token = r.tokens[i]
	}
	return m.gapBehind(ctx, slices.Concat(prompt, r.tokens[:i]), token)
}

// none is the gap of a token that is not among the best.
const none = 1000

func (m *Model) gapBehind(ctx context.Context, before []engine.Token, token engine.Token) (float32, error) {
	req := &engine.Request{Prompt: before, MaxTokens: 1, Logprobs: true, TopLogprobs: 20}
	for chunk, err := range m.Engine.Generate(ctx, req) {
		if err != nil {
			return 0, err
		}
		for _, l := range chunk.Logprobs {
			for _, top := range l.Top {
				if top.Token == token {
					return l.Top[0].Logprob - top.Logprob, nil
				}
			}
		}
	}
	return none, nil
}

func (s *Sameness) add(o outputs) {
	s.Outputs++
	if !o.valid {
		return
	}
	s.Valid++
	switch {
	case o.free == o.constrained:
		s.Same++
		return
	case o.gap <= TieGap:
		s.Ties++
	}
	if len(s.Examples) < maxExamples {
		s.Examples = append(s.Examples, fmt.Sprintf("%q, with the constraint %q (%.2f apart)", o.free, o.constrained, o.gap))
	}
}
