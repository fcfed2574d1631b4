package llama

import (
	"sync"

	"github.com/ebitengine/purego"
)

// progressCallback returns the C function that reports the progress of a load.
// Callbacks cannot take floating-point arguments on Windows; the first argument
// register stands for one, and what it holds means nothing.
var progressCallback = sync.OnceValue(func() uintptr {
	return purego.NewCallback(func(_, id uintptr) uintptr {
		return progresses.report(id, 0)
	})
})
