package testmodel

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// The lock is tried in a cache of its own: the real one may be in use.
func TestMain(m *testing.M) {
	if os.Getenv("TESTMODEL_HOLD") != "" {
		fmt.Println(lock())
		time.Sleep(time.Minute)
		return
	}
	dir, err := os.MkdirTemp("", "testmodel")
	if err != nil {
		panic(err)
	}
	os.Setenv("CRIA_CACHE_DIR", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// A process holds the lock until it ends, however it ends.
func TestLock(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command(exe)
	other.Env = append(os.Environ(), "TESTMODEL_HOLD=1")
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	var said string
	if _, err := fmt.Fscan(out, &said); err != nil || said != "<nil>" {
		t.Fatal(said, err)
	}
	h, err := newHub()
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := flock.New(lockPath(h)).TryLock(); ok || err != nil {
		t.Errorf("the lock is free: %v, %v", ok, err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait()
	Lock(t)
	Lock(t) // nothing more
	if ok, err := flock.New(lockPath(h)).TryLock(); ok || err != nil {
		t.Errorf("the lock is free: %v, %v", ok, err)
	}
}
