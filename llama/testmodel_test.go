package llama_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cria-lm/cria/llama"
)

// testFiles returns the libraries that the tests run on.
func testFiles(t testing.TB) llama.Files {
	t.Helper()
	f, err := findFiles()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// testModelPath returns the model file that the tests run on: SmolLM2-135M
// Instruct.
func testModelPath(t testing.TB) string {
	t.Helper()
	path, err := findModel()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// exampleFiles returns both for an example, which has no testing.TB.
func exampleFiles() (llama.Files, string) {
	f, err := findFiles()
	if err != nil {
		panic(err)
	}
	path, err := findModel()
	if err != nil {
		panic(err)
	}
	return f, path
}

func findFiles() (llama.Files, error) {
	dir := os.Getenv("CRIA_LLAMA_DIR")
	if dir == "" {
		return llama.Files{}, errors.New("CRIA_LLAMA_DIR is not set: it names the folder of the llama.cpp libraries")
	}
	var f llama.Files
	for pattern, dst := range map[string]*string{"libllama.*": &f.Llama, "libggml.*": &f.GGML, "libggml-base.*": &f.Base} {
		m, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(m) != 1 {
			return llama.Files{}, fmt.Errorf("%s in %s: %d files", pattern, dir, len(m))
		}
		*dst = m[0]
	}
	cpu, err := filepath.Glob(filepath.Join(dir, "libggml-cpu*"))
	f.CPU = cpu
	return f, err
}

func findModel() (string, error) {
	path := os.Getenv("CRIA_TEST_MODEL")
	if path == "" {
		return "", errors.New("CRIA_TEST_MODEL is not set: it names the GGUF file of SmolLM2-135M-Instruct")
	}
	return path, nil
}
