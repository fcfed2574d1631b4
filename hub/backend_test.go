package hub

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
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
