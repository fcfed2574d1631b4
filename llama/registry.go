package llama

import (
	"context"
	"sync"
	"time"
)

// registry guards ggml's list of backends and their devices, which are C++ vectors without
// a lock of their own: it is held to read while C reads them, a model's loading included,
// and to write, by writeRegistry, while a backend is added.
var registry sync.RWMutex

// writeRegistry takes the registry to write once nobody reads it; the error is that of ctx.
// It asks again and again instead of standing in line, since readers that come after a
// writer in line wait for it: with it, all of them for the model that is being loaded.
func writeRegistry(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !registry.TryLock() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}
