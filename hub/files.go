package hub

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/cria-lm/cria/llama"
)

// FindLibraries finds the libraries of one llama.cpp build in dir, dir/bin,
// dir/lib or dir/build/bin. File names may carry a version or a variant
// (libllama.so, libllama.so.0, libllama.v0.5.0.so, libllama.metal.v0.4.0.dylib,
// llama.dll). All paths in the result are absolute. The error lists what is
// missing.
func FindLibraries(dir string) (llama.Files, error) {
	return findLibraries(runtime.GOOS, dir)
}

func findLibraries(goos, dir string) (llama.Files, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return llama.Files{}, fmt.Errorf("folder of llama.cpp libraries %s: %w", dir, err)
	}
	if info, err := os.Stat(abs); err != nil {
		return llama.Files{}, fmt.Errorf("folder of llama.cpp libraries: %w", err)
	} else if !info.IsDir() {
		return llama.Files{}, fmt.Errorf("%s is a file: name the folder with the llama.cpp libraries", abs)
	}
	var best library
	cpu := map[string]string{}
	for _, d := range []string{abs, filepath.Join(abs, "bin"), filepath.Join(abs, "lib"), filepath.Join(abs, "build", "bin")} {
		found := readLibraries(goos, d)
		if len(found.core) > len(best.core) {
			best = found
		}
		if len(cpu) == 0 {
			cpu = found.cpu
		}
	}
	if len(best.cpu) > 0 {
		cpu = best.cpu
	}
	var missing []string
	for _, role := range []string{"llama", "ggml", "ggml-base"} {
		if best.core[role] == "" {
			missing = append(missing, libraryName(goos, role))
		}
	}
	if len(cpu) == 0 {
		missing = append(missing, libraryName(goos, "ggml-cpu*"))
	}
	if len(missing) > 0 {
		return llama.Files{}, fmt.Errorf("%s (and its bin, lib, build/bin) has no whole set of llama.cpp libraries: missing %s; "+
			"build llama.cpp with -DBUILD_SHARED_LIBS=ON, or let cria fetch its own", abs, strings.Join(missing, ", "))
	}
	return llama.Files{
		Llama: best.core["llama"],
		GGML:  best.core["ggml"],
		Base:  best.core["ggml-base"],
		CPU:   slices.Sorted(maps.Values(cpu)),
	}, nil
}

// A library is what one folder holds of a llama.cpp build.
type library struct {
	core map[string]string // role -> path
	cpu  map[string]string // variant -> path
}

func readLibraries(goos, dir string) library {
	l := library{map[string]string{}, map[string]string{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return l // the caller says what is missing
	}
	for _, e := range entries {
		stem, ok := libraryStem(goos, e.Name())
		if !ok {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if variant, ok := strings.CutPrefix(stem, "ggml-cpu-"); ok {
			keepShorter(l.cpu, variant, path)
			continue
		}
		role, _, _ := strings.Cut(stem, ".")
		switch role {
		case "llama", "ggml", "ggml-base":
			keepShorter(l.core, role, path)
		case "ggml-cpu":
			keepShorter(l.cpu, "", path)
		}
	}
	return l
}

// keepShorter prefers the plain name among several of one library:
// libllama.so, then libllama.so.0, then libllama.so.0.0.1.
func keepShorter(m map[string]string, key, path string) {
	if old := m[key]; old == "" || len(path) < len(old) {
		m[key] = path
	}
}

// libraryStem is a library's file name without the platform's prefix and
// suffix: "llama.v0.5.0", "ggml-cpu-armv8.2_1".
func libraryStem(goos, name string) (stem string, ok bool) {
	if goos == "windows" {
		stem, ok = strings.CutSuffix(strings.ToLower(name), ".dll")
		return strings.TrimPrefix(stem, "lib"), ok
	}
	stem, ok = strings.CutPrefix(name, "lib")
	if !ok {
		return "", false
	}
	if goos == "darwin" {
		if s, ok := strings.CutSuffix(stem, ".dylib"); ok {
			return s, true
		} // backends that are loaded at run time end in .so there too
	}
	stem, version, ok := strings.Cut(stem, ".so")
	if !ok || strings.Trim(version, ".0123456789") != "" {
		return "", false
	}
	return stem, true
}

func libraryName(goos, stem string) string {
	switch goos {
	case "windows":
		return stem + ".dll"
	case "darwin":
		return "lib" + stem + ".dylib"
	}
	return "lib" + stem + ".so"
}

// isLibrary reports whether an archive's file is worth keeping: the core and
// its backends, not the C++ helpers and programs.
func isLibrary(goos, name string) bool {
	stem, ok := libraryStem(goos, name)
	return ok && (stem == "llama" || strings.HasPrefix(stem, "llama.") || stem == "ggml" ||
		strings.HasPrefix(stem, "ggml.") || strings.HasPrefix(stem, "ggml-"))
}
