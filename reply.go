package cria

import (
	"context"
	"fmt"
	"strings"
)

// reply is one reply in the making. It takes up to three requests: for what the model
// thinks, for the values that are generated, and for the scores of the last one.
type reply struct {
	predictor *Predictor
	scope     Scope
	req       Request                   // with what has come so far in Thinking and Prefill
	meter     *meter                    // may be nil
	yield     func(Delta[Example]) bool // nil: nobody reads along
	stopped   bool                      // by yield
	requests  int
	usage     Usage // of all of them
}

// get generates the reply, and chooses its last value if that can be scored.
func (r *reply) get(ctx context.Context) (*Prediction, error) {
	if r.scope.ThinkTokens > 0 {
		if err := r.think(ctx); err != nil || r.stopped {
			return nil, err
		}
	}
	hole := r.scope.closedHole(&r.req)
	if hole == nil {
		last, err := r.generate(ctx)
		if err != nil || r.stopped {
			return nil, err
		}
		return r.parse(last)
	}
	last := Chunk{Finish: FinishStop}
	if hole.before != nil {
		var err error
		r.req.Output = hole.before
		if last, err = r.generate(ctx); err != nil || r.stopped {
			return nil, err
		}
		if last.Finish == FinishLength && !last.Closed {
			return r.parse(last)
		}
		r.req.Prefill = strings.TrimSuffix(r.req.Prefill, hole.joint)
	}
	r.req.Output = hole.rest
	choice, err := r.choose(ctx, hole)
	if err != nil || r.stopped {
		return nil, err
	}
	prediction, err := r.parse(last)
	if err == nil {
		prediction.Choice = choice
	}
	return prediction, err
}

// think lets the model think before it answers.
func (r *reply) think(ctx context.Context) error {
	req := r.req
	req.Output, req.Stop, req.Think, req.MaxTokens = nil, nil, true, r.scope.ThinkTokens
	text, _, err := r.read(ctx, &req, func(text string) []Delta[Example] {
		return []Delta[Example]{{Thinking: text}}
	})
	r.req.Thinking = strings.TrimSpace(text)
	return err
}

// generate adds what the request's output is to the prefill, and hands out the fields.
func (r *reply) generate(ctx context.Context) (Chunk, error) {
	req := r.req // which the LM may keep
	var fields *fieldSplitter
	var deltas func(string) []Delta[Example]
	if r.yield != nil {
		fields = newFieldSplitter(req.Prefill, req.Output, r.predictor.sig.outputs)
		deltas = fields.add
	}
	text, last, err := r.read(ctx, &req, deltas)
	if err != nil || r.stopped {
		return last, err
	}
	if fields != nil {
		r.hand(fields.end())
	}
	r.req.Prefill += text
	return last, nil
}

// read returns the text of a request and its last chunk, and hands out what deltas, if
// it is not nil, makes of the text.
func (r *reply) read(ctx context.Context, req *Request, deltas func(text string) []Delta[Example]) (string, Chunk, error) {
	var text strings.Builder
	var last Chunk
	var err error
	if req.MaxTokens, err = r.meter.begin(req.MaxTokens); err != nil {
		return "", last, err
	}
	chunks := 0
	defer func() {
		switch {
		case last.Finish != "":
			r.use(last.Usage)
		case chunks > 0: // it failed, or was given up: there is no usage, but at least so many tokens
			r.use(Usage{CompletionTokens: chunks})
		}
	}()
	for chunk, err := range r.scope.LM.Generate(ctx, req) {
		if err != nil {
			return "", last, err
		}
		chunks++
		text.WriteString(chunk.Text)
		last = chunk
		if chunk.Text != "" && deltas != nil && !r.hand(deltas(chunk.Text)) {
			break
		}
	}
	return text.String(), last, nil
}

// choose adds the most probable value of a hole to the prefill, with what is around it.
func (r *reply) choose(ctx context.Context, hole *closedHole) (*Choice, error) {
	req, texts := r.req, hole.rest.replies(hole.values)
	if _, err := r.meter.begin(0); err != nil {
		return nil, err
	}
	s, err := hole.scorer.Score(ctx, &req, texts)
	if err != nil {
		return nil, err
	}
	r.use(s.Usage)
	if len(s.Logprobs) != len(texts) {
		return nil, fmt.Errorf("field %q: the LM gave %d scores for %d values", hole.field, len(s.Logprobs), len(texts))
	}
	choice := r.scope.Calibration.apply(hole.values, s.Logprobs)
	best := choice.Best()
	r.req.Prefill += texts[best]
	r.hand([]Delta[Example]{{Field: hole.field, Text: hole.values[best], Done: true}})
	return choice, nil
}

func (r *reply) use(u Usage) {
	r.meter.use(u)
	if r.requests++; r.requests > 1 {
		u = u.Add(r.usage)
	}
	r.usage = u
}

// hand hands deltas out, and reports whether more are wanted.
func (r *reply) hand(deltas []Delta[Example]) bool {
	for _, d := range deltas {
		if r.yield != nil && !r.stopped && !r.yield(d) {
			r.stopped = true
		}
	}
	return !r.stopped
}

// parse reads the whole turn, which the request's prefill is by now.
func (r *reply) parse(last Chunk) (*Prediction, error) {
	last.Usage = r.usage
	prediction, err := r.predictor.parse(r.scope, r.req.Prefill, last)
	if err == nil {
		prediction.Thinking = r.req.Thinking
	}
	return prediction, err
}
