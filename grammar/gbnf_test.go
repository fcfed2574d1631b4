package grammar

import (
	"strings"
	"testing"
)

const jsonGBNF = `# JSON, without spaces
root   ::= value
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" (member ("," member)*)? "}"
member ::= string ":" value
array  ::= "[" (
    value ("," value)*   # over several lines
  )? "]"
string ::= "\"" ([^"\\\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}))* "\""
number ::= "-"? ("0" | [1-9] [0-9]*)
  ("." [0-9]+)?
  | "NaN"
`

func TestGBNF(t *testing.T) {
	for _, test := range []struct {
		name, grammar string
		yes, no       []string
	}{
		{"JSON", strings.Replace(jsonGBNF, "\n  (\".\"", " (\".\"", 1),
			[]string{`{"a":[1,-2.5,{"b":[]}],"c":"\"\u00e9é"}`, "NaN", "[[[[0]]]]"}, []string{"", "{", "[1,]", "01", `{"a":1]`, "[[]"}},
		{"repetition", `root ::= [a-c]{2} "x"{0,2} "y"{1,} [^\n]? .`, []string{"abyz", "ccxxyyé."}, []string{"ay", "abxxxyz"}},
		{"escapes", `root ::= "\n\t\\\"\x41\u00e9\U0001F600" [\]\[-]`, []string{"\n\t\\\"Aé😀]", "\n\t\\\"Aé😀-"}, []string{"\n"}},
		{"escaped hyphen", `root ::= [a\-z]+`, []string{"a-z"}, []string{"b"}},
		{"space before repetitions", "root ::= \"a\" * (\"b\" # twice\n {2} ?) # or not", []string{"", "aabb"}, []string{"ab"}},
		{"right recursion", "root ::= \"a\" root | \"b\"", []string{"b", "aab"}, []string{"a", "ba"}},
		{"nested", "root ::= \"(\" root \")\" | \"\"", []string{"", "((()))"}, []string{"(", "(()", ")("}},
		{"palindromes", "root ::= \"a\" root \"a\" | \"b\" root \"b\" | \"c\"", []string{"c", "abcba"}, []string{"abcab"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, err := Compile(GBNF(test.grammar))
			if err != nil {
				t.Fatal(err)
			}
			wantMatches(t, g, test.yes, test.no)
		})
	}
}

func TestGBNFErrors(t *testing.T) {
	for _, test := range []struct{ grammar, want string }{
		{"", "there is no rule root"},
		{"root = \"a\"", "line 1, column 6: want ::= after the name of the rule root"},
		{"root ::= \"a", "the literal has no end"},
		{"root ::= [a", "the class has no end"},
		{"root ::= [b-a]", "the range from 'b' to 'a' is empty"},
		{"root ::= (\"a\"", "the group has no end"},
		{"root ::= \"a\" )", "want a new line after the rule root"},
		{"root ::= a", "line 1, column 10: there is no rule a"},
		{"root ::= \"a\"{2,1}", "{2,1} is no repetition"},
		{"root ::= \"a\"{2", "the repetition has no end"},
		{"root ::= \"\\q\"", `\q is no escape`},
		{"root ::= \"\\xg0\"", "want 2 hexadecimal digits"},
		{"root ::= root \"a\" | \"b\"", "the rule root begins with itself"},
		{"root ::= a\na ::= \"x\"? b\nb ::= a \"y\"", "begins with itself"},
		{"root ::= <think> \"a\"", "references to tokens are not supported"},
		{"root ::= \"a\" root", "nothing fits it"},
		{"root ::= " + strings.Repeat("(", 60_000), "nested deeper than 500"},
		{"root ::= \"\xff\"", "not valid UTF-8"},
		{"root ::= (\"a\"*)*", ""},
		{"root ::= \"a\"{1000000000}", ""},
	} {
		if _, err := Compile(GBNF(test.grammar)); test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%.60q: error %v, want %q", test.grammar, err, test.want)
		}
	}
}
