// Package testmodel gives tests the real llama.cpp libraries and the default
// model, and lets test processes that run a model take turns.
//
// Libraries and model come from the user's ordinary cache: the first test that
// needs them fetches them, with its progress visible, and all packages share
// them. A package that runs models holds the lock for its whole run, since two
// engines whose threads spin slow each other tens of times:
//
//	func TestMain(m *testing.M) { os.Exit(testmodel.Main(m)) }
package testmodel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/term"

	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llama"
)

// Main runs a package's tests while holding the lock of [Lock] and returns the
// exit code for [os.Exit]. Libraries and model are fetched before: the wait for
// the lock counts for the test time-out, and all packages share one download.
func Main(m *testing.M) int {
	_, _, _ = Find() // what fails is said by the tests that need it
	if err := lock(); err != nil {
		fmt.Fprintln(os.Stderr, "testmodel:", err)
		return 1
	}
	return m.Run()
}

// Lock makes test processes take turns: it waits, without limit, until no
// other has the lock, and holds it until this process ends. Every test may
// call it; the first call counts. With [Main] it is not needed.
func Lock(t testing.TB) {
	t.Helper()
	if err := lock(); err != nil {
		t.Fatal("testmodel:", err)
	}
}

// Libraries returns the llama.cpp libraries for this machine.
func Libraries(t testing.TB) llama.Files {
	t.Helper()
	files, _, err := Find()
	if err != nil {
		t.Fatal("testmodel:", err)
	}
	return files
}

// Model returns the path of the default model.
func Model(t testing.TB) string {
	t.Helper()
	_, path, err := Find()
	if err != nil {
		t.Fatal("testmodel:", err)
	}
	return path
}

// Find is [Libraries] and [Model] for examples, which have no testing.TB.
func Find() (files llama.Files, path string, err error) {
	f, err := find()
	return f.libraries, f.model, err
}

type found struct {
	libraries llama.Files
	model     string
}

// find tries once in a process: what cannot be fetched is not waited for again
// by every test.
var find = sync.OnceValues(func() (f found, err error) {
	h, err := newHub()
	if err != nil {
		return f, err
	}
	libs, err := h.Libraries(context.Background())
	if err != nil {
		return f, err
	}
	model, err := h.Model(context.Background(), hub.DefaultModel)
	if err != nil {
		return f, err
	}
	return found{libs.Files, model.Path}, nil
})

var newHub = sync.OnceValues(func() (*hub.Hub, error) {
	out := os.Stderr
	// go test shows a package's output when it has passed; a download must be
	// seen while it runs.
	if tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0); err == nil {
		out = tty
	}
	return hub.New(&hub.Options{Progress: hub.TerminalProgress(out, term.IsTerminal(int(out.Fd())))})
})

// held is never given back: the end of the process does that. It is global
// lest the garbage collector close it.
var held *flock.Flock

var lock = sync.OnceValue(func() error {
	h, err := newHub()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(h.CacheDir(), 0o755); err != nil {
		return err
	}
	held = flock.New(lockPath(h))
	for tries := 0; ; tries++ {
		if ok, err := held.TryLock(); err != nil {
			return fmt.Errorf("locking %s: %w", held.Path(), err)
		} else if ok {
			return nil
		}
		if tries == 20 { // a second
			fmt.Fprintf(os.Stderr, "testmodel: waiting for another test process that runs a model (%s)\n", held.Path())
		}
		time.Sleep(50 * time.Millisecond)
	}
})

func lockPath(h *hub.Hub) string { return filepath.Join(h.CacheDir(), "test-model.lock") }
