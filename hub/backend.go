package hub

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Backend returns the library of a backend for GPUs that goes with llama.cpp's libraries,
// by the name that ggml gives it ("vulkan", "cuda", "metal"), for [llama.LoadBackend]: the
// one that lies beside them, else a cached one, else it is fetched through npm. The errors
// are those of [Hub.Libraries]; for a day after a failure, a *[RecentFailureError], and
// nothing is tried.
func (h *Hub) Backend(ctx context.Context, libs *Libraries, name string) (string, error) {
	if path := findBackend(libs.Dir, name); path != "" {
		return path, nil
	}
	if h.opts.LlamaDir != "" {
		return "", fmt.Errorf("%s has no %s: build llama.cpp with -DGGML_%s=ON, or let cria fetch its own", libs.Dir, libraryName(runtime.GOOS, "ggml-"+name), strings.ToUpper(name))
	}
	s := &librarySet{
		key:   host + " " + name,
		what:  "llama.cpp's " + name + " backend for " + host,
		spare: true,
		keep:  func(file string) bool { return isBackend(file, name) },
		check: func(dir string) error {
			if findBackend(dir, name) == "" {
				return fmt.Errorf("%s is not in the package", libraryName(runtime.GOOS, "ggml-"+name))
			}
			return nil
		},
	}
	// One of another release than the core's would be no backend for it.
	if p := h.platform.backends[name]; p != nil && p.release == libs.Release {
		s.sources = []librarySource{p}
	}
	e, err := h.librarySet(ctx, s)
	if err != nil {
		return "", err
	}
	return findBackend(h.cache.path("libraries", e.Digest), name), nil
}

// HasBackend reports whether the library of a backend lies beside the others.
func (l *Libraries) HasBackend(name string) bool { return findBackend(l.Dir, name) != "" }

// findBackend returns the library of a backend in a folder, "" if it is not there.
func findBackend(dir, name string) (path string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if isBackend(e.Name(), name) && (path == "" || len(e.Name()) < len(filepath.Base(path))) {
			path = filepath.Join(dir, e.Name())
		}
	}
	return path
}

// isBackend reports whether a file is the library of a backend.
func isBackend(file, name string) bool {
	stem, ok := libraryStem(runtime.GOOS, file)
	return ok && stem == "ggml-"+name
}
