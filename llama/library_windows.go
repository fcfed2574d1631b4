package llama

import (
	"fmt"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

func dlopen(path string) (uintptr, error) {
	// The altered search path makes the folder of the library the first place
	// where its dependencies are looked for.
	h, err := windows.LoadLibraryEx(path, 0, windows.LOAD_WITH_ALTERED_SEARCH_PATH)
	return uintptr(h), err
}

func dlsym(handle uintptr, name string) uintptr {
	p, err := windows.GetProcAddress(windows.Handle(handle), name)
	if err != nil {
		return 0
	}
	return p
}

func dlclose(handle uintptr) { _ = windows.FreeLibrary(windows.Handle(handle)) }

// libcSymbol returns a function of the universal C runtime, which the llama.cpp
// libraries share, or 0.
func libcSymbol(name string) uintptr {
	dll := windows.NewLazySystemDLL("ucrtbase.dll")
	p := dll.NewProc(name)
	if p.Find() != nil {
		return 0
	}
	return p.Addr()
}

// setCEnv sets name in the environment of the C runtime; an empty value
// removes it. The runtime copied the process environment when it started, so
// os.Setenv comes too late.
func setCEnv(name, value string) error {
	f := libcSymbol("_putenv_s")
	if f == 0 {
		return fmt.Errorf("llama: the universal C runtime (ucrtbase.dll) is missing")
	}
	n, v := cString(name), cString(value)
	if rc := int32(call(f, uintptr(unsafe.Pointer(&n[0])), uintptr(unsafe.Pointer(&v[0])))); rc != 0 {
		return fmt.Errorf("llama: setting %s in the environment failed: %w", name, syscall.Errno(rc))
	}
	return nil
}

// owns reports whether the function at addr is in l itself. Windows looks up a
// symbol in that library only.
func (l library) owns(addr uintptr) bool { return true }

// checkMixed reports libraries that cannot be of one build. Windows looks for
// dependencies in the folder of the library, so that one folder is required.
func checkMixed(llama, ggml, base library) error {
	for _, lib := range []library{ggml, base} {
		if filepath.Dir(lib.path) != filepath.Dir(llama.path) {
			return fmt.Errorf("llama: %s and %s are not in one folder: use the libraries of one build",
				llama.path, lib.path)
		}
	}
	return nil
}
