package grammar

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria/internal/schematest"
)

// newCrowd is a vocabulary of many random tokens: words, marks, characters of several
// bytes and parts of them, long runs, and some that spell the same.
func newCrowd(r *rand.Rand) *toy {
	fragments := []string{
		"a", "b", "x", "the", "name", "Ab", "Z", "7", "42", "0", "-", "_", ".", "@", ":", ",", " ", "  ", "/", "T", "true", "=",
		`"`, `"`, `\`, `\n`, `\"`, `\u00`, "\n", "\t", "é", "世", "日本", "\u00a0", "\xe4\xb8", "\x96", "\xc3", "{", "}", "[", "]", `":`, `",`,
	}
	v := newToy()
	add := func(piece string) { v.pieces = append(v.pieces, []byte(piece)) }
	for range 900 {
		piece := ""
		for range 1 + r.IntN(5) {
			piece += fragments[r.IntN(len(fragments))]
		}
		add(piece)
	}
	for _, run := range []string{"a", "aB", "7", "=", " ", "é", "x-", "name ", `\"`} {
		for range 5 {
			add(strings.Repeat(run, (20+r.IntN(50))/len(run)) + fragments[r.IntN(len(fragments))])
		}
	}
	for range 50 {
		v.pieces = append(v.pieces, v.pieces[firstLonger+r.IntN(len(v.pieces)-firstLonger)])
	}
	return v
}

var maskedSchemas = []string{
	`{"type": "string", "minLength": 3, "maxLength": 70}`,
	`{"type": "string", "maxLength": 35}`,
	`{"type": "string", "minLength": 40}`,
	`{"type": "string", "pattern": "^[abx]*0{45}$", "maxLength": 60}`,
	`{"type": "array", "items": {"type": "string", "maxLength": 9, "pattern": "^[a-z0-9-]+$"}}`,
	`{"type": "string", "pattern": "^([A-Z][a-z]+ ?)+$", "maxLength": 40}`,
	`{"type": "object", "properties": {"name": {"type": "string"}, "the": {"type": "integer"}}, "patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": {"type": "boolean"}}`,
	`{"type": "object", "properties": {"a": {"format": "email"}, "b": {"format": "hostname"}, "c": {"format": "uri"}}, "required": ["a", "b", "c"]}`,
	`{"type": "string", "not": {"enum": ["name", "the", "a\"", "世"]}}`,
	`{"anyOf": [{"type": "string", "maxLength": 60}, {"type": "array", "items": {"enum": ["the", "name", "then"]}}]}`,
	`{}`,
}

var maskedParts = []Part{
	Line{}, Line{Optional: true}, Line{MaxBytes: 60}, Line{MaxLength: 40}, Line{Pattern: "[a-zA-Z0-9]+"}, Line{Format: "email"},
	Text{Without: "the"}, Text{Without: "\n\n", MaxLength: 50}, Regexp("^[a-z]{30,70}x|[a-z]{0,50}7$"), Regexp("^(.{0,60}=)*$"), Regexp("^([a-z]|[A-Z0-9]{2})*$"),
	Hole{Value: Regexp("^[^b]*$")}, Hole{Value: Regexp("^[a-zA-Z_][a-zA-Z0-9_]{0,99}$")}, GBNF(`root ::= ([^7]{0,40} "7")* "é"`),
}

// TestMask compares masks with what is allowed, token by token, on the way of a model
// that chooses at random, with and without a limit.
func TestMask(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		if g := randomGrammar(t, r); g != nil {
			compareMasks(t, newCrowd(r).prepared(), g, r, 12)
		}
	}
}

// randomGrammar is nil if what was chosen allows nothing, as random schemas may.
func randomGrammar(t *testing.T, r *rand.Rand) *Grammar {
	t.Helper()
	part := maskedParts[r.IntN(len(maskedParts))]
	switch r.IntN(5) {
	case 0:
		return mustCompile(t, JSONSchema{Schema: []byte(maskedSchemas[r.IntN(len(maskedSchemas))])})
	case 1:
		schema, err := json.Marshal(schematest.Random(r, 2))
		if err != nil {
			t.Fatal(err)
		}
		g, err := Compile(JSONSchema{Schema: schema, Lenient: true})
		if err != nil {
			return nil
		}
		return g
	case 2:
		return mustCompile(t, randomTemplate(r)...)
	case 3: // what ends a number may go on behind it
		return mustCompile(t, Integer{Optional: r.IntN(2) == 0}, Literal("x"), part)
	default:
		return mustCompile(t, part)
	}
}

// compareMasks goes some tokens through a grammar.
func compareMasks(t *testing.T, v *Vocabulary, g *Grammar, r *rand.Rand, steps int) {
	t.Helper()
	m := g.Matcher(v)
	mask := make([]uint64, v.words)
	for range steps {
		for m.Forced() != nil {
		}
		if m.Done() {
			return
		}
		limited := m.Clone()
		limited.CloseOnLimit()
		limited.Limit(r.IntN(80))
		compareMask(t, limited, mask)
		compareMask(t, m, mask)
		var allowed []int32
		for token := range int32(v.NTokens()) {
			if mask[token/64]>>(token%64)&1 != 0 {
				allowed = append(allowed, token)
			}
		}
		if len(allowed) == 0 {
			return
		}
		token := allowed[r.IntN(len(allowed))]
		if long := slices.IndexFunc(allowed, func(t int32) bool { return len(v.Piece(t)) > 2 }); long >= 0 && r.IntN(2) == 0 {
			token = allowed[long+r.IntN(len(allowed)-long)]
		}
		m.Accept(token)
	}
}

func compareMask(t *testing.T, m *Matcher, mask []uint64) {
	t.Helper()
	clear(mask)
	m.Mask(mask)
	for token := range int32(m.v.NTokens()) {
		if masked := mask[token/64]>>(token%64)&1 != 0; masked != m.Allowed(token) {
			t.Fatalf("behind %q the mask says %t of %q", m.text(), masked, m.v.Piece(token))
		}
	}
}

// text is the output so far.
func (m *Matcher) text() (text string) {
	for _, s := range m.steps[1:] {
		text += string(m.v.Piece(s.token))
	}
	return text
}
