package cria

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// PredictOptions are the settings of one predictor. Nil and zero fields leave
// the choice to [Configure] and the LM.
type PredictOptions struct {
	LM        LM
	Adapter   Adapter
	Format    OutputFormat
	Sampling  *Sampling
	MaxTokens int

	CloseOnLimit bool         // see [Scope]
	Calibration  *Calibration // see [Calibrate]

	Demos []Example // demonstrations; see [Signature.WithDemos]
}

func (o *PredictOptions) scope() Scope {
	if o == nil {
		return Scope{}
	}
	return Scope{LM: o.LM, Adapter: o.Adapter, Format: o.Format, Sampling: o.Sampling, MaxTokens: o.MaxTokens, CloseOnLimit: o.CloseOnLimit, Calibration: o.Calibration}
}

func (o *PredictOptions) apply(sig *Signature) (*Signature, error) {
	if o == nil || len(o.Demos) == 0 {
		return sig, nil
	}
	return sig.WithDemos(o.Demos...)
}

// Predictor asks a language model to fill in a signature's outputs, with values
// by field name. [Predict] is its typed form. A Predictor is immutable and safe
// for concurrent use.
type Predictor struct {
	sig   *Signature
	scope Scope
}

// NewPredictor makes a predictor. opts may be nil.
func NewPredictor(sig *Signature, opts *PredictOptions) (*Predictor, error) {
	if sig == nil {
		return nil, errors.New("making a predictor: the signature is nil")
	}
	sig, err := opts.apply(sig)
	if err != nil {
		return nil, err
	}
	return &Predictor{sig: sig, scope: opts.scope()}, nil
}

// Signature returns what the predictor fills in.
func (p *Predictor) Signature() *Signature { return p.sig }

// Request returns the request that a call with these inputs would send, without
// sending it.
func (p *Predictor) Request(ctx context.Context, inputs Example) (*Request, error) {
	_, req, err := p.prepare(ctx, inputs)
	return req, err
}

// Call runs the predictor once. Inputs that do not fit the signature give an
// *[InputError], a reply that cannot be read a *[ParseError]. A reply that
// reached its token limit in the middle of its last value is an error too,
// unless that value is text: then the result's Finish says [FinishLength].
func (p *Predictor) Call(ctx context.Context, inputs Example) (*Prediction, error) {
	for delta, err := range p.Stream(ctx, inputs) {
		if err != nil {
			return nil, err
		}
		if delta.Result != nil {
			return delta.Result, nil
		}
	}
	return nil, errors.New("the stream ended without a result")
}

// Stream runs the predictor once and yields the text of each field as it comes;
// the last delta has the result. Breaking out cancels the work.
func (p *Predictor) Stream(ctx context.Context, inputs Example) iter.Seq2[Delta[Example], error] {
	return func(yield func(Delta[Example], error) bool) {
		scope, req, err := p.prepare(ctx, inputs)
		if err != nil {
			yield(Delta[Example]{}, err)
			return
		}
		reply := &reply{predictor: p, scope: scope, req: req, yield: func(d Delta[Example]) bool { return yield(d, nil) }}
		if result, err := reply.get(ctx); !reply.stopped {
			yield(Delta[Example]{Result: result}, err)
		}
	}
}

// reply is one reply in the making.
type reply struct {
	predictor *Predictor
	scope     Scope
	req       *Request
	yield     func(Delta[Example]) bool
	stopped   bool // by yield
}

// get generates the reply, and chooses its last value if that can be scored.
func (r *reply) get(ctx context.Context) (*Prediction, error) {
	hole := r.scope.closedHole(r.req)
	if hole == nil {
		text, last, err := r.generate(ctx, r.req)
		if err != nil || r.stopped {
			return nil, err
		}
		return r.predictor.parse(r.scope, r.req.Prefill+text, last)
	}
	req, last := *r.req, Chunk{Finish: FinishStop}
	if hole.before != nil {
		req.Output = hole.before
		text, chunk, err := r.generate(ctx, &req)
		if err != nil || r.stopped {
			return nil, err
		}
		if chunk.Finish == FinishLength && !chunk.Closed {
			return r.predictor.parse(r.scope, req.Prefill+text, chunk)
		}
		req.Prefill += strings.TrimSuffix(text, hole.joint)
		last = chunk
	}
	req.Output = hole.rest
	rest, choice, usage, err := hole.choose(ctx, &req, r.scope.Calibration)
	if err != nil || !r.hand(Delta[Example]{Field: hole.field, Text: hole.values[choice.Best()], Done: true}) {
		return nil, err
	}
	if last.Usage == (Usage{}) {
		last.Usage = usage
	} else {
		last.Usage = last.Usage.Add(usage)
	}
	prediction, err := r.predictor.parse(r.scope, req.Prefill+rest, last)
	if err != nil {
		return nil, err
	}
	prediction.Choice = choice
	return prediction, nil
}

// generate returns the text of a reply and its last chunk, and hands out the fields.
func (r *reply) generate(ctx context.Context, req *Request) (string, Chunk, error) {
	var text strings.Builder
	var last Chunk
	fields := newFieldSplitter(req.Output)
	for chunk, err := range r.scope.LM.Generate(ctx, req) {
		if err != nil {
			return "", last, err
		}
		text.WriteString(chunk.Text)
		last = chunk
		if !r.hand(fields.add(chunk.Text)...) {
			return "", last, nil
		}
	}
	r.hand(fields.end()...)
	return text.String(), last, nil
}

// hand hands deltas out, and reports whether more are wanted.
func (r *reply) hand(deltas ...Delta[Example]) bool {
	for _, d := range deltas {
		if !r.stopped && !r.yield(d) {
			r.stopped = true
		}
	}
	return !r.stopped
}

func (p *Predictor) prepare(ctx context.Context, inputs Example) (Scope, *Request, error) {
	scope, err := resolve(ctx, p.scope)
	if err != nil {
		return scope, nil, err
	}
	if scope.Sampling != nil {
		if err := scope.Sampling.Validate(); err != nil {
			return scope, nil, err
		}
	}
	if scope.MaxTokens < 0 {
		return scope, nil, fmt.Errorf("max tokens %d is negative; leave it zero for the model's default", scope.MaxTokens)
	}
	req, err := scope.Adapter.Format(p.sig, inputs)
	if err != nil {
		return scope, nil, err
	}
	req.Sampling, req.MaxTokens, req.CloseOnLimit = scope.Sampling, scope.MaxTokens, scope.CloseOnLimit
	return scope, req, nil
}

func (p *Predictor) parse(scope Scope, text string, last Chunk) (*Prediction, error) {
	values, err := scope.Adapter.Parse(p.sig, Message{RoleAssistant, text})
	if err != nil {
		if parseErr := (*ParseError)(nil); errors.As(err, &parseErr) {
			parseErr.Truncated = last.Finish == FinishLength
		}
		return nil, err
	}
	if f, ok := p.cutOff(scope.Adapter, text); ok && last.Finish == FinishLength && !last.Closed {
		fieldErr := &FieldError{Field: f.Name, Text: values.Text(f.Name), Err: ErrTruncated}
		delete(values, f.Name)
		return nil, &ParseError{Fields: []*FieldError{fieldErr}, Partial: values, Raw: text, Truncated: true}
	}
	return &Prediction{Value: values, Text: text, Finish: last.Finish, Usage: last.Usage}, nil
}

// cutter is an [Adapter] that knows which output was cut off in a reply that reached
// its limit: models that are not constrained write outputs in any order. A number or
// a list that was cut off reads like a shorter one; text may be cut.
type cutter interface {
	cutOff(outputs []Field, reply string) (Field, bool)
}

func (p *Predictor) cutOff(adapter Adapter, reply string) (Field, bool) {
	if c, ok := adapter.(cutter); ok {
		return c.cutOff(p.sig.outputs, reply)
	}
	last := p.sig.outputs[len(p.sig.outputs)-1]
	return last, last.Type.Kind != KindString
}
