package grammar

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// randomSchema returns a schema of most keywords.
func randomSchema(r *rand.Rand, depth int) map[string]any {
	words := []any{"a", "b", "ab", "é\"", "", 0, 1, -2, 2.5, true, nil, []any{1}, map[string]any{"a": 1}}
	pick := func(n int) []any {
		var some []any
		for range 1 + r.IntN(n) {
			some = append(some, words[r.IntN(len(words))])
		}
		return some
	}
	subs := func(n int) []any {
		var list []any
		for range 1 + r.IntN(n) {
			list = append(list, randomSchema(r, depth-1))
		}
		return list
	}
	s := map[string]any{}
	kinds := 9
	if depth > 0 {
		kinds = 22
	}
	for range 1 + r.IntN(3) {
		switch r.IntN(kinds) {
		case 0:
			s["type"] = []string{"null", "boolean", "integer", "number", "string", "array", "object"}[r.IntN(7)]
		case 1:
			s["enum"] = pick(4)
		case 2:
			s["const"] = pick(1)[0]
		case 3:
			s["minimum"] = float64(r.IntN(80))/8 - 5
		case 4:
			s["exclusiveMaximum"] = float64(r.IntN(80))/8 - 2
		case 5:
			s["multipleOf"] = []float64{1, 2, 0.5, 3, 0.01}[r.IntN(5)]
		case 6:
			s["minLength"], s["maxLength"] = r.IntN(3), 1+r.IntN(5)
		case 7:
			s["pattern"] = []string{"^a", "b$", "^[a-z]{1,3}$", "\\d", "x|y"}[r.IntN(5)]
		case 8:
			s["format"] = []string{"date", "time", "ipv4", "uuid", "email", "hostname", "duration", "date-time", "ipv6", "uri"}[r.IntN(10)]
		case 9, 10:
			properties := map[string]any{}
			for _, name := range []string{"a", "b", "c\\"}[:1+r.IntN(3)] {
				properties[name] = randomSchema(r, depth-1)
			}
			s["properties"] = properties
			if r.IntN(2) == 0 {
				s["additionalProperties"] = []any{false, randomSchema(r, depth-1)}[r.IntN(2)]
			}
		case 11:
			s["required"] = []any{"a", "d"}[:1+r.IntN(2)]
		case 12:
			s["patternProperties"] = map[string]any{[]string{"^a", "b", "^[c-e]$"}[r.IntN(3)]: randomSchema(r, depth-1)}
		case 13:
			s["items"] = randomSchema(r, depth-1)
		case 14:
			s["prefixItems"] = subs(2)
		case 15:
			s["minItems"], s["maxItems"] = r.IntN(2), 1+r.IntN(3)
		case 16:
			s["contains"] = randomSchema(r, depth-1)
			if r.IntN(2) == 0 {
				s["maxContains"] = 1 + r.IntN(2)
			}
		case 17:
			s[[]string{"anyOf", "allOf", "oneOf"}[r.IntN(3)]] = subs(3)
		case 18:
			s["not"] = randomSchema(r, depth-1)
		case 19:
			s["if"], s["then"] = randomSchema(r, depth-1), randomSchema(r, depth-1)
		case 20:
			s["maxProperties"], s["propertyNames"] = 1+r.IntN(3), map[string]any{"maxLength": 1 + r.IntN(3)}
		case 21:
			s[[]string{"unevaluatedProperties", "unevaluatedItems", "uniqueItems"}[r.IntN(3)]] = r.IntN(2) == 0
		}
	}
	return s
}

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
		schema, err := json.Marshal(randomSchema(r, 2))
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
		validate := validator(t, schema)
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

// validator is an independent judge, with formats asserted.
func validator(t *testing.T, schema []byte) func(text string) error {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(schema)))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", schema, err))
	}
	return func(text string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return compiled.Validate(v)
	}
}
