package grammar

import (
	"encoding/binary"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// pattern is a part as a regular expression: what the package promises, said
// in another way.
func pattern(p Part) string {
	optional := func(expr string, optional bool) string {
		if optional {
			return "((?:" + expr + ")|  ?|)"
		}
		return "(" + expr + ")"
	}
	const integer = ` ?-?(?:0|[1-9][0-9]{0,14})`
	switch p := p.(type) {
	case Literal:
		return regexp.QuoteMeta(string(p))
	case Line:
		return optional(` {0,2}[^\s\x{85}\x{a0}\x{3000}][^\n]*`, p.Optional)
	case Choices:
		var quoted []string
		for _, v := range p.Values {
			quoted = append(quoted, regexp.QuoteMeta(v))
		}
		return optional(" ?(?:"+strings.Join(quoted, "|")+")", p.Optional)
	case Integer:
		return optional(integer, p.Optional)
	case Number:
		return optional(integer+`(?:\.[0-9]{1,6})?`, p.Optional)
	case Boolean:
		return optional(" ?(?:true|false)", p.Optional)
	}
	panic(p)
}

func randomTemplate(r *rand.Rand) []Part {
	literals := []Literal{"\nstars:", "\n\nb:", "\na\nb:é", "\n"}
	choices := [][]string{{"positive", "negative"}, {"very good", "very", "bad"}, {"é", "ée", "世"}, {"yes"}, {"a b", "a", "ab", "b"}}
	var parts []Part
	if r.IntN(3) == 0 {
		parts = append(parts, Literal("x:"))
	}
	for range 1 + r.IntN(4) {
		optional := r.IntN(4) == 0
		hole := []Part{
			Line{Optional: optional},
			Line{MaxBytes: 1 + r.IntN(9), Optional: optional},
			Choices{Values: choices[r.IntN(len(choices))], Optional: optional},
			Integer{Optional: optional}, Number{Optional: optional}, Boolean{optional},
		}[r.IntN(6)]
		parts = append(parts, hole, literals[r.IntN(len(literals))])
	}
	if r.IntN(2) == 0 {
		parts = parts[:len(parts)-1] // end with a hole
	}
	return parts
}

// walk generates with the tokens that pick proposes, or the next token in the
// vocabulary that is allowed; it gives up after many tokens.
func walk(t *testing.T, v *toy, g *Grammar, pick func() int32) (output string, done bool) {
	m := g.Matcher(v.prepared())
	mask := make([]uint64, (v.NTokens()+63)/64)
	for range 500 {
		if m.Done() {
			return output, true
		}
		if forced := m.Forced(); forced != nil {
			for _, token := range forced {
				output += string(v.Piece(token))
			}
			continue
		}
		clear(mask)
		m.Mask(mask)
		for token := range int32(v.NTokens()) {
			if masked := mask[token/64]>>(token%64)&1 != 0; masked != m.Allowed(token) {
				t.Fatalf("after %q the mask says %t of %q", output, masked, v.Piece(token))
			}
		}
		token, size := pick(), int32(v.NTokens())
		for tries := int32(0); !m.Allowed(token); tries++ {
			if tries == size {
				t.Fatalf("nothing is allowed after %q", output)
			}
			token = (token + 1) % size
		}
		if m.Accept(token) {
			output += string(v.Piece(token))
		}
	}
	return output, false
}

// check reads the output back through the parts' regular expression.
func check(t *testing.T, parts []Part, output string) {
	t.Helper()
	var expr strings.Builder
	for _, p := range parts {
		if c, ok := p.(Choices); ok && len(c.Values) == 1 && !c.Optional { // part of the literal
			expr.WriteString(" " + regexp.QuoteMeta(c.Values[0]))
			continue
		}
		expr.WriteString(pattern(p))
	}
	values := regexp.MustCompile(`\A` + expr.String() + `\z`).FindStringSubmatch(output)
	if values == nil {
		t.Fatalf("%q is not of the form %v", output, parts)
	}
	for i, p := range parts {
		if l, ok := p.(Line); ok && l.MaxBytes > 0 {
			value := strings.TrimLeft(values[1+holeIndex(parts[:i])], " ")
			if len(value) > l.MaxBytes {
				t.Fatalf("line %q is longer than %d bytes", value, l.MaxBytes)
			}
		}
	}
}

// holeIndex counts the holes that parts compile to.
func holeIndex(parts []Part) int {
	n := 0
	for _, p := range parts {
		c, isChoices := p.(Choices)
		_, isLiteral := p.(Literal)
		if !isLiteral && !(isChoices && len(c.Values) == 1 && !c.Optional) {
			n++
		}
	}
	return n
}

// TestRandomWalks lets a model that chooses at random among the allowed tokens
// write, and reads back what it wrote.
func TestRandomWalks(t *testing.T) {
	v := newToy()
	finished := 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 0))
		parts := randomTemplate(r)
		output, done := walk(t, v, mustCompile(t, parts...), func() int32 {
			if r.IntN(8) == 0 {
				return endToken
			}
			return r.Int32N(int32(v.NTokens()))
		})
		if done {
			finished++
			check(t, parts, output)
		}
	}
	if finished < 1500 {
		t.Errorf("only %d walks came to an end", finished)
	}
}

// TestSharedGrammar runs matchers of one grammar side by side.
func TestSharedGrammar(t *testing.T) {
	v := newToy()
	g := mustCompile(t, Line{}, Literal("\nstars:"), Integer{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			output, _, done := run(v, g, []string{" I", ".\n", " 4", "<eos>"})
			if output != " I.\nstars: 4" || !done {
				t.Errorf("%q", output)
			}
		})
	}
	wg.Wait()
}

func FuzzMatcher(f *testing.F) {
	v := newToy()
	f.Add(uint64(1), []byte("positive\n4\n"))
	f.Add(uint64(2), []byte(" I loved it.\n\n\xe4\xb8\x96"))
	f.Add(uint64(3), []byte("-12.5\x00\xff"))
	f.Fuzz(func(t *testing.T, seed uint64, choices []byte) {
		parts := randomTemplate(rand.New(rand.NewPCG(seed, 0)))
		output, done := walk(t, v, mustCompile(t, parts...), func() int32 {
			if len(choices) < 2 {
				return endToken
			}
			c := binary.LittleEndian.Uint16(choices)
			choices = choices[2:]
			return int32(c) % int32(v.NTokens())
		})
		if done {
			check(t, parts, output)
		}
	})
}
