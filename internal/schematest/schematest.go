// Package schematest has what tests of constrained outputs share: random JSON Schemas,
// and another implementation that judges what is written under them.
package schematest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Random returns a schema of most keywords, with subschemas to a depth.
func Random(r *rand.Rand, depth int) map[string]any {
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
			list = append(list, Random(r, depth-1))
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
				properties[name] = Random(r, depth-1)
			}
			s["properties"] = properties
			if r.IntN(2) == 0 {
				s["additionalProperties"] = []any{false, Random(r, depth-1)}[r.IntN(2)]
			}
		case 11:
			s["required"] = []any{"a", "d"}[:1+r.IntN(2)]
		case 12:
			s["patternProperties"] = map[string]any{[]string{"^a", "b", "^[c-e]$"}[r.IntN(3)]: Random(r, depth-1)}
		case 13:
			s["items"] = Random(r, depth-1)
		case 14:
			s["prefixItems"] = subs(2)
		case 15:
			s["minItems"], s["maxItems"] = r.IntN(2), 1+r.IntN(3)
		case 16:
			s["contains"] = Random(r, depth-1)
			if r.IntN(2) == 0 {
				s["maxContains"] = 1 + r.IntN(2)
			}
		case 17:
			s[[]string{"anyOf", "allOf", "oneOf"}[r.IntN(3)]] = subs(3)
		case 18:
			s["not"] = Random(r, depth-1)
		case 19:
			s["if"], s["then"] = Random(r, depth-1), Random(r, depth-1)
		case 20:
			s["maxProperties"], s["propertyNames"] = 1+r.IntN(3), map[string]any{"maxLength": 1 + r.IntN(3)}
		case 21:
			s[[]string{"unevaluatedProperties", "unevaluatedItems", "uniqueItems"}[r.IntN(3)]] = r.IntN(2) == 0
		}
	}
	return s
}

// Validator returns an independent judge of the texts that a schema describes, which
// asserts formats too.
func Validator(t testing.TB, schema []byte) func(text string) error {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
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
