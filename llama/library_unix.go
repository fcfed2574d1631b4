//go:build linux || darwin

package llama

import (
	"fmt"
	"os"
	"unsafe"

	"github.com/ebitengine/purego"
)

func dlopen(path string) (uintptr, error) {
	return purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

func dlsym(handle uintptr, name string) uintptr {
	p, err := purego.Dlsym(handle, name)
	if err != nil {
		return 0
	}
	return p
}

func dlclose(handle uintptr) { _ = purego.Dlclose(handle) }

// libcSymbol returns a function of the C library that this process runs on, or 0.
func libcSymbol(name string) uintptr { return dlsym(purego.RTLD_DEFAULT, name) }

// setCEnv sets name in the environment that C sees; an empty value removes it.
// os.Setenv does not reach C when cgo is off.
func setCEnv(name, value string) error {
	n, v := cString(name), cString(value)
	var rc int32
	if value == "" {
		f := libcSymbol("unsetenv")
		if f == 0 {
			return fmt.Errorf("llama: the C library has no unsetenv")
		}
		rc = int32(call(f, uintptr(unsafe.Pointer(&n[0]))))
	} else {
		f := libcSymbol("setenv")
		if f == 0 {
			return fmt.Errorf("llama: the C library has no setenv")
		}
		rc = int32(call(f, uintptr(unsafe.Pointer(&n[0])), uintptr(unsafe.Pointer(&v[0])), 1))
	}
	if rc != 0 {
		return fmt.Errorf("llama: setting %s in the environment failed", name)
	}
	return nil
}

// owns reports whether the function at addr is in l itself: looking up a symbol
// in a library also searches what that library was linked with.
func (l library) owns(addr uintptr) bool {
	dladdr := libcSymbol("dladdr")
	if dladdr == 0 {
		return true
	}
	info := new(struct{ file, base, symbol, at uintptr })
	if int32(call(dladdr, addr, uintptr(unsafe.Pointer(info)))) == 0 {
		return false
	}
	got, err1 := os.Stat(goString(info.file))
	want, err2 := os.Stat(l.path)
	return err1 == nil && err2 == nil && os.SameFile(got, want)
}

// checkMixed reports libraries of different releases or builds: what llama
// depends on must be what was opened as ggml and base, or there would be two
// registries of backends in the process.
func checkMixed(llama, ggml, base library) error {
	for _, e := range []struct {
		lib  library
		name string
	}{{ggml, "ggml_backend_load"}, {base, "ggml_backend_dev_name"}} {
		if llama.symbol(e.name) != e.lib.symbol(e.name) {
			return fmt.Errorf("llama: %s and %s are not of one build: use the libraries of one folder",
				llama.path, e.lib.path)
		}
	}
	return nil
}
