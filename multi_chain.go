package cria

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MultiChainComparison reasons several times, then reads the attempts side by side and
// answers. It is safe for concurrent use.
type MultiChainComparison[In, Out any] struct {
	Attempt *ChainOfThought[In, Out]
	Compare *Predictor

	n       int
	inputs  structCodec
	outputs structCodec
}

// NewMultiChainComparison makes a module of n attempts, at least 2, which sample as those
// of [BestOfN] do, and at once. The instruction and the options are those of the attempts
// and of the comparison, but for demonstrations and calibration, which are the
// attempts' only. It panics for the reasons of [NewPredict].
func NewMultiChainComparison[In, Out any](n int, instruction string, opts *PredictOptions) *MultiChainComparison[In, Out] {
	attempt := NewChainOfThought[In, Out](instruction, opts)
	compare, err := compareSignature(attempt.Signature(), n)
	if err != nil {
		panic("cria: " + err.Error())
	}
	var common PredictOptions
	if opts != nil {
		common = *opts
	}
	common.Demos, common.Calibration = nil, nil
	predictor, err := NewPredictor(compare, &common)
	if err != nil {
		panic("cria: " + err.Error())
	}
	return &MultiChainComparison[In, Out]{attempt, predictor, n, codecOf[In](), codecOf[Reasoned[Out]]()}
}

// compareSignature adds an input for each attempt.
func compareSignature(sig *Signature, n int) (*Signature, error) {
	if n < 2 {
		return nil, fmt.Errorf("%d attempts to compare; there must be at least 2", n)
	}
	inputs := sig.Inputs()
	for i := range n {
		inputs = append(inputs, Field{Name: attemptName(i), Type: Type{Kind: KindString}, Optional: true})
	}
	return NewSignature(strings.TrimSuffix(sig.Instruction(), ".")+". The attempts may be wrong: compare them.", inputs, sig.Outputs())
}

func attemptName(i int) string { return fmt.Sprintf("attempt_%d", i+1) }

// Call implements [Module]. Attempts that fail are left out; if all fail, the error is an
// *[AttemptsError]. If the context ends, or its budget is spent, before they are compared,
// the most frequent answer of the attempts is returned. If the comparison fails for
// another reason, that answer comes with its error.
func (m *MultiChainComparison[In, Out]) Call(ctx context.Context, in In) (Reasoned[Out], error) {
	answers, err := attempts(ctx, m.Attempt, m.n, in)
	if err != nil {
		return Reasoned[Out]{}, err
	}
	best, err := m.Choose(ctx, in, answers)
	if err == nil {
		return best, nil
	}
	best = MostFrequent(answers, asJSON[Reasoned[Out]])
	if over(ctx, err) {
		return best, nil
	}
	return best, fmt.Errorf("comparing %d answers: %w", len(answers), err)
}

// Choose compares answers that were got otherwise, at most as many as there are attempts.
func (m *MultiChainComparison[In, Out]) Choose(ctx context.Context, in In, answers []Reasoned[Out]) (best Reasoned[Out], err error) {
	if len(answers) == 0 || len(answers) > m.n {
		return best, fmt.Errorf("comparing %d answers: there must be 1 to %d", len(answers), m.n)
	}
	inputs := m.inputs.encode(in)
	for i, a := range answers {
		text, err := m.attemptText(a)
		if err != nil {
			return best, err
		}
		inputs[attemptName(i)] = text
	}
	prediction, err := m.Compare.Call(ctx, inputs)
	if err != nil {
		return best, err
	}
	err = m.outputs.decode(prediction.Value, prediction.Text, &best)
	return best, err
}

// attemptText writes an answer on one line: the reasoning, then the values.
func (m *MultiChainComparison[In, Out]) attemptText(a Reasoned[Out]) (string, error) {
	values := m.outputs.encode(a)
	var parts []string
	var errs []error
	for _, f := range m.Attempt.Signature().outputs {
		text, err := f.Text(values[f.Name])
		errs = append(errs, err)
		if f.Name != reasoningName {
			text = f.Label() + ": " + text
		}
		parts = append(parts, strings.Join(strings.Fields(text), " "))
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " So "), errors.Join(errs...)
}
