package engine

import (
	"errors"
	"fmt"

	"github.com/cria-lm/cria/llama"
)

// sequence is the one sequence that requests use, one after the other.
const sequence llama.SeqID = 0

// generation is the owner's state of the request that runs. It is reused, so
// that a token costs no allocation.
type generation struct {
	filter  textFilter
	sampler sampler
	tokens  []Token // prompt and output: what the memory holds and what is pending
	pending int     // tokens at the end of it that are not decoded yet
	budget  int     // tokens that may still be output
}

// own is the owner goroutine: it alone uses the context.
func (e *Engine) own() {
	defer close(e.ended)
	for {
		j := e.queue.next()
		if j == nil {
			break
		}
		e.run(j)
	}
	e.vocab.close()
	e.gov.close()
	e.free()
	e.model.Free()
}

// run serves one request to its end.
func (e *Engine) run(j *job) {
	finish, err := e.generate(j)
	var decode *DecodeError
	switch {
	case errors.Is(err, errStopped) && j.closed.Load():
		finish, err = FinishCancelled, ErrClosed
	case errors.Is(err, errStopped):
		finish, err = FinishCancelled, j.ctx.Err()
	case errors.As(err, &decode):
		e.log.Error("decoding failed", "code", decode.Code)
	}
	j.write(e.gen.filter.flush(), j.usage)
	if !e.mem.SeqRemove(sequence, -1, -1) {
		e.mem.Clear(false)
	}
	e.queue.release()
	j.finish(finish, j.usage, err)
}

// generate writes the output of j and says how it ended.
func (e *Engine) generate(j *job) (finish FinishReason, err error) {
	defer func() {
		if r := recover(); r != nil {
			j.panic = r
			finish, err = "", fmt.Errorf("engine: panic in the request's matcher: %v", r)
		}
	}()
	g, m := &e.gen, j.req.Matcher
	g.start(j.req, e.limit, e.vocab.NTokens())
	drops := 0
	for {
		if m != nil {
			stopped, err := e.force(j)
			if stopped || err != nil {
				return FinishStop, err
			}
			if m.Done() {
				return doneWith(m.Err())
			}
		}
		if g.budget == 0 {
			return FinishLength, nil
		}
		if err := e.decode(j); err != nil {
			return "", err
		}
		row := e.llm.LogitsIth(-1)
		if row == nil {
			return "", errors.New("engine: llama.cpp computed no logits")
		}
		t, err := g.sampler.choose(row, g.tokens, m)
		if err != nil {
			return "", err
		}
		end := e.vocab.IsEOG(t)
		if m == nil && end {
			return FinishStop, nil
		}
		if m != nil && !m.Accept(t) {
			if drops++; drops > maxDrops {
				return "", fmt.Errorf("engine: the matcher makes no progress: it dropped %d tokens in a row", drops)
			}
			continue
		}
		if end {
			return FinishStop, nil
		}
		drops = 0
		if e.output(j, t) {
			return FinishStop, nil
		}
	}
}

func doneWith(err error) (FinishReason, error) {
	if err != nil {
		return "", &MatcherError{err}
	}
	return FinishStop, nil
}

// maxDrops is how many tokens in a row a matcher may drop. Parts of an output
// that are empty are dropped one after the other; a matcher that drops without
// end would hold the engine for ever.
const maxDrops = 1024

// start prepares for a request.
func (g *generation) start(req *Request, limit, nVocab int) {
	g.filter.stops = req.Stop
	g.filter.held = g.filter.held[:0]
	g.sampler.start(&req.Sampling, nVocab)
	g.tokens = append(g.tokens[:0], req.Prompt...)
	g.pending = len(req.Prompt)
	g.budget = min(req.MaxTokens, limit-len(req.Prompt))
}

// force appends what the matcher forces, as far as the budget goes. It reports
// whether a stop text has appeared.
func (e *Engine) force(j *job) (stopped bool, err error) {
	for e.gen.budget > 0 {
		run := j.req.Matcher.Forced()
		if len(run) == 0 {
			return false, nil
		}
		for _, t := range run[:min(len(run), e.gen.budget)] {
			if t < 0 || int(t) >= e.vocab.NTokens() {
				return false, fmt.Errorf("engine: the matcher forces token %d, which is not in the vocabulary of %d", t, e.vocab.NTokens())
			}
			if e.output(j, t) {
				return true, nil
			}
		}
	}
	return false, nil
}

// output appends a token to the output. It reports whether that completes a
// stop text.
func (e *Engine) output(j *job, t Token) (stopped bool) {
	g := &e.gen
	g.tokens = append(g.tokens, t)
	g.pending++
	g.budget--
	j.usage.CompletionTokens++
	text, stopped := g.filter.push(e.vocab.Piece(t))
	j.write(text, j.usage)
	return stopped
}

// decode computes what is pending, in batches, and the logits of the last token.
func (e *Engine) decode(j *job) error {
	g := &e.gen
	for g.pending > 0 {
		if j.stopped.Load() {
			return errStopped
		}
		if e.gov.update(interval) {
			e.llm.SetThreads(e.gov.current, e.gov.current)
		}
		from := len(g.tokens) - g.pending
		n := min(g.pending, e.batch.Cap())
		e.batch.Clear()
		for i, t := range g.tokens[from : from+n] {
			e.batch.Add(t, llama.Pos(from+i), sequence, n == g.pending && i == n-1)
		}
		rc := e.llm.Decode(e.batch)
		if rc != 0 && j.stopped.Load() {
			return errStopped
		}
		if rc != 0 {
			return &DecodeError{Code: rc}
		}
		g.pending -= n
	}
	if j.stopped.Load() {
		return errStopped
	}
	return nil
}
