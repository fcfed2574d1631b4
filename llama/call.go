package llama

import (
	"sync"

	"github.com/ebitengine/purego"
)

// maxWords is the number of argument words that a call can carry.
const maxWords = 32

// frames keeps argument slices for reuse: passed as a variadic slice, a fresh
// one would be an allocation per call.
var frames = sync.Pool{New: func() any { return new([maxWords]uintptr) }}

// call calls the C function at fn with integer and pointer arguments.
//
// The directive makes what the arguments point to live on the heap and keeps it
// alive until the call returns, if the conversion to uintptr stands in the call
// itself. A goroutine's stack may move during the call (a log message calls
// back into Go), so memory on it must not reach C.
//
//go:uintptrescapes
//go:noinline
func call(fn uintptr, args ...uintptr) uintptr {
	r, _, _ := purego.SyscallN(fn, args...)
	return r
}

// call1, call2, call4 and call7 are call without an allocation. C ignores words
// beyond its parameters.
//
//go:uintptrescapes
//go:noinline
func call1(fn, a uintptr) uintptr {
	f := frames.Get().(*[maxWords]uintptr)
	f[0] = a
	r, _, _ := purego.SyscallN(fn, f[:1]...)
	frames.Put(f)
	return r
}

//go:uintptrescapes
//go:noinline
func call2(fn, a, b uintptr) uintptr {
	f := frames.Get().(*[maxWords]uintptr)
	f[0], f[1] = a, b
	r, _, _ := purego.SyscallN(fn, f[:2]...)
	frames.Put(f)
	return r
}

//go:uintptrescapes
//go:noinline
func call4(fn, a, b, c, d uintptr) uintptr {
	f := frames.Get().(*[maxWords]uintptr)
	f[0], f[1], f[2], f[3] = a, b, c, d
	r, _, _ := purego.SyscallN(fn, f[:4]...)
	frames.Put(f)
	return r
}

//go:uintptrescapes
//go:noinline
func call7(fn, a, b, c, d, e, g, h uintptr) uintptr {
	f := frames.Get().(*[maxWords]uintptr)
	f[0], f[1], f[2], f[3], f[4], f[5], f[6] = a, b, c, d, e, g, h
	r, _, _ := purego.SyscallN(fn, f[:7]...)
	frames.Put(f)
	return r
}

// callByValue calls fn with the pointer a and, last, a struct of size bytes at p
// by value; size is a multiple of 8 above 16.
//
//go:uintptrescapes
//go:noinline
func callByValue(fn, a, p, size uintptr) uintptr {
	f := frames.Get().(*[maxWords]uintptr)
	f[0] = a
	n := appendStruct(f, 1, p, size)
	r, _, _ := purego.SyscallN(fn, f[:n]...)
	frames.Put(f)
	return r
}

// callByValue0 is callByValue with nothing before the struct.
//
//go:uintptrescapes
//go:noinline
func callByValue0(fn, p, size uintptr) uintptr {
	f := frames.Get().(*[maxWords]uintptr)
	n := appendStruct(f, 0, p, size)
	r, _, _ := purego.SyscallN(fn, f[:n]...)
	frames.Put(f)
	return r
}

// callByValue2 is callByValue with two words before the struct.
//
//go:uintptrescapes
//go:noinline
func callByValue2(fn, a, b, p, size uintptr) uintptr {
	f := frames.Get().(*[maxWords]uintptr)
	f[0], f[1] = a, b
	n := appendStruct(f, 2, p, size)
	r, _, _ := purego.SyscallN(fn, f[:n]...)
	frames.Put(f)
	return r
}

func cBool(r uintptr) bool { return byte(r) != 0 }

func boolWord(b bool) uintptr {
	if b {
		return 1
	}
	return 0
}
