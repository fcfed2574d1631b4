package llama

import (
	"testing"
	"unsafe"
)

// What C is given by way of a struct does not move when the stack does.
func TestOnHeapStays(t *testing.T) {
	moved := make(chan bool)
	go func() { // whose stack is small
		one, text := onHeap[uintptr](1), cString("a")
		list, letters := uintptr(unsafe.Pointer(&one[0])), uintptr(unsafe.Pointer(&text[0]))
		growStack(1000)
		moved <- list != uintptr(unsafe.Pointer(&one[0])) || letters != uintptr(unsafe.Pointer(&text[0]))
	}()
	if <-moved {
		t.Error("it moved with the stack")
	}
}

//go:noinline
func growStack(n int) byte {
	var frame [256]byte
	frame[n%len(frame)] = 1
	if n > 0 {
		frame[0] += growStack(n - 1)
	}
	return frame[0]
}
