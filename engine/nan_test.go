package engine

import (
	"math"
	"strings"
	"testing"

	"github.com/cria-lm/cria/internal/synth"
)

// A request whose logits are not numbers ends with an error and takes nobody with
// it, neither those beside it nor those that come after it.
func TestNaNIsItsOwn(t *testing.T) {
	t.Parallel()
	const poison = Token(1234)
	path := synthetic(t, synth.Shape{Architecture: synth.Llama})
	m := memoryTest{path, newReferenceOf(t, path), true}
	overwrite(t, path, "token_embd.weight", int(poison)*64, float32(math.NaN()))
	e := m.engine(t, Options{ContextLength: 256})
	good := m.requests(t, e, 3, 20, 10, 12)
	bad := &Request{Prompt: []Token{5, 6, 7, poison, 8, 9}, MaxTokens: 4}
	results := together(t, e, append([]*Request{bad}, good...))
	if err := results[0].err; err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("the bad request: %v", results[0].err)
	}
	m.check(t, results[1:])
	m.check(t, together(t, e, good))
}
