package cria

import (
	"context"
	"fmt"
	"iter"
	"strings"
)

// TwoStep lets a model answer in its own words and then takes the outputs from that
// text, in a second request: a model that reasons may write, and a small one extract.
// Every call costs two requests. It is safe for concurrent use.
type TwoStep[In, Out any] struct {
	Write   *Predictor // inputs to one free text
	Extract *Predictor // that text, as its only input, to the outputs

	inputs  structCodec
	outputs structCodec
}

// TwoStepOptions are the settings of the two predictors. Nil and zero fields leave the
// choice to the context and [Configure]; what a context sets is for both, as ever.
type TwoStepOptions struct {
	// Write has no effect with its Format, Adapter and Calibration: the text is free.
	// Its demonstrations have the text as their output.
	Write *PredictOptions

	// Extract may have demonstrations of its own, whose input is the text.
	Extract *PredictOptions
}

// TwoStepResult is the result of both requests. The embedded one is that of the
// extraction, and so is its usage.
type TwoStepResult[Out any] struct {
	*Result[Out]
	Free *Result[string] // the first request; its value is the text
}

// TotalUsage is the usage of both requests.
func (r *TwoStepResult[Out]) TotalUsage() Usage {
	if r.Result == nil { // the extraction failed
		return r.Free.Usage
	}
	return r.Free.Usage.Add(r.Result.Usage)
}

// NewTwoStep makes a two-step module, and panics as [NewPredict] does. An empty
// instruction means the default one; opts may be nil. The field of the free text is named
// "text", or "free_text" if a field of In or Out is.
func NewTwoStep[In, Out any](instruction string, opts *TwoStepOptions) *TwoStep[In, Out] {
	sig, err := SignatureOf[In, Out](instruction)
	if err != nil {
		panic(err)
	}
	if opts == nil {
		opts = &TwoStepOptions{}
	}
	write, extract, err := twoSteps(sig, opts)
	if err != nil {
		panic("cria: making a two-step module: " + err.Error())
	}
	return &TwoStep[In, Out]{Write: write, Extract: extract, inputs: codecOf[In](), outputs: codecOf[Out]()}
}

func twoSteps(sig *Signature, opts *TwoStepOptions) (write, extract *Predictor, err error) {
	text := Field{Name: "text", Type: Type{Kind: KindString}}
	for sig.declares(text.Name) {
		text.Name = "free_" + text.Name
	}
	writeSig, err := NewSignature(freeInstruction(sig), sig.inputs, []Field{text})
	if err != nil {
		return nil, nil, err
	}
	extractSig, err := NewSignature("", []Field{text}, sig.outputs)
	if err != nil {
		return nil, nil, err
	}
	if write, err = NewPredictor(writeSig, opts.Write); err != nil {
		return nil, nil, fmt.Errorf("to write: %w", err)
	}
	write.scope.Format, write.scope.Calibration = "", nil
	if extract, err = NewPredictor(extractSig, opts.Extract); err != nil {
		return nil, nil, fmt.Errorf("to extract: %w", err)
	}
	return write, extract, nil
}

// declares reports whether a field has the name, or is shown to a model under it.
func (s *Signature) declares(name string) bool {
	for _, fields := range [][]Field{s.inputs, s.outputs} {
		for _, f := range fields {
			if strings.EqualFold(f.Name, name) || strings.EqualFold(f.Label(), name) {
				return true
			}
		}
	}
	return false
}

// freeInstruction asks for text that says the outputs, with their descriptions.
func freeInstruction(sig *Signature) string {
	text := sig.Instruction() + "\nAnswer in your own words."
	if sig.instruction != "" {
		text = sig.instruction + "\nGive the " + enumerate(sig.outputs) + " in your own words."
	}
	for _, f := range sig.outputs {
		if f.Desc != "" {
			text += "\n" + f.Label() + ": " + f.Desc
		}
	}
	return text
}

// Call returns the answer to one input. Errors are those of [TwoStep.Run].
func (t *TwoStep[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	r, err := t.Run(ctx, in)
	if err != nil {
		var zero Out
		return zero, err
	}
	return r.Value, nil
}

// Run is Call with the details. An error of either request is as those of
// [Predictor.Call]. If it is of the second one, the result is there all the same, with
// the free text and its usage, and without a [Result].
func (t *TwoStep[In, Out]) Run(ctx context.Context, in In) (*TwoStepResult[Out], error) {
	free, err := t.write(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("writing the answer: %w", err)
	}
	r := &TwoStepResult[Out]{Free: &Result[string]{Value: t.text(free), Text: free.Text, Thinking: free.Thinking, Finish: free.Finish, Usage: free.Usage}}
	extracted, err := t.Extract.Call(ctx, t.extraction(free))
	if err == nil {
		r.Result, err = resultOf[Out](t.outputs, extracted)
	}
	if err != nil {
		return r, fmt.Errorf("extracting from the answer: %w", err)
	}
	return r, nil
}

// Stream is Call that yields the text of each field as it comes, the free text before the
// outputs; the last delta has the result, with the usage of both requests. Breaking out
// cancels the work.
func (t *TwoStep[In, Out]) Stream(ctx context.Context, in In) iter.Seq2[Delta[Out], error] {
	return func(yield func(Delta[Out], error) bool) {
		writing, err := t.writing(ctx)
		if err != nil {
			yield(Delta[Out]{}, fmt.Errorf("writing the answer: %w", err))
			return
		}
		var free *Prediction
		for delta, err := range t.Write.Stream(writing, t.inputs.encode(in)) {
			if err != nil {
				yield(Delta[Out]{}, fmt.Errorf("writing the answer: %w", err))
				return
			}
			if free = delta.Result; free == nil && !yield(typedDelta[Out](delta), nil) {
				return
			}
		}
		for delta, err := range t.Extract.Stream(ctx, t.extraction(free)) {
			typed := typedDelta[Out](delta)
			if err == nil && delta.Result != nil {
				if typed.Result, err = resultOf[Out](t.outputs, delta.Result); err == nil {
					typed.Result.Usage = free.Usage.Add(typed.Result.Usage)
				}
			}
			if err != nil {
				yield(Delta[Out]{}, fmt.Errorf("extracting from the answer: %w", err))
				return
			}
			if !yield(typed, nil) {
				return
			}
		}
	}
}

// write asks the LM of the call, whatever its adapter is, for free text.
func (t *TwoStep[In, Out]) write(ctx context.Context, in In) (*Prediction, error) {
	ctx, err := t.writing(ctx)
	if err != nil {
		return nil, err
	}
	return t.Write.Call(ctx, t.inputs.encode(in))
}

// writing is the context of the first request.
func (t *TwoStep[In, Out]) writing(ctx context.Context) (context.Context, error) {
	scope, err := resolve(ctx, t.Write.current(ctx).scope)
	if err != nil {
		return nil, err
	}
	return With(ctx, Scope{LM: scope.LM, Adapter: freeText{}, Calibration: &Calibration{}}), nil
}

// text is the value of the first request.
func (t *TwoStep[In, Out]) text(free *Prediction) string {
	return free.Value.Text(t.Write.sig.outputs[0].Name)
}

// extraction is the input of the second request.
func (t *TwoStep[In, Out]) extraction(free *Prediction) Example {
	return Example{t.Extract.sig.inputs[0].Name: t.text(free)}
}

// freeText is an adapter whose reply is one text, which nothing is forced of. Inputs are
// lines as those of [Lines].
type freeText struct{ Lines }

func (f freeText) Format(sig *Signature, inputs Example) (*Request, error) {
	return format(f, sig, inputs)
}

func (f freeText) Parse(sig *Signature, reply Message) (Example, error) {
	r, err := parse(f, sig, reply)
	return r.Values, err
}

func (f freeText) ReadReply(sig *Signature, reply Message) (Reading, error) {
	return parse(f, sig, reply)
}

func (freeText) opening([]Field) string { return "" }

func (freeText) constraint([]Field) Constraint { return nil }

func (freeText) read(outputs []Field, reply string) reading {
	name := outputs[0].Name
	return reading{found: foundValues{{name, strings.TrimSpace(reply)}}, last: name}
}

func (freeText) demo(outputs []Field, demo Example) string { return demo.Text(outputs[0].Name) }
