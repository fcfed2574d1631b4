package grammar

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cria-lm/cria/internal/schematest"
)

// babble reads random bytes that a grammar allows, and after some of them the
// shortest way to an end.
func babble(t *testing.T, r *rand.Rand, g *Grammar) string {
	t.Helper()
	const usual = `"{}[]:,abxyc0123456789-.\`
	s := g.automaton().start
	var text []byte
	for i := 0; !s.accepting || i < 30 && r.IntN(3) > 0 && !s.final(); i++ {
		var next *state
		var b byte
		if i < 30 {
			for range 50 {
				b = usual[r.IntN(len(usual))]
				if r.IntN(5) == 0 {
					b = byte(r.IntN(256))
				}
				if next = s.step(b); !next.isDead() {
					break
				}
			}
		}
		for class, first := range s.classes.First {
			if to := s.next[class].Load(); to == nil || next == nil || next.isDead() || i >= 30 {
				if to = s.step(first); !to.isDead() && (next == nil || next.isDead() || to.least < next.least) {
					b, next = first, to
				}
			}
		}
		if next == nil || next.isDead() || i > 5000 {
			t.Fatalf("%q leads nowhere (%v)", text, s.err)
		}
		text = append(text, b)
		s = next
	}
	return string(text)
}

// What a grammar of a random schema lets a model write is valid, says another
// validator.
func TestRandomSchemas(t *testing.T) {
	compiled := 0
	for seed := range uint64(10_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		schema, err := json.Marshal(schematest.Random(r, 2))
		if err != nil {
			t.Fatal(err)
		}
		g, err := Compile(JSONSchema{Schema: schema})
		if refused := (*SchemaError)(nil); errors.Is(err, ErrEmpty) || errors.As(err, &refused) && refused.Err == nil {
			continue
		} else if err != nil {
			if !strings.Contains(err.Error(), "too many") && !strings.Contains(err.Error(), "come together") {
				t.Fatalf("schema %s: %v", schema, err)
			}
			continue
		}
		compiled++
		validate := schematest.Validator(t, schema)
		for range 3 {
			text := babble(t, r, g)
			if err := validate(text); err != nil {
				t.Fatalf("seed %d, schema %s: %s is allowed: %v", seed, schema, text, err)
			}
		}
	}
	if compiled < 5000 {
		t.Errorf("only %d schemas were compiled", compiled)
	}
}
