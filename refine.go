package cria

import (
	"context"
	"maps"
)

// Refine is a [BestOfN] whose next attempt is told what was wrong with the last: the
// [Score.Feedback] of its reward function stands as an input "hint" in the prompts of all
// predictors of the module, behind their other inputs. Where a signature has a field of
// that name, the input is "feedback_hint", and so on. It is safe for concurrent use.
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
// are if there is none.
func (p *Predictor) hinted(ctx context.Context, inputs Example) (*Predictor, Example, error) {
	hint, _ := ctx.Value(hintKey{}).(string)
	if hint == "" {
		return p, inputs, nil
	}
	p.hint.once.Do(func() { p.hint.predictor, p.hint.err = p.withHintInput() })
	if p.hint.err != nil {
		return nil, nil, p.hint.err
	}
	told := Example{}
	maps.Copy(told, inputs)
	told[p.hint.predictor.sig.inputs[len(p.sig.inputs)].Name] = hint
	return p.hint.predictor, told, nil
}

// withHintInput adds the input. The instruction stays as it is, so that all attempts have
// the same prefix.
func (p *Predictor) withHintInput() (*Predictor, error) {
	hint := Field{Name: hintName, Type: Type{Kind: KindString}, Desc: "what to mind"}
	for p.sig.declares(hint.Name) {
		hint.Name = "feedback_" + hint.Name
	}
	sig, err := p.sig.AppendInputs(hint)
	if err != nil {
		return nil, err
	}
	if sig, err = sig.WithInstruction(p.sig.Instruction()); err != nil {
		return nil, err
	}
	return &Predictor{sig: sig, scope: p.scope, retries: p.retries, origin: p.declared()}, nil
}
