package llama

import "unsafe"

// defaultImage calls fn, which returns a struct by value, and returns what it
// wrote and the byte that stands where it wrote nothing. On amd64 the hidden
// pointer to the result is an ordinary first argument.
func defaultImage(fn uintptr) (*image, byte) {
	p := new(image)
	for i := range p {
		p[i] = canary
	}
	call1(fn, uintptr(unsafe.Pointer(p)))
	return p, canary
}
