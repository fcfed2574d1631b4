package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cachedTestModel puts a model into h's cache and returns it.
func cachedTestModel(t *testing.T, h *Hub, size int) *Model {
	t.Helper()
	s := serveFile(t, testModel(size))
	m, err := h.Model(t.Context(), s.URL+fmt.Sprintf("/m%d.gguf", size))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// offline is a hub on the same cache that can fetch nothing.
func offline(t *testing.T, h *Hub) *Hub {
	t.Helper()
	return testHub(t, Options{CacheDir: h.CacheDir(), Offline: true})
}

func TestOffline(t *testing.T) {
	h := testHub(t, Options{})
	m := cachedTestModel(t, h, 1000)
	off := offline(t, h)
	if got, err := off.Model(t.Context(), m.Ref); err != nil || got.Path != m.Path {
		t.Errorf("cached: %v, %v", got, err)
	}
	_, err := off.Model(t.Context(), "hf:a/b/c.gguf")
	wantError(t, err, "hf:a/b/c.gguf is not in the cache", "CRIA_OFFLINE")
	if !errors.Is(err, ErrOffline) {
		t.Error("not ErrOffline")
	}
	cleanEnv(t)
	t.Setenv("CRIA_OFFLINE", "1")
	if h, err := New(nil); err != nil || !h.opts.Offline {
		t.Errorf("CRIA_OFFLINE=1: %v", err)
	}
	t.Setenv("CRIA_OFFLINE", "maybe")
	_, err = New(nil)
	wantError(t, err, `CRIA_OFFLINE="maybe"`)
}

// A cached file that was touched is read again; one that was changed is
// fetched again, never used.
func TestChangedFile(t *testing.T) {
	data := testModel(1000)
	s := serveFile(t, data)
	h := testHub(t, Options{})
	ref := s.URL + "/m.gguf"
	m, err := h.Model(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(m.Path, past, past); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Model(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if gets, _, _ := s.seen(); gets != 1 {
		t.Error("a touched file was fetched again")
	}
	for name, damage := range map[string]func() error{
		"changed":        func() error { return overwrite(m.Path, "GGUFnonsense") },
		"truncated":      func() error { return errors.Join(os.Chmod(m.Path, 0o644), os.Truncate(m.Path, 500)) },
		"removed":        func() error { return os.Remove(m.Path) },
		"folder removed": func() error { return os.RemoveAll(filepath.Dir(m.Path)) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if _, err := offline(t, h).Model(t.Context(), ref); !errors.Is(err, ErrOffline) {
			t.Errorf("%s: used: %v", name, err)
		}
		m, err := h.Model(t.Context(), ref)
		if err != nil {
			t.Fatal(name, err)
		}
		wantFile(t, m.Path, data)
	}
}

// overwrite damages a file of the cache, which is read-only.
func overwrite(path, text string) error {
	return errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, []byte(text), 0o644))
}

// Nobody writes by mistake to files that processes have mapped.
func TestFilesAreReadOnly(t *testing.T) {
	h := testHub(t, Options{})
	m := cachedTestModel(t, h, 1000)
	c, err := h.Copy(t.Context(), m, "Q8_0", 100, writeCopy([]byte("copy")))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{m.Path, c.Path} {
		if info, err := os.Stat(path); err != nil || info.Mode()&0o222 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if err := h.Remove(t.Context(), m.Ref); err != nil || exists(m.Path) {
		t.Errorf("removing it: %v", err)
	}
}

// Without its index the cache finds files by their digest, after reading them.
func TestLostIndex(t *testing.T) {
	data := testModel(1000)
	s := serveFile(t, data)
	h := testHub(t, Options{Endpoint: "http://127.0.0.1:1"})
	h.catalog = []Card{{Name: "mine", Sources: []Source{{Ref: "hf:a/b/m.gguf", SHA256: digestOf(data)}}}}
	if _, err := h.Model(t.Context(), s.URL+"/m.gguf"); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", "{", "null", `{"models": 3}`} {
		if err := os.WriteFile(h.cache.path("index.json"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := h.Model(t.Context(), "mine")
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, m.Path, data)
	}
	if err := h.Remove(t.Context(), "mine"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Model(t.Context(), "mine"); err == nil {
		t.Error("found after its removal")
	}
}

// Entries without files, which a name like x-00001-of-00000.gguf once led to, are
// as good as none.
func TestIndexWithoutFiles(t *testing.T) {
	h := testHub(t, Options{Offline: true})
	touch(t, h.CacheDir(), "models/abc/x")
	if err := os.WriteFile(h.cache.path("index.json"), []byte(`{"models": {"hf:a/b/c.gguf": {"digest": "abc"}}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if models, err := h.Models(); err != nil || len(models) != 0 {
		t.Errorf("%v, %v", models, err)
	}
	if _, err := h.Model(t.Context(), "hf:a/b/c.gguf"); !errors.Is(err, ErrOffline) {
		t.Error(err)
	}
	if err := (&fetched{dir: t.TempDir()}).check(); err == nil {
		t.Error("no files are published")
	}
}

func TestManage(t *testing.T) {
	h := testHub(t, Options{})
	if models, err := h.Models(); err != nil || len(models) != 0 {
		t.Errorf("empty cache: %v, %v", models, err)
	}
	wantError(t, h.Remove(t.Context(), "x"), "unknown model", "has no model")
	a, b := cachedTestModel(t, h, 1000), cachedTestModel(t, h, 2000)
	models, err := h.Models()
	if err != nil || len(models) != 2 {
		t.Fatalf("%v, %v", models, err)
	}
	if m := models[0]; m.Size+models[1].Size != 3000 || len(m.Refs) != 1 || m.Fetched.IsZero() || m.Trust != TrustComputed {
		t.Errorf("got %+v", m)
	}
	if err := h.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if err := overwrite(a.Path, "GGUFnonsense"); err != nil {
		t.Fatal(err)
	}
	wantError(t, h.Verify(t.Context(), a.Ref), "verifying "+a.Ref, a.Path, a.Digest, "fetch it again")
	wantError(t, h.Verify(t.Context()), a.Ref)
	if err := h.Verify(t.Context(), b.Digest); err != nil {
		t.Error(err)
	}
	err = h.Verify(t.Context(), "nothing")
	if !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v", err)
	}
	if err := h.Remove(t.Context(), a.Ref); err != nil {
		t.Error(err)
	}
	if exists(filepath.Dir(a.Path)) || !exists(b.Path) {
		t.Error("the wrong files are gone")
	}
	if err := h.Remove(t.Context(), a.Ref); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// One waits for another that fetches the same, and stops waiting with its
// context.
func TestWait(t *testing.T) {
	notes := &recorder{}
	h := testHub(t, Options{Progress: notes})
	w, err := h.begin(t.Context(), "model hf:a/b/c.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer w.end()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = h.Model(ctx, "hf:a/b/c.gguf")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if got := strings.Join(notes.notes, "\n"); got != "waiting for another process that fetches model hf:a/b/c.gguf" {
		t.Errorf("told: %s", got)
	}
}

func TestFullDisk(t *testing.T) {
	s := serveFile(t, testModel(100_000))
	h := testHub(t, Options{})
	h.cache.space = func(string) (int64, error) { return 5000, nil }
	_, err := h.Model(t.Context(), s.URL+"/m.gguf")
	wantError(t, err, h.CacheDir(), "98 KiB needed, 4.9 KiB free", "CRIA_CACHE_DIR")
	if _, _, sent := s.seen(); sent > 100_000 {
		t.Error("downloaded all the same")
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, "the disk is full"},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, "permission"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS}, "read-only"},
	} {
		got := h.cache.disk(fmt.Errorf("somewhere: %w", test.err))
		wantError(t, got, h.CacheDir(), test.want, "CRIA_CACHE_DIR")
		if !errors.Is(got, test.err) {
			t.Errorf("%v is not wrapped", test.err)
		}
	}
}

func TestUnusableCacheDir(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	touch(t, filepath.Dir(file), "file")
	h := testHub(t, Options{CacheDir: filepath.Join(file, "cache")})
	_, err := h.Model(t.Context(), "hf:a/b/c.gguf")
	wantError(t, err, "cannot write to the cache directory", "CRIA_CACHE_DIR")

	if os.Getuid() == 0 || runtime.GOOS == "windows" {
		return // permissions do not hold here
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err = testHub(t, Options{CacheDir: dir}).Model(t.Context(), "hf:a/b/c.gguf")
	wantError(t, err, "permission", "CRIA_CACHE_DIR")
}

// Half a download never looks like a model, whatever broke it.
func TestNothingHalf(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Content-Length", "1000")
		w.Write([]byte("GGUF")) // and no more
	}))
	defer s.Close()
	h := testHub(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := h.Model(ctx, s.URL+"/m.gguf"); err == nil {
		t.Fatal("no error")
	}
	if exists(h.cache.path("models")) {
		t.Error("something was published")
	}
}

func BenchmarkCachedModel(b *testing.B) {
	h, err := New(nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := h.Model(b.Context(), DefaultModel); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := h.Model(b.Context(), DefaultModel); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCachedLibraries(b *testing.B) {
	h, err := New(nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := h.Libraries(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
