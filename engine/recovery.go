package engine

import (
	"slices"
	"time"

	"github.com/cria-lm/cria/llama"
)

// hastyTime is for how long steps are short after one was stopped.
const hastyTime = 2 * time.Second

// recover goes on after a batch that could not be computed. A request that
// fails is the only one that does.
func (e *Engine) recover(slots []*slot, rc int32) {
	s := &e.sched
	if (rc == 2 || rc < -1) && e.states {
		e.recoverStates(slots, rc)
		return
	}
	for _, slot := range slots {
		e.resync(slot)
	}
	fed := slices.DeleteFunc(slices.Clone(slots), func(s *slot) bool { return s.fed == 0 })
	switch {
	case rc == 2:
		// Stopped in the middle, and what it has computed is lost. Should that
		// happen again soon, less is.
		s.hasty = time.Now().Add(hastyTime)
		return
	case rc == 1 && e.evict(never):
		return
	case rc == 1 && len(fed) == 1 && len(s.slots) > 1:
		e.preempt()
		return
	case rc == 1 && len(fed) == 1 && e.unpin():
		return
	}
	if len(fed) == 1 {
		e.log.Error("decoding failed", "code", rc)
		fed[0].end("", &DecodeError{Code: rc})
		return
	}
	// Halves, until what is left fits, or the one is found that cannot be computed.
	e.step(fed[:len(fed)/2])
	e.step(fed[len(fed)/2:])
}

// recoverStates is recover for a batch that was computed in part by a model with
// recurrent states. They are of no use then: not those of the batch, whose
// positions llama.cpp takes for computed, nor others, which it may have been moving
// to make room.
func (e *Engine) recoverStates(slots []*slot, rc int32) {
	for _, slot := range slots {
		if rc < 0 && slot.fed > 0 {
			slot.end("", &DecodeError{Code: rc})
		}
	}
	if rc < 0 {
		e.log.Error("decoding failed", "code", rc)
	}
	e.forget()
}

// resync finds out how far a batch that failed has come for a slot: finished
// parts of it stay in the cache.
func (e *Engine) resync(slot *slot) {
	if slot.fed == 0 {
		return
	}
	slot.draft = slot.draft[:0]
	from := len(slot.tokens) - slot.pending
	have := int(e.mem.SeqPosMax(slot.branch.seq)) + 1
	if have >= len(slot.tokens) { // but its logits are lost
		have = len(slot.tokens) - 1
		if !e.mem.SeqRemove(slot.branch.seq, llama.Pos(have), -1) {
			e.recompute(slot)
			return
		}
	}
	if have > from {
		e.sched.computed(slot, have-from)
	}
}

// park makes a request whose reader does not read give up its cells, if there is
// one: it blocks nobody but itself.
func (e *Engine) park() bool {
	i := slices.IndexFunc(e.sched.slots, func(s *slot) bool { return !s.over && s.waits() })
	if i >= 0 {
		e.suspend(i)
	}
	return i >= 0
}

// preempt makes the youngest request give up its cells; it goes on when there is
// room again.
func (e *Engine) preempt() { e.suspend(len(e.sched.slots) - 1) }

// suspend makes a running request wait for room again.
func (e *Engine) suspend(i int) {
	s := &e.sched
	slot := s.slots[i]
	s.slots = slices.Delete(s.slots, i, i+1)
	if slot.branch != nil {
		e.drop(slot.branch)
	}
	slot.restart()
	s.ready = slices.Insert(s.ready, 0, slot)
	e.queue.started(slot.job, false)
}

// recompute makes a slot begin again on an empty sequence.
func (e *Engine) recompute(slot *slot) {
	s := &e.sched
	e.drop(slot.branch)
	slot.restart()
	slot.branch = s.tree.branch(s.takeSeq(), slot.job.domain())
	s.tree.grow(slot.branch, slot.tokens)
	slot.planned = len(slot.tokens)
}
