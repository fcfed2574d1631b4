package cria

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func adapterOf(t testing.TB, f OutputFormat) Adapter {
	t.Helper()
	a, err := f.Adapter(false)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// constraintText shows a constraint with its holes in angle brackets.
func constraintText(c Constraint) string {
	var b strings.Builder
	for _, p := range c {
		if p.Hole == nil {
			b.WriteString(p.Literal)
		} else {
			b.WriteString("<" + string(p.As) + " " + p.Hole.Name + ">")
		}
	}
	return b.String()
}

func TestOutputFormats(t *testing.T) {
	sig := mustDemos(t, mustParse(t, "text, tags: list[str] -> title, age: int, ok: bool"),
		Example{"text": "one\ntwo", "tags": []string{"a"}, "title": `The "<b>"`, "age": 3, "ok": true},
		Example{"text": "x", "title": "y"})
	inputs := Example{"text": "Hi", "tags": []string{"b", "c"}}
	for format, want := range map[OutputFormat]string{
		OutputLines: "<system>Read the text and tags and give the title, age and ok.\n" +
			"<user>text: one\ntwo\ntags: [\"a\"]\n<assistant>title: The \"<b>\"\nage: 3\nok: true\n" +
			"<user>text: x\n<assistant>title: y\n" +
			"<user>text: Hi\ntags: [\"b\",\"c\"]\n<assistant>title:" +
			"< title>\nage:< age>\nok:< ok>",
		OutputJSON: "<system>Read the text and tags and give the title, age and ok.\n" +
			"<user>text: one\ntwo\ntags: [\"a\"]\n<assistant>{\"title\":\"The \\\"<b>\\\"\",\"age\":3,\"ok\":true}\n" +
			"<user>text: x\n<assistant>{\"title\":\"y\"}\n" +
			"<user>text: Hi\ntags: [\"b\",\"c\"]\n<assistant>" +
			`{"title":<json title>,"age":<json age>,"ok":<json ok>}`,
		OutputMarkers: "<system>Read the text and tags and give the title, age and ok.\n" +
			"<user>[[ ## text ## ]]\none\ntwo\n\n[[ ## tags ## ]]\n[\"a\"]\n" +
			"<assistant>[[ ## title ## ]]\nThe \"<b>\"\n\n[[ ## age ## ]]\n3\n\n[[ ## ok ## ]]\ntrue\n\n[[ ## completed ## ]]\n" +
			"<user>[[ ## text ## ]]\nx\n<assistant>[[ ## title ## ]]\ny\n\n[[ ## completed ## ]]\n" +
			"<user>[[ ## text ## ]]\nHi\n\n[[ ## tags ## ]]\n[\"b\",\"c\"]\n<assistant>[[ ## title ## ]]\n" +
			"<block title>\n\n[[ ## age ## ]]\n<block age>\n\n[[ ## ok ## ]]\n<block ok>\n\n[[ ## completed ## ]]",
		OutputTags: "<system>Read the text and tags and give the title, age and ok.\n" +
			"<user><text>one\ntwo</text>\n<tags>[\"a\"]</tags>\n" +
			"<assistant><title>The \"<b>\"</title>\n<age>3</age>\n<ok>true</ok>\n" +
			"<user><text>x</text>\n<assistant><title>y</title>\n" +
			"<user><text>Hi</text>\n<tags>[\"b\",\"c\"]</tags>\n<assistant><title>" +
			"<tagged title></title>\n<age><tagged age></age>\n<ok><tagged ok></ok>",
		OutputCompletion: "<text>Read the text and tags and give the title, age and ok.\n\n\n" +
			"<text>text: one\ntwo\ntags: [\"a\"]\n\n<text>title: The \"<b>\"\nage: 3\nok: true\n\n\n" +
			"<text>text: x\n\n<text>title: y\n\n\n" +
			"<text>text: Hi\ntags: [\"b\",\"c\"]\n\n<assistant>title:" +
			"< title>\nage:< age>\nok:< ok>",
	} {
		req, err := adapterOf(t, format).Format(sig, inputs)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, transcript(req)+constraintText(req.Output)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
	if _, err := OutputFormat("xml").Adapter(false); err == nil || !strings.HasSuffix(err.Error(), "there are lines, json, markers, tags, completion") {
		t.Errorf("xml is a format: %v", err)
	}
}

// What one format writes as a demonstration, every format reads.
func TestOutputFormatsReadEachOther(t *testing.T) {
	want := Example{"title": "A day", "age": int64(3), "tags": []any{"x", "y z"}}
	sig := mustParse(t, "-> title, age: int, tags: list[str]")
	for _, write := range OutputFormats() {
		text := adapterOf(t, write).(notation).demo(sig.outputs, want)
		for _, read := range OutputFormats() {
			if (write == OutputMarkers || write == OutputTags) && read != write {
				continue // its values stand on other lines than their names
			}
			got, err := adapterOf(t, read).Parse(sig, Message{RoleAssistant, text})
			if err != nil || cmp.Diff(want, got) != "" {
				t.Errorf("%s reads %q, which %s wrote: %v, %v", read, text, write, got, err)
			}
		}
	}
}

func TestMarkersParse(t *testing.T) {
	sig := mustParse(t, "-> summary, n: int")
	for reply, want := range map[string]Example{
		"[[ ## summary ## ]]\none\n\ntwo\n\n[[ ## n ## ]]\n4\n\n[[ ## completed ## ]]": {"summary": "one\n\ntwo", "n": int64(4)},
		"Sure!\n[[##Summary##]] one [[ ## N ## ]] 4":                                   {"summary": "one", "n": int64(4)},
		"[[ ## n ## ]]\n4\n[[ ## summary ## ]]\n[1] a\n[[ ## summary ## ]]\nb":         {"summary": "[1] a", "n": int64(4)},
		"[[ ## summary ## ]]\nthe [[ ## n ## ]] field\n\n[[ ## n ## ]]\n4":             {"summary": "the [[ ## n ## ]] field", "n": int64(4)},
		"[[ ## summary ## ]]\n [[ ## n ## ]]\n\n[[ ## n ## ]]\n4":                      {"summary": "[[ ## n ## ]]", "n": int64(4)},
		"summary: one\nn: 4":         {"summary": "one", "n": int64(4)},
		`{"summary": "one", "n": 4}`: {"summary": "one", "n": int64(4)},
	} {
		got, err := Markers{}.Parse(sig, Message{RoleAssistant, reply})
		if err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%q is read as %v, %v; want %v", reply, got, err, want)
		}
	}
}

// A text in JSON is that text, also where any value may stand.
func TestJSONParseAnyText(t *testing.T) {
	for reply, want := range map[string]any{
		`{"v":""}`:      "",
		`{"v":"42"}`:    "42",
		`{"v":"[1]"}`:   "[1]",
		`{"v":[""]}`:    []any{""},
		"v: \"\"":       "",
		`{"v": "a\nb"}`: "a\nb",
	} {
		got, err := JSON{}.Parse(mustParse(t, "-> v: Any"), Message{RoleAssistant, reply})
		if err != nil || cmp.Diff(Example{"v": want}, got) != "" {
			t.Errorf("%s is read as %v, %v; want %q", reply, got, err, want)
		}
	}
	for _, sig := range []string{"-> v", "-> v: int", "-> v: list[str]"} {
		if got, err := (JSON{}).Parse(mustParse(t, sig), Message{RoleAssistant, `{"v":""}`}); !errors.Is(err, ErrMissing) {
			t.Errorf("%s: an empty text is read as %v, %v", sig, got, err)
		}
	}
}

// However a reply is cut into pieces, its fields are the same.
func TestStreamFormats(t *testing.T) {
	sig := mustParse(t, "-> a, n: int, l: list[str], o: Optional[str], z")
	want := map[string]string{"a": "say \"é\" 😀\n,\"n\":1", "n": "-4", "l": `["x","]}"]`, "o": "", "z": `\`}
	for format, reply := range map[OutputFormat]string{
		OutputJSON:    `{"a":"say \"\u00e9\" \ud83d\ude00\n,\"n\":1","n":-4,"l":["x","]}"],"o":null,"z":"\\"}`,
		OutputTags:    "say \"é\" 😀\n,\"n\":1</a>\n<n>-4</n>\n<l>[\"x\",\"]}\"]</l>\n<o></o>\n<z>\\</z>",
		OutputMarkers: "say \"é\" 😀\n,\"n\":1\n\n[[ ## n ## ]]\n-4\n\n[[ ## l ## ]]\n[\"x\",\"]}\"]\n\n[[ ## o ## ]]\n\n\n[[ ## z ## ]]\n\\\n\n[[ ## completed ## ]]",
	} {
		for n := 1; n <= len(reply); n++ {
			lm := &script{}
			for _, r := range slices.Collect(slices.Chunk([]rune(reply), n)) {
				lm.pieces = append(lm.pieces, string(r))
			}
			p, err := NewPredictor(sig, &PredictOptions{LM: lm, Format: format})
			if err != nil {
				t.Fatal(err)
			}
			fields, done := map[string]string{}, ""
			for delta, err := range p.Stream(t.Context(), Example{}) {
				if err != nil {
					t.Fatal(err)
				}
				if delta.Result == nil {
					fields[delta.Field] += delta.Text
				}
				if delta.Done {
					done += delta.Field
				}
			}
			if diff := cmp.Diff(want, fields); diff != "" || done != "anloz" {
				t.Errorf("%s in pieces of %d: done %q, fields (-want +got):\n%s", format, n, done, diff)
			}
		}
	}
}

// What is streamed of a value adds up to its text.
func TestStreamedText(t *testing.T) {
	sig := mustParse(t, "-> a, l: list[Any], d: Any, z")
	for format, reply := range map[OutputFormat]string{
		OutputJSON:    `{"a":"  x \n ","l":[null,"n",null],"d":{"k":null},"z":" z"}`,
		OutputLines:   " x \t\nl: [null,\"n\",null]\nd:  {\"k\":null} \nz: z\n",
		OutputTags:    " x\r\n </a>\n<l>[null,\"n\",null]</l>\n<d>{\"k\":null}</d>\n<z> z</z>",
		OutputMarkers: " x\r\n \n\n[[ ## l ## ]]\n[null,\"n\",null]\n\n[[ ## d ## ]]\n{\"k\":null}\n\n[[ ## z ## ]]\n z\n\n[[ ## completed ## ]]",
	} {
		for n := 1; n <= len(reply); n++ {
			lm := &script{}
			for piece := range slices.Chunk([]byte(reply), n) {
				lm.pieces = append(lm.pieces, string(piece))
			}
			p, err := NewPredictor(sig, &PredictOptions{LM: lm, Format: format})
			if err != nil {
				t.Fatal(err)
			}
			texts := map[string]string{}
			for delta, err := range p.Stream(t.Context(), Example{}) {
				if err != nil {
					t.Fatal(err)
				}
				texts[delta.Field] += delta.Text
				if delta.Result == nil {
					continue
				}
				for _, f := range sig.Outputs() {
					if want, err := f.Text(delta.Result.Value[f.Name]); err != nil || texts[f.Name] != want {
						t.Errorf("%s in pieces of %d: %s is streamed as %q, its text is %q (%v)", format, n, f.Name, texts[f.Name], want, err)
					}
				}
			}
		}
	}
}

// A model that nothing is forced of writes space into JSON, or opens its turn anew: what
// is streamed is what is read all the same.
func TestStreamOfFreeWriters(t *testing.T) {
	sig := mustParse(t, "-> a, n: int, l: list[str]")
	want := Example{"a": "x, y", "n": "3", "l": `["u","v"]`}
	lines := " x, y\nn: 3\nl: [\"u\",\"v\"]"
	markers := "\nx, y\n\n[[ ## n ## ]]\n3\n\n[[ ## l ## ]]\n[\"u\",\"v\"]\n\n[[ ## completed ## ]]"
	tags := "x, y</a>\n<n>3</n>\n<l>[\"u\",\"v\"]</l>"
	for _, tt := range []struct {
		format OutputFormat
		reply  string
	}{
		{OutputJSON, `{"a": "x, y", "n": 3, "l": ["u","v"]}`},
		{OutputJSON, "{\n\t\"a\" : \"x, y\" ,\r\n  \"n\":3\n,  \"l\":\n[\"u\",\"v\"]\n}"},
		{OutputJSON, "Here it is:\n```json\n{ \"a\": \"x, y\", \"n\": 3 , \"l\": [\"u\",\"v\"] }\n```"},
		{OutputLines, "a:" + lines},
		{OutputLines, "\na:" + lines},
		{OutputCompletion, " a:" + lines},
		{OutputMarkers, "[[ ## a ## ]]" + markers},
		{OutputTags, "<a>" + tags},
		{OutputTags, "\n<a>" + tags},
	} {
		for n := 1; n <= len(tt.reply); n++ {
			lm := &script{}
			for piece := range slices.Chunk([]byte(tt.reply), n) {
				lm.pieces = append(lm.pieces, string(piece))
			}
			p, err := NewPredictor(sig, &PredictOptions{LM: lm, Format: tt.format})
			if err != nil {
				t.Fatal(err)
			}
			texts := Example{}
			var result *Prediction
			for delta, err := range p.Stream(t.Context(), Example{}) {
				if err != nil {
					t.Fatalf("%s %q: %v", tt.format, tt.reply, err)
				}
				if result = delta.Result; result == nil {
					before, _ := texts[delta.Field].(string)
					texts[delta.Field] = before + delta.Text
				}
			}
			if diff := cmp.Diff(want, texts); diff != "" || result.Value["a"] != want["a"] {
				t.Errorf("%s %q in pieces of %d: a is %v, fields (-want +got):\n%s", tt.format, tt.reply, n, result.Value["a"], diff)
				break
			}
		}
	}
}

// A value may begin as its turn does, by its declaration or nearly.
func TestStreamOfOpening(t *testing.T) {
	for _, tt := range []struct{ sig, reply, want string }{
		{"-> a: Literal['a: b', 'c']", " a: b", "a: b"},
		{"-> a", " a", "a"},
		{"-> a", " ab: c", "ab: c"},
		{"-> a", " a: b", "b"},
		{"-> a", " A: b", "A: b"},
	} {
		for n := 1; n <= len(tt.reply); n++ {
			lm := &script{}
			for piece := range slices.Chunk([]byte(tt.reply), n) {
				lm.pieces = append(lm.pieces, string(piece))
			}
			p, err := NewPredictor(mustParse(t, tt.sig), &PredictOptions{LM: lm})
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for delta, err := range p.Stream(t.Context(), Example{}) {
				if err != nil {
					t.Fatal(err)
				}
				text += delta.Text
				if delta.Result != nil && (text != tt.want || delta.Result.Value["a"] != tt.want) {
					t.Errorf("%q is streamed as %q and read as %q, want %q", tt.reply, text, delta.Result.Value["a"], tt.want)
				}
			}
		}
	}
}

func TestFormatOfScope(t *testing.T) {
	sig := mustParse(t, "q -> a")
	for name, test := range map[string]struct {
		scope, options OutputFormat
		adapter        Adapter
		want           string
	}{
		"default":                   {"", "", nil, "a:"},
		"of the predictor":          {"", OutputMarkers, nil, "[[ ## a ## ]]\n"},
		"of the context":            {OutputJSON, OutputMarkers, nil, ""},
		"an adapter has the choice": {OutputJSON, "", Lines{}, "a:"},
	} {
		p, err := NewPredictor(sig, &PredictOptions{LM: &script{}, Format: test.options, Adapter: test.adapter})
		if err != nil {
			t.Fatal(err)
		}
		req, err := p.Request(With(t.Context(), Scope{Format: test.scope}), Example{"q": "x"})
		if err != nil || req.Prefill != test.want {
			t.Errorf("%s: the turn begins with %q (%v), want %q", name, req.Prefill, err, test.want)
		}
	}
	p := mustPredictor(t, sig, nil)
	if _, err := p.Call(With(t.Context(), Scope{LM: &script{}, Format: "xml"}), Example{"q": "x"}); err == nil || !strings.Contains(err.Error(), `unknown output format "xml"`) {
		t.Errorf("an unknown format: %v", err)
	}
}

// scoringScript prefers the replies in the order that it is asked about them.
type scoringScript struct {
	script
	prefill string
	replies []string
}

func (s *scoringScript) Score(_ context.Context, req *Request, replies []string) (*Scores, error) {
	s.prefill, s.replies = req.Prefill, replies
	scores := &Scores{Usage: Usage{PromptTokens: 5}}
	for i := range replies {
		scores.Logprobs = append(scores.Logprobs, math.Log(float64(len(replies)-i)))
	}
	return scores, nil
}

// A closed set at the end is scored behind what was generated before it.
func TestScoredAtTheEnd(t *testing.T) {
	sig := mustParse(t, "-> why, label: Literal['a', 'b']")
	for format, test := range map[OutputFormat]struct {
		piece, prefill, text string
		replies              []string
	}{
		OutputLines:   {" so\nlabel:", "why: so", "why: so\nlabel: a", []string{"\nlabel: a", "\nlabel: b"}},
		OutputJSON:    {`{"why":"so","label":`, `{"why":"so"`, `{"why":"so","label":"a"}`, []string{`,"label":"a"}`, `,"label":"b"}`}},
		OutputTags:    {"so</why>\n<label>", "<why>so", "<why>so</why>\n<label>a</label>", []string{"</why>\n<label>a</label>", "</why>\n<label>b</label>"}},
		OutputMarkers: {"so\n\n[[ ## label ## ]]\n", "[[ ## why ## ]]\nso", "[[ ## why ## ]]\nso\n\n[[ ## label ## ]]\na\n\n[[ ## completed ## ]]", []string{"\n\n[[ ## label ## ]]\na\n\n[[ ## completed ## ]]", "\n\n[[ ## label ## ]]\nb\n\n[[ ## completed ## ]]"}},
	} {
		lm := &scoringScript{script: script{pieces: []string{test.piece}}}
		p, err := NewPredictor(sig, &PredictOptions{LM: lm, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		result, err := p.Call(t.Context(), Example{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.replies, lm.replies); diff != "" || lm.prefill != test.prefill {
			t.Errorf("%s: scored behind %q: %s", format, lm.prefill, diff)
		}
		want := Example{"why": "so", "label": "a"}
		if cmp.Diff(want, result.Value) != "" || result.Text != test.text || result.Choice == nil || math.Abs(result.Choice.Probs[0]-2.0/3) > 1e-9 {
			t.Errorf("%s: result %+v, choice %+v", format, result, result.Choice)
		}
		if u := result.Usage; u.PromptTokens != 15 || u.CompletionTokens != 1 {
			t.Errorf("%s: usage %+v", format, u)
		}
	}
}

// What cannot be scored is generated, and what is cut off is not scored.
func TestNotScored(t *testing.T) {
	sig := mustParse(t, "-> why, label: Literal['a', 'b']")
	lm := &scoringScript{script: script{pieces: []string{" so\nlabel: b"}}}
	p, err := NewPredictor(sig, &PredictOptions{LM: lm, Sampling: &Sampling{Temperature: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if result, err := p.Call(t.Context(), Example{}); err != nil || result.Choice != nil || lm.replies != nil || result.Value["label"] != "b" {
		t.Errorf("with a temperature: %+v, %v", result, err)
	}
	lm = &scoringScript{script: script{pieces: []string{" so it is"}, finish: FinishLength}}
	if p, err = NewPredictor(sig, &PredictOptions{LM: lm}); err != nil {
		t.Fatal(err)
	}
	if result, err := p.Call(t.Context(), Example{}); err == nil || lm.replies != nil {
		t.Errorf("cut off: %+v, scored %q", result, lm.replies)
	}
}

// The model sees a field's alias, in every format, and the value has its name.
func TestAliasesInEveryFormat(t *testing.T) {
	sig, err := NewSignature("", []Field{{Name: "q", Alias: "question", Type: Type{Kind: KindString}}},
		[]Field{{Name: "a", Alias: "answer", Type: Type{Kind: KindString}}, {Name: "n", Alias: "number", Type: Type{Kind: KindInt}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range OutputFormats() {
		adapter, err := format.Adapter(false)
		if err != nil {
			t.Fatal(err)
		}
		lm := &answering{answer: func(req *Request) string {
			text := req.Prefill
			for _, part := range req.Output {
				switch {
				case part.Hole == nil:
					text += part.Literal
				case part.Hole.Name == "a":
					text += part.write("Paris")
				default:
					text += "7"
				}
			}
			return strings.TrimPrefix(text, req.Prefill)
		}}
		p, err := NewPredictor(sig, &PredictOptions{LM: lm, Adapter: adapter})
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Call(t.Context(), Example{"q": "Where?"})
		if err != nil || got.Value["a"] != "Paris" || got.Value["n"] != int64(7) {
			t.Errorf("%s: %v, %v", format, got, err)
			continue
		}
		asked := lm.asked[0]
		if text := lastTurn(asked) + got.Text; !strings.Contains(text, "question") || !strings.Contains(text, "answer") || !strings.Contains(text, "number") {
			t.Errorf("%s: asked %q, answered %q", format, lastTurn(asked), got.Text)
		}
	}
}
