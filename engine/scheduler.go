package engine

import (
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
// then shares its cells. What a finished request leaves in the cache is kept
// until the room is needed.
type scheduler struct {
	ready []*slot // taken from the queue, or preempted, and without cells: they wait for room
	slots []*slot // running, in the order of their start
	idle  []*slot // for reuse
	most  int     // slots, ready ones included

	tree   *prefixTree
	share  bool // the memory can share and forget parts of sequences
	cells  int  // of the KV cache
	cached []*branch
	seqs   []llama.SeqID // free ids
	clock  uint64
	perTok time.Duration // what a token of a prompt costs, 0: not known
	turn   int           // which prompt comes first in the next step
	crew   *crew
	decode func(*llama.Batch) int32 // the context's
	toMove []*slot                  // scratch
}

const (
	// maxCached is how many finished sequences are kept for their prefixes.
	maxCached = 48
	// minShared is the least prefix worth sharing, in tokens: a copy scans the
	// cells.
	minShared = 8
	// minAwaited is how much more of a prefix another request must be about to
	// compute for one to wait for it. A single token is what generating ones have
	// pending.
	minAwaited = 2
	// stepTime is what a step aims at while requests generate: a long prompt is
	// cut so that it does not hold up their streams for longer.
	stepTime = 50 * time.Millisecond
	// minChunk is the least that prompts get in a step.
	minChunk = 16
)

func newScheduler(e *Engine, slots, sequences int) scheduler {
	s := scheduler{
		most:   slots,
		tree:   newPrefixTree(),
		share:  !e.model.IsRecurrent() && !e.model.IsHybrid(),
		cells:  e.llm.NCtx(),
		crew:   newCrew(func(s *slot) { s.advance(e.vocab) }),
		decode: e.llm.Decode,
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
	for {
		if len(s.slots)+len(s.ready) == 0 && e.queue.wait() {
			break
		}
		e.admit()
		e.reap()
		if len(s.slots) > 0 {
			e.step(s.slots)
			e.reap()
		}
	}
	s.crew.close()
	e.vocab.close()
	e.gov.close()
	e.free()
	e.model.Free()
}

// admit starts requests that there is room for: first those that wait for it
// already, then those of the queue.
func (e *Engine) admit() {
	s := &e.sched
	for i := 0; ; {
		if i == len(s.ready) && !e.take() {
			return
		}
		switch slot := s.ready[i]; e.place(slot) {
		case admitted:
			s.ready = slices.Delete(s.ready, i, i+1)
			e.queue.started(slot.job, true)
		case passed:
			i++
		case full:
			return
		}
	}
}

// take adds a request of the queue to the ready ones, if there is one and a slot
// is free.
func (e *Engine) take() bool {
	s := &e.sched
	if len(s.slots)+len(s.ready) >= s.most {
		return false
	}
	j := e.queue.take()
	if j == nil {
		return false
	}
	if len(s.idle) == 0 {
		s.idle = append(s.idle, &slot{})
	}
	slot := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	slot.begin(j, e.limit, e.vocab.NTokens())
	slot.advance(e.vocab) // appends what is forced from the start
	s.ready = append(s.ready, slot)
	return true
}

// admission is what becomes of a request that waits for room.
type admission int

const (
	admitted admission = iota
	passed             // it waits for what another computes; others may go first
	full               // it waits, and so do all after it
)

// place gives a slot a sequence with room for its tokens and its budget, sharing
// what the cache has of them.
func (e *Engine) place(slot *slot) admission {
	s := &e.sched
	if slot.over {
		s.slots = append(s.slots, slot)
		return admitted
	}
	salt := slot.job.req.Salt
	// The last token is always computed: its logits are needed.
	most := len(slot.tokens) - 1
	for {
		f := s.tree.find(salt, slot.tokens)
		n := 0
		if s.share && slot.mayShare() {
			if min(f.n, most)-min(f.ready, most) >= minAwaited {
				return passed
			}
			if n = min(f.ready, most); n < minShared {
				n = 0
			}
		}
		if len(s.seqs) > 0 && s.tree.cells+s.reserved()+len(slot.tokens)-n+slot.budget <= s.cells {
			e.attach(slot, f, n)
			return admitted
		}
		s.touch(f.node)
		if !e.evict() {
			return full
		}
	}
}

// attach starts a slot on the first n tokens of a place in the tree.
func (e *Engine) attach(slot *slot, f found, n int) {
	s := &e.sched
	seq := s.seqs[len(s.seqs)-1]
	s.seqs = s.seqs[:len(s.seqs)-1]
	b, from := s.tree.share(seq, slot.job.req.Salt, f, n)
	if n > 0 && e.mem.SeqCopy(from, seq, 0, llama.Pos(n)) != nil {
		s.tree.release(b)
		b, n = &branch{seq: seq, leaf: s.tree.root(slot.job.req.Salt)}, 0
	}
	s.tree.grow(b, slot.tokens[n:])
	slot.branch, slot.pending, slot.planned = b, len(slot.tokens)-n, len(slot.tokens)
	if slot.job.usage.CachedTokens == 0 {
		slot.job.usage.CachedTokens = n
	}
	s.slots = append(s.slots, slot)
}

// reserved is how many cells the running requests may still need.
func (s *scheduler) reserved() (n int) {
	for _, slot := range s.slots {
		n += slot.budget
	}
	return n
}

// touch notes that what holds a node is of use.
func (s *scheduler) touch(n *node) {
	s.clock++
	for _, b := range s.cached {
		if slices.Contains(n.seqs, b.seq) {
			b.used = s.clock
		}
	}
}

// evict gives up the finished sequence that was of use the longest ago.
func (e *Engine) evict() bool {
	s := &e.sched
	if len(s.cached) == 0 {
		return false
	}
	oldest := 0
	for i, b := range s.cached {
		if b.used < s.cached[oldest].used {
			oldest = i
		}
	}
	e.drop(s.cached[oldest])
	s.cached = slices.Delete(s.cached, oldest, oldest+1)
	return true
}

// drop frees a sequence and its cells.
func (e *Engine) drop(b *branch) {
	e.mem.SeqRemove(b.seq, -1, -1)
	e.sched.tree.release(b)
	e.sched.seqs = append(e.sched.seqs, b.seq)
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
		if keep := slot.err == nil && s.share && b.leaf.parent != nil; keep {
			s.clock++
			b.used = s.clock
			s.cached = append(s.cached, b)
			if len(s.cached) > maxCached {
				e.evict()
			}
		} else {
			e.drop(b)
		}
	}
	e.queue.release(j)
	j.finish(slot.finish, j.usage, slot.err)
	slot.job = nil
	s.idle = append(s.idle, slot)
}

// step computes one batch for the slots and lets them go on.
func (e *Engine) step(slots []*slot) {
	s := &e.sched
	if e.gov.update(interval) {
		e.llm.SetThreads(e.gov.current, e.gov.current)
	}
	e.fill(slots)
	if e.batch.Len() == 0 {
		return
	}
	start := time.Now()
	rc := s.decode(e.batch)
	if rc != 0 {
		e.recover(slots, rc)
		return
	}
	e.learn(time.Since(start))
	s.toMove = s.toMove[:0]
	for _, slot := range slots {
		if slot.fed == 0 {
			continue
		}
		s.computed(slot, slot.fed)
		if slot.row < 0 {
			continue
		}
		if slot.logits = e.llm.LogitsIth(slot.row); slot.logits == nil {
			slot.end("", errNoLogits)
			continue
		}
		s.toMove = append(s.toMove, slot)
	}
	s.crew.run(s.toMove)
	for _, slot := range s.toMove {
		s.tree.grow(slot.branch, slot.tokens[slot.planned:])
		slot.planned = len(slot.tokens)
	}
}

// computed notes that the first n pending tokens of a slot are in the cache.
func (s *scheduler) computed(slot *slot, n int) {
	slot.pending -= n
	slot.branch.leaf.computed += n
}

// fill puts the next tokens of the slots into the batch: all that generating
// ones have pending, then prompts, the one whose turn it is first.
func (e *Engine) fill(slots []*slot) {
	s := &e.sched
	e.batch.Clear()
	generating := false
	for _, slot := range slots {
		slot.fed, slot.row = 0, -1
		if slot.started && slot.runs() {
			generating = true
			slot.feed(e.batch, e.batch.Cap()-e.batch.Len())
		}
	}
	room := e.batch.Cap() - e.batch.Len()
	if generating {
		room = min(room, s.chunk())
	}
	s.turn++
	for i := range slots {
		slot := slots[(s.turn+i)%len(slots)]
		if slot.started || !slot.runs() || room <= 0 {
			continue
		}
		slot.feed(e.batch, room)
		room -= slot.fed
	}
}

// chunk is how many tokens of prompts a step may compute beside generating.
func (s *scheduler) chunk() int {
	if s.perTok == 0 {
		return 4 * minChunk
	}
	return max(minChunk, int(stepTime/s.perTok))
}

// learn takes what a step has cost.
func (e *Engine) learn(took time.Duration) {
	if n := e.batch.Len(); n >= minChunk {
		s := &e.sched
		cost := took / time.Duration(n)
		if s.perTok == 0 {
			s.perTok = cost
		}
		s.perTok += (cost - s.perTok) / 8
	}
}

// recover goes on after a batch that could not be computed. A request that
// fails is the only one that does.
func (e *Engine) recover(slots []*slot, rc int32) {
	s := &e.sched
	for _, slot := range slots {
		e.resync(slot)
	}
	switch {
	case rc == 2: // stopped in the middle
		return
	case rc == 1 && e.evictAll():
		return
	case rc == 1 && len(s.slots) > 1:
		e.preempt()
		return
	}
	fed := slices.DeleteFunc(slices.Clone(slots), func(s *slot) bool { return s.fed == 0 })
	if len(fed) == 1 {
		e.log.Error("decoding failed", "code", rc)
		fed[0].end("", &DecodeError{Code: rc})
		return
	}
	// Halves, until the one is found that cannot be computed.
	e.step(fed[:len(fed)/2])
	e.step(fed[len(fed)/2:])
}

// resync finds out how far a batch that failed has come for a slot: finished
// parts of it stay in the cache.
func (e *Engine) resync(slot *slot) {
	if slot.fed == 0 {
		return
	}
	from := len(slot.tokens) - slot.pending
	have := int(e.mem.SeqPosMax(slot.branch.seq)) + 1
	if have == len(slot.tokens) { // but its logits are lost
		e.mem.SeqRemove(slot.branch.seq, llama.Pos(have-1), -1)
		have--
	}
	if have > from {
		e.sched.computed(slot, have-from)
	}
}

func (e *Engine) evictAll() (some bool) {
	for e.evict() {
		some = true
	}
	return some
}

// preempt makes the youngest request give up its cells; it goes on when there is
// room again.
func (e *Engine) preempt() {
	s := &e.sched
	last := len(s.slots) - 1
	slot := s.slots[last]
	s.slots = s.slots[:last]
	e.drop(slot.branch)
	slot.branch, slot.pending, slot.logits, slot.started = nil, len(slot.tokens), nil, false
	s.ready = slices.Insert(s.ready, 0, slot)
	e.queue.started(slot.job, false)
}
