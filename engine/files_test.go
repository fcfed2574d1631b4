package engine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cria-lm/cria/llama"
)

func TestModelFiles(t *testing.T) {
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(path string)
		stayed bool // for a load
		serves bool // for a model in use
	}{
		{"nothing", func(string) {}, true, true},
		{"replaced", func(path string) { write(path+".new", "second"); os.Rename(path+".new", path) }, false, true},
		{"removed", func(path string) { os.Remove(path) }, false, true},
		{"cut short", func(path string) { os.Truncate(path, 3) }, false, false},
		{"overwritten", func(path string) { write(path, "SECOND") }, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			paths := []string{filepath.Join(dir, "first"), filepath.Join(dir, "second")}
			for _, path := range paths {
				write(path, filepath.Base(path))
			}
			files, err := openFiles(paths)
			if err != nil {
				t.Fatal(err)
			}
			defer files.close()
			tt.change(paths[1])
			var e *FileChangedError
			if err := files.stayed(); (err == nil) != tt.stayed || err != nil && (!errors.As(err, &e) || e.Path != paths[1] || !e.Loading) {
				t.Errorf("stayed: %v", err)
			}
			if err := files.changed(); (err == nil) != tt.serves || err != nil && (!errors.As(err, &e) || e.Path != paths[1] || e.Loading || !errors.Is(err, ErrClosed)) {
				t.Errorf("changed: %v", err)
			}
			if n := testing.AllocsPerRun(10, func() { _ = files.changed() }); tt.serves && n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func TestModelFilesExpected(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, path := range []string{a, b} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := openFiles([]string{a, b})
	if err != nil {
		t.Fatal(err)
	}
	defer files.close()
	for i, infos := range [][]os.FileInfo{nil, files.infos} {
		if err := files.expect(infos); err != nil {
			t.Error(i, err)
		}
	}
	for i, infos := range [][]os.FileInfo{{files.infos[1], files.infos[0]}, files.infos[:1], {}} {
		if err := files.expect(infos); !errors.As(err, new(*FileChangedError)) {
			t.Error(i, err)
		}
	}
	if _, err := openFiles([]string{a, filepath.Join(dir, "c")}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func BenchmarkModelFilesChanged(b *testing.B) {
	path := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	files, err := openFiles([]string{path})
	if err != nil {
		b.Fatal(err)
	}
	defer files.close()
	b.ReportAllocs()
	for b.Loop() {
		if err := files.changed(); err != nil {
			b.Fatal(err)
		}
	}
}

// ownModelPath is that of a model whose file a test may change.
func ownModelPath(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(testModelPath(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "own.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// touch makes a file look as if somebody had written to it.
func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Error(err)
	}
}

// What was computed while somebody wrote to the file is given to nobody.
func TestFileChangedWhileComputing(t *testing.T) {
	path := ownModelPath(t)
	e, err := Load(t.Context(), path, &Options{Threads: 1, ContextLength: 256})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	steps := 0
	if err := e.onOwner(func() error {
		decode := e.sched.decode
		e.sched.decode = func(b *llama.Batch) int32 {
			steps++
			rc := decode(b)
			touch(t, path)
			return rc
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	prompt := encode(t, e, "Once upon a time")
	var changed *FileChangedError
	if text, _, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 10}); text != "" || !errors.As(err, &changed) || steps != 1 {
		t.Errorf("%q, %v after %d steps", text, err, steps)
	}
	if !errors.As(e.Err(), &changed) {
		t.Errorf("Err: %v", e.Err())
	}
	_, _, request := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 10})
	_, text := e.Vocab().Encode("a")
	_, prefix := e.Pin(t.Context(), prompt, nil)
	call := e.onOwner(func() error { return nil })
	for i, err := range []error{request, text, prefix, call} {
		if !errors.As(err, &changed) || !errors.Is(err, ErrClosed) {
			t.Errorf("afterwards, %d: %v", i, err)
		}
	}
}
