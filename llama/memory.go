package llama

import "fmt"

// Memory is what a context remembers of its sequences: a KV cache, a recurrent
// state or both. It belongs to the goroutine of its [Context].
type Memory struct {
	ctx     *Context
	h       uintptr
	nSeq    int // ids that C accepts
	unified bool
}

func (m *Memory) handle() uintptr {
	if m.h == 0 {
		panic("llama: Memory used after its Context was freed")
	}
	return m.h
}

// ValidSeq reports whether s names a sequence of this memory.
func (m *Memory) ValidSeq(s SeqID) bool { return s >= 0 && int(s) < m.nSeq }

// Clear forgets all sequences; with data, the buffers are zeroed too.
func (m *Memory) Clear(data bool) { call2(c.memClear, m.handle(), boolWord(data)) }

// SeqRemove forgets the tokens of a sequence at positions [from, to); a negative
// from is 0, a negative to is the end. It reports whether that was possible:
// recurrent memory cannot forget a part, and a sequence that is not valid has
// none to forget.
func (m *Memory) SeqRemove(s SeqID, from, to Pos) bool {
	if !m.ValidSeq(s) {
		return false
	}
	return cBool(call4(c.memRemove, m.handle(), uintptr(s), uintptr(from), uintptr(to)))
}

// SeqCopy makes dst share the tokens of src at positions [from, to); negative
// bounds as in [Memory.SeqRemove]. In a cache that is not unified only a whole
// sequence can be copied.
func (m *Memory) SeqCopy(src, dst SeqID, from, to Pos) error {
	if !m.ValidSeq(src) || !m.ValidSeq(dst) {
		return fmt.Errorf("llama: copying sequence %d to %d: the context has %d", src, dst, m.nSeq)
	}
	if !m.unified && (from > 0 || to >= 0 && to <= m.SeqPosMax(src)) {
		return fmt.Errorf("llama: copying a part of sequence %d needs a unified cache", src)
	}
	if !m.unified {
		from, to = -1, -1
	}
	call7(c.memCopy, m.handle(), uintptr(src), uintptr(dst), uintptr(from), uintptr(to), 0, 0)
	return nil
}

// SeqPosMin returns the least position held of a sequence, -1 if there is none.
// It is above 0 where a sliding window has dropped tokens.
func (m *Memory) SeqPosMin(s SeqID) Pos {
	if !m.ValidSeq(s) {
		return -1
	}
	return Pos(call2(c.memPosMin, m.handle(), uintptr(s)))
}

// SeqPosMax returns the greatest position held of a sequence, -1 if there is
// none.
func (m *Memory) SeqPosMax(s SeqID) Pos {
	if !m.ValidSeq(s) {
		return -1
	}
	return Pos(call2(c.memPosMax, m.handle(), uintptr(s)))
}

// CanShift reports whether positions in this memory can be moved.
func (m *Memory) CanShift() bool { return cBool(call1(c.memCanShift, m.handle())) }
