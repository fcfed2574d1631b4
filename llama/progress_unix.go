//go:build !windows

package llama

import (
	"sync"

	"github.com/ebitengine/purego"
)

// progressCallback returns the C function that reports the progress of a load.
var progressCallback = sync.OnceValue(func() uintptr {
	return purego.NewCallback(func(part float32, id uintptr) uintptr {
		return progresses.report(id, part)
	})
})
