package cria

import (
	"context"
	"errors"
	"iter"
)

// Predict asks a language model to make an Out from an In, both structs; see
// [SignatureOf] for how their fields are declared. It is safe for concurrent
// use.
type Predict[In, Out any] struct {
	core    *Predictor
	inputs  structCodec
	outputs structCodec
}

// NewPredict makes a predictor. An empty instruction means that of In's method (see
// [SignatureOf]) or the default one (see [Signature.Instruction]); opts may be nil. It
// panics when a struct cannot be a signature or a demo does not fit: mistakes in a
// declaration. Where options come from a file, use [PredictOf].
func NewPredict[In, Out any](instruction string, opts *PredictOptions) *Predict[In, Out] {
	p, err := PredictOf[In, Out](instruction, opts)
	if err != nil {
		panic("cria: " + err.Error())
	}
	return p
}

// PredictOf is [NewPredict] with an error instead of a panic, for options that were
// read and may not fit. A chain of thought is a PredictOf[In, Reasoned[Out]].
func PredictOf[In, Out any](instruction string, opts *PredictOptions) (*Predict[In, Out], error) {
	sig, err := SignatureOf[In, Out](instruction)
	if err != nil {
		return nil, err
	}
	core, err := NewPredictor(sig, opts)
	if err != nil {
		return nil, err
	}
	return &Predict[In, Out]{core: core, inputs: codecOf[In](), outputs: codecOf[Out]()}, nil
}

// Signature returns what the predictor fills in.
func (p *Predict[In, Out]) Signature() *Signature { return p.core.Signature() }

// Predictor returns the untyped predictor behind p.
func (p *Predict[In, Out]) Predictor() *Predictor { return p.core }

// Call returns the answer to one input. Errors are those of [Predictor.Call].
// Text that was cut off at the token limit is no error: [Predict.Run] tells by
// its Finish.
func (p *Predict[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	result, err := p.Run(ctx, in)
	if err != nil {
		var zero Out
		return zero, err
	}
	return result.Value, nil
}

var errNoPredictor = errors.New("the predictor is nil: make it with NewPredict")

// Run is Call with the details: the reply's text, finish reason and usage.
func (p *Predict[In, Out]) Run(ctx context.Context, in In) (*Result[Out], error) {
	if p == nil {
		return nil, errNoPredictor
	}
	prediction, err := p.core.Call(ctx, p.inputs.encode(in))
	if err != nil {
		return nil, err
	}
	return p.result(prediction)
}

// Stream is Call that yields the text of each field as it comes; the last delta
// has the result. Breaking out cancels the work.
func (p *Predict[In, Out]) Stream(ctx context.Context, in In) iter.Seq2[Delta[Out], error] {
	return func(yield func(Delta[Out], error) bool) {
		if p == nil {
			yield(Delta[Out]{}, errNoPredictor)
			return
		}
		for delta, err := range p.core.Stream(ctx, p.inputs.encode(in)) {
			typed := typedDelta[Out](delta)
			if err == nil && delta.Result != nil {
				typed.Result, err = p.result(delta.Result)
			}
			if !yield(typed, err) || err != nil {
				return
			}
		}
	}
}

// typedDelta is a delta without its result.
func typedDelta[Out any](d Delta[Example]) Delta[Out] {
	return Delta[Out]{Field: d.Field, Text: d.Text, Done: d.Done, Thinking: d.Thinking, Retry: d.Retry}
}

func (p *Predict[In, Out]) result(r *Prediction) (*Result[Out], error) {
	return resultOf[Out](p.outputs, r)
}

// resultOf makes a prediction's values an Out.
func resultOf[Out any](outputs structCodec, r *Prediction) (*Result[Out], error) {
	var value Out
	if err := outputs.decode(r.Value, r.Text, &value); err != nil {
		if unread := (*ParseError)(nil); errors.As(err, &unread) {
			unread.Usage = r.Usage
		}
		return nil, err
	}
	return &Result[Out]{Value: value, Text: r.Text, Thinking: r.Thinking, Finish: r.Finish, Usage: r.Usage, Choice: r.Choice, Coercions: r.Coercions}, nil
}
