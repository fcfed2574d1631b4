package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/llama"
)

const (
	computedRequests = 64

	prefixTokens = 1200
	prefixOwn    = 1
)

// computed counts the prompt tokens that are computed for many requests that
// come at once; ours is the number, the peer the least that there can be.
func computed(ctx context.Context, s *session) ([]result, error) {
	e, w, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	ideal := float64(sharedPrefix + computedRequests*sharedOwn)
	var pairs []pair
	for run := range min(s.options.pairs, slowPairs) { // a count hardly varies
		var prompts [][]engine.Token
		prefix := w.prompt(seed(8, run, computedRequests), sharedPrefix)
		for c := range computedRequests {
			prompts = append(prompts, append(prefix[:sharedPrefix:sharedPrefix], w.more(seed(8, run, c), sharedOwn)...))
		}
		var tokens atomic.Int64
		s.status("run %d", run+1)
		err := atOnce(ctx, prompts, func(ctx context.Context, p []engine.Token) error {
			g, err := generate(ctx, e, p, sharedOutput)
			tokens.Add(int64(len(p) - g.cached))
			return err
		})
		s.status("")
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair{ours: float64(tokens.Load()), peer: ideal})
	}
	return []result{{name: "computed", unit: "tokens", pairs: pairs}}, nil
}

// warm measures 1/(time to first token) with and without a prefix in the cache.
func warm(ctx context.Context, s *session) ([]result, error) {
	e, w, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	side := func(first uint64) side {
		return func(ctx context.Context, run int) (float64, error) {
			prefix := w.prompt(seed(9, run, 0)+first, prefixTokens-prefixOwn)
			if first > 0 {
				if _, err := generate(ctx, e, prefix, 1); err != nil {
					return 0, err
				}
			}
			g, err := generate(ctx, e, append(prefix, w.more(seed(9, run, 2), prefixOwn)...), 1)
			if cached := g.cached > 0; err == nil && cached != (first > 0) {
				err = fmt.Errorf("%d tokens were in the cache", g.cached)
			}
			return 1 / g.first.Seconds(), err
		}
	}
	pairs, err := s.pairs(ctx, side(1), side(0))
	return []result{{name: "warm", unit: "first tokens/s", pairs: pairs}}, err
}

// snapshot measures 1/(time from the start of a process to its first token).
func snapshot(ctx context.Context, s *session) ([]result, error) {
	dir, err := os.MkdirTemp("", "cria-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	_, w, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	side := func(file func(run int) string, prepare bool) side {
		return func(ctx context.Context, run int) (float64, error) {
			prompt, err := w.text(seed(10, run, 0), prefixTokens)
			if err != nil {
				return 0, err
			}
			start := func() (float64, error) {
				p, err := s.child(ctx, "prefix", "--snapshot", file(run), "--prompt", prompt)
				if err != nil {
					return 0, err
				}
				took, err := p.firstByte()
				return 1 / took.Seconds(), err
			}
			if prepare {
				if _, err := start(); err != nil {
					return 0, err
				}
			}
			return start()
		}
	}
	ours := side(func(run int) string { return filepath.Join(dir, strconv.Itoa(run)) }, true)
	peer := side(func(int) string { return "" }, false)
	pairs, err := s.pairs(ctx, ours, peer)
	return []result{{name: "snapshot", unit: "first tokens/s", pairs: pairs}}, err
}

// firstTokenBehindPrefix is the child of snapshot.
func firstTokenBehindPrefix(ctx context.Context, c *childOptions) error {
	if err := llama.Load(c.files); err != nil {
		return err
	}
	e, err := engine.Load(ctx, c.model, &engine.Options{Threads: c.threads, FixedThreads: true})
	if err != nil {
		return err
	}
	defer e.Close()
	prompt, err := e.Vocab().Encode(c.prompt)
	if err != nil {
		return err
	}
	if c.snapshot != "" {
		if _, err := e.Pin(ctx, prompt[:len(prompt)-prefixOwn], &engine.PinOptions{Snapshot: c.snapshot}); err != nil {
			return err
		}
	}
	req := &engine.Request{Prompt: prompt, MaxTokens: startOutput, Matcher: endless{e.Vocab()}}
	for chunk, err := range e.Generate(ctx, req) {
		if err != nil {
			return err
		}
		if _, err := os.Stdout.WriteString(chunk.Text); err != nil {
			return err
		}
	}
	return nil
}
