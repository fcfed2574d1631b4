package grammar

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustCompile(t testing.TB, parts ...Part) *Grammar {
	t.Helper()
	g, err := Compile(parts...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// wantMatches checks which texts are in a grammar.
func wantMatches(t *testing.T, g *Grammar, yes, no []string) {
	t.Helper()
	for _, text := range yes {
		if ok, err := g.Match(text); !ok || err != nil {
			t.Errorf("%q is refused (%v)", text, err)
		}
	}
	for _, text := range no {
		if ok, _ := g.Match(text); ok {
			t.Errorf("%q is accepted", text)
		}
	}
}

// run feeds the model's choices to a grammar as the engine does, up to the
// first that is not allowed. Choices left over when the output is done count as refused.
func run(v *toy, g *Grammar, choices []string) (output string, refused string, done bool) {
	m := g.Matcher(v.prepared())
	var b strings.Builder
	for !m.Done() {
		if forced := m.Forced(); forced != nil {
			for _, t := range forced {
				b.Write(v.Piece(t))
			}
			continue
		}
		if len(choices) == 0 {
			return b.String(), "", false
		}
		t := v.token(choices[0])
		if !m.Allowed(t) {
			return b.String(), choices[0], false
		}
		choices = choices[1:]
		if m.Accept(t) {
			b.Write(v.Piece(t))
		}
	}
	return b.String(), strings.Join(choices, ""), true
}

func TestMatcher(t *testing.T) {
	const next = Literal("\nstars:")
	line, integer, number := []Part{Line{}}, []Part{Integer{}}, []Part{Number{}}
	sentiment := []Part{Choices{Values: []string{"positive", "negative"}}, next, Integer{}}
	very := []Part{Choices{Values: []string{"very good", "very", "bad"}}, next}
	for _, test := range []struct {
		name    string
		parts   []Part
		choices []string // pieces of the tokens that the model chooses
		output  string
		refused string // the piece that is not allowed, the last of choices
	}{
		{"nothing", nil, nil, "", ""},
		{"only a literal", []Part{Literal("a\nb")}, nil, "a\nb", ""},
		{"literal first", []Part{Literal("x"), Literal("y:"), Boolean{}}, []string{" tr"}, "xy: true", ""},

		{"line to the end token", line, []string{" I", " loved it", "<eos>"}, " I loved it", ""},
		{"line to an end token with text", line, []string{" I", "<end>"}, " I", ""},
		{"line to a line break", line, []string{" I", "\n"}, " I", ""},
		{"text before the line break", line, []string{" I", ".\n"}, " I.", ""},
		{"and with a literal", []Part{Line{}, next, Line{}}, []string{" I", ".\n", " 4", "<eos>"}, " I.\nstars: 4", ""},
		{"text behind the line break", line, []string{" I", "日本\nx"}, " I日本", ""},
		{"two line breaks", []Part{Line{}, next}, []string{"x", "\n\n"}, "x\nstars:", ""},
		{"lone space, then the value", line, []string{" ", "4", "\n"}, " 4", ""},
		{"two spaces", line, []string{"  ", "4", "\n"}, "  4", ""},
		{"three spaces", line, []string{"  ", " "}, "  ", " "},
		{"three spaces in one", line, []string{"   "}, "", "   "},
		{"spaces, then a tab", line, []string{"  ", "\t"}, "  ", "\t"},
		{"no-break space first", line, []string{"\u00a0"}, "", "\u00a0"},
		{"ideographic space first", line, []string{" ", "\u3000"}, " ", "\u3000"},
		{"spaces inside", line, []string{"x", "   ", "\u3000", "   ", "x", "\n"}, "x   \u3000   x", ""},
		{"empty line", line, []string{"\n"}, "", "\n"},
		{"empty line by end token", line, []string{"<eos>"}, "", "<eos>"},
		{"blank line", line, []string{" ", " \n"}, " ", " \n"},
		{"blank line of CR", line, []string{"\r\n"}, "", "\r\n"},
		{"optional line", []Part{Line{Optional: true}, next}, []string{"<eos>"}, "\nstars:", ""},
		{"optional blank line", []Part{Line{Optional: true}, next}, []string{"  ", "\n"}, "  \nstars:", ""},
		{"control token", line, []string{"<control>"}, "", "<control>"},
		{"token without text", line, []string{"<empty>"}, "", "<empty>"},
		{"character in two tokens", line, []string{"\xe4\xb8", "\x96 ", "\n"}, "世 ", ""},
		{"end within a character", line, []string{"\xe4\xb8", "\n"}, "\xe4\xb8", "\n"},
		{"end token within a character", line, []string{"\xe4\xb8", "<eos>"}, "\xe4\xb8", "<eos>"},
		{"character and line break in one token", line, []string{"\xc3", "\xa9\n"}, "\xc3", "\xa9\n"},
		{"not UTF-8", line, []string{"\xff"}, "", "\xff"},
		{"not UTF-8 inside", line, []string{"\xe4\xb8", "x"}, "\xe4\xb8", "x"},
		{"full line ends by itself", []Part{Line{MaxBytes: 3}, next}, []string{" ", "ve", "x"}, " vex\nstars:", ""},
		{"too long", []Part{Line{MaxBytes: 3}}, []string{"ve", "ry"}, "ve", "ry"},
		{"too long for the character", []Part{Line{MaxBytes: 3}}, []string{"ve", "\xc3"}, "ve", "\xc3"},
		{"too long for an emoji", []Part{Line{MaxBytes: 3}}, []string{"\xf0"}, "", "\xf0"},

		{"choice", sentiment, []string{" positive", " 4", "\n"}, " positive\nstars: 4", ""},
		{"choice without space", sentiment, []string{"negative", " 4", "<eos>"}, "negative\nstars: 4", ""},
		{"certain choice", sentiment, []string{" po", " 4", "<eos>"}, " positive\nstars: 4", ""},
		{"one letter", sentiment, []string{"n", " ", "4", "<eos>"}, "negative\nstars: 4", ""},
		{"lone space", sentiment, []string{" ", "p", "o", "4"}, " positive\nstars:", "4"},
		{"two spaces before a choice", sentiment, []string{"  "}, "", "  "},
		{"no choice", sentiment, []string{"x"}, "", "x"},
		{"nothing chosen", sentiment, []string{"\n"}, "", "\n"},
		{"not far enough", []Part{Choices{Values: []string{"very good", "very bad"}}}, []string{"ve", "\n"}, "very", "\n"},
		{"shorter by line break", very, []string{" very", "\n"}, " very\nstars:", ""},
		{"shorter by end token", very, []string{"very", "<eos>"}, "very\nstars:", ""},
		{"shorter is not ended by text", very, []string{" very", "."}, " very", "."},
		{"longer", very, []string{" very", " "}, " very good\nstars:", ""},
		{"longer by one token", very, []string{" very", " good"}, " very good\nstars:", ""},
		{"rest of the shorter", very, []string{"ve", "\n"}, "very\nstars:", ""},
		{"single choice is forced", []Part{Choices{Values: []string{"yes"}}, next}, nil, " yes\nstars:", ""},
		{"single optional choice", []Part{Choices{Values: []string{"yes"}, Optional: true}}, []string{"<eos>"}, "", ""},
		{"optional choice", []Part{Boolean{Optional: true}, next}, []string{"\n"}, "\nstars:", ""},
		{"choice cut within a character", []Part{Choices{Values: []string{"é", "世"}}}, []string{" ", "\xc3"}, " é", ""},
		{"choice ended within a character", []Part{Choices{Values: []string{"é", "ée"}}}, []string{"\xc3", "\xa9\n"}, "é", "\xa9\n"},

		{"boolean", []Part{Boolean{}}, []string{"fal"}, "false", ""},
		{"certain boolean", []Part{Boolean{}}, []string{" tr"}, " true", ""},
		{"boolean in capitals", []Part{Boolean{}}, []string{"T"}, "", "T"},

		{"integer", integer, []string{" 4", "\n"}, " 4", ""},
		{"integer with line break", []Part{Integer{}, next}, []string{"4\n"}, "4\nstars:", ""},
		{"negative", integer, []string{"-", "1", "2", "<eos>"}, "-12", ""},
		{"only a sign", integer, []string{"-", "\n"}, "-", "\n"},
		{"two signs", integer, []string{"-", "-"}, "-", "-"},
		{"sign inside", integer, []string{"1", "-"}, "1", ""},
		{"zero ends by itself", integer, []string{" ", "0"}, " 0", ""},
		{"leading zero", integer, []string{"00"}, "", "00"},
		{"words end it", []Part{Integer{}, next}, []string{" 4", " apples"}, " 4\nstars:", ""},
		{"a comma does not", integer, []string{"12", ","}, "12", ","},
		{"nor in one token", integer, []string{"34,"}, "", "34,"},
		{"point ends an integer", integer, []string{"1", "."}, "1", ""},
		{"integer of a decimal", integer, []string{"7.5"}, "7", ""},
		{"words first", integer, []string{" apples"}, "", " apples"},
		{"no digits", integer, []string{" ", "\n"}, " ", "\n"},
		{"optional integer", []Part{Integer{Optional: true}}, []string{" ", "\n"}, " ", ""},
		{"15 digits end by themselves", integer, []string{"12", "12", "12", "12", "12", "12", "12", "1"}, "121212121212121", ""},
		{"16 digits", integer, []string{"12", "12", "12", "12", "12", "12", "12", "12"}, "12121212121212", "12"},

		{"number without decimals", number, []string{"12", "\n"}, "12", ""},
		{"number", number, []string{" 4", ".5\n"}, " 4.5", ""},
		{"number in one token", number, []string{"7.5", " "}, "7.5", ""},
		{"no decimals", number, []string{"1", ".", "\n"}, "1.", "\n"},
		{"no digits before the point", number, []string{".5\n"}, "", ".5\n"},
		{"two points", number, []string{"7.5", "."}, "7.5", ""},
		{"zero with decimals", number, []string{"0", ".", "0", "5", "<eos>"}, "0.05", ""},
		{"leading zero in a number", number, []string{"0", "1"}, "0", "1"},
		{"6 decimals end by themselves", number, []string{"7.5", "00", "00", "0"}, "7.500000", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newToy()
			output, refused, done := run(v, mustCompile(t, test.parts...), test.choices)
			if output != test.output || refused != test.refused {
				t.Errorf("output %q, refused %q; want %q, %q", output, refused, test.output, test.refused)
			}
			if done != (test.refused == "") {
				t.Errorf("done: %v", done)
			}
		})
	}
}

// TestForcedRunIsOneText checks that what is forced is encoded as it is behind the
// end of a value.
func TestTexts(t *testing.T) {
	block := Text{Without: "\n[["}
	for _, test := range []struct {
		part    Text
		yes, no []string
	}{
		{block, []string{"a", " a", "a\n\n b [[", "[a", "[\n[", "a\r"}, []string{"", "  a", "\na", "a\n[[", "a\n\n\nb", "[[", " [[ a"}},
		{Text{Without: "\n[[", MinLength: 2}, []string{"ab", " a b\r\nc"}, []string{"a", "a\r", "a ", "a\n", "ab\u2028"}},
		{Text{Without: "\n[[", MaxLength: 2, Optional: true}, []string{"", "a", "ab"}, []string{"abc", "a ", "[["}},
		{Text{Without: "\n"}, []string{"a b"}, []string{"a\n"}},
		{Text{Without: "</a>", Pattern: "(a|<|/|>| )*"}, []string{"a", " a <a></ a>", "</aa>"}, []string{"a</a>", "</a>", "b", "a "}},
		{Text{Without: "<", Format: "date"}, []string{"2026-01-31", " 2024-02-29"}, []string{"", "2026-02-30", "2026-01-31 "}},
		{Text{Without: "."}, []string{"a\n[["}, []string{"a.", "."}},
	} {
		g := mustCompile(t, test.part)
		for want, texts := range map[bool][]string{true: test.yes, false: test.no} {
			for _, text := range texts {
				if got, err := g.Match(text); err != nil || got != want {
					t.Errorf("%+v matches %q: %t, %v", test.part, text, got, err)
				}
			}
		}
	}
}

func TestForcedRunIsOneText(t *testing.T) {
	v := newToy()
	m := mustCompile(t, Line{}, Literal("\n\nb:"), Line{}).Matcher(v.prepared())
	m.Accept(v.token("x"))
	if !m.Accept(v.token(".\n")) {
		t.Error(".\\n is not output")
	}
	want := []int32{v.token("\n"), v.token("b"), v.token(":")}
	if diff := cmp.Diff(want, m.Forced()); diff != "" {
		t.Error(diff)
	}
	if m.Forced() != nil {
		t.Error("forced twice")
	}
}

func TestNothingIsAllowedOutsideHoles(t *testing.T) {
	v := newToy()
	m := mustCompile(t, Literal("x"), Boolean{}).Matcher(v.prepared())
	x := v.token(" tr")
	if m.Allowed(x) || m.Accept(x) || m.Done() {
		t.Error("a token is allowed before the literal")
	}
	m.Forced()
	if m.Accept(v.token("\n")) || !m.Allowed(x) {
		t.Error("a refused token moves the matcher")
	}
	m.Accept(x)
	m.Forced()
	if m.Allowed(x) || m.Accept(x) || !m.Done() {
		t.Error("a token is allowed behind the end")
	}
}

func TestCompileErrors(t *testing.T) {
	for _, test := range []struct {
		parts []Part
		want  string
	}{
		{[]Part{Line{}, Line{}}, "part 2 follows a hole without text"},
		{[]Part{Integer{}, Literal(""), Integer{}}, "part 3 follows a hole"},
		{[]Part{Line{}, Literal(", ")}, `the literal ", " follows a line`},
		{[]Part{Literal("\xff")}, "not valid UTF-8"},
		{[]Part{Regexp("(")}, "missing closing"},
		{[]Part{Regexp(`a\bb`)}, "not supported"},
		{[]Part{Literal("a"), Regexp("[^\\x00-\\x{10ffff}]")}, "nothing fits"},
		{[]Part{Line{MaxBytes: -1}}, "a length must not be negative"},
		{[]Part{nil}, "it is nil"},
		{[]Part{Literal("x"), Choices{}}, "part 2: no values"},
		{[]Part{Choices{Values: []string{"a", "b", "a"}}}, `choice "a" stands there twice`},
		{[]Part{Choices{Values: []string{""}}}, `choice "": it must be one line`},
		{[]Part{Choices{Values: []string{" a"}}}, "without space at its ends"},
		{[]Part{Choices{Values: []string{"a\nb"}}}, "one line"},
		{[]Part{Choices{Values: []string{"\xc3"}}}, "not valid UTF-8"},
	} {
		if _, err := Compile(test.parts...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error %v; want %q", test.parts, err, test.want)
		}
	}
}

// spacer adds a space to every text, as some tokenizers do at the beginning.
type spacer struct{ *toy }

func (s spacer) Encode(text string) ([]int32, error) { return s.toy.Encode(" " + text) }

// What the tokenizer does not spell as it is is left to the model.
func TestTextThatIsNotSpelled(t *testing.T) {
	v := newToy()
	m := mustCompile(t, Literal("x")).Matcher(NewVocabulary(spacer{v}))
	if m.Forced() != nil || !m.Accept(v.token("x")) || !m.Done() || m.Err() != nil {
		t.Errorf("done %v, error %v", m.Done(), m.Err())
	}
}

// failing cannot encode some texts.
type failing struct{ *toy }

var errEncode = errors.New("no such text")

func (f failing) Encode(text string) ([]int32, error) {
	if strings.Contains(text, "7") {
		return nil, errEncode
	}
	return f.toy.Encode(text)
}

func TestVocabularyErrors(t *testing.T) {
	v := newToy()
	m := mustCompile(t, Integer{}, Literal("\nb:"), Line{}).Matcher(NewVocabulary(failing{v}))
	m.Accept(v.token("7.5"))
	if m.Forced() != nil || !m.Done() || !errors.Is(m.Err(), errEncode) || m.Allowed(v.token("x")) {
		t.Errorf("done %v, error %v", m.Done(), m.Err())
	}
}

func TestAllowedDoesNotAllocate(t *testing.T) {
	v := newToy()
	for _, p := range []Part{Line{MaxBytes: 50}, Choices{Values: []string{"very good", "very", "bad"}}, Number{}} {
		m := mustCompile(t, p, Literal("\nb:")).Matcher(v.prepared())
		allocs := testing.AllocsPerRun(10, func() {
			for token := range v.pieces {
				m.Allowed(int32(token))
			}
		})
		if allocs != 0 {
			t.Errorf("%T: %v allocations", p, allocs)
		}
	}
}

func BenchmarkAllowed(b *testing.B) {
	v := newToy()
	m := mustCompile(b, Line{}).Matcher(v.prepared())
	token := v.token(" loved it")
	b.ReportAllocs()
	for b.Loop() {
		m.Allowed(token)
	}
}
