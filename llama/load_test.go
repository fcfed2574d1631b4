package llama_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cria-lm/cria/llama"
)

// TestLoadErrors runs each case in a process of its own: a process loads once,
// and a crash must be seen as one.
func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	good := testFiles(t)
	text := filepath.Join(dir, "text.so")
	write(t, text, []byte("this is no library\n"))
	empty := filepath.Join(dir, "empty.so")
	write(t, empty, nil)
	whole, err := os.ReadFile(good.Llama)
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(dir, "short.so")
	write(t, short, whole[:len(whole)/2])
	foreign := filepath.Join(dir, "foreign.so")
	write(t, foreign, otherMachine(whole))

	newer := filepath.Join(dir, "newer.so")
	write(t, newer, patched(t, whole, "\x000.5.0", "\x000.6.1"))
	lacking := filepath.Join(dir, "lacking.so")
	write(t, lacking, patched(t, whole, "\x00llama_decode\x00", "\x00llama_renamed"))

	tests := []struct {
		name  string
		alter func(*llama.Files)
		want  []string
	}{
		{"none", func(f *llama.Files) { *f = llama.Files{} }, []string{"no path given"}},
		{"relative", func(f *llama.Files) { f.Llama = "libllama.so" }, []string{"libllama.so", "absolute"}},
		{"missing", func(f *llama.Files) { f.GGML = filepath.Join(dir, "nowhere.so") }, []string{"nowhere.so", "no such file"}},
		{"folder", func(f *llama.Files) { f.Base = dir }, []string{dir, "not a regular file"}},
		{"text", func(f *llama.Files) { f.Llama = text }, []string{text, "not a shared library"}},
		{"empty", func(f *llama.Files) { f.Base = empty }, []string{empty, "not a shared library"}},
		{"truncated", func(f *llama.Files) { f.Llama = short }, []string{short, "cut short"}},
		{"other machine", func(f *llama.Files) { f.Llama = foreign }, []string{foreign, "library for"}},
		{"newer release", func(f *llama.Files) { f.Llama = newer }, []string{newer, "is llama.cpp 0.6.1", "want 0.5.0 or 0.4.0", "install"}},
		{"symbol missing", func(f *llama.Files) { f.Llama = lacking }, []string{lacking, "no llama_decode"}},
		{"base as llama", func(f *llama.Files) { f.Llama = f.Base }, []string{good.Base, "no llama_version", "0.5.0 or 0.4.0"}},
		{"llama as ggml", func(f *llama.Files) { f.GGML = f.CPU[0] }, []string{good.CPU[0], "no ggml_backend_load"}},
		{"ggml as base", func(f *llama.Files) { f.Base = f.CPU[0] }, []string{good.CPU[0], "no ggml_version", "not the right library"}},
		{"no CPU", func(f *llama.Files) { f.CPU = nil }, []string{"no CPU backend"}},
		{"text as CPU", func(f *llama.Files) { f.CPU = []string{text} }, []string{text, "not a shared library"}},
		{"base as CPU", func(f *llama.Files) { f.CPU = []string{f.Base} }, []string{good.Base, "not a ggml backend"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := good
			tt.alter(&f)
			out := loadInChild(t, f)
			if strings.Count(out, "\n") != 1 {
				t.Errorf("not one line: %q", out)
			}
			for _, w := range tt.want {
				if !strings.Contains(out, w) {
					t.Errorf("%q does not say %q", out, w)
				}
			}
		})
	}
	if out := loadInChild(t, good); out != "<nil>\n" {
		t.Errorf("good files: %q", out)
	}
}

func loadInChild(t *testing.T, f llama.Files) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(append([]string{f.Llama, f.GGML, f.Base}, f.CPU...), "\n"),
		"GGML_BACKEND_PATH=/must/not/be/loaded.so")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("the process ended with %v: %s", err, stderr.String())
	}
	return string(out)
}

// otherMachine returns an ELF file whose header names another machine.
func otherMachine(elf []byte) []byte {
	const machine = 18 // e_machine
	b := bytes.Clone(elf)
	b[machine], b[machine+1] = 243, 0 // RISC-V
	return b
}

// patched returns the library with the first text replaced by another of the
// same length.
func patched(t *testing.T, lib []byte, from, to string) []byte {
	t.Helper()
	i := bytes.Index(lib, []byte(from))
	if i < 0 {
		t.Fatalf("the library does not contain %q", from)
	}
	b := bytes.Clone(lib)
	copy(b[i:], to)
	return b
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
