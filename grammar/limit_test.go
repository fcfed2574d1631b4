package grammar

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// An output that can be complete within a number of tokens is, whatever the model
// chooses.
func TestCloseOnLimit(t *testing.T) {
	v := newToy()
	schemas := []string{
		`{"type": "array", "items": {"type": "string"}}`,
		`{"type": "object", "properties": {"a": {"type": "string", "minLength": 3}, "b": {"type": "array", "items": {"enum": ["very long name", "x"]}, "minItems": 2}}, "required": ["b"]}`,
		`{"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#"}, "minItems": 1}]}`,
	}
	limited := 0
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 3))
		parts := []Part{Line{}, Literal("\nb:"), Hole{Value: JSONSchema{Schema: []byte(schemas[r.IntN(len(schemas))])}}, Literal("\nc:"), Integer{}}
		g := mustCompile(t, parts...)
		m := g.Matcher(v.prepared())
		m.CloseOnLimit()
		limit := 30 + r.IntN(60)
		feasible := m.state.fits(v.prepared(), limit, spareTokens)
		output := ""
		mask := make([]uint64, v.prepared().words)
		for left := limit; !m.Done(); {
			if run := m.Forced(); run != nil {
				for _, token := range run {
					output += string(v.Piece(token))
				}
				left -= len(run)
				continue
			}
			if left <= 0 {
				if feasible && !m.MayEnd() {
					t.Fatalf("seed %d: %q is not complete after %d tokens", seed, output, limit)
				}
				break
			}
			m.Limit(left)
			clear(mask)
			m.Mask(mask)
			if slices.Max(mask) == 0 {
				t.Fatalf("seed %d: nothing is allowed after %q, with %d tokens left", seed, output, left)
			}
			token := r.Int32N(int32(v.NTokens()))
			for mask[token/64]>>(token%64)&1 == 0 {
				token = (token + 1) % int32(v.NTokens())
			}
			if !m.Allowed(token) {
				t.Fatalf("the mask allows %q after %q", v.Piece(token), output)
			}
			if m.Accept(token) {
				output += string(v.Piece(token))
				left--
			}
		}
		if m.Limited() {
			limited++
		}
		if ok, err := g.Match(output); feasible && (!ok || err != nil) {
			t.Fatalf("seed %d: %q is not of the grammar (%v)", seed, output, err)
		}
	}
	if limited < 100 {
		t.Errorf("only %d outputs were cut short", limited)
	}
}
