package engine

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/cria-lm/cria/internal/testmodel"
)

// TestMain checks that no goroutine is left, after the engine that most tests
// share is closed.
func TestMain(m *testing.M) {
	code := testmodel.Main(m)
	if shared.engine != nil {
		shared.engine.Close()
	}
	if err := goleak.Find(); err != nil && code == 0 {
		os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

var shared struct{ engine *Engine }

// testEngine returns the engine that tests share; tests of a package run one
// after the other.
func testEngine(t testing.TB) *Engine {
	t.Helper()
	if shared.engine == nil {
		shared.engine = newTestEngine(t, &Options{ContextLength: 1024, QueueLength: 8, BatchSize: smallBatch})
	}
	return shared.engine
}

// newTestEngine returns an engine of its own, which the test closes. It runs on
// one thread: several spin when another process needs the cores.
func newTestEngine(t testing.TB, o *Options) *Engine {
	t.Helper()
	path := testModelPath(t)
	o.Threads = 1
	e, err := Load(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// encode returns the tokens of a prompt.
func encode(t testing.TB, e *Engine, text string) []Token {
	t.Helper()
	tokens, err := e.Vocab().Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// collect runs a request and joins its text; last is its last chunk.
func collect(ctx context.Context, e *Engine, r *Request) (text string, last Chunk, err error) {
	for c, e := range e.Generate(ctx, r) {
		text += c.Text
		last, err = c, e
	}
	return text, last, err
}
