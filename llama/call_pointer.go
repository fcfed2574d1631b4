//go:build !amd64 || windows

package llama

// appendStruct puts the struct of size bytes at p behind the first n words of f
// and returns the number of words then in use. Windows x64 and the arm64 ABIs
// pass a struct of more than 16 bytes as a pointer to a copy that the callee
// may overwrite: p must be such a copy.
func appendStruct(f *[maxWords]uintptr, n int, p, size uintptr) int {
	f[n] = p
	return n + 1
}
