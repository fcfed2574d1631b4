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
// exit code for [os.Exit].
func Main(m *testing.M) int {
	unlock, err := take()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testmodel:", err)
		return 1
	}
	defer unlock()
	return m.Run()
}

// Lock makes test processes take turns: it waits, without limit, until no
// other has the lock, and holds it until this process ends. It may be called
// by every test; the first call counts. A package that uses [Main] need not.
func Lock(t testing.TB) {
	t.Helper()
	if err := lockOnce(); err != nil {
		t.Fatal("testmodel:", err)
	}
}

// Libraries returns the llama.cpp libraries for this machine.
func Libraries(t testing.TB) llama.Files {
	t.Helper()
	h, err := newHub()
	if err != nil {
		t.Fatal(err)
	}
	libs, err := h.Libraries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return libs.Files
}

// Model returns the path of the default model.
func Model(t testing.TB) string {
	t.Helper()
	h, err := newHub()
	if err != nil {
		t.Fatal(err)
	}
	model, err := h.Model(t.Context(), hub.DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	return model.Path
}

var newHub = sync.OnceValues(func() (*hub.Hub, error) {
	out := os.Stderr
	// go test shows a package's output when it has passed; a download must be
	// seen while it runs.
	if tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0); err == nil {
		out = tty
	}
	return hub.New(&hub.Options{Progress: hub.TerminalProgress(out, term.IsTerminal(int(out.Fd())))})
})

// lockOnce never gives the lock back: the end of the process does.
var lockOnce = sync.OnceValue(func() error {
	_, err := take()
	return err
})

func take() (unlock func(), err error) {
	h, err := newHub()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(h.CacheDir(), 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(h.CacheDir(), "test-model.lock")
	held := flock.New(path)
	start := time.Now()
	for said := false; ; {
		ok, err := held.TryLock()
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if ok {
			return func() { _ = held.Unlock() }, nil
		}
		if !said && time.Since(start) > time.Second {
			said = true
			fmt.Fprintf(os.Stderr, "testmodel: waiting for another test process that runs a model (%s)\n", path)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
