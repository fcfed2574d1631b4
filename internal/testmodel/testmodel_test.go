package testmodel

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// The lock is tried in a cache of its own: the real one may be in use.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "npm" { // see TestFetchBeforeLock
		_ = os.WriteFile(os.Getenv("TESTMODEL_ASKED"), nil, 0o644)
		os.Exit(1)
	}
	if os.Getenv("TESTMODEL_ASKED") != "" {
		os.Exit(Main(m))
	}
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

// While another process has the lock, what is missing is fetched already: here
// with an npm that notes that it was asked, and fails.
func TestFetchBeforeLock(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, asked := t.TempDir(), filepath.Join(t.TempDir(), "asked")
	if err := os.Symlink(exe, filepath.Join(bin, "npm")); err != nil {
		t.Fatal(err)
	}
	Lock(t)
	other := exec.Command(exe, "-test.run=^$")
	other.Env = append(os.Environ(), "PATH="+bin, "TESTMODEL_ASKED="+asked, "CRIA_LLAMA_DIR=", "CRIA_OFFLINE=", "CRIA_LLAMA_RELEASES=http://127.0.0.1:1")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(asked); err == nil {
			return
		}
	}
	t.Error("it waits for the lock before it fetches")
}
