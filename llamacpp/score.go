package llamacpp

import (
	"context"
	"fmt"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/llama"
)

// Score implements [cria.Scorer]: the replies are a trie of tokens, see
// [engine.Scores].
func (m *LoadedModel) Score(ctx context.Context, req *cria.Request, replies []string) (*cria.Scores, error) {
	prompt, err := m.prompt(ctx, req, m.ContextLength())
	if err != nil {
		return nil, err
	}
	return m.score(ctx, prompt, req, replies)
}

// score scores replies to a request whose prompt is already made.
func (m *LoadedModel) score(ctx context.Context, prompt []llama.Token, req *cria.Request, replies []string) (_ *cria.Scores, err error) {
	options := make([][]llama.Token, len(replies))
	for i, reply := range replies {
		if options[i], err = m.engine.Vocab().EncodeContinuation(reply); err != nil {
			return nil, wrap(ErrInvalidParameter, fmt.Errorf("reply %q: %w", reply, err))
		}
	}
	ends, err := m.ends()
	if err != nil {
		return nil, err
	}
	s, err := m.engine.Score(ctx, &engine.ScoreRequest{Prompt: prompt, Options: options, Ends: ends, LoRA: engineLoRAs(req.LoRA), Salt: req.Salt})
	if err != nil {
		return nil, classify(err)
	}
	return &cria.Scores{Logprobs: s.Logprobs, Usage: convertUsage(s.Usage)}, nil
}

// Score implements [cria.Scorer] within the limits of the [Config], from the cache if
// that is enabled. It is asked only where the choice is not random.
func (a *Adapter) Score(ctx context.Context, req *cria.Request, replies []string) (*cria.Scores, error) {
	if err := checkRequest(req); err != nil {
		return nil, err
	}
	return a.lm.Score(ctx, req, replies)
}

// Score asks the model, again if that can help.
func (a attempts) Score(ctx context.Context, req *cria.Request, replies []string) (s *cria.Scores, err error) {
	prompt, err := a.model.prompt(ctx, req, min(a.config.ContextLength, a.model.ContextLength()))
	if err != nil {
		return nil, err
	}
	if err := a.wait(ctx); err != nil {
		return nil, err
	}
	used := 0
	if a.budget != nil {
		if _, err := a.budget.reserve(ctx, len(prompt), 1); err != nil {
			return nil, err
		}
		defer func() { a.budget.settle(len(prompt)+1, used) }()
	}
	err = a.retry(ctx, func(func(cria.Chunk, error) bool) (err error) {
		if s, err = a.model.score(ctx, prompt, req, replies); err == nil {
			used = s.Usage.TotalTokens()
		}
		return err
	}, nil)
	return s, err
}

// DefaultSampling implements [cria.Sampler].
func (a *Adapter) DefaultSampling() cria.Sampling { return a.config.sampling() }

// endTokens returns the tokens with which a line, or the model's turn, ends.
func endTokens(v *engine.Vocab) ([]llama.Token, error) {
	ends, err := v.EncodeContinuation("\n")
	for t := range llama.Token(v.NTokens()) {
		if v.IsEOG(t) {
			ends = append(ends, t)
		}
	}
	return ends, err
}
