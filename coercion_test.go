package cria

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What it took to read a reply is told by field, and nothing of what is as asked for.
func TestCoercions(t *testing.T) {
	for _, tt := range []struct {
		format     OutputFormat
		sig, reply string
		want       []Coercion
	}{
		{OutputLines, "-> a, n: int, f: float, b: bool, l: list[str], o: Optional[str], c: Literal['x', 'y'], d: date, t: timedelta, u: dict[str, int], z: Any",
			"a: Paris\nn: -4\nf: 2.50\nb: true\nl: [\"a\"]\no:\nc: y\nd: 2026-01-31\nt: 1h30m\nu: {\"k\":1}\nz: text", nil},
		{OutputJSON, "-> a, n: int, b: bool, l: list[str], o: Optional[str], c: Literal['x', 'y']", `{"a":"x","n":4,"b":true,"l":["a"],"o":null,"c":"x"}`, nil},
		{OutputMarkers, "-> a, n: int", "[[ ## a ## ]]\none\ntwo\n\n[[ ## n ## ]]\n4\n\n[[ ## completed ## ]]", nil},
		{OutputTags, "-> a, n: int", "<a>one</a>\n<n>4</n>", nil},
		{OutputCompletion, "-> a, n: int", "a: one\nn: 4", nil},

		{OutputLines, "-> n: int", "n: about 42 apples", []Coercion{{"n", CoercedNumber}}},
		{OutputLines, "-> n: int, m: int, f: float", "n: 1,000\nm: 3.0\nf: $2", []Coercion{{"n", CoercedNumber}, {"m", CoercedNumber}, {"f", CoercedNumber}}},
		{OutputLines, "-> b: bool, c: bool, d: bool", "b: yes\nc: True\nd: **false**", []Coercion{{"b", CoercedWord}, {"c", CoercedCase}, {"d", CoercedTrim}}},
		{OutputLines, "-> a: Literal['x', 'Y.'], b: Literal['x', 'y'], c: Literal['x', 'y']", "a: y.\nb: 'X'\nc: y!", []Coercion{{"a", CoercedCase}, {"b", CoercedTrim}, {"b", CoercedCase}, {"c", CoercedTrim}}},
		{OutputLines, "-> l: list[int], m: list[str]", "l: 1, about 2\nm:\n- a\n- b", []Coercion{{"l", CoercedList}, {"l", CoercedNumber}, {"m", CoercedList}}},
		{OutputLines, "-> l: list[str], m: list[str]", "l: ['a', 'b',]\nm:\n```\n[\"c\"]\n```", []Coercion{{"l", CoercedJSON}, {"m", CoercedFence}}},
		{OutputLines, "-> d: date, t: timedelta, w: datetime", "d: 31 January 2026\nt: 90 minutes\nw: 2026-01-31 10:00", []Coercion{{"d", CoercedTime}, {"t", CoercedTime}, {"w", CoercedTime}}},
		{OutputLines, "-> o: Optional[int], p: Optional[str]", "o: None\np: null", []Coercion{{"o", CoercedNull}, {"p", CoercedNull}}},
		{OutputLines, "-> d: dict[str, int], e: dict[str, int], z: Any", "d: it is {\"a\":1}\ne: {'b': 2}\nz: ```json\n[1,]\n```", []Coercion{{"d", CoercedExtra}, {"e", CoercedJSON}, {"z", CoercedFence}, {"z", CoercedJSON}}},
		{OutputLines, "-> a, b", "Sure!\na: 1\nb: 2", []Coercion{{"a", CoercedExtra}}},
		{OutputLines, "-> a", "a: **a**: 1", []Coercion{{"a", CoercedExtra}}},
		{OutputLines, "-> a, b", "a: 1\nb: 2\na: 3", []Coercion{{"a", CoercedExtra}}},
		{OutputLines, "-> a", "Paris", []Coercion{{"a", CoercedWhole}}},
		{OutputMarkers, "-> n: int", "```\nabout 4\n```", []Coercion{{"n", CoercedFence}, {"n", CoercedWhole}, {"n", CoercedNumber}}},
		{OutputLines, "-> a, n: int", `{"a":"x","n":"4"}`, []Coercion{{"a", CoercedFormat}, {"n", CoercedFormat}, {"n", CoercedNumber}}},
		{OutputJSON, "-> a, b: bool", "a: 1\nb: true", []Coercion{{"a", CoercedFormat}, {"b", CoercedFormat}}},
		{OutputJSON, "-> a, b: bool", "Here:\n```json\n{'a': 1, 'b': \"true\"}\n```", []Coercion{{"a", CoercedFence}, {"a", CoercedExtra}, {"a", CoercedJSON}, {"a", CoercedText}, {"b", CoercedFence}, {"b", CoercedExtra}, {"b", CoercedJSON}, {"b", CoercedWord}}},
		{OutputMarkers, "-> a, b", "Sure!\n[[ ## a ## ]] x\n[[ ## b ## ]] y\n[[ ## completed ## ]]\nBye.", []Coercion{{"a", CoercedExtra}, {"b", CoercedExtra}}},
		{OutputTags, "-> a, b", "<a>1</a> and <b>2</b>", []Coercion{{"b", CoercedExtra}}},
		{OutputTags, "-> a, b", "<a>1</a><b>2</b> Bye.", []Coercion{{"b", CoercedExtra}}},
		{OutputTags, "-> a", "<a>\n<a>\n1\n</a>", []Coercion{{"a", CoercedExtra}}},
	} {
		r, err := adapterOf(t, tt.format).(ReplyReader).ReadReply(mustParse(t, tt.sig), Message{RoleAssistant, tt.reply})
		if diff := cmp.Diff(tt.want, r.Coercions); err != nil || diff != "" {
			t.Errorf("%s: %q: %v (-want +got):\n%s", tt.format, tt.reply, err, diff)
		}
	}
}

// Coercions come with the result, also of what could be read of a reply that is not whole.
func TestCoercionsOfResult(t *testing.T) {
	p := NewPredict[question, answer]("", &PredictOptions{LM: &script{pieces: []string{" Paris\nscore: about 9"}}})
	r, err := p.Run(t.Context(), question{"?"})
	if want := []Coercion{{"score", CoercedNumber}}; err != nil || !slices.Equal(r.Coercions, want) {
		t.Errorf("%+v, %v", r, err)
	}
	partial, err := Lines{}.ReadReply(mustParse(t, "-> n: int, m: int"), Message{RoleAssistant, "n: about 4\nm: 1 or 2"})
	if err == nil || !slices.Equal(partial.Coercions, []Coercion{{"n", CoercedNumber}}) || partial.Values["n"] != int64(4) {
		t.Errorf("%+v, %v", partial, err)
	}
	type elements struct {
		Items []struct {
			Name string
			Due  time.Time `format:"date"`
		}
	}
	r2, err := NewPredict[question, elements]("", &PredictOptions{LM: &script{pieces: []string{` [{"NAME":"a","due":"31 Jan 2026"}]`}}}).Run(t.Context(), question{"?"})
	if want := []Coercion{{"items", CoercedCase}, {"items", CoercedTime}}; err != nil || !slices.Equal(r2.Coercions, want) {
		t.Errorf("within a list: %+v, %v", r2, err)
	}
}

// Every format gathers all errors beside what it could read, and a failed call says what
// it has cost.
func TestParseErrorsOfFormats(t *testing.T) {
	sig := mustParse(t, "-> a, n: int, b: bool, m")
	for format, reply := range map[OutputFormat]string{
		OutputLines:      " one\nn: many\nb: maybe\n",
		OutputJSON:       `{"a":"one","n":"many","b":"maybe"}`,
		OutputMarkers:    "one\n[[ ## n ## ]]\nmany\n[[ ## b ## ]]\nmaybe\n[[ ## completed ## ]]",
		OutputTags:       "one</a><n>many</n><b>maybe</b>",
		OutputCompletion: " one\nn: many\nb: maybe\n",
	} {
		p, err := NewPredictor(sig, &PredictOptions{LM: &script{pieces: []string{reply}}, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Call(t.Context(), Example{})
		parseErr, ok := err.(*ParseError)
		if !ok {
			t.Errorf("%s: %v", format, err)
			continue
		}
		var fields []string
		for _, f := range parseErr.Fields {
			fields = append(fields, f.Field)
		}
		if !slices.Equal(fields, []string{"n", "b", "m"}) || cmp.Diff(Example{"a": "one"}, parseErr.Partial) != "" || parseErr.Usage != (Usage{PromptTokens: 10, CompletionTokens: 1}) {
			t.Errorf("%s: fields %q, partial %v, usage %+v", format, fields, parseErr.Partial, parseErr.Usage)
		}
	}
}
