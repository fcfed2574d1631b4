package llama

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// Info says which libraries the process runs on.
type Info struct {
	Version    string // as llama.cpp reports it: "0.5.0-dev"
	Files      Files
	CPUVariant string // path of the CPU backend chosen; "" if it is built in
}

// ErrNotLoaded is returned by calls that need the libraries before [Load] has
// succeeded.
var ErrNotLoaded = errors.New("llama: the libraries are not loaded")

var loaded struct {
	mu   sync.Mutex
	ok   bool
	info Info

	backends map[string]bool // by path
}

// Load opens the libraries and makes the package usable. It may be called from
// any goroutine, again with the same files (a no-op), but not with others: a
// process has one llama.cpp.
//
// Every failure is an error of one line that names the file and what to do: a
// path that is not absolute or no library of this platform, a release that is
// not one of [AcceptedReleases], libraries of different builds, structs laid
// out otherwise than this package expects. After a failure, Load may be tried
// again with other files.
//
// Load removes GGML_BACKEND_PATH from the environment that C sees (it names a
// further library to load) and sets GGML_NO_BACKTRACE there (ggml would attach
// a debugger when it aborts). It loads no backend but the CPU's (see [LoadBackend]), and never the
// libraries that happen to lie in the program's or the current folder.
func Load(f Files) error {
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	if loaded.ok {
		if !loaded.info.Files.equal(f) {
			return fmt.Errorf("llama: the libraries of %s are loaded already; a process cannot load others", loaded.info.Files.Llama)
		}
		return nil
	}
	info, err := load(f)
	if err != nil {
		return err
	}
	loaded.info, loaded.ok = info, true
	return nil
}

// Loaded returns what [Load] loaded and true, or false before it succeeded.
func Loaded() (Info, bool) {
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	return loaded.info, loaded.ok
}

func load(f Files) (Info, error) {
	if err := checkPlatform(); err != nil {
		return Info{}, err
	}
	if err := f.check(); err != nil {
		return Info{}, err
	}
	if err := setCEnv("GGML_BACKEND_PATH", ""); err != nil {
		return Info{}, err
	}
	if err := setCEnv("GGML_NO_BACKTRACE", "1"); err != nil {
		return Info{}, err
	}
	version, err := openCore(f)
	if err != nil {
		return Info{}, err
	}
	cb := logCallback()
	call2(c.ggmlLogSet, cb, 0)
	call2(c.logSet, cb, 0)
	variant, err := loadCPU(f.CPU)
	if err != nil {
		return Info{}, err
	}
	call(c.backendInit)
	return Info{Version: version, Files: f, CPUVariant: variant}, nil
}

// openCore opens the three core libraries, resolves their symbols and checks
// that they are what this package was written for. On failure none stays open.
func openCore(f Files) (version string, err error) {
	var open []library
	defer func() {
		if err != nil {
			for _, l := range open {
				l.close()
			}
		}
	}()
	// In the order of dependence: whatever the loader would look for is then
	// there, under the path that was named.
	for _, path := range []string{f.Base, f.GGML, f.Llama} {
		l, err := openLibrary(path)
		if err != nil {
			return "", err
		}
		open = append(open, l)
	}
	base, ggml, core := open[0], open[1], open[2]
	if err := core.bind(versionSymbols); err != nil {
		return "", err
	}
	version = goString(call(c.version))
	if err := checkVersion(core.path, version); err != nil {
		return "", err
	}
	for _, e := range []struct {
		lib     library
		symbols []symbol
	}{{core, llamaSymbols}, {ggml, ggmlSymbols}, {base, baseSymbols}} {
		if err := e.lib.bind(e.symbols); err != nil {
			return "", err
		}
	}
	if err := checkMixed(core, ggml, base); err != nil {
		return "", err
	}
	if err := checkABI(); err != nil {
		return "", fmt.Errorf("llama: %s reports version %s, but its %w: it is a modified build; install the libraries of llama.cpp %s",
			core.path, version, err, wantedReleases())
	}
	return version, nil
}

// loadCPU registers the CPU backend of the highest score and resolves what only
// that backend has.
func loadCPU(candidates []string) (string, error) {
	name := cString("CPU")
	reg := call1(c.regByName, uintptr(unsafe.Pointer(&name[0])))
	variant := ""
	if reg == 0 {
		best, err := bestCPU(candidates)
		if err != nil {
			return "", err
		}
		path := cString(best)
		errs := captureErrors()
		reg = call1(c.backendLoad, uintptr(unsafe.Pointer(&path[0])))
		why := errs.stop()
		if reg == 0 {
			return "", fmt.Errorf("llama: %s cannot be used as CPU backend: %s", best, why)
		}
		variant = best
	}
	c.threadPoolNew = procAddress(reg, "ggml_threadpool_new")
	c.threadPoolFree = procAddress(reg, "ggml_threadpool_free")
	return variant, nil
}

// bestCPU returns the candidate that suits this machine best. Each library
// scores itself: 0 means that the machine lacks instructions it is built with.
// One without a score is a build for no machine in particular.
func bestCPU(candidates []string) (string, error) {
	if len(candidates) == 0 {
		return "", errors.New("llama: no CPU backend library given (libggml-cpu*)")
	}
	best, bestScore := "", int32(0)
	for _, path := range candidates {
		l, err := openLibrary(path)
		if err != nil {
			return "", err
		}
		if l.symbol("ggml_backend_init") == 0 {
			l.close()
			return "", fmt.Errorf("llama: %s has no ggml_backend_init: it is not a ggml backend", path)
		}
		score := int32(1)
		if f := l.symbol("ggml_backend_score"); f != 0 {
			score = int32(call(f))
		}
		l.close()
		if score > bestScore {
			best, bestScore = path, score
		}
	}
	if best == "" {
		return "", fmt.Errorf("llama: none of the %d CPU backend libraries runs on this machine (%s/%s)",
			len(candidates), runtime.GOOS, runtime.GOARCH)
	}
	return best, nil
}

func procAddress(reg uintptr, name string) uintptr {
	n := cString(name)
	return call2(c.regProcAddress, reg, uintptr(unsafe.Pointer(&n[0])))
}

// systemInfo guards the text of llama_print_system_info, which each call writes anew.
var systemInfo sync.Mutex

// PrintSystemInfo returns llama.cpp's line about the CPU features in use, or ""
// before [Load].
func PrintSystemInfo() string {
	if _, ok := Loaded(); !ok {
		return ""
	}
	registry.RLock()
	defer registry.RUnlock()
	systemInfo.Lock()
	defer systemInfo.Unlock()
	return goString(call(c.systemInfo))
}

// MaxSequences returns the most sequences that a context can have.
func MaxSequences() int {
	if _, ok := Loaded(); !ok {
		return 0
	}
	return int(call(c.maxSequences))
}

// SupportsGPUOffload reports whether a loaded backend can hold layers of a
// model.
func SupportsGPUOffload() bool {
	if _, ok := Loaded(); !ok {
		return false
	}
	registry.RLock()
	defer registry.RUnlock()
	return cBool(call(c.supportsOffload))
}
