package engine

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/cria-lm/cria/llama"
)

// scheduler decides what the next step computes. It belongs to the engine's
// owner.
//
// Every step is one batch: what each generating request has pending, and
// chunks of the prompts of those that begin. Requests that begin alike compute
// what they have in common once: the second waits until the first has it and
// then shares its cells. A batch is of requests with the same adapters, which take
// turns: see [Engine.takeTurn]. What a finished request leaves in the cache is kept
// until the room is needed.
type scheduler struct {
	ready []*slot // taken from the queue, or preempted, and without cells: they wait for room or for their readers
	slots []*slot // running, in the order of their start
	idle  []*slot // for reuse
	most  int     // slots, ready ones included

	tree      *prefixTree
	asked     bool // whether the memory can do the following is known
	share     bool // it can share parts of sequences
	forgets   bool // it can forget parts of them
	speculate bool // the options allow guesses
	guessed   int  // batches that may have had some
	odds      guessOdds
	cells     int // of the KV cache
	mostCells int // that it may have
	cached    []*branch
	pinned    []*branch
	seqs      []llama.SeqID // free ids
	evicted   evicted

	costs  costs
	turn   int       // which prompt comes first in the next step
	hasty  time.Time // until then, prompts are cut so that a step is short
	crew   *crew
	decode func(*llama.Batch) int32 // the context's
	toMove []*slot                  // scratch
	order  []*slot                  // scratch
}

const (
	// maxRows is how many rows of logits a batch can have.
	maxRows = 64
	// maxCached is how many finished and pinned sequences are kept for their
	// prefixes.
	maxCached = 48
	// minShared is the least prefix worth sharing, in tokens: a copy scans the
	// cells.
	minShared = 8
	// minAwaited is how much more of a prefix another request must be about to
	// compute for one to wait for it. A single token is what generating ones have
	// pending.
	minAwaited = 2
	// stepTime is what prompts may take of a step while others generate: they are
	// cut so that they do not hold up the others' streams for longer. Where more
	// wait than generate it is as many times longer, up to maxStepTime, since large
	// batches cost less.
	stepTime    = 100 * time.Millisecond
	maxStepTime = 10 * stepTime
	// gatherTime is how long an idle engine waits for others that come at the same
	// moment: what is computed in one batch costs less.
	gatherTime = 200 * time.Microsecond
	// minChunk is the least that prompts get in a step.
	minChunk = 16
)

func newScheduler(e *Engine, slots, sequences, mostCells int) scheduler {
	s := scheduler{
		most:      slots,
		tree:      newPrefixTree(),
		evicted:   evicted{},
		share:     true,
		mostCells: mostCells,
		odds:      priorOdds,
		crew:      newCrew(func(s *slot) { s.advance(e.vocab) }),
	}
	for i := range sequences {
		s.seqs = append(s.seqs, llama.SeqID(sequences-1-i))
	}
	return s
}

// own is the owner goroutine: it alone uses the context.
func (e *Engine) own() {
	defer close(e.ended)
	s := &e.sched
	for e.lost == nil {
		for _, call := range e.queue.takeCalls() {
			if e.lost == nil { // after that there is no context to use
				call()
			}
		}
		if e.lost != nil {
			break
		}
		if len(s.slots)+len(s.ready) == 0 {
			if e.queue.wait(true) {
				break
			}
			gather()
		}
		if e.admit(); e.lost != nil {
			break
		}
		e.reap()
		if s.stalled() {
			e.queue.wait(false)
			continue
		}
		e.step(s.slots)
		e.reap()
	}
	e.giveUp()
	e.free()
}

// gather lets others run for gatherTime. To sleep would take a millisecond: when
// nothing runs, Go waits in units of that.
func gather() {
	for start := time.Now(); time.Since(start) < gatherTime; {
		runtime.Gosched()
	}
}

// stalled reports whether there are requests and all wait for their readers.
func (s *scheduler) stalled() bool {
	return len(s.slots)+len(s.ready) > 0 && !slices.ContainsFunc(s.slots, func(slot *slot) bool { return !slot.waits() })
}

// giveUp ends what is left when the engine ends by itself.
func (e *Engine) giveUp() {
	if e.lost == nil {
		return
	}
	e.log.Error("the model is closed", "reason", e.lost)
	for _, j := range e.queue.fail(e.lost) {
		j.finish("", j.usage, e.lost)
	}
	for _, slot := range slices.Concat(e.sched.slots, e.sched.ready) {
		slot.branch = nil
		slot.end("", e.lost)
		e.end(slot)
	}
}

// reap ends the slots that are over or whose requests were stopped.
func (e *Engine) reap() {
	e.sched.ready = e.reapFrom(e.sched.ready)
	e.sched.slots = e.reapFrom(e.sched.slots)
}

func (e *Engine) reapFrom(slots []*slot) []*slot {
	return slices.DeleteFunc(slots, func(s *slot) bool {
		if s.stop() {
			e.end(s)
			return true
		}
		return false
	})
}

// stop reports whether the slot is over, because its request was stopped or
// otherwise.
func (s *slot) stop() bool {
	switch {
	case s.over || !s.job.stopped.Load():
	case s.job.closed.Load():
		s.end(FinishCancelled, ErrClosed)
	default:
		s.end(FinishCancelled, s.job.ctx.Err())
	}
	return s.over
}

// end tells a request's reader and keeps or frees its cells.
func (e *Engine) end(slot *slot) {
	s := &e.sched
	j := slot.job
	j.write(slot.filter.flush(), j.usage)
	if b := slot.branch; b != nil {
		slot.branch = nil
		s.tree.trim(b)
		switch whole := slot.err == nil; {
		case j.pin && whole && s.share:
			s.pinned = append(s.pinned, b)
			j.branch = b
		case j.score != nil && len(j.score.path) > 0: // nobody will begin with that
			e.drop(b)
		case !j.pin && whole && s.share && b.leaf.parent != nil:
			e.keep(b)
		default:
			e.drop(b)
		}
	}
	s.odds.remember(&slot.guess.odds)
	e.queue.release(j)
	j.finish(slot.finish, j.usage, slot.err)
	slot.job = nil
	s.idle = append(s.idle, slot)
}

// keep leaves a finished sequence in the cache for its prefix.
func (e *Engine) keep(b *branch) {
	s := &e.sched
	b.used = time.Now()
	s.cached = append(s.cached, b)
	if len(s.cached)+len(s.pinned) > maxCached {
		_ = e.evict(time.Now().Add(-keepTime)) || e.evict(never)
	}
}

// step computes one batch for the slots and lets them go on.
func (e *Engine) step(slots []*slot) {
	s := &e.sched
	if e.gov.update(interval) {
		now := e.gov.now()
		e.llm.SetThreads(now.decode, now.prefill)
	}
	changed := e.takeTurn(slots)
	e.fill(slots)
	if e.batch.Len() == 0 {
		return
	}
	// Before, lest llama.cpp touch what is not in the file any more; after, lest somebody
	// get what was computed with wrong weights.
	if e.lost = e.weights.changed(); e.lost != nil {
		return
	}
	start := time.Now()
	e.queue.decoding(start.Add(e.expected()))
	rc := s.decode(e.batch)
	e.queue.decoding(time.Time{})
	if e.lost = e.weights.changed(); e.lost != nil {
		return
	}
	if rc != 0 {
		e.recover(slots, rc)
		return
	}
	s.toMove = s.toMove[:0]
	rows := 0
	for _, slot := range slots {
		if slot.fed == 0 {
			continue
		}
		s.computed(slot, slot.fed)
		slot.fedAt = start
		if !s.asked {
			e.ask(slot.branch.seq, len(slot.tokens)-slot.pending)
		}
		if slot.row < 0 {
			continue
		}
		if err := slot.read(e.llm.LogitsIth); err != nil {
			slot.end("", err)
			continue
		}
		rows += len(slot.rows)
		s.toMove = append(s.toMove, slot)
	}
	// Reading the logits has waited for what a GPU computes.
	took := time.Since(start)
	if !changed {
		s.costs.learn(e.batch.Len(), rows, took)
	}
	if e.log.Enabled(context.Background(), slog.LevelDebug) {
		e.log.Debug("step", "tokens", e.batch.Len(), "rows", rows, "took", took)
	}
	s.crew.run(s.toMove)
	for _, slot := range s.toMove {
		e.record(slot)
	}
}

// computed notes that the first n pending tokens of a slot are in the cache.
func (s *scheduler) computed(slot *slot, n int) {
	slot.pending -= n
	slot.branch.leaf.computed += n
}

// record notes in the tree what a slot has chosen, and takes back guesses that
// were wrong.
func (e *Engine) record(slot *slot) {
	s := &e.sched
	s.tree.grow(slot.branch, slot.tokens[slot.planned:])
	slot.planned = len(slot.tokens)
	slot.branch.leaf.computed += slot.right
	wrong := len(slot.draft) > slot.right
	slot.draft, slot.right = slot.draft[:0], 0
	if have := len(slot.tokens) - slot.pending; wrong && !e.mem.SeqRemove(slot.branch.seq, llama.Pos(have), -1) {
		e.recompute(slot)
	}
}

// fill puts the next tokens of the slots into the batch: all that generating
// ones have pending and, if no prompt waits, guesses of what follows; then prompts,
// and what is forced in the middle of an output, the one whose turn it is first.
func (e *Engine) fill(slots []*slot) {
	s := &e.sched
	e.batch.Clear()
	generating, prompts := 0, s.order[:0]
	for _, slot := range slots {
		slot.fed, slot.row, slot.draft, slot.right = 0, -1, slot.draft[:0], 0
		switch {
		case !slot.runs() || slot.waits():
		case slot.job.loras.key() != e.loras.key():
			if slot.started && slot.pending <= minChunk {
				generating++ // but not in this step, which is to be as short for it
			}
		case slot.started && slot.pending <= minChunk:
			generating++
			slot.feed(e.batch, e.batch.Cap()-e.batch.Len())
		default:
			prompts = append(prompts, slot)
		}
	}
	s.order = prompts
	if len(prompts) == 0 {
		e.speculate(slots)
		return
	}
	room := e.batch.Cap() - e.batch.Len()
	if generating > 0 || time.Now().Before(s.hasty) {
		room = min(room, s.chunk(len(prompts), generating))
	}
	s.turn++
	for i := range prompts {
		slot := prompts[(s.turn+i)%len(prompts)]
		slot.feed(e.batch, room)
		room -= slot.fed
	}
}

// chunk is how many tokens of so many prompts a step may compute beside so many
// that generate.
func (s *scheduler) chunk(prompts, generating int) int {
	if s.costs.prompt.n == 0 {
		return 4 * minChunk
	}
	aim := stepTime
	if generating > 0 {
		aim = min(maxStepTime, aim*time.Duration(max(generating, prompts))/time.Duration(generating))
	}
	return max(minChunk, int(aim/max(1, s.costs.prompt.mean)))
}

// expected is how long the batch takes, 0 if that is not long or all would be lost if
// it were stopped. Before anything was measured it is long.
func (e *Engine) expected() time.Duration {
	n, prompt := e.batch.Len(), e.sched.costs.prompt
	switch {
	case n < minChunk || e.states:
		return 0
	case prompt.n == 0:
		return time.Hour
	}
	return time.Duration(n) * prompt.mean
}
