package grammar

import (
	"testing"
	"unicode/utf8"
)

// fuzzed compiles a grammar and reads a text with it, byte by byte and by mask: both
// say the same, and what the mask allows can be read.
func fuzzed(t *testing.T, p Part, text string) {
	g, err := Compile(p)
	if err != nil {
		return
	}
	v := newToy().prepared()
	m := g.Matcher(v)
	mask := make([]uint64, v.words)
	for range 20 {
		if m.Forced() != nil {
			continue
		}
		if m.Done() {
			return
		}
		clear(mask)
		m.Mask(mask)
		chosen := int32(noToken)
		for token := range int32(v.NTokens()) {
			allowed := mask[token/64]>>(token%64)&1 != 0
			if allowed != m.Allowed(token) {
				t.Fatalf("the mask says %t of %q", allowed, v.Piece(token))
			}
			if allowed && (chosen == noToken || text != "" && string(v.Piece(token)) == text[:1]) {
				chosen = token
			}
		}
		if chosen == noToken {
			if m.Err() == nil {
				t.Fatal("nothing is allowed")
			}
			return
		}
		m.Accept(chosen)
		if text != "" {
			text = text[1:]
		}
	}
}

func FuzzSchema(f *testing.F) {
	f.Add(`{"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]}`, `{"a":3}`)
	f.Add(`{"anyOf": [{"enum": ["a", 1, null]}, {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}]}`, `["a",[]]`)
	f.Add(`{"type": "string", "pattern": "^a+b?$", "maxLength": 4, "not": {"const": "ab"}}`, `"aab"`)
	f.Add(`{"allOf": [{"minProperties": 1}, {"patternProperties": {"x": false}}], "unevaluatedProperties": {"type": "number", "multipleOf": 0.5}}`, `{"a":1.5}`)
	f.Fuzz(func(t *testing.T, schema, text string) {
		if len(schema) < 4096 {
			fuzzed(t, JSONSchema{Schema: []byte(schema), Lenient: true}, text)
		}
	})
}

func FuzzRegexp(f *testing.F) {
	f.Add("^[a-c]+(x|yz){2,3}$", "abxyz")
	f.Add("(a*)*b|é{1,100}", "aab")
	f.Fuzz(func(t *testing.T, expr, text string) {
		if len(expr) < 1024 {
			fuzzed(t, Regexp(expr), text)
		}
	})
}

func FuzzGBNF(f *testing.F) {
	f.Add(jsonGBNF, `{"a":[1]}`)
	f.Add(`root ::= "a" root "b" | [^x]{1,3}`, "aabb")
	f.Fuzz(func(t *testing.T, grammar, text string) {
		if len(grammar) < 4096 {
			fuzzed(t, GBNF(grammar), text)
		}
	})
}

func FuzzCompactJSON(f *testing.F) {
	f.Add([]byte(`{"a": [1.50, "\u00e9", null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := CompactJSON(data)
		if err != nil {
			return
		}
		twice, err := CompactJSON([]byte(once))
		if err != nil || twice != once || !utf8.ValidString(once) {
			t.Errorf("%q, then %q (%v)", once, twice, err)
		}
	})
}
