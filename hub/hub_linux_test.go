package hub

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Permissions do not hold for root, so another user tries.
func TestNoPermission(t *testing.T) {
	cleanEnv(t)
	dir, err := os.MkdirTemp("", "hub") // its parents are open to all
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(os.Chmod(dir, 0o755), os.RemoveAll(dir)) }()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "hub.test")
	if err := errors.Join(os.WriteFile(copied, data, 0o755), os.Chmod(dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HUB_TEST_FETCH=hf:a/b/c.gguf", "CRIA_CACHE_DIR="+filepath.Join(dir, "cache"))
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
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
		t.Fatal(err)
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

// The release archives are the last source, with links and a folder of their
// own in them.
func TestReleaseArchive(t *testing.T) {
	data := tgz(t, "",
		item{name: "llama-b1/libllama.so", link: "libllama.so.0", kind: '2'},
		item{name: "llama-b1/libllama.so.0", data: "x"}, item{name: "llama-b1/libggml.so", data: "x"},
		item{name: "llama-b1/libggml-base.so", data: "x"}, item{name: "llama-b1/libggml-cpu-x64.so", data: "x"},
		item{name: "llama-b1/llama-server", data: "x"}, item{name: "llama-b1/LICENSE", data: "MIT"})
	s := serveFile(t, data)
	h := testHub(t, Options{ReleaseURL: s.URL})
	h.platform = platform{archive: &releaseArchive{"b1", "llama-b1-bin-ubuntu-x64.tar.gz", "v9", digestOf(data), int64(len(data))}}
	libs, err := h.Libraries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(libs.Files.Llama) != "libllama.so" || libs.Release != "v9" {
		t.Errorf("got %+v", libs)
	}
	if entries, _ := os.ReadDir(libs.Dir); len(entries) != 6 {
		t.Errorf("%d files unpacked", len(entries))
	}
}

// The file system itself says that it is full.
func TestFullDevice(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = f.Write([]byte("x"))
	h := testHub(t, Options{})
	var disk *DiskError
	if !errors.As(h.cache.disk(err), &disk) {
		t.Errorf("%v is not a *DiskError", err)
	}
}

// A client ends with the process that started it, however that ends.
func TestClientDiesWithParent(t *testing.T) {
	cleanEnv(t)
	fakeClients(t, "python3")
	pid := filepath.Join(t.TempDir(), "pid")
	t.Setenv("FAKE_PID", pid)
	t.Setenv("FAKE_PIP", "hang")
	dir := t.TempDir()
	cmd, _ := child(t, dir, "pip:a==1/m.gguf")
	half := func() string {
		found, _ := filepath.Glob(filepath.Join(dir, "work", "*", "scratch", "pip", "half"))
		return strings.Join(found, "")
	}
	waitFor(t, "the client", func() bool { return half() != "" })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	data, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the client's end", func() bool {
		state, err := os.ReadFile("/proc/" + string(data) + "/stat")
		return err != nil || strings.Contains(string(state), ") Z ")
	})
	// What it left is removed by the next fetch, also of something else.
	h := testHub(t, Options{CacheDir: dir})
	w, err := h.begin(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	w.end()
	if left := half(); left != "" {
		t.Errorf("%s was left behind", left)
	}
}
