// Package fidelity measures how close constrained outputs are to what the model would
// have written by itself: whether forced tokens are those of its own tokenizer
// ([Forced]), and whether an output that is valid anyway stays the same ([Same]).
package fidelity

import (
	"context"
	"sync"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
)

// Model is what the figures are measured with.
type Model struct {
	Engine     *engine.Engine
	Vocabulary *grammar.Vocabulary // the engine's
}

// each does something with the numbers up to n, so many at the same time, and returns
// the first error.
func each(ctx context.Context, n, clients int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan int)
	var workers sync.WaitGroup
	for range clients {
		workers.Go(func() {
			for i := range queue {
				if ctx.Err() != nil {
					continue
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		queue <- i
	}
	close(queue)
	workers.Wait()
	return context.Cause(ctx)
}

// recorder is a matcher that notes the tokens of the output.
type recorder struct {
	*grammar.Matcher
	tokens []engine.Token
	forced []bool               // which of them the model did not choose
	ends   map[int]engine.Token // by the number of tokens before: chosen and dropped, as they ended a value
}

func newRecorder(m *grammar.Matcher) *recorder {
	return &recorder{Matcher: m, ends: map[int]engine.Token{}}
}

func (r *recorder) Forced() []engine.Token {
	run := r.Matcher.Forced()
	for _, t := range run {
		r.tokens, r.forced = append(r.tokens, t), append(r.forced, true)
	}
	return run
}

func (r *recorder) Accept(t engine.Token) bool {
	if !r.Matcher.Accept(t) {
		r.ends[len(r.tokens)] = t
		return false
	}
	r.tokens, r.forced = append(r.tokens, t), append(r.forced, false)
	return true
}

// generate returns all of an output, and its last chunk.
func (m *Model) generate(ctx context.Context, req *engine.Request) (text string, last engine.Chunk, err error) {
	for last, err = range m.Engine.Generate(ctx, req) {
		if err != nil {
			return text, last, err
		}
		text += last.Text
	}
	return text, last, nil
}
