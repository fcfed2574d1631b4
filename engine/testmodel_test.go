package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cria-lm/cria/llama"
)

// testModelPath loads the llama.cpp libraries and returns the model file that
// the tests run on: SmolLM2-135M-Instruct.
func testModelPath(t testing.TB) string {
	t.Helper()
	path, err := testModel()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var testModel = sync.OnceValues(func() (string, error) {
	dir, path := os.Getenv("CRIA_LLAMA_DIR"), os.Getenv("CRIA_TEST_MODEL")
	if dir == "" || path == "" {
		return "", errors.New("CRIA_LLAMA_DIR (folder of the llama.cpp libraries) and CRIA_TEST_MODEL (GGUF file) must be set")
	}
	var f llama.Files
	for pattern, dst := range map[string]*string{"libllama.*": &f.Llama, "libggml.*": &f.GGML, "libggml-base.*": &f.Base} {
		m, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(m) != 1 {
			return "", fmt.Errorf("%s in %s: %d files", pattern, dir, len(m))
		}
		*dst = m[0]
	}
	cpu, err := filepath.Glob(filepath.Join(dir, "libggml-cpu*"))
	if err != nil {
		return "", err
	}
	f.CPU = cpu
	return path, llama.Load(f)
})

// ModelForExample is testModelPath for examples, which have no testing.TB.
func ModelForExample() string {
	path, err := testModel()
	if err != nil {
		panic(err)
	}
	return path
}
