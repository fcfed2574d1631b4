package main

import (
	"context"
	"fmt"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/internal/fidelity"
)

// forms is how many forced fills in.
const forms = 240

// fidelityModel is the engine as it ships.
func fidelityModel(ctx context.Context, s *session) (*fidelity.Model, error) {
	e, _, err := s.fresh(ctx, engine.Options{})
	if err != nil {
		return nil, err
	}
	return &fidelity.Model{Engine: e, Vocabulary: grammar.NewVocabulary(tokenizer{e.Vocab()})}, nil
}

// forcedTokens measures how many forced tokens are the tokenizer's own.
func forcedTokens(ctx context.Context, s *session) ([]result, error) {
	m, err := fidelityModel(ctx, s)
	if err != nil {
		return nil, err
	}
	defer m.Engine.Close()
	f, err := fidelity.Forced(ctx, m, forms)
	if err != nil {
		return nil, err
	}
	judged := f.Forced - f.Led
	notes := []string{fmt.Sprintf("%d outputs of %d tokens, of which %d are forced; %d of those are behind what the model began in other tokens, and not judged",
		f.Outputs, f.Tokens, f.Forced, f.Led)}
	return []result{{name: "forced-tokens", unit: "%", alone: share(judged-f.Missed, judged), notes: append(notes, f.Examples...)}}, nil
}

// sameOutputs measures how many outputs a constraint leaves as they are.
func sameOutputs(ctx context.Context, s *session) ([]result, error) {
	m, err := fidelityModel(ctx, s)
	if err != nil {
		return nil, err
	}
	defer m.Engine.Close()
	f, err := fidelity.Same(ctx, m, fidelity.Tasks)
	if err != nil {
		return nil, err
	}
	notes := []string{fmt.Sprintf("%d of %d outputs are valid without a constraint; %d are the same text with it, %d part at a token within %.2f of the best logit",
		f.Valid, f.Outputs, f.Same, f.Ties, fidelity.TieGap)}
	return []result{{name: "same-outputs", unit: "%", alone: share(f.Same+f.Ties, f.Valid), notes: append(notes, f.Examples...)}}, nil
}

func share(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }
