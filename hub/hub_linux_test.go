package hub

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Permissions do not hold for root, so another user tries.
func TestNoPermission(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("TestUnusableCacheDir tests it here")
	}
	cleanEnv(t)
	dir, err := os.MkdirTemp("", "hub") // its parents are open to all
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "hub.test")
	if err := errors.Join(os.WriteFile(copied, data, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HUB_TEST_FETCH=hf:a/b/c.gguf", "CRIA_CACHE_DIR="+filepath.Join(dir, "cache"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("no error: %s", out)
	}
	wantError(t, errors.New(string(out)), "cannot write to the cache directory "+dir, "permission", "CRIA_CACHE_DIR")
}

// Opening a FIFO would wait for its other end.
func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := testHub(t, Options{}).Model(t.Context(), path)
		done <- err
	}()
	select {
	case err := <-done:
		wantError(t, err, path, "not a regular file")
	case <-time.After(10 * time.Second):
		t.Error("it waits for the other end")
	}
}
