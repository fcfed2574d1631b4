package cria

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustParse(t testing.TB, s string) *Signature {
	t.Helper()
	sig, err := ParseSignature(s)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func mustDemos(t testing.TB, sig *Signature, demos ...Example) *Signature {
	t.Helper()
	sig, err := sig.WithDemos(demos...)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// transcript writes a request the way a reader sees it.
func transcript(req *Request) string {
	var b strings.Builder
	for _, m := range req.Chat.Messages() {
		b.WriteString("<" + string(m.Role) + ">" + m.Content + "\n")
	}
	return b.String() + "<assistant>" + req.Prefill
}

func TestLinesFormat(t *testing.T) {
	qa := mustParse(t, "question -> answer")
	with := func(instruction string) *Signature {
		sig, err := qa.WithInstruction(instruction)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	tests := []struct {
		name   string
		sig    *Signature
		inputs Example
		want   string
	}{
		{"default instruction", qa, Example{"question": "Why?"},
			"<system>Read the question and give the answer.\n<user>question: Why?\n<assistant>answer:"},
		{"instruction", with("Answer briefly."), Example{"question": "Why?"},
			"<system>Answer briefly.\n<user>question: Why?\n<assistant>answer:"},
		{"several fields", mustParse(t, "question, context: list[str], max_age: int -> answer, ok: bool"),
			Example{"question": "Who?", "context": []string{"a", "b"}, "max_age": 3},
			"<system>Read the question, context and max age and give the answer and ok.\n<user>question: Who?\ncontext: [\"a\",\"b\"]\nmax_age: 3\n<assistant>answer:"},
		{"no inputs", mustParse(t, "-> story"), Example{},
			"<system>Give the story.\n<assistant>story:"},
		{"empty value", qa, Example{"question": ""},
			"<system>Read the question and give the answer.\n<user>question:\n<assistant>answer:"},
		{"whitespace only", qa, Example{"question": " \t "},
			"<system>Read the question and give the answer.\n<user>question:\n<assistant>answer:"},
		{"CJK, emoji, right-to-left, combining marks", qa, Example{"question": "日本の首都は? 🗼 مرحبا e\u0301"},
			"<system>Read the question and give the answer.\n<user>question: 日本の首都は? 🗼 مرحبا e\u0301\n<assistant>answer:"},
		{"quotes, braces, backslashes, colons", qa, Example{"question": `"a": {b\n} 'c'`},
			"<system>Read the question and give the answer.\n<user>question: \"a\": {b\\n} 'c'\n<assistant>answer:"},
		{"line breaks", qa, Example{"question": "one\ntwo"},
			"<system>Read the question and give the answer.\n<user>question: one\ntwo\n<assistant>answer:"},
		{"control characters and NUL", qa, Example{"question": "a\x00b\x07c"},
			"<system>Read the question and give the answer.\n<user>question: a\x00b\x07c\n<assistant>answer:"},
		{"template tokens", qa, Example{"question": "<|im_end|>"},
			"<system>Read the question and give the answer.\n<user>question: <|im_end|>\n<assistant>answer:"},
		{"JSON is not escaped for HTML", mustParse(t, "tags: list[str] -> answer"), Example{"tags": []string{"<b>&"}},
			"<system>Read the tags and give the answer.\n<user>tags: [\"<b>&\"]\n<assistant>answer:"},
		{"demos as turns", mustDemos(t, mustParse(t, "a, b -> x, y: int"),
			Example{"a": "1", "b": "2", "x": "3", "y": 4, "extra": "ignored"},
			Example{"a": "5", "x": "line\nbreak"}),
			Example{"a": "7", "b": "8"},
			"<system>Read the a and b and give the x and y.\n" +
				"<user>a: 1\nb: 2\n<assistant>x: 3\ny: 4\n" +
				"<user>a: 5\n<assistant>x: line break\n" +
				"<user>a: 7\nb: 8\n<assistant>x:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := Lines{}.Format(tt.sig, tt.inputs)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, transcript(req)); diff != "" {
				t.Errorf("prompt (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLinesFormatRejects(t *testing.T) {
	sig := mustParse(t, "question, n: Optional[int], l: Optional[list[str]], c: Optional[Literal['x', 'y']] -> answer")
	tests := []struct {
		name   string
		inputs Example
		want   string
	}{
		{"missing input", Example{}, `input "question" is missing`},
		{"null", Example{"question": nil}, `input "question": want str, got null`},
		{"unknown input", Example{"question": "a", "qestion": "b"}, `unknown input "qestion"`},
		{"invalid UTF-8", Example{"question": "a\xffb"}, `field "question": the value is not valid UTF-8`},
		{"another type", Example{"question": "a", "n": "many"}, `input "n": want int, got "\"many\""`},
		{"a fraction for an int", Example{"question": "a", "n": 1.5}, `input "n": want int`},
		{"a wrong element", Example{"question": "a", "l": []any{"x", 1}}, `input "l": element 2: want str`},
		{"a value out of the set", Example{"question": "a", "c": "z"}, `input "c": want one of x, y`},
		{"value that JSON cannot write", Example{"question": func() {}}, `input "question": writing the value as JSON`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Lines{}.Format(sig, tt.inputs)
			var inputErr *InputError
			if !errors.As(err, &inputErr) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Format = %v, want an InputError containing %q", err, tt.want)
			}
		})
	}
}

func TestLinesDescribe(t *testing.T) {
	type in struct{ Text string }
	type out struct {
		City string `desc:"where it happened"`
		Mood string `desc:"not shown, the set is closed" enum:"good,bad"`
	}
	sig, err := SignatureOf[in, out]("Extract.")
	if err != nil {
		t.Fatal(err)
	}
	instruction := func(sig *Signature) string {
		req, err := Lines{Describe: true}.Format(sig, Example{"text": "t"})
		if err != nil {
			t.Fatal(err)
		}
		return req.Chat.Messages()[0].Content
	}
	if got, want := instruction(sig), "Extract.\ncity: where it happened"; got != want {
		t.Errorf("instruction = %q, want %q", got, want)
	}
	demos := mustDemos(t, sig, Example{"text": "t", "city": "Rome", "mood": "good"})
	if got, want := instruction(demos), "Extract."; got != want {
		t.Errorf("instruction with demos = %q, want %q", got, want)
	}
}

func TestLinesPrefixIsStable(t *testing.T) {
	sig := mustDemos(t, mustParse(t, "q -> a"), Example{"q": "1", "a": "2"})
	prefix := func(a Adapter) *Prefix {
		req, err := a.Format(sig, Example{"q": "x"})
		if err != nil {
			t.Fatal(err)
		}
		return req.Chat.Prefix
	}
	if first, second := prefix(Lines{}), prefix(Lines{}); first != second {
		t.Error("two calls with the same signature have different prefixes")
	}
	if prefix(Lines{}) == prefix(Lines{Describe: true}) {
		t.Error("two formats share a prefix")
	}
}

func TestLinesConstraint(t *testing.T) {
	req, err := Lines{}.Format(mustParse(t, "q -> label: Literal['a', 'b'], n: int"), Example{"q": "x"})
	if err != nil {
		t.Fatal(err)
	}
	want := Constraint{
		{Hole: &Field{Name: "label", Type: Type{Kind: KindLiteral, Values: []string{"a", "b"}}}},
		{Literal: "\nn:"},
		{Hole: &Field{Name: "n", Type: Type{Kind: KindInt}}},
	}
	if diff := cmp.Diff(want, req.Output); diff != "" {
		t.Errorf("constraint (-want +got):\n%s", diff)
	}
}

func TestLinesParse(t *testing.T) {
	tests := []struct {
		name, sig, reply string
		want             Example
	}{
		{"marker", "-> answer", "answer: Paris", Example{"answer": "Paris"}},
		{"two markers", "-> answer, score: float", "answer: Paris\nscore: 0.9", Example{"answer": "Paris", "score": 0.9}},
		{"other order", "-> a, b", "b: 2\na: 1", Example{"a": "1", "b": "2"}},
		{"other case", "-> answer", "Answer: Paris", Example{"answer": "Paris"}},
		{"space for underscore", "-> final_answer", "Final Answer: Paris", Example{"final_answer": "Paris"}},
		{"emphasis", "-> answer, why", "**answer:** Paris\n**Why**: it is", Example{"answer": "Paris", "why": "it is"}},
		{"value on the next lines", "-> answer", "answer:\none\ntwo", Example{"answer": "one\ntwo"}},
		{"CRLF", "-> a, b", "a: 1\r\nb: 2\r\n", Example{"a": "1", "b": "2"}},
		{"marker inside a value", "-> answer, score", "answer: the score: 5 is high\nscore: 5", Example{"answer": "the score: 5 is high", "score": "5"}},
		{"names that are prefixes of each other", "-> name, name_en", "name_en: Munich\nname: München", Example{"name": "München", "name_en": "Munich"}},
		{"repeated markers: the first counts", "-> answer", "answer: Paris\nanswer: Lyon", Example{"answer": "Paris"}},
		{"text before the markers", "-> a, b", "Sure! Here it is.\na: 1\nb: 2", Example{"a": "1", "b": "2"}},
		{"no marker, one output", "-> answer", "  Paris.\n", Example{"answer": "Paris."}},
		{"no marker, one output, fence", "-> answer", "```text\nParis\n```", Example{"answer": "Paris"}},
		{"colon in the value", "-> answer", "answer: a: b: c", Example{"answer": "a: b: c"}},
		{"JSON", "-> a, b", `{"a": "1", "b": "2"}`, Example{"a": "1", "b": "2"}},
		{"JSON in prose", "-> a, b", `Here: {"a": "1", "b": "{2}"} done.`, Example{"a": "1", "b": "{2}"}},
		{"JSON in a fence", "-> a, b", "```json\n{\"a\": \"1\",\n \"b\": \"2\"}\n```", Example{"a": "1", "b": "2"}},
		{"JSON with an extra field", "-> a", `{"z": 0, "a": "1"}`, Example{"a": "1"}},
		{"JSON with a trailing comma", "-> a, b", `{"a": "1", "b": "2",}`, Example{"a": "1", "b": "2"}},
		{"JSON as Python writes it", "-> a, ok: bool, n: Optional[int]", `{'a': "it's", 'ok': True, 'n': None}`, Example{"a": "it's", "ok": true}},
		{"JSON with keys that look like markers", "-> a, b", "{\n  a: 'one: 1',\n  b: 'two',\n}", Example{"a": "one: 1", "b": "two"}},
		{"JSON with keys that look like markers in prose", "-> a, b: Optional[str]", "Here:\n```json\n{\n  a: 'one'\n}\n```\nDone.", Example{"a": "one"}},
		{"JSON with keys that look like markers behind the opened one", "-> a, b", "a: ```\n{\n  a: 'one',\n  b: 'two'\n}\n```", Example{"a": "one", "b": "two"}},
		{"JSON in a value", "-> a", "a: write {a: 'one'}", Example{"a": "write {a: 'one'}"}},
		{"JSON before a marker", "-> a", "{a: 'one'} is not the answer.\na: two", Example{"a": "two"}},
		{"JSON without an end", "-> a, l: list[str]", `{"a": "1", "l": ["x", "y`, Example{"a": "1", "l": []any{"x", "y"}}},
		{"JSON in other case", "-> answer, why", `{"Answer": "x", "WHY": "y"}`, Example{"answer": "x", "why": "y"}},
		{"JSON wrapped in an object", "-> a, b", `{"result": {"a": "1", "b": "2"}}`, Example{"a": "1", "b": "2"}},
		{"JSON: the fullest object wins", "-> a, b", `{"a": "0"} then {"a": "1", "b": "2"}`, Example{"a": "1", "b": "2"}},
		{"JSON with nested fields", "-> tags: list[str], at: dict[str, int]", `{"tags": ["x", "y"], "at": {"k": 1}}`,
			Example{"tags": []any{"x", "y"}, "at": map[string]any{"k": int64(1)}}},
		{"escaped quotes in JSON", "-> a, b", `{"a": "say \"}\"", "b": "2"}`, Example{"a": `say "}"`, "b": "2"}},
		{"optional is missing", "-> a, b: Optional[str]", "a: 1", Example{"a": "1"}},
		{"optional is null", "-> a, b: int | None", "a: 1\nb: null", Example{"a": "1"}},
		{"unicode", "-> answer", "answer: 東京 🗼 e\u0301", Example{"answer": "東京 🗼 e\u0301"}},
		{"typed", "-> n: int, f: float, b: bool, l: Literal['Yes', 'No']", "n: 1,000\nf: about 2.5 kg\nb: Yes.\nl: 'yes'",
			Example{"n": int64(1000), "f": 2.5, "b": true, "l": "Yes"}},
		{"list with commas", "-> l: list[int]", "l: 1, 2, 3", Example{"l": []any{int64(1), int64(2), int64(3)}}},
		{"list with bullets", "-> l: list[str]", "l:\n- one\n2. two", Example{"l": []any{"one", "two"}}},
		{"list as Python writes it", "-> l: list[str]", `l: ['one', "two"]`, Example{"l": []any{"one", "two"}}},
		{"list without an end", "-> l: list[str]", `l: ['one', 'two'`, Example{"l": []any{"one", "two"}}},
		{"list as JSON", "-> l: list[str]", `l: ["a, b", "c"]`, Example{"l": []any{"a, b", "c"}}},
		{"after the opened marker: JSON", "-> answer", `answer: {"answer": "Paris"}`, Example{"answer": "Paris"}},
		{"after the opened marker: JSON in a fence", "-> answer", "answer: ```json\n{\"Answer\": \"Paris\"}\n```", Example{"answer": "Paris"}},
		{"after the opened marker: JSON of a number", "-> n: int", `n: {"n": 7}`, Example{"n": int64(7)}},
		{"after the opened marker: JSON of both", "-> a, b", `a: {"a": "1", "b": "2"}`, Example{"a": "1", "b": "2"}},
		{"after the opened marker: the marker again", "-> answer", "answer: answer: Paris", Example{"answer": "Paris"}},
		{"after the opened marker: the marker again, and another", "-> answer, n: int", "answer: answer: Paris\nn: N: 4", Example{"answer": "Paris", "n": int64(4)}},
		{"after the opened marker: the marker with emphasis", "-> answer", "answer: **Answer:** Paris", Example{"answer": "Paris"}},
		{"after the opened marker: its word as text", "-> title", "title: Title: the movie", Example{"title": "Title: the movie"}},
		{"after another marker: its word as text", "-> n: int, title", "n: 1\ntitle: title: the movie", Example{"n": int64(1), "title": "title: the movie"}},
		{"after the opened marker: its word in a closed set", "-> mood: Literal['mood: good', 'bad']", "mood: mood: good", Example{"mood": "mood: good"}},
		{"after the opened marker: the marker before a closed set", "-> mood: Literal['good', 'bad']", "mood: **Mood:** good", Example{"mood": "good"}},
		{"after the opened marker: the marker on the next line", "-> answer", "answer:\nanswer: Paris", Example{"answer": "Paris"}},
		{"other JSON stays text", "-> answer", `answer: {"city": "Paris"}`, Example{"answer": `{"city": "Paris"}`}},
		{"exponents", "-> a: float, b: float, c: int", "a: 1e-5\nb: -2.5e3\nc: 12e3", Example{"a": 1e-5, "b": -2500.0, "c": int64(12000)}},
		{"any", "-> v: Any", `v: {"k": [1, 2.5, "x"]}`, Example{"v": map[string]any{"k": []any{int64(1), 2.5, "x"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Lines{}.Parse(mustParse(t, tt.sig), Message{RoleAssistant, tt.reply})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

// An object behind the name of a field that takes objects is its value, even if a member
// is named like the field.
func TestLinesParseOwnObject(t *testing.T) {
	text := func(name string) Field { return Field{Name: name, Type: Type{Kind: KindString}} }
	address := Field{Name: "address", Type: Type{Kind: KindObject, Fields: []Field{text("address"), text("city")}}}
	union := Field{Name: "card", Type: Type{Kind: KindUnion, Tag: "kind", Variants: []Variant{{"a", []Field{text("card")}}, {"b", nil}}}}
	dict := Field{Name: "d", Type: Type{Kind: KindDict, Elem: &Type{Kind: KindString}}}
	anything := Field{Name: "answer", Type: Type{Kind: KindAny}}
	tests := []struct {
		name    string
		outputs []Field
		reply   string
		want    Example
	}{
		{"object", []Field{address}, `address: {"address":"1 Main St","city":"Rome"}`,
			Example{"address": map[string]any{"address": "1 Main St", "city": "Rome"}}},
		{"object, then text", []Field{address, text("b")}, `address: {"address":"x","city":"y","b":"z"}` + "\nb: 1",
			Example{"address": map[string]any{"address": "x", "city": "y"}, "b": "1"}},
		{"object in one more object", []Field{address}, `address: {"address": {"address":"x","city":"y"}}`,
			Example{"address": map[string]any{"address": "x", "city": "y"}}},
		{"object in a fence", []Field{address}, "address: ```json\n{\"address\":\"x\",\"city\":\"y\"}\n```",
			Example{"address": map[string]any{"address": "x", "city": "y"}}},
		{"object in JSON of both", []Field{address, text("b")}, "{\n  address: {address: 'x', city: 'y'},\n  b: 'z'\n}",
			Example{"address": map[string]any{"address": "x", "city": "y"}, "b": "z"}},
		{"union", []Field{union}, `card: {"kind":"a","card":"1"}`, Example{"card": map[string]any{"kind": "a", "card": "1"}}},
		{"dict", []Field{dict}, `d: {"d":"1","e":"2"}`, Example{"d": map[string]any{"d": "1", "e": "2"}}},
		{"any", []Field{anything}, `answer: {"answer":"France","confidence":0.5}`,
			Example{"answer": map[string]any{"answer": "France", "confidence": 0.5}}},
		{"any in a fence", []Field{anything}, "answer: ```\n{\"answer\": 1, \"b\": 2}\n```",
			Example{"answer": map[string]any{"answer": int64(1), "b": int64(2)}}},
		{"any behind text", []Field{text("why"), anything}, `why: so` + "\n" + `answer: {"why":"x","answer":"y"}`,
			Example{"why": "so", "answer": map[string]any{"why": "x", "answer": "y"}}},
	}
	for _, tt := range tests {
		sig, err := NewSignature("", nil, tt.outputs)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Lines{}.Parse(sig, Message{RoleAssistant, tt.reply})
		if err != nil || cmp.Diff(tt.want, got) != "" {
			t.Errorf("%s: %q is read as %v, %v; want %v", tt.name, tt.reply, got, err, tt.want)
		}
	}
	// The second output was not reached: the object is not both.
	sig := mustParse(t, "-> answer: Any, b")
	if got, err := (Lines{}).Parse(sig, Message{RoleAssistant, `answer: {"answer":"x","b":"y"}`}); !errors.Is(err, ErrMissing) {
		t.Errorf("the members of a value are outputs: %v, %v", got, err)
	}
}

func TestLinesParseErrors(t *testing.T) {
	tests := []struct {
		name, sig, reply string
		fields           []string // in error, in order
		partial          Example
	}{
		{"empty reply", "-> answer", "", []string{"answer"}, Example{}},
		{"whitespace reply", "-> answer", " \n\t ", []string{"answer"}, Example{}},
		{"marker without value", "-> answer", "answer:", []string{"answer"}, Example{}},
		{"no markers, two outputs", "-> a, b", "Paris", []string{"a", "b"}, Example{}},
		{"one of two", "-> a, b", "a: 1", []string{"b"}, Example{"a": "1"}},
		{"JSON with a missing field", "-> a, b", `{"b": "2"}`, []string{"a"}, Example{"b": "2"}},
		{"JSON null", "-> a", `{"a": null}`, []string{"a"}, Example{}},
		{"all wrong types at once", "-> n: int, ok: str, b: bool, l: Literal['x', 'y']", "n: 1 or 2\nok: fine\nb: maybe\nl: z",
			[]string{"n", "b", "l"}, Example{"ok": "fine"}},
		{"fraction for an int", "-> n: int", "n: 2.5", []string{"n"}, Example{}},
		{"int of more than 64 bits", "-> n: int", "n: 99999999999999999999", []string{"n"}, Example{}},
		{"element of a list", "-> l: list[int]", "l: 1, x", []string{"l"}, Example{}},
		{"brackets without end", "-> l: list[Any]", "l: " + strings.Repeat("[", 1_000_000), []string{"l"}, Example{}},
		{"brackets without end behind a comment", "-> d: dict[str, Any]", "d: {/*\"*/" + strings.Repeat(`"a":{`, 1_000_000), []string{"d"}, Example{}},
		{"JSON of what no number is", "-> n: Optional[float], m: float", `{"n": NaN, "m": {"m": 1}}`, []string{"m"}, Example{}},
		{"JSON with a quote too many", "-> a, b", `{"a": "x "y" z", "b": "2"}`, []string{"a", "b"}, Example{}},
		{"unbalanced braces", "-> a, b", strings.Repeat("{", 1000), []string{"a", "b"}, Example{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Lines{}.Parse(mustParse(t, tt.sig), Message{RoleAssistant, tt.reply})
			var parseErr *ParseError
			if !errors.As(err, &parseErr) {
				t.Fatalf("Parse = %.200v, %.200v, want a ParseError", got, err)
			}
			var fields []string
			for _, f := range parseErr.Fields {
				fields = append(fields, f.Field)
			}
			if diff := cmp.Diff(tt.fields, fields); diff != "" {
				t.Errorf("fields in error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.partial, parseErr.Partial); diff != "" {
				t.Errorf("partial result (-want +got):\n%s", diff)
			}
			if parseErr.Raw != tt.reply {
				t.Errorf("raw text = %q, want %q", parseErr.Raw, tt.reply)
			}
		})
	}
}

func TestLinesParseOtherRole(t *testing.T) {
	for _, role := range []Role{RoleUser, RoleSystem, "tool"} {
		if _, err := (Lines{}).Parse(mustParse(t, "-> a"), Message{role, "a: 1"}); err == nil {
			t.Errorf("a message of role %q was parsed", role)
		}
	}
}

// FuzzLinesParse checks that no reply makes the parser panic, and that a reply
// it accepts has every field.
func FuzzLinesParse(f *testing.F) {
	for _, seed := range []string{"a: 1\nb: 2", `{"a": 1, "b": [1, {"c": "}"}]}`, "```json\n{", "**a:** x\nB : y", "\x00\xff{{{\"", "a: {\"a\":"} {
		f.Add(seed)
	}
	sig := mustParse(f, "-> a, b: list[Any]")
	f.Fuzz(func(t *testing.T, reply string) {
		got, err := Lines{}.Parse(sig, Message{RoleAssistant, reply})
		if err == nil && (got["a"] == nil || got["b"] == nil) {
			t.Errorf("Parse(%q) = %v without an error", reply, got)
		}
	})
}
