package cria

import (
	"context"
	"errors"
	"slices"
)

// Refine is a [BestOfN] whose next attempt is told what was wrong with the last: the
// [Score.Feedback] of its reward function stands as an input "hint" in the prompts of all
// predictors of the module, behind their other inputs. It is safe for concurrent use.
type Refine[In, Out any] struct {
	BestOfN[In, Out]
}

// NewRefine is as [NewBestOfN].
func NewRefine[In, Out any](m Module[In, Out], n int, threshold float64, reward Reward[In, Out]) *Refine[In, Out] {
	best := NewBestOfN(m, n, threshold, reward)
	best.refine = true
	return &Refine[In, Out]{*best}
}

const hintName = "hint"

type hintKey struct{}

// withHint returns a context whose predictors are told what to mind.
func withHint(ctx context.Context, hint string) context.Context {
	return context.WithValue(ctx, hintKey{}, hint)
}

// hinted returns the predictor and the inputs with the context's hint, or both as they
// are if there is none or the signature has another use for the name.
func (p *Predictor) hinted(ctx context.Context, inputs Example) (*Predictor, Example, error) {
	hint, _ := ctx.Value(hintKey{}).(string)
	if hint == "" {
		return p, inputs, nil
	}
	at := slices.IndexFunc(p.sig.inputs, func(f Field) bool { return f.Name == hintName })
	if at >= 0 && p.sig.inputs[at].Type.Kind != KindString {
		return p, inputs, nil
	}
	told := Example{}
	for name, value := range inputs {
		told[name] = value
	}
	told[hintName] = hint
	if at >= 0 {
		return p, told, nil
	}
	p.hint.once.Do(func() { p.hint.predictor, p.hint.err = p.withHintInput() })
	return p.hint.predictor, told, p.hint.err
}

func (p *Predictor) withHintInput() (*Predictor, error) {
	if slices.ContainsFunc(p.sig.outputs, func(f Field) bool { return f.Name == hintName }) {
		return nil, errors.New(`feedback is an input "hint", and an output has that name`)
	}
	hint := Field{Name: hintName, Type: Type{Kind: KindString}, Desc: "what to mind"}
	sig, err := p.sig.AppendInputs(hint)
	if err != nil {
		return nil, err
	}
	return &Predictor{sig: sig, scope: p.scope, retries: p.retries, origin: p}, nil
}
