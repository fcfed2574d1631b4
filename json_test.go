package cria

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What models write for {"answer": "Paris", "score": 7, "tags": ["a", "b"]} and the like.
func TestParseBrokenJSON(t *testing.T) {
	type object = map[string]any
	n := func(s string) json.Number { return json.Number(s) }
	tests := []struct {
		name, text string
		want       any
	}{
		{"trailing commas", `{"a": 1, "b": [1, 2,],}`, object{"a": n("1"), "b": []any{n("1"), n("2")}}},
		{"comments", "// the answer\n{\"a\": 1, // one\n/* two: */ \"b\": 2}", object{"a": n("1"), "b": n("2")}},
		{"a comment in a text stays", `{'a': 'http://x.y /* z */'}`, object{"a": "http://x.y /* z */"}},
		{"single quotes", `{'answer': 'Paris', 'tags': ['a', 'b']}`, object{"answer": "Paris", "tags": []any{"a", "b"}}},
		{"Python's repr", `{'note': "it's", 'said': 'a "b"', 'esc': 'don\'t\n'}`, object{"note": "it's", "said": `a "b"`, "esc": "don't\n"}},
		{"Python's words", `{"a": True, "b": False, "c": None, "d": TRUE}`, object{"a": true, "b": false, "c": nil, "d": true}},
		{"keys without quotes", "{\n  answer: \"Paris\",\n  max_age: 7, data-id: 1, città: 2, $x: 3, 4: 5}",
			object{"answer": "Paris", "max_age": n("7"), "data-id": n("1"), "città": n("2"), "$x": n("3"), "4": n("5")}},
		{"typographic quotes", `{“answer”: “it’s”, „ort“: ‘Köln’}`, object{"answer": "it’s", "ort": "Köln"}},
		{"line breaks in a text", "{\"a\": \"one\ntwo\r\n\tthree\", \"b\": \"\\tx\ny\"}", object{"a": "one\ntwo\r\n\tthree", "b": "\tx\ny"}},
		{"no comma between members", "{\"a\": 1 \"b\": \"x\"\n\"c\": {}\"d\": 2}", object{"a": n("1"), "b": "x", "c": object{}, "d": n("2")}},
		{"no comma between elements", "[{\"a\": 1} {\"a\": 2}{}[]\n\"x\" 'y' 1 2 3 -4 true]",
			[]any{object{"a": n("1")}, object{"a": n("2")}, object{}, []any{}, "x", "y", n("1"), n("2"), n("3"), n("-4"), true}},
		{"no comma between lines of numbers", "[1\n234\n567]", []any{n("1"), n("234"), n("567")}},
		{"texts joined with +", "{\"a\": \"one \" +\n 'two ' + “three”, \"b\": 1}", object{"a": "one two three", "b": n("1")}},
		{"no-break space", "{\u00a0\"a\":\u00a01}", object{"a": n("1")}},
		{"escapes", `{'a': '\u00e9\ud83d\ude00\/\\'}`, object{"a": `é😀/\`}},
		{"the same key again", `{'a': 1, 'a': 2}`, object{"a": n("2")}}, // as in JSON

		{"no bracket at the end", `{"a": "x", "b": [1, {"c": "y"`, object{"a": "x", "b": []any{n("1"), object{"c": "y"}}}},
		{"no quote at the end", `{"a": "x y`, object{"a": "x y"}},
		{"ends behind a comma", `{"a": 1,`, object{"a": n("1")}},
		{"ends in a key", `{"a": 1, "b`, object{"a": n("1")}},
		{"ends behind a colon", `{"a": 1, "b": `, object{"a": n("1")}},
		{"ends in a word", `{"a": 1, "b": fal`, object{"a": n("1")}},
		{"ends in a number", `{"a": 1, "b": -`, object{"a": n("1")}},
		{"ends in a bracket", `{"a": 1, "b": [{`, object{"a": n("1")}},
		{"ends in an escape", `["x\`, []any{"x"}},
		{"ends in a long escape", `["x\\\u00e`, []any{`x\`}},
		{"ends in a comment", `["x" /* and`, []any{"x"}},
		{"ends behind a plus", `["x" +`, []any{"x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseJSON(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}

// What could mean two things, or nothing, is not guessed.
func TestParseAmbiguousJSON(t *testing.T) {
	for _, text := range []string{
		`{"a": NaN}`, `{"a": Infinity}`, `{"a": -Infinity}`, `{"a": undefined}`, `[nan]`,
		`{"a": 1,000}`, `{"a": 1,5`, `[1 234]`, `{"a": 1_000}`, `{"a": 0x1F}`, `{"a": 007}`, `{"a": 1e}`, `{"a": 1.}`, `{"a": .5}`, `{"a": +1}`, `{"a": -}`,
		`{"a": 12:30}`, `{"a": 2024-01-01}`, `{"a": 1/2}`, `{"a": 50%}`, `{"a": 5"}`, `{"a": 1...}`,
		`{"a": Paris}`, `{"a": Paris, France}`, `[a, b]`, `{"a": f(1)}`, `{"a": ("x", "y")}`, `{"a": /x/}`, "{\"a\": `x`}",
		`{'a': 'it's fine'}`, `{"a": "he said "hi" to me"}`, `{"a": "he said "hi", then left", "b": 1}`, `["a "b" c"]`, `{"a": "say "yes""}`, `{"a": """x"""}`, `{“a”: “say “hi” now”}`,
		`["a""b"]`, `{"a": "x"b: 1}`, `{"a": "x, "b": "y"}`, `{"a": "x, "b": 1`, `{"a": 1"b": 2}`, `[1"a"]`,
		`{"a": "x}`, `["x]`, "{\"a\": \"x\n```", `{"a": "x" "y"}`, `{"a": 1 2}`, `{"a": "x" + y}`, `{"a": "x" + 1}`,
		`{"a": "\x41"}`, `{"a": "\d+"}`, `{"a": "\u12"}`, `{"a": "\"}`,
		`{"a": [1, 2}`, `{"a": {"b": 1]}`, `[1, 2))`, `{"a": 1}}`, `{"a": 1} {"b": 2}`, `[1], [2]`,
		`{"a" 1}`, `{"a" = 1}`, `{"a" => 1}`, `{"a": "x"; "b": 1}`, `{"a", "b"}`, `{: 1}`, `{"a":, "b": 1}`, `{,}`, `[,1]`, `[1,,2]`, `[1, 2, ...]`,
		``, ` `, `{`, `[`, `{"a"`, `{"a":`, `[{"a": [`, `"x`, `'x'`, `True`, `“x”`, `//`, `/*`,
	} {
		if got, err := parseJSON(text); err == nil {
			t.Errorf("parseJSON(%s) = %v, want an error", text, got)
		}
	}
}

func TestParseJSONDepth(t *testing.T) {
	for depth, ok := range map[int]bool{maxJSONDepth: true, maxJSONDepth + 1: false, 1_000_000: false} {
		for _, text := range []string{strings.Repeat("[", depth) + "1" + strings.Repeat("]", depth), strings.Repeat("{'a':", depth) + "1"} {
			if _, err := parseJSON(text); (err == nil) != ok {
				t.Errorf("%d levels: %.80v", depth, err)
			}
		}
	}
}

// No text takes more than time in proportion to it: the test would not end.
func TestFindObjectsInHostileText(t *testing.T) {
	const size = 1 << 18
	for _, piece := range []string{
		"{", "[", "{a:", "{'a':", "{a:[", "{a:{},", "{a:'", "{'", "{\"", "{“", "{a:‘", "{a:\"\\\"", "{//\n", "{/*", "{a:1//", "{a:1/*", "{a:1 ", "{a:'x'+",
		"{a:'}", "{a:}", "{}", "{a:[1 ", "\\", "{\\", "{a:'\\", "a:{", "\xff{", "{a:1!", "{{a:1}", "{a:''+''",
	} {
		for _, end := range []string{"", "!}"} {
			at := 0
			for _, o := range findObjects(strings.Repeat(piece, size/len(piece)) + end) {
				if o.start < at || o.end <= o.start {
					t.Errorf("%q: an object from %d to %d behind one that ends at %d", piece, o.start, o.end, at)
				}
				at = o.end
			}
		}
	}
}

func TestFindObjects(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"prose", `Here: {"a": 1} and {'b': '}'}.`, []string{`{"a": 1}`, `{'b': '}'}`}},
		{"braces of the prose", `{name}, {{"a": 1}} {} { x`, []string{`{"a": 1}`, `{}`}},
		{"what is within one that cannot be read", `{"a": NaN, "b": {"a": 1}} {"c": 1}`, []string{`{"c": 1}`}},
		{"the same, without an end", `{"a": NaN, "b": {"a": 1} {"c": 1}`, nil},
		{"the last one without an end", `{"a": 1} {"b": [1`, []string{`{"a": 1}`, `{"b": [1`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, o := range findObjects(tt.text) {
				got = append(got, tt.text[o.start:o.end])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

// A reply that reached its limit must not pass for a whole one.
func TestCutOffReplies(t *testing.T) {
	const length, stop = FinishLength, FinishStop
	tests := []struct {
		name, sig, reply string
		finish           FinishReason
		cut              string // field in error; "" is none
	}{
		{"number", "-> a, n: int", `{"a": "x", "n": 12`, length, "n"},
		{"number, the model's own end", "-> a, n: int", `{"a": "x", "n": 12`, stop, ""},
		{"number that is not the signature's last", "-> n: int, a", `{"a": "x", "n": 12`, length, "n"},
		{"text behind a number", "-> n: int, a", `{"n": 12, "a": "x`, length, ""},
		{"number before the text that is cut off", "-> a, n: int", `{"n": 12, "a": "x`, length, ""},
		{"list", "-> a, l: list[str]", `{"a": "x", "l": ["y", "z"`, length, "l"},
		{"text in a list", "-> a, l: list[str]", `{"a": "x", "l": ["y", "z`, length, "l"},
		{"dict", "-> d: dict[str, Any], a", `{"a": "x", "d": {"k": {"a": "y"}`, length, "d"},
		{"closed set", "-> m: Literal['so', 'so-so']", `{"m": "so`, length, "m"},
		{"wrapped", "-> a, n: int", `{"result": {"a": "x", "n": 12`, length, "n"},
		{"field that was not asked for", "-> n: int", `{"n": 12, "why": "beca`, length, ""},
		{"field that is missing", "-> a, n: int", `{"a": "x`, length, "n"},
		{"optional field that is missing", "-> a, n: Optional[int]", `{"a": "x"`, length, "n"},
		{"optional field that is missing, the model's own end", "-> a, n: Optional[int]", `{"a": "x"`, stop, ""},
		{"whole object", "-> a, n: int", `{"a": "x", "n": 12}`, length, ""},
		{"lines", "-> a, n: int", "a: x\nn: 12", length, "n"},
		{"lines in another order", "-> n: int, a", "a: x\nn: 12", length, "n"},
		{"lines that end in text", "-> n: int, a", "n: 12\na: x", length, ""},
		{"lines, optional field that is missing", "-> a, n: Optional[int]", "a: x", length, "n"},
		{"list behind an opened turn", "-> l: list[str]", `l: ["y", "z"`, length, "l"},
		{"list behind an opened turn, the model's own end", "-> l: list[str]", `l: ['y', 'z'`, stop, ""},
		{"object behind an opened turn", "-> n: int", `n: {"n": 12`, length, "n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewPredictor(mustParse(t, tt.sig), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.parse(Scope{Adapter: Lines{}}, tt.reply, Chunk{Finish: tt.finish})
			var parseErr *ParseError
			switch errors.As(err, &parseErr); {
			case tt.cut == "":
				if err != nil {
					t.Error(err)
				}
			case parseErr == nil || !parseErr.Truncated || len(parseErr.Fields) != 1 || parseErr.Fields[0].Field != tt.cut:
				t.Errorf("parse = %v, want a truncated %s", err, tt.cut)
			}
		})
	}
}

// FuzzParseJSON checks that no text makes the reader panic, and that it reads JSON as
// package encoding/json does.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a": [1, -2.5e3, "\u00e9\n", true, null], "": {}}`, `{'a': True, b: None,} // x`, "{“a”: “x\ny” + 'z' \"c\": [1 2", `["\ud83d`, "{\"a\": \"\xff\"}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseJSON(text)
		findObjects(text)
		want, strictErr := parseStrict(text)
		if strictErr != nil || strings.Count(text, "{")+strings.Count(text, "[") > maxJSONDepth {
			return
		}
		if err != nil {
			t.Fatalf("%q is JSON: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	})
}
