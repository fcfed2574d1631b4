package engine

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/cria-lm/cria/llama"
)

// admission is what becomes of a request that waits for room.
type admission int

const (
	admitted admission = iota
	passed             // it waits for what another computes; others may go first
	full               // it waits, and so do all after it
)

// admit starts requests that there is room for: first those that wait for it
// already, then those of the queue, but the more urgent before all others.
func (e *Engine) admit() {
	s := &e.sched
	slices.SortStableFunc(s.ready, func(a, b *slot) int { return cmp.Compare(b.job.req.Priority, a.job.req.Priority) })
	for i := 0; ; {
		if i == len(s.ready) && !e.take(math.MinInt) {
			return
		}
		switch slot := s.ready[i]; e.place(slot) {
		case admitted:
			i = slices.Index(s.ready, slot) // others may have come to wait before it
			s.ready = slices.Delete(s.ready, i, i+1)
			e.queue.started(slot.job, true)
		case passed:
			i++
		case full:
			if slot.job.req.Priority == math.MaxInt || !e.take(slot.job.req.Priority+1) {
				return
			}
			i = len(s.ready) - 1
		}
	}
}

// take adds a request of the queue to the ready ones, if there is one of at least
// this priority and a slot is free, or has a reader that does not read.
func (e *Engine) take(priority int) bool {
	s := &e.sched
	if !e.queue.waits(priority) {
		return false
	}
	parked := 0
	for _, slot := range s.ready {
		if slot.job.behind() {
			parked++
		}
	}
	if len(s.slots)+len(s.ready)-parked >= s.most && !e.park() {
		return false
	}
	j := e.queue.take()
	if len(s.idle) == 0 {
		s.idle = append(s.idle, &slot{})
	}
	slot := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	slot.begin(j, e.limit, e.vocab.NTokens(), s.odds)
	slot.advance(e.vocab) // appends what is forced from the start
	s.ready = append(s.ready, slot)
	return true
}

// place gives a slot a sequence with room for its tokens and its budget, sharing
// what the cache has of them.
func (e *Engine) place(slot *slot) admission {
	s := &e.sched
	if slot.job.pin && len(s.pinned) >= maxCached {
		slot.end("", errTooManyPins)
	}
	if slot.over {
		s.slots = append(s.slots, slot)
		return admitted
	}
	if slot.job.behind() {
		return passed
	}
	most := len(slot.tokens)
	if !slot.job.pin {
		most-- // the last token is always computed: its logits are needed
	}
	shares := s.share && slot.mayShare()
	for {
		f := s.tree.find(slot.job.domain(), slot.tokens)
		n := 0
		if shares {
			if min(f.n, most)-min(f.ready, most) >= minAwaited {
				return passed
			}
			if n = min(f.ready, most); n < minShared {
				n = 0
			}
		}
		need := s.tree.cells + s.reserved() + len(slot.tokens) - n + slot.budget
		if len(s.seqs) > 0 && need <= s.cells {
			if e.attach(slot, f, n) {
				return admitted
			}
			shares = false // it needs more room than that
			continue
		}
		s.touch(f.node)
		if e.makeRoom(need) {
			continue
		}
		if e.lost == nil && e.park() {
			continue
		}
		if e.lost != nil || len(s.slots) > 0 {
			return full
		}
		if !e.unpin() { // nothing will ever make room
			slot.end("", &DecodeError{Code: 1})
			s.slots = append(s.slots, slot)
			return admitted
		}
	}
}

// makeRoom takes a step towards room for so many cells and a sequence, and reports
// false if there is none left. Growing makes every step dearer, so what was left
// behind goes first, but not what has just proved to be of use.
func (e *Engine) makeRoom(cells int) bool {
	switch {
	case e.evict(time.Now().Add(-keepTime)), cells > e.sched.cells && e.grow(cells):
		return true
	}
	return e.lost == nil && e.evict(never)
}

// attach starts a slot on the first n tokens of a place in the tree. It reports
// false if the memory does not have them any more, as those that a sliding window
// has moved past.
func (e *Engine) attach(slot *slot, f found, n int) bool {
	s := &e.sched
	b := s.tree.branch(s.takeSeq(), slot.job.domain())
	if n > 0 {
		from := s.tree.share(b, f, n)
		if !e.copySeq(from, b.seq, n) {
			s.tree.release(b)
			s.seqs = append(s.seqs, b.seq)
			e.discard(from)
			return false
		}
		if !s.held(b.leaf) {
			b.reuse()
		}
	}
	s.tree.grow(b, slot.tokens[n:])
	if s.evicted.returned(slot.job.domain(), slot.tokens) {
		b.reuse()
	}
	b.leaf.tokens = slices.Grow(b.leaf.tokens, min(slot.budget, fewTokens))
	slot.branch, slot.pending, slot.planned, slot.fedAt = b, len(slot.tokens)-n, len(slot.tokens), time.Now()
	if slot.job.usage.CachedTokens == 0 {
		slot.job.usage.CachedTokens = min(n, len(slot.job.req.Prompt))
	}
	if slot.job.pin && slot.pending == 0 {
		slot.end(FinishStop, nil)
	}
	s.slots = append(s.slots, slot)
	return true
}

// held reports whether a running request has a node.
func (s *scheduler) held(n *node) bool {
	return slices.ContainsFunc(s.slots, func(slot *slot) bool {
		return slot.branch != nil && slices.Contains(n.seqs, slot.branch.seq)
	})
}

// takeSeq takes a free sequence id; there must be one.
func (s *scheduler) takeSeq() llama.SeqID {
	last := len(s.seqs) - 1
	seq := s.seqs[last]
	s.seqs = s.seqs[:last]
	return seq
}

// copySeq makes an empty sequence share the first n tokens of another, and
// reports whether the memory can do that. If not, the sequence is empty.
func (e *Engine) copySeq(from, to llama.SeqID, n int) bool {
	err := e.mem.SeqCopy(from, to, 0, llama.Pos(n))
	if err == nil && e.holds(to, n) {
		return true
	}
	e.mem.SeqRemove(to, -1, -1)
	return false
}

// holds reports whether the memory has of the first n tokens of a sequence what
// those after them need, and no more: all, or of a sliding window as many as the
// next token attends to. A recurrent state is never a part.
func (e *Engine) holds(seq llama.SeqID, n int) bool {
	first := 0
	if window := e.model.NSWA(); window > 0 {
		first = max(0, n+1-window)
	}
	least := int(e.mem.SeqPosMin(seq))
	return least >= 0 && least <= first && int(e.mem.SeqPosMax(seq)) == n-1
}

// ask finds out, with a sequence of n tokens, whether the memory can share a part
// of a sequence, and forget a part.
func (e *Engine) ask(seq llama.SeqID, n int) {
	s := &e.sched
	if len(s.seqs) == 0 || n < 3 {
		return
	}
	s.asked = true
	probe := s.seqs[len(s.seqs)-1]
	s.share = s.share && e.copySeq(seq, probe, n-1)
	s.forgets = s.share && e.mem.SeqRemove(probe, llama.Pos(n-2), -1) && e.holds(probe, n-2)
	e.mem.SeqRemove(probe, -1, -1)
	if !s.share {
		e.log.Info("this model's memory cannot share parts of sequences: prefixes are computed anew, and nothing is guessed ahead")
	}
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
	now := time.Now()
	for _, b := range s.cached {
		if slices.Contains(n.seqs, b.seq) {
			b.used = now
		}
	}
}

// keepTime is how long a prefix that was reused is rather kept than the cache
// small. Requests that come together and share theirs say nothing of later ones.
const keepTime = time.Minute

// never is later than anything.
var never = time.Unix(1<<40, 0)

// evict gives up the finished sequence that was of use the longest ago, of those
// that have nothing which was reused since a moment.
func (e *Engine) evict(since time.Time) bool {
	s := &e.sched
	oldest := -1
	for i, b := range s.cached {
		if (oldest < 0 || b.used.Before(s.cached[oldest].used)) && !b.precious(since) {
			oldest = i
		}
	}
	if oldest < 0 {
		return false
	}
	s.evicted.add(s.cached[oldest])
	e.drop(s.cached[oldest])
	s.cached = slices.Delete(s.cached, oldest, oldest+1)
	return true
}

// discard gives up a finished sequence that others would try in vain to share.
func (e *Engine) discard(seq llama.SeqID) {
	s := &e.sched
	if i := slices.IndexFunc(s.cached, func(b *branch) bool { return b.seq == seq }); i >= 0 {
		e.drop(s.cached[i])
		s.cached = slices.Delete(s.cached, i, i+1)
	}
}

// unpin gives up the oldest pinned prefix.
func (e *Engine) unpin() bool {
	s := &e.sched
	if len(s.pinned) == 0 {
		return false
	}
	e.log.Warn("a pinned prefix is given up: a request does not fit beside it")
	e.drop(s.pinned[0])
	s.pinned = slices.Delete(s.pinned, 0, 1)
	return true
}

// drop frees a sequence and its cells.
func (e *Engine) drop(b *branch) {
	e.mem.SeqRemove(b.seq, -1, -1)
	e.sched.tree.release(b)
	e.sched.seqs = append(e.sched.seqs, b.seq)
}
