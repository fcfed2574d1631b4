package llama

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Files names the libraries of one llama.cpp release by absolute paths.
type Files struct {
	Llama string // libllama*
	GGML  string // libggml.* (the registry of backends)
	Base  string // libggml-base*

	// CPU holds the candidates for the CPU backend (libggml-cpu*). [Load] asks
	// each how well it suits this machine and loads the best. It may be empty
	// only if the libraries were built with the CPU backend linked in.
	CPU []string
}

func (f Files) equal(g Files) bool {
	return f.Llama == g.Llama && f.GGML == g.GGML && f.Base == g.Base && slices.Equal(f.CPU, g.CPU)
}

// check reports the first path that cannot be a library of this platform. It
// reads headers only: opening a damaged library would end the process.
func (f Files) check() error {
	for _, e := range []struct{ role, path string }{
		{"llama.cpp", f.Llama}, {"ggml", f.GGML}, {"ggml base", f.Base},
	} {
		if e.path == "" {
			return fmt.Errorf("llama: no path given for the %s library", e.role)
		}
		if err := checkFile(e.path); err != nil {
			return fmt.Errorf("llama: %s library: %w", e.role, err)
		}
	}
	for _, p := range f.CPU {
		if err := checkFile(p); err != nil {
			return fmt.Errorf("llama: CPU backend library: %w", err)
		}
	}
	return nil
}

func checkFile(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s: the path must be absolute", path)
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: no such file", path)
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", path)
	}
	return checkImage(path, info.Size())
}
