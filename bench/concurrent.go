package main

import (
	"context"
	"sync"
	"time"

	"github.com/cria-lm/cria/engine"
)

const (
	clients = 8

	unrelatedPrompt = 60
	unrelatedOutput = 32

	sharedPrefix = 500
	sharedOwn    = 25
	sharedOutput = 16
)

// unrelated measures generated tokens a second.
func unrelated(ctx context.Context, s *session) ([]result, error) {
	return s.concurrent(ctx, "unrelated", "tokens/s", unrelatedOutput, clients*unrelatedOutput,
		func(w *words, run int) [][]engine.Token { return unrelatedPrompts(w, run) })
}

func unrelatedPrompts(w *words, run int) (prompts [][]engine.Token) {
	for c := range clients {
		prompts = append(prompts, w.prompt(seed(1, run, c), unrelatedPrompt))
	}
	return prompts
}

// shared measures requests a second. No run has a prefix of another, so that
// neither side begins with anything in its cache.
func shared(ctx context.Context, s *session) ([]result, error) {
	return s.concurrent(ctx, "shared", "requests/s", sharedOutput, clients,
		func(w *words, run int) (prompts [][]engine.Token) {
			prefix := w.prompt(seed(2, run, clients), sharedPrefix)
			for c := range clients {
				prompts = append(prompts, append(prefix[:sharedPrefix:sharedPrefix], w.more(seed(2, run, c), sharedOwn)...))
			}
			return prompts
		})
}

// concurrent sends prompts at once to the engine and to llama-server; what they
// do in all is counted as work.
func (s *session) concurrent(ctx context.Context, name, unit string, output, work int, prompts func(*words, int) [][]engine.Token) ([]result, error) {
	e, w, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	server, err := s.startServer(ctx)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	pairs, err := s.pairs(ctx,
		func(ctx context.Context, run int) (float64, error) {
			return rate(work, func() error {
				return atOnce(ctx, prompts(w, run), func(ctx context.Context, p []engine.Token) error {
					_, err := generate(ctx, e, p, output)
					return err
				})
			})
		},
		func(ctx context.Context, run int) (float64, error) {
			return rate(work, func() error {
				return atOnce(ctx, prompts(w, run), func(ctx context.Context, p []engine.Token) error {
					return server.complete(ctx, p, output)
				})
			})
		})
	if err != nil {
		return nil, err
	}
	return []result{{name: name, unit: unit, pairs: pairs}}, nil
}

// rate is work a second.
func rate(work int, f func() error) (float64, error) {
	start := time.Now()
	if err := f(); err != nil {
		return 0, err
	}
	return float64(work) / time.Since(start).Seconds(), nil
}

// atOnce calls f for every prompt at the same time and returns the first error,
// which cancels the other calls.
func atOnce(ctx context.Context, prompts [][]engine.Token, f func(context.Context, []engine.Token) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, p := range prompts {
		all.Go(func() {
			if err := f(ctx, p); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
