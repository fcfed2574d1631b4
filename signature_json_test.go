package cria

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type saved struct {
	Name    string          `json:"name" desc:"of the person" alias:"person" pattern:"[A-Z].*" len:"..20"`
	Age     *uint8          `json:"age" max:"120"`
	Tags    []string        `json:"tags" enum:"a,b" len:"1..3"`
	Mails   []string        `json:"mails,omitempty" format:"email"`
	Raw     json.RawMessage `json:"raw,omitempty"`
	Pay     *payment        `json:"pay" union:"method"`
	Day     *time.Time      `json:"day" format:"date"`
	Took    time.Duration   `json:"took"`
	Share   float64         `json:"share" min:"0.25"`
	Nothing any             `json:"nothing,omitempty"`
	Homes   []struct {
		Street string `json:"street" alias:"road"`
	} `json:"homes"`
}

func savedSignature(t *testing.T) *Signature {
	t.Helper()
	sig, err := SignatureOf[struct{ Text string }, saved]("Read it.")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	sig, err = sig.WithDemos(Example{
		"text": "x", "name": "Ada", "age": int64(7), "tags": []any{"a"}, "mails": []any{"a@b.c"}, "raw": json.RawMessage(`{"z":1.50,"a":12345678901234567890}`),
		"pay": map[string]any{"method": "cash"}, "day": day, "took": 90 * time.Minute, "share": 0.5, "nothing": "5",
		"homes": []any{map[string]any{"street": "S"}},
	}, Example{"text": "y", "name": "Bo", "took": "90m", "extra": []any{int64(1), "x", nil}})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestSignatureJSONRoundTrip(t *testing.T) {
	for _, sig := range []*Signature{savedSignature(t), mustParse(t, "-> a: JSON"), mustParse(t, "q: Optional[list[str]], c: dict[str, Any] -> a: Literal['x', 'y']")} {
		data, err := json.Marshal(sig)
		if err != nil {
			t.Fatal(err)
		}
		read := new(Signature)
		if err := json.Unmarshal(data, read); err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		for what, diff := range map[string]string{
			"instruction": cmp.Diff(sig.Instruction(), read.Instruction()),
			"inputs":      cmp.Diff(sig.Inputs(), read.Inputs()),
			"outputs":     cmp.Diff(sig.Outputs(), read.Outputs()),
			"demos":       cmp.Diff(sig.Demos(), read.Demos()),
			"fingerprint": cmp.Diff(sig.Fingerprint(), read.Fingerprint()),
		} {
			if diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		again, err := json.Marshal(read)
		if err != nil || string(again) != string(data) {
			t.Errorf("written again: %s, %v\nwant           %s", again, err, data)
		}
		for _, adapter := range []Adapter{Lines{}, JSON{}, Markers{}} {
			inputs := Example{}
			for _, f := range sig.inputs {
				inputs[f.Name] = map[Kind]any{KindString: "t", KindList: []string{}, KindDict: map[string]any{}}[f.Type.Kind]
			}
			want, err := adapter.Format(sig, inputs)
			if err != nil {
				t.Fatal(err)
			}
			got, err := adapter.Format(read, inputs)
			if err != nil || cmp.Diff(want.Chat.Messages(), got.Chat.Messages()) != "" {
				t.Errorf("%T shows other demos: %v\n%s", adapter, err, cmp.Diff(want.Chat.Messages(), got.Chat.Messages()))
			}
		}
	}
}

func TestSignatureJSONMistakes(t *testing.T) {
	const out = `{"name":"a","type":{"kind":"str"}}`
	for in, want := range map[string]string{
		`{`:                                      "unexpected end of JSON input",
		`[]`:                                     `reading a signature: want an object, got "[]"`,
		`null`:                                   `reading a signature: want an object, got "null"`,
		`{}`:                                     `reading a signature: it has no output field`,
		`{"outputs":{}}`:                         `outputs: want a list, got "{}"`,
		`{"outputs":[1]}`:                        `outputs[0]: want an object, got "1"`,
		`{"outputs":[` + out + `],"output":1}`:   `output: there is no such member; did you mean outputs?`,
		`{"outputs":[` + out + `],"outputs":[]}`: `outputs: the member stands twice`,
		`{"Outputs":[` + out + `]}`:              `Outputs: there is no such member; did you mean outputs?`,
		`{"instruction":5,"outputs":[` + out + `]}`:                                                                                             `instruction: want a string, got "5"`,
		`{"outputs":[` + out + `,{"name":"b","type":{"kind":"list","elem":{"kind":"lst"}}}]}`:                                                   `field "b": outputs[1].type.elem: unknown kind "lst"`,
		`{"outputs":[` + out + `,{"name":"b","type":{"kind":"list","elem":{"kid":"str"}}}]}`:                                                    `outputs[1].type.elem.kid: there is no such member; did you mean kind?`,
		`{"outputs":[{"name":"b","type":{"kind":"list"}}]}`:                                                                                     `outputs[0].type: a list needs the type of its elements`,
		`{"outputs":[{"name":"b","type":{"kind":"list","elem":null}}]}`:                                                                         `outputs[0].type: a list needs the type of its elements`,
		`{"outputs":[{"name":"b","type":null}]}`:                                                                                                `outputs[0].type: want an object, got "null"`,
		`{"outputs":[{"name":"b"}]}`:                                                                                                            `outputs[0].type: it has no kind`,
		`{"outputs":[{"type":{"kind":"str"}}]}`:                                                                                                 `outputs[0]: it has no name`,
		`{"inputs":[{"name":"A","type":{"kind":"str"}}],"outputs":[` + out + `]}`:                                                               `field "a": outputs[0]: declared twice`,
		`{"outputs":[{"name":"b","pattern":"(","type":{"kind":"str"}}]}`:                                                                        `outputs[0]: pattern: error parsing regexp`,
		`{"outputs":[{"name":"b","min":"x","type":{"kind":"int"}}]}`:                                                                            `outputs[0].min: want a float64, got "\"x\""`,
		`{"outputs":[{"name":"b","min":2,"max":1,"type":{"kind":"int"}}]}`:                                                                      `outputs[0]: min 2 is greater than max 1`,
		`{"outputs":[{"name":"b","type":{"kind":"object","fields":[{"name":"c","type":{"kind":"x"}}]}}]}`:                                       `field "b": outputs[0].type.fields[0].type: unknown kind "x"`,
		`{"outputs":[{"name":"b","type":{"kind":"Literal","values":["x",1]}}]}`:                                                                 `outputs[0].type.values[1]: want a string, got "1"`,
		`{"outputs":[{"name":"b","type":` + strings.Repeat(`{"kind":"list","elem":`, 40) + `{"kind":"str"}` + strings.Repeat("}", 40) + `}]}`:   `the type is nested deeper than 32 levels`,
		`{"outputs":[{"name":"b","type":` + strings.Repeat(`{"kind":"list","elem":`, 900) + `{"kind":"str"}` + strings.Repeat("}", 900) + `}]}`: `it is nested too deeply`,
		`{"outputs":[` + out + `],"demos":[{"a":"x"},{"b":"x"}]}`:                                                                               `reading a signature: demo 2: it has no output field (want a)`,
		`{"outputs":[` + out + `],"demos":[5]}`:                                                                                                 `reading a signature: demo 1: it is not an object`,
		`{"outputs":[{"name":"n","type":{"kind":"int"}}],"demos":[{"n":"many"}]}`:                                                               `reading a signature: demo 1: field "n": want one number, got "many"`,
	} {
		read := new(Signature)
		err := json.Unmarshal([]byte(in), read)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s\nerror %.300v\nwant  %s", in, err, want)
		}
		var declaration *DeclarationError
		var demo *DemoError
		if strings.Contains(want, "outputs[") && !errors.As(err, &declaration) || strings.Contains(want, "demo ") && !errors.As(err, &demo) {
			t.Errorf("%v is a %T", err, err)
		}
		if len(read.outputs) > 0 {
			t.Errorf("%s: a signature that is wrong was read in part", in)
		}
	}
	for _, in := range []string{"", `{"outputs":[` + out, `{"outputs":[` + out + `]} x`} {
		if err := new(Signature).UnmarshalJSON([]byte(in)); err == nil {
			t.Errorf("%q was read", in)
		}
	}
	if data, err := json.Marshal(new(Signature)); err == nil {
		t.Errorf("an empty signature was written: %s", data)
	}
}

func FuzzSignatureJSON(f *testing.F) {
	f.Add(`{"outputs":[{"name":"a","type":{"kind":"list","elem":{"kind":"Literal","values":["x"]}}}],"demos":[{"a":["x"]}]}`)
	f.Add(`{"inputs":[{"name":"n","type":{"kind":"object","fields":[{"name":"d","type":{"kind":"JSON"}}]}}],"outputs":[{"name":"a","type":{"kind":"date"}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		sig := new(Signature)
		if json.Unmarshal([]byte(text), sig) != nil || len(sig.outputs) == 0 {
			return
		}
		data, err := json.Marshal(sig)
		if err != nil {
			t.Fatal(err)
		}
		again := new(Signature)
		if err := json.Unmarshal(data, again); err != nil || again.Fingerprint() != sig.Fingerprint() {
			t.Errorf("%s does not read back: %v", data, err)
		}
	})
}

// Saved programs are refused by it: it must not change between versions.
func TestFingerprint(t *testing.T) {
	sig := savedSignature(t)
	if got, want := sig.Fingerprint(), "2e9d87b02b9a1b578bb491d0c35dbc37"; got != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
	same := func(name string, change func() (*Signature, error)) {
		other, err := change()
		if err != nil || other.Fingerprint() != sig.Fingerprint() {
			t.Errorf("%s gives %v, %v", name, other.Fingerprint(), err)
		}
	}
	same("an instruction", func() (*Signature, error) { return sig.WithInstruction("Else.") })
	same("no demos", func() (*Signature, error) { return sig.WithDemos() })
	field := func(name string, change func(*Field)) func() (*Signature, error) {
		return func() (*Signature, error) {
			f, _ := sig.Field(name)
			change(&f)
			return sig.WithField(f)
		}
	}
	same("a description", field("age", func(f *Field) { f.Desc = "in years" }))
	same("an alias", field("name", func(f *Field) { f.Alias = "" }))
	same("an alias within", field("homes", func(f *Field) {
		f.Type.Elem = &Type{Kind: KindObject, Fields: []Field{{Name: "street", Alias: "way", Type: Type{Kind: KindString}}}}
	}))

	sig, err := sig.WithDemos() // which would not fit all that follows
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{sig.Fingerprint(): "the signature itself"}
	for name, change := range map[string]func() (*Signature, error){
		"an output less":   func() (*Signature, error) { return sig.Delete("share") },
		"an output more":   func() (*Signature, error) { return sig.AppendOutputs(str("x")) },
		"one at the front": func() (*Signature, error) { return sig.PrependOutputs(str("x")) },
		"an input more":    func() (*Signature, error) { return sig.AppendInputs(str("x")) },
		"a type":           field("share", func(f *Field) { f.Type.Kind = KindInt }),
		"a minimum":        field("share", func(f *Field) { f.Min = nil }),
		"a length":         field("name", func(f *Field) { f.MaxLen = 30 }),
		"a pattern":        field("name", func(f *Field) { f.Pattern = "[A-Z]+.*" }),
		"optional":         field("share", func(f *Field) { f.Optional = true }),
		"values":           field("tags", func(f *Field) { f.Type.Elem = &Type{Kind: KindLiteral, Values: []string{"b", "a"}} }),
		"a field within": field("homes", func(f *Field) {
			f.Type.Elem = &Type{Kind: KindObject, Fields: []Field{{Name: "street", Optional: true, Type: Type{Kind: KindString}}}}
		}),
	} {
		other, err := change()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if before, ok := seen[other.Fingerprint()]; ok {
			t.Errorf("%s gives the fingerprint of %s", name, before)
		}
		seen[other.Fingerprint()] = name
	}
}
