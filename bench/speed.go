package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/cria-lm/cria/engine"
)

const (
	decodeTokens  = 128
	prefillTokens = 512
)

// decode measures tokens a second between the first token and the last.
func decode(ctx context.Context, s *session) ([]result, error) {
	pairs, err := s.pairs(ctx,
		func(ctx context.Context, run int) (float64, error) {
			g, err := s.generateFresh(ctx, seed(3, run, 0), 1, decodeTokens+1)
			return float64(g.tokens-g.atOnce) / (g.total - g.first).Seconds(), err
		},
		func(ctx context.Context, _ int) (float64, error) { return s.llamaBench(ctx, 0, decodeTokens) })
	return []result{{name: "decode", unit: "tokens/s", pairs: pairs}}, err
}

// prefill measures prompt tokens a second until the first token is there.
func prefill(ctx context.Context, s *session) ([]result, error) {
	pairs, err := s.pairs(ctx,
		func(ctx context.Context, run int) (float64, error) {
			g, err := s.generateFresh(ctx, seed(4, run, 0), prefillTokens, 1)
			return prefillTokens / g.first.Seconds(), err
		},
		func(ctx context.Context, _ int) (float64, error) { return s.llamaBench(ctx, prefillTokens, 0) })
	return []result{{name: "prefill", unit: "tokens/s", pairs: pairs}}, err
}

// generateFresh runs a request on an engine of its own, after another prompt of the
// same length as the warm-up: llama-bench, too, begins with buffers that were used.
func (s *session) generateFresh(ctx context.Context, seed uint64, prompt, output int) (g generation, err error) {
	e, w, err := s.fresh(ctx, engine.Options{NoSpeculation: true})
	if err != nil {
		return g, err
	}
	defer e.Close()
	if _, err := generate(ctx, e, w.prompt(seed+1, prompt), 1); err != nil {
		return g, err
	}
	return generate(ctx, e, w.prompt(seed, prompt), output)
}

// llamaBench runs llama-bench once, after its own warm-up.
func (s *session) llamaBench(ctx context.Context, prompt, output int) (float64, error) {
	cmd := s.peer(ctx, "llama-bench", "-m", s.model, "-p", strconv.Itoa(prompt), "-n", strconv.Itoa(output),
		"-t", strconv.Itoa(s.options.threads), "-r", "1", "-o", "json")
	out, err := cmd.output()
	if err != nil {
		return 0, err
	}
	return parseLlamaBench(out, prompt, output, s.options.threads)
}

// parseLlamaBench finds the rate in what llama-bench -o json writes, and checks
// that it measured what was asked for.
func parseLlamaBench(out []byte, prompt, output, threads int) (float64, error) {
	var runs []struct {
		Prompt  int     `json:"n_prompt"`
		Output  int     `json:"n_gen"`
		Threads int     `json:"n_threads"`
		Rate    float64 `json:"avg_ts"`
	}
	if err := json.Unmarshal(out, &runs); err != nil {
		return 0, fmt.Errorf("llama-bench did not write JSON: %w: %.80q", err, out)
	}
	if len(runs) != 1 {
		return 0, fmt.Errorf("llama-bench reports %d runs instead of one", len(runs))
	}
	if r := runs[0]; r.Prompt != prompt || r.Output != output || r.Threads != threads {
		return 0, fmt.Errorf("llama-bench reports a prompt of %d, an output of %d and %d threads instead of %d, %d and %d",
			r.Prompt, r.Output, r.Threads, prompt, output, threads)
	}
	return runs[0].Rate, nil
}
