package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/peersource"
)

// builder builds the peers in a scratch folder, which is removed afterwards;
// only whole builds get their final name.
type builder struct {
	tools   map[string]string
	scratch string
	target  string
	hub     hub.Progress
	steps   *steps
}

// buildPeers is the command peers.
func (o *options) buildPeers(ctx context.Context, out, errs io.Writer) error {
	if o.peers != "" {
		p, err := findPeers(o.peers, "")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "nothing to build: the peers are those in %s\n", p.dir)
		return err
	}
	h, err := hub.New(nil)
	if err != nil {
		return err
	}
	b := &builder{target: peersDir(h.CacheDir()), hub: hub.TerminalProgress(errs, isTerminal(errs)),
		steps: &steps{out: errs, terminal: isTerminal(errs)}}
	b.scratch = b.target + ".work"
	if _, missing := peersIn(b.target); len(missing) > 0 {
		if err := b.build(ctx); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(out, b.target)
	return err
}

// build fetches and compiles, alone among processes.
func (b *builder) build(ctx context.Context) (err error) {
	if b.tools, err = findTools(runtime.GOOS, exec.LookPath, os.Getenv("CXX")); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(b.target), 0o755); err != nil {
		return err
	}
	lock := flock.New(b.target + ".lock")
	if err := b.lock(ctx, lock); err != nil {
		return fmt.Errorf("locking %s: %w", lock.Path(), err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if _, missing := peersIn(b.target); len(missing) == 0 {
		return nil // another process was faster
	}
	if err := b.empty(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.scratch)) }()
	bundle, err := b.fetch(ctx)
	if err != nil {
		return fmt.Errorf("fetching llama.cpp's source: %w", err)
	}
	if err := b.configure(ctx, bundle); err != nil {
		return err
	}
	if err := b.compile(ctx); err != nil {
		return err
	}
	return b.publish()
}

// lock waits until no other process builds.
func (b *builder) lock(ctx context.Context, l *flock.Flock) error {
	for told := false; ; told = true {
		if ok, err := l.TryLock(); ok || err != nil {
			return err
		}
		if !told {
			b.steps.line("waiting for another process that builds the peers")
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// empty removes what an earlier try has left.
func (b *builder) empty() error {
	if err := os.RemoveAll(b.scratch); err != nil {
		return err
	}
	return os.MkdirAll(b.scratch, 0o755)
}

func (b *builder) in(elem ...string) string {
	return filepath.Join(append([]string{b.scratch}, elem...)...)
}

// findTools finds what building needs, and names all that is missing. On
// Windows cmake finds the compiler by itself.
func findTools(goos string, look func(string) (string, error), cxx string) (map[string]string, error) {
	compilers := []string{cmp.Or(cxx, "c++"), "g++", "clang++"}
	found := map[string]string{}
	var missing []string
	for _, t := range []struct {
		names []string
		hint  string
	}{
		{[]string{"npm"}, "npm (it comes with Node.js)"},
		{[]string{"git"}, "git"},
		{[]string{"cmake"}, "cmake"},
		{compilers, "a C++ compiler (g++ or clang++)"},
	} {
		for _, name := range t.names {
			if path, err := look(name); err == nil {
				found[t.names[0]] = path
				break
			}
		}
		if found[t.names[0]] == "" && (t.hint != "a C++ compiler (g++ or clang++)" || goos != "windows") {
			missing = append(missing, t.hint)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("building llama.cpp's programs needs %s, which cannot be found: install it, or name a folder with a build of your own with --peers", strings.Join(missing, " and "))
	}
	return found, nil
}

// configure makes the source tree and the build files. Libraries are looked for
// beside the programs, so that both can be moved.
func (b *builder) configure(ctx context.Context, bundle string) error {
	b.steps.line("unpacking llama.cpp " + peersource.Release)
	clone := newProcess(ctx, b.tools["git"], "-c", "advice.detachedHead=false", "clone", "--quiet", bundle, b.in("source"))
	if err := clone.run(); err != nil {
		return fmt.Errorf("unpacking llama.cpp's source: %w", err)
	}
	b.steps.line("configuring with cmake")
	configure := newProcess(ctx, b.tools["cmake"], "-S", b.in("source"), "-B", b.in("build"),
		"-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_BUILD_RPATH_USE_ORIGIN=ON", "-DBUILD_SHARED_LIBS=ON",
		"-DLLAMA_CURL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_WEBUI=OFF")
	if err := configure.run(); err != nil {
		return fmt.Errorf("configuring llama.cpp: %w", err)
	}
	return nil
}

// compile takes minutes.
func (b *builder) compile(ctx context.Context) error {
	b.steps.line("compiling; this takes minutes")
	args := []string{"--build", b.in("build"), "--config", "Release", "--parallel", strconv.Itoa(runtime.NumCPU()), "--target"}
	p := newProcess(ctx, b.tools["cmake"], append(args, peerNames...)...)
	p.Stdout = io.MultiWriter(b.steps, &p.said) // make writes errors to either
	err := p.run()
	b.steps.end()
	if err != nil {
		return fmt.Errorf("compiling llama.cpp: %w", err)
	}
	return nil
}

// publish gives the programs their name.
func (b *builder) publish() error {
	built := b.in("build", "bin")
	if _, err := os.Stat(filepath.Join(built, "Release")); err == nil {
		built = filepath.Join(built, "Release") // of Visual Studio's build files
	}
	if _, missing := peersIn(built); len(missing) > 0 {
		return fmt.Errorf("the build has no %s", strings.Join(missing, ", "))
	}
	if _, err := hub.FindLibraries(built); err != nil {
		return err
	}
	if err := os.RemoveAll(b.target); err != nil { // incomplete, or we would not be here
		return err
	}
	return os.Rename(built, b.target)
}

// steps shows how far a build is: it is written what the build tool writes.
type steps struct {
	out      io.Writer
	terminal bool
	rest     string
	shown    int // per cent, of the last line where there is no terminal
}

func (s *steps) line(text string) { fmt.Fprintln(s.out, text) }

const stepEvery = 10 // per cent, without a terminal

func (s *steps) Write(p []byte) (int, error) {
	s.rest += string(p)
	for {
		line, rest, ok := strings.Cut(s.rest, "\n")
		if !ok {
			return len(p), nil
		}
		s.rest = rest
		done, ok := percent(line)
		if !ok {
			continue
		}
		if s.terminal {
			fmt.Fprintf(s.out, "\r\x1b[2Kcompiling: %d %%", done)
		} else if done >= s.shown+stepEvery {
			fmt.Fprintf(s.out, "compiling: %d %%\n", done)
			s.shown = done
		}
	}
}

func (s *steps) end() {
	if s.terminal {
		fmt.Fprint(s.out, "\r\x1b[2K")
	}
}

// make writes "[ 12%] Building ...", ninja "[12/300] Building ...".
var step = regexp.MustCompile(`^\[ *(\d+)(?:%|/(\d+))\]`)

// percent finds in a line of a build tool how far it is.
func percent(line string) (int, bool) {
	m := step.FindStringSubmatch(line)
	if m == nil {
		return 0, false
	}
	done, err := strconv.Atoi(m[1])
	if err != nil || m[2] == "" {
		return done, err == nil
	}
	total, err := strconv.Atoi(m[2])
	if err != nil || total == 0 {
		return 0, false
	}
	return 100 * done / total, true
}
