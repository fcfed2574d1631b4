//go:build amd64 && !windows

package llama

// appendStruct puts the struct of size bytes at p behind the first n words of f
// and returns the number of words then in use. The System V ABI copies a struct
// of more than 16 bytes onto the stack, which begins at the seventh word; the
// words between are registers that the callee does not read.
func appendStruct(f *[maxWords]uintptr, n int, p, size uintptr) int {
	const registers = 6
	// A loop, as copy from an address that is not typed a pointer makes the
	// compiler (Go 1.26) panic.
	for i := range size / 8 {
		f[registers+i] = *(*uintptr)(pointer(p + 8*i))
	}
	return registers + int(size/8)
}
