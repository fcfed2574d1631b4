package engine

import (
	"sync"
	"testing"

	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llama"
)

// testModelPath loads the llama.cpp libraries and returns the model file that
// the tests run on.
func testModelPath(t testing.TB) string {
	t.Helper()
	path, err := testModel()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var testModel = sync.OnceValues(func() (string, error) {
	files, path, err := testmodel.Find()
	if err != nil {
		return "", err
	}
	return path, llama.Load(files)
})

// ModelForExample is testModelPath for examples, which have no testing.TB.
func ModelForExample() string {
	path, err := testModel()
	if err != nil {
		panic(err)
	}
	return path
}
