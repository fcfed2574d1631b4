package fidelity

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llama"
)

func TestMain(m *testing.M) { os.Exit(testmodel.Main(m)) }

// tokenizer shows an engine's vocabulary to package grammar.
type tokenizer struct{ *engine.Vocab }

func (t tokenizer) IsEnd(token int32) bool { return t.IsEOG(token) }

func (t tokenizer) Encode(text string) ([]int32, error) { return t.EncodeContinuation(text) }

func testModel(t *testing.T) *Model {
	t.Helper()
	e, err := loadEngine()
	if err != nil {
		t.Fatal(err)
	}
	return &Model{e, grammar.NewVocabulary(tokenizer{e.Vocab()})}
}

var loadEngine = sync.OnceValues(func() (*engine.Engine, error) {
	files, path, err := testmodel.Find()
	if err != nil {
		return nil, err
	}
	if err := llama.Load(files); err != nil {
		return nil, err
	}
	return engine.Load(context.Background(), path, nil)
})

// What is forced is written as the model's own tokenizer writes it. go run ./bench forced
// does the same with more forms.
func TestForced(t *testing.T) {
	f, err := Forced(t.Context(), testModel(t), 32)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d outputs of %d tokens, %d forced, %d of them behind what the model began otherwise", f.Outputs, f.Tokens, f.Forced, f.Led)
	if f.Missed > 0 {
		t.Errorf("%d tokens are not the tokenizer's: %s", f.Missed, f.Examples)
	}
	if f.Outputs < 28 || f.Forced < f.Tokens/5 || f.Led > f.Forced/20 {
		t.Error("too little was forced")
	}
}

// What is valid without a constraint is the same with it. go run ./bench same does the
// same with more tasks.
func TestSame(t *testing.T) {
	s, err := Same(t.Context(), testModel(t), 40)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d outputs are valid without a constraint, %d of them the same with it, %d but for a tie", s.Valid, s.Outputs, s.Same, s.Ties)
	if s.Same+s.Ties < s.Valid {
		t.Errorf("others: %s", s.Examples)
	}
	if s.Valid < 30 || s.Ties > 3 {
		t.Error("too little can be compared")
	}
}
