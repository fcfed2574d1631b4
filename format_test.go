package cria

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria/grammar"
)

func TestURIs(t *testing.T) {
	for text, want := range map[string]bool{
		"https://a.example/b?c=d#e":   true,
		"trueH://P%2026-01-31''a":     true,
		"mailto:a@b.example":          true,
		"urn:isbn:0451450523":         true,
		"http://u:p@[2001:db8::1]:80": true,
		"file:///etc/hosts":           true,
		"a:":                          true,
		"https://de.example/München":  true,
		"":                            false,
		"a/b":                         false,
		"//a.example/b":               false,
		"http://a b/":                 false,
		"1a://b":                      false,
		"http://a/%zz":                false,
	} {
		if got := FormatURI.check(text) == nil; got != want {
			t.Errorf("%q is a URI: %t", text, got)
		}
	}
}

func TestFormats(t *testing.T) {
	for format, texts := range map[Format]struct{ yes, no []string }{
		FormatTime:     {[]string{"12:30:00Z", "23:59:59.5+02:00"}, []string{"", "12:30", "24:00:00Z", "12:30:00"}},
		FormatDuration: {[]string{"P1DT2H", "PT5M", "P3W", "P1Y2M3D"}, []string{"", "P", "PT", "P1H", "1h", "P1DT"}},
		FormatHostname: {[]string{"a", "a.example", "xn--a-1.b"}, []string{"", "-a", "a-", "a..b", "a_b", strings.Repeat("a", 64)}},
	} {
		for _, text := range texts.yes {
			if err := format.check(text); err != nil {
				t.Error(err)
			}
		}
		for _, text := range texts.no {
			if format.check(text) == nil {
				t.Errorf("%q is a %s", text, format)
			}
		}
	}
}

// letters is a vocabulary of one character a token; the first ends the text.
type letters struct{}

const letterSet = "\x00 !#$%&'*+,-./0123456789:;=?@ABCDEFGHMPSTWYZ[]_`abcdefghijklmnopqrstuvwxyz{|}~"

func (letters) NTokens() int               { return len(letterSet) }
func (letters) Piece(token int32) []byte   { return []byte(letterSet[token : token+1]) }
func (letters) IsEnd(token int32) bool     { return token == 0 }
func (letters) IsControl(token int32) bool { return token == 0 }
func (letters) Encode(text string) (tokens []int32, err error) {
	for _, c := range []byte(text) {
		if i := strings.IndexByte(letterSet, c); i >= 0 {
			tokens = append(tokens, int32(i))
		}
	}
	return tokens, nil
}

func isLetter(token int32) bool {
	c := letterSet[token] | ' '
	return 'a' <= c && c <= 'z' || c == ' '
}

// Whatever a model writes in a format checks.
func TestFormatsOfTheGrammar(t *testing.T) {
	v := grammar.NewVocabulary(letters{})
	for format := range formats {
		g, err := grammar.Compile(grammar.Line{Format: string(format)})
		if err != nil {
			t.Fatal(err)
		}
		random, written := rand.New(rand.NewPCG(1, 2)), 0
		for range 300 {
			text, m := "", g.Matcher(v)
			if format == FormatURI && random.IntN(2) == 0 { // seldom written by chance
				text = "a://"
				for _, c := range text {
					m.Read(int32(strings.IndexRune(letterSet, c)))
				}
			}
			for steps := 0; !m.Done() && steps < 200; steps++ {
				var allowed []int32
				for token := range int32(len(letterSet)) {
					if m.Allowed(token) {
						allowed = append(allowed, token)
					}
				}
				token := allowed[random.IntN(len(allowed))]
				if marks := slices.DeleteFunc(slices.Clone(allowed), isLetter); len(marks) > 0 && random.IntN(2) == 0 {
					token = marks[random.IntN(len(marks))]
				}
				if m.MayEnd() && random.IntN(4) == 0 && m.Allowed(0) {
					token = 0
				}
				if token == 0 {
					m.Accept(token)
				} else if m.Read(token) {
					text += letterSet[token : token+1]
				}
			}
			if !m.Done() {
				continue
			}
			written++
			if err := format.check(strings.TrimSpace(text)); err != nil {
				t.Errorf("%s: %v", format, err)
			}
		}
		if written < 50 {
			t.Errorf("%s: only %d texts were written", format, written)
		}
	}
}
