package llama

import "unsafe"

// StateSize returns how many bytes [Context.StateGet] needs.
func (x *Context) StateSize() int { return int(call1(c.stateSize, x.handle())) }

// StateGet writes what the memory holds of all sequences to dst, and returns the
// bytes written; 0 if dst is too small.
func (x *Context) StateGet(dst []byte) int { return x.state(c.stateGet, dst) }

// StateSet replaces what the memory holds by what [Context.StateGet] wrote, of a
// context of the same model and parameters; the number of cells may be another
// one. It returns the bytes read; 0 if that is not possible, and then the memory
// is empty. What has not come from StateGet must not be passed: llama.cpp trusts
// the numbers in it.
func (x *Context) StateSet(src []byte) int { return x.state(c.stateSet, src) }

func (x *Context) state(fn uintptr, b []byte) int {
	if len(b) == 0 {
		return 0
	}
	return int(call4(fn, x.handle(), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0))
}

// StateSeqSize is [Context.StateSize] of one sequence.
func (x *Context) StateSeqSize(s SeqID) int {
	if !x.restorable(s) {
		return 0
	}
	return int(call2(c.stateSeqSize, x.handle(), uintptr(s)))
}

// StateSeqGet is [Context.StateGet] of one sequence, which must be below
// [Context.NSeqMax]: llama.cpp cannot restore others.
func (x *Context) StateSeqGet(dst []byte, s SeqID) int { return x.stateSeq(c.stateSeqGet, dst, s) }

// StateSeqSet replaces what the memory holds of a sequence below
// [Context.NSeqMax] by what [Context.StateSeqGet] wrote, of any sequence. It
// returns as [Context.StateSet] does.
func (x *Context) StateSeqSet(src []byte, s SeqID) int { return x.stateSeq(c.stateSeqSet, src, s) }

func (x *Context) stateSeq(fn uintptr, b []byte, s SeqID) int {
	if len(b) == 0 || !x.restorable(s) {
		return 0
	}
	return int(call4(fn, x.handle(), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(s)))
}

func (x *Context) restorable(s SeqID) bool { return s >= 0 && int(s) < x.NSeqMax() }
