package llama_test

import (
	"testing"

	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llama"
)

// testFiles returns the libraries that the tests run on.
func testFiles(t testing.TB) llama.Files { return testmodel.Libraries(t) }

// testModelPath returns the model file that the tests run on.
func testModelPath(t testing.TB) string { return testmodel.Model(t) }

// exampleFiles returns both for an example, which has no testing.TB.
func exampleFiles() (llama.Files, string) {
	files, path, err := testmodel.Find()
	if err != nil {
		panic(err)
	}
	return files, path
}
