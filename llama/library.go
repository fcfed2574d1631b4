package llama

import (
	"fmt"
	"runtime"
	"strings"
)

// library is one open shared library.
type library struct {
	path   string
	handle uintptr
}

func openLibrary(path string) (library, error) {
	h, err := dlopen(path)
	if err != nil {
		return library{}, fmt.Errorf("llama: %s cannot be opened on %s/%s: %s; install the libraries of llama.cpp %s for this platform",
			path, runtime.GOOS, runtime.GOARCH, oneLine(err.Error()), wantedReleases())
	}
	return library{path, h}, nil
}

// symbol returns the address of name, or 0.
func (l library) symbol(name string) uintptr { return dlsym(l.handle, name) }

// bind resolves symbols into their variables; it reports the first missing one.
func (l library) bind(symbols []symbol) error {
	for _, s := range symbols {
		*s.addr = l.symbol(s.name)
		if *s.addr == 0 || !l.owns(*s.addr) {
			return fmt.Errorf("llama: %s has no %s: it is not the right library, or not of llama.cpp %s",
				l.path, s.name, wantedReleases())
		}
	}
	return nil
}

func (l library) close() {
	if l.handle != 0 {
		dlclose(l.handle)
	}
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}
