package llamacpp

import (
	"math/rand/v2"
	"testing"

	"github.com/cria-lm/cria/grammar"
)

// TestMasks compares masks over a real vocabulary with what is allowed, token by token.
func TestMasks(t *testing.T) {
	v := loadShared(t).Vocabulary()
	mask := make([]uint64, (v.NTokens()+63)/64)
	for i, part := range []grammar.Part{
		grammar.JSONSchema{Schema: []byte(`{"type": "object", "properties": {"mail": {"format": "email"}, "host": {"format": "hostname"}, "on": {"format": "date"}}, "required": ["mail", "host", "on"]}`)},
		grammar.JSONSchema{Schema: []byte(`{"type": "object", "patternProperties": {"^x-": {"type": "string", "maxLength": 60}}, "properties": {"debug": {"type": "boolean"}}}`)},
		grammar.JSONSchema{Schema: []byte(`{"type": "array", "items": {"type": "string", "minLength": 5, "maxLength": 40}, "minItems": 2}`)},
		grammar.Line{MaxLength: 80},
		grammar.Text{Without: "The end"},
		grammar.Regexp(`^([a-z0-9-]{1,63}\.)+[A-Z][a-z]+$`),
	} {
		g, err := grammar.Compile(part)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(uint64(i), 1))
		m := g.Matcher(v)
		text := ""
		for range 12 {
			for run := m.Forced(); run != nil; run = m.Forced() {
				for _, token := range run {
					text += string(v.Piece(token))
				}
			}
			if m.Done() {
				break
			}
			clear(mask)
			m.Mask(mask)
			for token := range int32(v.NTokens()) {
				if masked := mask[token/64]>>(token%64)&1 != 0; masked != m.Allowed(token) {
					t.Fatalf("part %d behind %q: the mask says %t of %q", i, text, masked, v.Piece(token))
				}
			}
			if token := pick(mask, r); m.Accept(token) {
				text += string(v.Piece(token))
			}
		}
	}
}
