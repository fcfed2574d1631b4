package llama

import (
	"sync"

	"github.com/ebitengine/purego"
)

// progressCallback returns the C function that reports the progress of a load.
// Callbacks cannot take floating-point arguments on Windows; on arm64 they are
// counted apart, so that the id is the first of the others.
var progressCallback = sync.OnceValue(func() uintptr {
	return purego.NewCallback(func(id uintptr) uintptr {
		return progresses.report(id, 0)
	})
})
