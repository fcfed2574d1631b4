package llama

import (
	"context"
	"fmt"
	"unsafe"
)

// LoadBackend opens the library of a further backend, such as libggml-vulkan, whose
// devices [Devices] lists from then on; [Load] must have succeeded before. It does nothing
// if that file is loaded already; otherwise it waits until no model is being loaded, or ctx
// is done, whose error it then returns. It may be called from any goroutine.
// Every other failure is an error of one line, and leaves what was loaded as it was: mostly
// a library that the backend needs is not on this machine. A backend of which this machine
// has no device loads well.
func LoadBackend(ctx context.Context, path string) error {
	if _, ok := Loaded(); !ok {
		return ErrNotLoaded
	}
	if hasBackend(path) {
		return nil
	}
	if err := checkFile(path); err != nil {
		return fmt.Errorf("llama: backend library: %w", err)
	}
	l, err := openLibrary(path) // ggml's own loading says less of what is missing
	if err != nil {
		return err
	}
	defer l.close()
	if l.symbol("ggml_backend_init") == 0 {
		return fmt.Errorf("llama: %s has no ggml_backend_init: it is not a ggml backend", path)
	}
	if err := writeRegistry(ctx); err != nil {
		return err
	}
	defer registry.Unlock()
	if hasBackend(path) { // meanwhile
		return nil
	}
	return addBackend(path)
}

// hasBackend reports whether LoadBackend has loaded a file.
func hasBackend(path string) bool {
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	return loaded.backends[path]
}

// addBackend registers a backend. The caller holds the registry.
func addBackend(path string) error {
	file := cString(path)
	errs := captureErrors()
	reg := call1(c.backendLoad, uintptr(unsafe.Pointer(&file[0])))
	why := errs.stop()
	if reg == 0 {
		return fmt.Errorf("llama: %s cannot be used as a backend: %s", path, why)
	}
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	if loaded.backends == nil {
		loaded.backends = map[string]bool{}
	}
	loaded.backends[path] = true
	return nil
}
