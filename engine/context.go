package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cria-lm/cria/llama"
)

// firstCells is how many cells a context begins with: each costs memory and time,
// used or not, so it is replaced by a larger one when the work needs that.
const firstCells = 1024

// newContext makes the context, with a number of cells, and what depends on it.
func (e *Engine) newContext(cells int) error {
	p := e.params
	p.NCtx = uint32(cells)
	llm, err := llama.NewContext(e.model, p)
	if err != nil {
		return err
	}
	if err := llm.EnableAbort(); err != nil {
		llm.Free()
		return err
	}
	mem := llm.Memory()
	if mem == nil {
		llm.Free()
		return errors.New("engine: this model has no memory for the tokens before")
	}
	if e.pool != nil {
		llm.AttachThreadPool(e.pool, nil)
	}
	now := e.gov.now()
	llm.SetThreads(now.decode, now.prefill)
	e.llm, e.mem, e.loras = llm, mem, nil // which get their turn again
	e.sched.cells, e.sched.decode = llm.NCtx(), llm.Decode
	e.queue.interrupt(llm.Abort, llm.ClearAbort)
	return nil
}

// grow replaces the context by one of at least the given number of cells, which
// holds the same, and reports whether that was possible. It doubles what there
// is, up to the limit of the options.
func (e *Engine) grow(need int) bool {
	s := &e.sched
	cells := min(max(need, 2*s.cells), s.mostCells)
	if cells <= s.cells || need > cells {
		return false
	}
	before := s.cells
	// What is held goes through Go's memory, so that there is one context at a
	// time: the new one would not fit beside the old one on a full GPU.
	state := make([]byte, e.llm.StateSize())
	state = state[:e.llm.StateGet(state)]
	e.queue.interrupt(func() {}, func() {})
	e.llm.Free()
	err := e.newContext(cells)
	if err != nil {
		s.mostCells = before
		e.log.Warn("the KV cache cannot grow", "from", before, "to", cells, "error", err)
		if again := e.newContext(before); again != nil {
			e.lost = fmt.Errorf("%w: the KV cache is lost: %w", ErrClosed, again)
			return false
		}
	}
	if s.tree.cells > 0 && e.llm.StateSet(state) == 0 {
		e.log.Warn("the KV cache could not be kept as it grew; it is computed again")
		e.forget()
	}
	e.log.Debug("context", "cells", s.cells, "before", before)
	return err == nil
}

// forget takes all cells from all requests and prefixes: what they need is computed
// again.
func (e *Engine) forget() {
	s := &e.sched
	e.mem.Clear(false)
	for _, b := range slices.Concat(s.cached, s.pinned) {
		e.drop(b)
	}
	s.cached, s.pinned = nil, nil
	for len(s.slots) > 0 {
		e.preempt()
	}
}
