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
	s, err := m.engine.Score(ctx, &engine.ScoreRequest{Prompt: prompt, Options: options, Ends: ends})
	if err != nil {
		return nil, classify(err)
	}
	return &cria.Scores{Logprobs: s.Logprobs, Usage: convertUsage(s.Usage)}, nil
}

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
