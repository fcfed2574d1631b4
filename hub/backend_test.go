package hub

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestBackend(t *testing.T) {
	cpu := tgz(t, "", item{name: "p/libllama.so", data: "x"}, item{name: "p/libggml.so", data: "x"},
		item{name: "p/libggml-base.so", data: "x"}, item{name: "p/libggml-cpu-x64.so", data: "x"})
	gpu := tgz(t, "", item{name: "p/libllama.vulkan.so", data: "x"}, item{name: "p/libggml-base.so", data: "other"},
		item{name: "p/libggml-vulkan.so", data: "x"}, item{name: "p/LICENSE", data: "MIT"})
	pkg := func(data []byte, release string) *npmPackage {
		return &npmPackage{name: "pkg", version: "1.0.0", release: release, sha256: digestOf(data), size: int64(len(data)), content: 10_000}
	}
	h := testHub(t, Options{})
	h.platform = platform{npm: pkg(cpu, "v9"), backends: map[string]*npmPackage{
		"vulkan": pkg(gpu, "v9"), "cuda": pkg(gpu, "v9"), "old": pkg(gpu, "v8"),
	}}
	fakeClients(t, "npm")
	serve := func(data []byte) {
		path := filepath.Join(t.TempDir(), "package.tgz")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Setenv("FAKE_NPM", "ok")
		t.Setenv("FAKE_FILE", path)
	}
	serve(cpu)
	libs, err := h.Libraries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	serve(gpu)
	path, err := h.Backend(t.Context(), libs, "vulkan")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(path) != "libggml-vulkan.so" {
		t.Error(path)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 2 {
		t.Errorf("%d files are kept; another core must not be", len(entries))
	}
	_, err = h.Backend(t.Context(), libs, "cuda")
	wantError(t, err, "cuda backend", "libggml-cuda.so is not in the package")
	for _, name := range []string{"old", "none"} {
		_, err = h.Backend(t.Context(), libs, name)
		wantError(t, err, name, "no prebuilt")
	}
	t.Setenv("FAKE_NPM", "fail")
	if again, err := h.Backend(t.Context(), libs, "vulkan"); again != path || err != nil {
		t.Errorf("the second time: %s, %v", again, err)
	}
	h.opts.Offline = true
	if err := overwrite(path, "other"); err != nil {
		t.Fatal(err)
	}
	if _, err = h.Backend(t.Context(), libs, "vulkan"); !errors.Is(err, ErrOffline) {
		t.Errorf("a changed library, offline: %v", err)
	}
	if l, err := h.Libraries(t.Context()); err != nil || l.Dir != libs.Dir {
		t.Errorf("the libraries are %v, %v", l, err)
	}
}

// A folder of the user's has its own backends.
func TestBackendElsewhere(t *testing.T) {
	dir := t.TempDir()
	h := testHub(t, Options{LlamaDir: dir})
	libs := &Libraries{Dir: dir}
	_, err := h.Backend(t.Context(), libs, "vulkan")
	wantError(t, err, dir, "libggml-vulkan", "-DGGML_VULKAN=ON")
	path := filepath.Join(dir, libraryName(runtime.GOOS, "ggml-vulkan"))
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Backend(t.Context(), libs, "vulkan"); got != path || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

// notes are the single lines that the user is told.
type notes struct{ lines []string }

func (n *notes) Start(string, int64) Task { return silentTask{} }
func (n *notes) Note(text string)         { n.lines = append(n.lines, text) }

// A backend that could not be fetched is not tried again at each start.
func TestBackendFailure(t *testing.T) {
	path, data := libraryArchive(t) // without a backend, but that is seen later
	told := &notes{}
	h := testHub(t, Options{Progress: told})
	pkg := &npmPackage{name: "pkg", version: "1.0.0", release: "v9", sha256: digestOf(data), size: int64(len(data)), content: 10_000}
	h.platform = platform{backends: map[string]*npmPackage{"vulkan": pkg}}
	libs := &Libraries{Dir: t.TempDir(), Release: "v9"}
	t.Setenv("FAKE_FILE", path)
	try := func(npm string) error {
		t.Helper()
		t.Setenv("FAKE_NPM", npm)
		_, err := h.Backend(t.Context(), libs, "vulkan")
		return err
	}
	var recent *RecentFailureError
	fakeClients(t) // no npm: that is known at once, and no failure to note
	if err := try(""); errors.As(err, &recent) || !errors.Is(err, errNoClient) {
		t.Fatalf("without npm: %v", err)
	}
	fakeClients(t, "npm")
	wantError(t, try("fail"), "404 Not Found")
	if len(told.lines) != 1 || !strings.Contains(told.lines[0], "vulkan backend") || !strings.Contains(told.lines[0], "404 Not Found") || !strings.Contains(told.lines[0], "cria pull") {
		t.Errorf("told %q", told.lines)
	}
	err := try("ok") // which would fail otherwise
	if !errors.As(err, &recent) || len(told.lines) != 1 {
		t.Errorf("told %q: %v", told.lines, err)
	}
	wantError(t, err, "vulkan backend", "404 Not Found", "cria pull")
	offline := testHub(t, Options{CacheDir: h.CacheDir(), Offline: true})
	offline.platform = h.platform
	if _, err := offline.Backend(t.Context(), libs, "vulkan"); !errors.Is(err, ErrOffline) || !errors.As(err, &recent) {
		t.Errorf("offline: %v", err)
	}

	// Another release is another thing; a day later, or when it is asked for, it is tried.
	note := h.cache.path("failures", pkg.sha256)
	pkg.sha256 = strings.Repeat("0", 64)
	wantError(t, try("ok"), "expected 000")
	pkg.sha256 = digestOf(data)
	yesterday := time.Now().Add(-failureKept - time.Minute)
	if err := os.Chtimes(note, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	wantError(t, try("ok"), "libggml-vulkan.so is not in the package")
	if err := try("ok"); !errors.As(err, &recent) {
		t.Errorf("the failure of today: %v", err)
	}
	if err := h.ForgetFailures(); err != nil {
		t.Fatal(err)
	}
	if err := try("ok"); errors.As(err, &recent) {
		t.Errorf("forgotten: %v", err)
	}

	// Who gives up has not found out anything.
	if err := h.ForgetFailures(); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Backend(gone, libs, "vulkan"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if exists(note) {
		t.Error("a fetch that was given up is noted as a failure")
	}
}
