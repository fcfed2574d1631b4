package cria

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
)

// PredictOptions are the settings of one predictor. Nil and zero fields leave
// the choice to [Configure] and the LM. As JSON they are what was found out about a
// program, its format, demonstrations and calibration included, to be used again with
// the same signature and model; LM and Adapter are not part of that. Options that were
// read from a file belong to [NewPredictor] or [PredictOf], which report what does not fit.
// What the pointers point to must not be changed once a predictor has it.
type PredictOptions struct {
	LM      LM      `json:"-"`
	Adapter Adapter `json:"-"`

	Format    OutputFormat `json:"format,omitempty"`
	Sampling  *Sampling    `json:"sampling,omitempty"`
	MaxTokens int          `json:"max_tokens,omitempty"`

	LoRA         []LoRA       `json:"lora,omitzero"`            // see [Scope]
	ThinkTokens  int          `json:"think_tokens,omitempty"`   // see [Scope]
	CloseOnLimit bool         `json:"close_on_limit,omitempty"` // see [Scope]
	Calibration  *Calibration `json:"calibration,omitempty"`    // see [Calibrate]

	// Retries is how often a call asks again when the reply cannot be read, at most: the
	// next request has that reply and its errors besides. Usage, the last error's too, is
	// that of all requests. 0: a reply that cannot be read is an error at once.
	Retries int `json:"retries,omitempty"`

	Demos []Example `json:"demos,omitempty"` // demonstrations; see [Signature.WithDemos]
}

func (o *PredictOptions) scope() Scope {
	if o == nil {
		return Scope{}
	}
	return Scope{
		LM: o.LM, Adapter: o.Adapter, Format: o.Format, Sampling: o.Sampling, MaxTokens: o.MaxTokens,
		LoRA: o.LoRA, ThinkTokens: o.ThinkTokens, CloseOnLimit: o.CloseOnLimit, Calibration: o.Calibration,
	}
}

func (o *PredictOptions) apply(sig *Signature) (*Signature, error) {
	if o == nil || len(o.Demos) == 0 {
		return sig, nil
	}
	return sig.WithDemos(o.Demos...)
}

// validate reports settings that can work in no call of the signature. Demonstrations
// are checked where a signature gets them.
func (o *PredictOptions) validate(sig *Signature) error {
	if o == nil {
		return nil
	}
	if _, err := o.Format.Adapter(false); err != nil {
		return err
	}
	if o.Sampling != nil {
		if err := o.Sampling.Validate(); err != nil {
			return err
		}
	}
	if err := validateLimits(o.MaxTokens, o.ThinkTokens); err != nil {
		return err
	}
	if o.Retries < 0 {
		return fmt.Errorf("%d retries are negative; leave it zero for none", o.Retries)
	}
	output := sig.outputs[len(sig.outputs)-1]
	if o.Calibration != nil && len(o.Calibration.Bias) > 0 && output.closedSet() == nil {
		return fmt.Errorf("a calibration has biases, but field %q has no closed set of values", output.Name)
	}
	return o.Calibration.validate(output)
}

func validateLimits(maxTokens, thinkTokens int) error {
	if maxTokens < 0 {
		return fmt.Errorf("max tokens %d is negative; leave it zero for the model's default", maxTokens)
	}
	if thinkTokens < 0 {
		return fmt.Errorf("think tokens %d is negative; leave it zero for no thinking", thinkTokens)
	}
	return nil
}

// Predictor asks a language model to fill in a signature's outputs, with values
// by field name. [Predict] is its typed form. A Predictor is immutable and safe
// for concurrent use.
type Predictor struct {
	sig     *Signature
	scope   Scope
	retries int
	origin  *Predictor // that it was made from; nil: itself

	hint struct { // the predictor that has an input for a hint
		once      sync.Once
		predictor *Predictor
		err       error
	}
}

// NewPredictor makes a predictor. opts may be nil; the error says what of them can never
// work.
func NewPredictor(sig *Signature, opts *PredictOptions) (*Predictor, error) {
	if sig == nil {
		return nil, errors.New("making a predictor: the signature is nil")
	}
	if err := opts.validate(sig); err != nil {
		return nil, fmt.Errorf("making a predictor: %w", err)
	}
	sig, err := opts.apply(sig)
	if err != nil {
		return nil, err
	}
	p := &Predictor{sig: sig, scope: opts.scope()}
	if opts != nil {
		p.retries = opts.Retries
	}
	return p, nil
}

// Signature returns what the predictor fills in.
func (p *Predictor) Signature() *Signature { return p.sig }

// Request returns the request that a call with these inputs would send, without
// sending it.
func (p *Predictor) Request(ctx context.Context, inputs Example) (*Request, error) {
	p, inputs, err := p.current(ctx).hinted(ctx, inputs)
	if err != nil {
		return nil, err
	}
	_, req, err := p.prepare(ctx, inputs)
	return req, err
}

// Call runs the predictor once. Inputs that do not fit the signature give an
// *[InputError], a reply that cannot be read a *[ParseError]. A reply that
// reached its token limit in the middle of its last value is an error too,
// unless that value is text: then the result's Finish says [FinishLength]. A call takes
// one request to the LM, and one more each to let it think and to score a closed set
// behind other outputs.
func (p *Predictor) Call(ctx context.Context, inputs Example) (*Prediction, error) {
	call := newCall(ctx, p, inputs)
	var hand func(Delta[Example]) bool // without a reader there is nothing to cut into fields
	if call.sink != nil {
		hand = func(d Delta[Example]) bool { call.delta(d); return true }
	}
	return p.run(ctx, call, hand)
}

// Stream runs the predictor once and yields the text of each field as it comes;
// the last delta has the result. A delta with a Retry says that what was yielded before
// it does not count. Breaking out cancels the work.
func (p *Predictor) Stream(ctx context.Context, inputs Example) iter.Seq2[Delta[Example], error] {
	return func(yield func(Delta[Example], error) bool) {
		call := newCall(ctx, p, inputs)
		stopped := false
		result, err := p.run(ctx, call, func(d Delta[Example]) bool {
			call.delta(d)
			stopped = !yield(d, nil)
			return !stopped
		})
		if !stopped {
			yield(Delta[Example]{Result: result}, err)
		}
	}
}

// run makes a call and says how it ended to whom the context says. The result is nil if
// hand, which may be nil, wanted no more.
func (p *Predictor) run(ctx context.Context, call *call, hand func(Delta[Example]) bool) (*Prediction, error) {
	result, err := p.ask(ctx, call, hand)
	err = outOfTime(ctx, err)
	if result == nil && err == nil {
		call.end(nil, ErrStopped)
		return nil, nil
	}
	call.end(result, err)
	return result, err
}

// ask makes the call that p was asked for, with what the context has in p's place.
func (p *Predictor) ask(ctx context.Context, call *call, hand func(Delta[Example]) bool) (*Prediction, error) {
	p, inputs, err := p.current(ctx).hinted(ctx, call.step.Inputs)
	if err != nil {
		return nil, err
	}
	scope, req, err := p.prepare(ctx, inputs)
	if err != nil {
		return nil, err
	}
	call.step.Request = req
	reply := &reply{predictor: p, scope: scope, req: *req, meter: meterOf(ctx), yield: hand}
	prediction, err := reply.getWithin(ctx, p.retries)
	call.step.Usage = reply.usage
	return prediction, err
}

func (p *Predictor) prepare(ctx context.Context, inputs Example) (Scope, *Request, error) {
	scope, err := resolve(ctx, p.scope)
	if err != nil {
		return scope, nil, err
	}
	// The predictor's own settings were checked when it was made.
	if scope.Sampling != nil && scope.Sampling != p.scope.Sampling {
		if err := scope.Sampling.Validate(); err != nil {
			return scope, nil, err
		}
	}
	if err := checkLoRA(scope.LM, scope.LoRA); err != nil {
		return scope, nil, err
	}
	if err := validateLimits(scope.MaxTokens, scope.ThinkTokens); err != nil {
		return scope, nil, err
	}
	if scope.Calibration != p.scope.Calibration {
		if err := scope.Calibration.validate(p.sig.outputs[len(p.sig.outputs)-1]); err != nil {
			return scope, nil, err
		}
	}
	req, err := scope.Adapter.Format(p.sig, inputs)
	if err != nil {
		return scope, nil, err
	}
	if len(req.Images) > 0 && !readsImages(scope.LM) {
		return scope, nil, &InputError{[]error{errNoImages}}
	}
	req.Sampling, req.MaxTokens, req.CloseOnLimit = scope.Sampling, scope.MaxTokens, scope.CloseOnLimit
	if len(scope.LoRA) > 0 {
		req.LoRA = scope.LoRA
	}
	return scope, req, scope.identify(req)
}

func (p *Predictor) parse(scope Scope, text string, last Chunk) (*Prediction, error) {
	r, err := readReply(scope.Adapter, p.sig, Message{RoleAssistant, text})
	if err == nil && r.CutOff != "" && last.Finish == FinishLength && !last.Closed {
		err = r.truncated(text)
	}
	if err != nil {
		if parseErr := (*ParseError)(nil); errors.As(err, &parseErr) {
			parseErr.Truncated, parseErr.Usage = last.Finish == FinishLength, last.Usage
		}
		return nil, err
	}
	return &Prediction{Value: r.Values, Text: text, Finish: last.Finish, Usage: last.Usage, Coercions: r.Coercions}, nil
}
