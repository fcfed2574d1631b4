//go:build !amd64

package llama

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

// defaultImage calls fn, which returns a struct by value, and returns what it
// wrote and the byte that stands where it wrote nothing. The hidden pointer to
// the result travels in a register of its own, which only RegisterFunc sets;
// it hands C zeroed memory.
func defaultImage(fn uintptr) (*image, byte) {
	type result struct{ words [imageSize / 8]uint64 }
	var f func() result
	purego.RegisterFunc(&f, fn)
	r := f()
	p := new(image)
	copy(p[:], unsafe.Slice((*byte)(unsafe.Pointer(&r)), imageSize))
	return p, 0
}
