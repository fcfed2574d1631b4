package engine

import (
	"runtime"
	"strings"

	"github.com/cria-lm/cria/llama"
)

// openMP reports whether the libraries were built with OpenMP, whose threads
// compute faster than a pool of ggml's: measured on two cores, 8 prompts of 60
// tokens and 32 of output each in 3.7 s against 4.2 s.
func openMP() bool { return strings.Contains(llama.PrintSystemInfo(), "OPENMP = 1") }

// goOwner starts an owner. OpenMP's threads belong to the thread that calls them
// and end with it, so the owner then stays on a thread that ends with it. The
// process's first thread does not, and what OpenMP counts as its threads for ever
// lets all others sleep instead of wait: decoding took twice as long.
func goOwner(own func()) {
	if !openMP() {
		go own()
		return
	}
	go func() {
		runtime.LockOSThread()
		if !onFirstThread() {
			own()
			return
		}
		elsewhere := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(elsewhere)
			own()
		}()
		<-elsewhere
		runtime.UnlockOSThread()
	}()
}
