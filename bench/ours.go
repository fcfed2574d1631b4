package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cria-lm/cria/engine"
)

// generation is what a reader of one request sees.
type generation struct {
	first  time.Duration // from the call to the first output
	total  time.Duration
	atOnce int // tokens of the first output
	tokens int
	cached int // of the prompt
}

// generate runs a request of exactly n tokens of output.
func generate(ctx context.Context, e *engine.Engine, prompt []engine.Token, n int) (g generation, err error) {
	start := time.Now()
	req := &engine.Request{Prompt: prompt, MaxTokens: n, Matcher: endless{e.Vocab()}}
	for c, err := range e.Generate(ctx, req) {
		if err != nil {
			return g, err
		}
		g.total, g.tokens, g.cached = time.Since(start), c.Usage.CompletionTokens, c.Usage.CachedTokens
		if g.first == 0 {
			g.first, g.atOnce = g.total, g.tokens
		}
	}
	if g.tokens != n {
		return g, fmt.Errorf("the engine generated %d tokens instead of %d", g.tokens, n)
	}
	return g, nil
}

// endless is what ignore_eos is to llama.cpp's programs: no end token is ever
// chosen, so that both sides generate as many.
type endless struct{ vocab *engine.Vocab }

func (endless) Forced() []engine.Token        { return nil }
func (m endless) Allowed(t engine.Token) bool { return !m.vocab.IsEOG(t) }
func (endless) Accept(engine.Token) bool      { return true }
func (endless) Done() bool                    { return false }
func (endless) Err() error                    { return nil }
