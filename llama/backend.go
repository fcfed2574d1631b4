package llama

import (
	"fmt"
	"unsafe"
)

// LoadBackend opens the library of a further backend, such as libggml-vulkan, whose
// devices [Devices] lists from then on; [Load] must have succeeded before. It must not
// run while a model is being loaded. It does nothing if that file is loaded already.
// Every failure is an error of one line, and leaves what was loaded as it was: mostly a
// library that the backend needs is not on this machine. A backend of which this machine
// has no device loads well.
func LoadBackend(path string) error {
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	if !loaded.ok {
		return ErrNotLoaded
	}
	if loaded.backends[path] {
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
	file := cString(path)
	errs := captureErrors()
	registry.Lock()
	reg := call1(c.backendLoad, uintptr(unsafe.Pointer(&file[0])))
	registry.Unlock()
	why := errs.stop()
	if reg == 0 {
		return fmt.Errorf("llama: %s cannot be used as a backend: %s", path, why)
	}
	if loaded.backends == nil {
		loaded.backends = map[string]bool{}
	}
	loaded.backends[path] = true
	return nil
}
