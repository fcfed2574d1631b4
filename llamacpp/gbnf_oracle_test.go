package llamacpp

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llama"
)

// oracleGrammars are grammars that both read.
var oracleGrammars = []struct{ name, text string }{
	{"literal", `root ::= "The capital of France is Paris."`},
	{"sequence", `root ::= "Hello" ", " [A-Z] [a-z]+ "!"`},
	{"alternatives", `root ::= "positive" | "negative" | "neutral" | "none of them"`},
	{"alternatives that begin alike", `root ::= "a" | "ab" | "abc" | "abcd"`},
	{"empty alternative", `root ::= ("yes" | "no" | ) "\n"`},
	{"optional", `root ::= "colo" "u"? "r" "s"?`},
	{"star", `root ::= "ab"* "c"`},
	{"plus", `root ::= ("ab" | "cd")+ "."`},
	{"exactly", `root ::= [0-9]{4} "-" [0-9]{2} "-" [0-9]{2}`},
	{"between", `root ::= [a-z]{3,8} " "{0,2} [0-9]{1,3}`},
	{"at least", `root ::= [a-z]{3,}`},
	{"repeated repetition", `root ::= ([a-z]{1,4} " "){2,3} "end"`},
	{"class", `root ::= [abcxyz0-9_]+`},
	{"class with a hyphen", `root ::= [a-c-]+ [-x] [\]\[]`},
	{"negated class", `root ::= [^\n]+ "\n"`},
	{"negated letters", `root ::= ([^a-zA-Z] | "x")+`},
	{"any character", `root ::= . . "." .`},
	{"escapes", `root ::= "\t" "\"quoted\"" "\\" "\x41\x42" "\r\n"`},
	{"characters by code", `root ::= "caf\u00e9 " [\u00c0-\u00ff]+ " \U0001F600"`},
	{"characters of two to four bytes", `root ::= "é" | "世界" | "日本" | "😀" | "ß"`},
	{"class of ideographs", `root ::= [一-龥]{1,4} [。，]`},
	{"negated character of two bytes", `root ::= [^é]+`},
	{"right recursion", `root ::= "a" root | "b"`},
	{"nested brackets", `root ::= "(" root ")" | "[" root "]" | "x"?`},
	{"palindromes", `root ::= "a" root "a" | "b" root "b" | "c"`},
	{"expressions", "root ::= term (\" \" [-+*/] \" \" term)*\nterm ::= [0-9]+ | \"(\" root \")\""},
	{"groups in groups", `root ::= ((("a" | "b") ("c" | ("d" "e")?)) | ("f"))* "g"`},
	{"comments", "# first\nroot ::= # here\n  word more # behind\n# between\nword ::= [a-z]+\nmore ::= (\n  \" \" word # in a group\n)*\n"},
	{"several rules", "root ::= item (\",\" ws item)*\nws ::= [ \\t]*\nitem ::= name \"=\" value\nname ::= [a-z] [a-z0-9]*\nvalue ::= [0-9]+ | \"\\\"\" [^\"]* \"\\\"\""},
	{"the last rule counts", "root ::= a\na ::= \"x\"\na ::= \"hello \" [a-z]+"},
	{"JSON", "root ::= value\nvalue ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n" +
		"object ::= \"{\" (string \":\" value (\",\" string \":\" value)*)? \"}\"\narray ::= \"[\" (value (\",\" value)*)? \"]\"\n" +
		"string ::= \"\\\"\" ([^\"\\\\\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt] | \"u\" [0-9a-fA-F]{4}))* \"\\\"\"\nnumber ::= \"-\"? (\"0\" | [1-9] [0-9]*) (\".\" [0-9]+)?"},
	{"space before repetitions", "root ::= [a-c] + (\"x\" {2} | \"y\" # or\n ?) {1, 3} \"z\" *"},
	{"escaped hyphens", `root ::= [a\-z]+ "\-" [+\--0]`},
	{"Windows' line ends", "root ::= a # one\r\na ::= \"x\" |\r\n  \"y\"\r\n"},
	{"lines", "root ::= line{1,4}\nline ::= \"- \" [^\\n]+ \"\\n\""},
}

// A grammar in GBNF allows the tokens that llama.cpp's own sampler leaves, along walks
// of random tokens. What is different by design:
//   - Control tokens: here they are not text, there they are read as they are spelled.
//   - End tokens: where nothing can be added, the output ends here without one; within a
//     character they are allowed there.
//   - NUL: there it ends the token.
//   - Bytes that are not UTF-8: there some are read as characters.
//   - A part of a character before a negated class: there it is refused if any character
//     that it can become is.
func TestGBNFOracle(t *testing.T) {
	vocabulary := loadShared(t).Vocabulary()
	p := llama.DefaultModelParams()
	p.VocabOnly = true
	m, err := llama.LoadModel(testmodel.Model(t), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	compared, parts := 0, 0
	for _, test := range oracleGrammars {
		t.Run(test.name, func(t *testing.T) {
			g, err := grammar.Compile(grammar.GBNF(test.text))
			if err != nil {
				t.Fatal(err)
			}
			for seed := range uint64(2) {
				sampler, err := llama.NewGrammarSampler(m.Vocab(), test.text, "root")
				if err != nil {
					t.Fatal(err)
				}
				defer sampler.Free()
				w := &oracleWalk{vocabulary: vocabulary, matcher: g.Matcher(vocabulary), sampler: sampler, negated: strings.Contains(test.text, "[^")}
				w.matcher.Rollback(math.MaxInt) // what it would write by itself is chosen, too
				w.run(t, rand.New(rand.NewPCG(seed, 2)))
				compared, parts = compared+w.compared, parts+w.parts
			}
		})
	}
	t.Logf("%d masks compared, %d parts of characters chosen", compared, parts)
	if compared < 500 || parts < 20 {
		t.Error("that is too few to tell")
	}
}

// oracleWalk is one output, as both sides see it.
type oracleWalk struct {
	vocabulary *grammar.Vocabulary
	matcher    *grammar.Matcher
	sampler    *llama.GrammarSampler
	negated    bool // the grammar has a negated class
	output     []byte

	compared, parts int
}

const oracleSteps = 16

// run compares and chooses until nothing is left to choose.
func (w *oracleWalk) run(t *testing.T, r *rand.Rand) {
	for range oracleSteps {
		allowed, parts := w.compare(t)
		if len(parts) > 0 && r.IntN(3) == 0 {
			allowed = parts
			w.parts++
		}
		if len(allowed) == 0 || t.Failed() {
			return
		}
		token := allowed[r.IntN(len(allowed))]
		if err := w.sampler.Accept(token); err != nil || !w.matcher.Read(token) {
			t.Fatalf("after %q token %q is refused: %v", w.output, w.vocabulary.Piece(token), err)
		}
		w.output = append(w.output, w.vocabulary.Piece(token)...)
	}
}

// compare compares what may come next, and returns the tokens with text that both
// allow: all, and those that end within a character.
func (w *oracleWalk) compare(t *testing.T) (allowed, parts []llama.Token) {
	w.compared++
	candidates := make([]llama.TokenData, w.vocabulary.NTokens())
	for i := range candidates {
		candidates[i].ID = llama.Token(i)
	}
	if err := w.sampler.Apply(candidates); err != nil {
		t.Fatal(err)
	}
	mask := make([]uint64, (len(candidates)+63)/64)
	w.matcher.Mask(mask)
	pending := w.output[wholeBytes(w.output):]
	for _, c := range candidates {
		ours := mask[c.ID/64]>>(c.ID%64)&1 != 0
		theirs := !math.IsInf(float64(c.Logit), -1)
		text := slices.Concat(pending, w.vocabulary.Piece(c.ID))
		if !w.agree(c.ID, text, ours, theirs) {
			t.Errorf("after %q token %d, %q: we say %t, llama.cpp says %t", w.output, c.ID, w.vocabulary.Piece(c.ID), ours, theirs)
		}
		if !ours || !theirs || w.vocabulary.IsEnd(c.ID) {
			continue
		}
		allowed = append(allowed, c.ID)
		if wholeBytes(text) < len(text) {
			parts = append(parts, c.ID)
		}
	}
	return allowed, parts
}

// agree reports whether two answers about a token are equal, or may differ. The text is
// that of the token, and what it is to complete.
func (w *oracleWalk) agree(token llama.Token, text []byte, ours, theirs bool) bool {
	rest := text[wholeBytes(text):]
	switch {
	case w.vocabulary.IsEnd(token) && w.matcher.Done():
		return !ours && theirs
	case w.vocabulary.IsEnd(token) && len(rest) > 0:
		return !ours
	case w.vocabulary.IsEnd(token):
		return ours == theirs
	case w.vocabulary.IsControl(token), len(rest) > 0 && utf8.FullRune(rest):
		return !ours
	case slices.Contains(text, 0):
		return !theirs
	case len(rest) > 0 && w.negated:
		return ours || !theirs
	}
	return ours == theirs
}

// wholeBytes returns how many bytes of a text are well-formed characters.
func wholeBytes(text []byte) int {
	at := 0
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}
