package cria

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// phase is an enum that is a number in Go and text to a model.
type phase int

var phases = []string{"new", "half", "full"}

func (phase) Values() []string               { return phases }
func (p phase) MarshalText() ([]byte, error) { return []byte(phases[p]), nil }
func (p *phase) UnmarshalText(text []byte) error {
	for i, name := range phases {
		if name == string(text) {
			*p = phase(i)
			return nil
		}
	}
	return errors.New("no phase of the moon")
}

type sku string

func (sku) Pattern() string { return "[A-Z]{2}-[0-9]+" }

type ownTypes struct {
	Shade  shade              `json:"shade"`
	Shades []shade            `json:"shades"`
	Maybe  *shade             `json:"maybe"`
	Dark   shade              `json:"dark" enum:"dark"`
	Phase  phase              `json:"phase"`
	By     map[string]phase   `json:"by"`
	SKU    sku                `json:"sku"`
	SKUs   []*sku             `json:"skus"`
	Short  sku                `json:"short" pattern:"[A-Z]+"`
	Addr   netip.Addr         `json:"addr" format:"ipv4"`
	Big    *big.Int           `json:"big" pattern:"[0-9]{1,40}"`
	Mails  []string           `json:"mails" format:"email" len:"..2"`
	Shares map[string]float64 `json:"shares" min:"0" max:"1"`
	Nested struct {
		Codes []string `pattern:"[a-z]+"`
		Code  sku
	} `json:"nested"`
	Raw  json.RawMessage   `json:"raw"`
	Raws []json.RawMessage `json:"raws"`
}

const ownTypesReply = `shade: dark
shades: ["light","dark"]
maybe:
dark: dark
phase: full
by: {"today":"half"}
sku: AB-12
skus: ["AB-1"]
short: XYZ
addr: 127.0.0.1
big: 123456789012345678901234567890
mails: ["a@b.c"]
shares: {"x":0.25}
nested: {"Codes":["ab"],"Code":"AB-3"}
raw: {"z":1.50,"a":[12345678901234567890,"<b>"]}
raws: ["5",{"y":1,"x":2}]`

func TestOwnTypes(t *testing.T) {
	sig, err := SignatureOf[struct{ Q string }, ownTypes]("")
	if err != nil {
		t.Fatal(err)
	}
	want := "q: str -> shade: Literal['light', 'dark'], shades: list[Literal['light', 'dark']], maybe: Optional[Literal['light', 'dark']], dark: Literal['dark'], " +
		"phase: Literal['new', 'half', 'full'], by: dict[str, Literal['new', 'half', 'full']], sku: str, skus: list[str], short: str, addr: str, big: Optional[str], " +
		"mails: list[str], shares: dict[str, float], nested: {Codes: list[str], Code: str}, raw: JSON, raws: list[JSON]"
	if diff := cmp.Diff(want, sig.String()); diff != "" {
		t.Errorf("signature (-want +got):\n%s", diff)
	}
	schemas := map[string]string{
		"sku":    `{"type":"string","minLength":1,"pattern":"^(?:[A-Z]{2}-[0-9]+)$"}`,
		"skus":   `{"type":"array","items":{"type":"string","minLength":1,"pattern":"^(?:[A-Z]{2}-[0-9]+)$"}}`,
		"short":  `{"type":"string","minLength":1,"pattern":"^(?:[A-Z]+)$"}`,
		"mails":  `{"type":"array","items":{"type":"string","minLength":1,"format":"email"},"maxItems":2}`,
		"shares": `{"type":"object","additionalProperties":{"type":"number","minimum":0,"maximum":1,"multipleOf":0.000001}}`,
		"raw":    `{}`,
	}
	for name, want := range schemas {
		f, _ := sig.Field(name)
		if diff := cmp.Diff(want, string(f.JSONSchema())); diff != "" {
			t.Errorf("JSON Schema of %s (-want +got):\n%s", name, diff)
		}
	}
	sku1 := sku("AB-1")
	number, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	value := ownTypes{
		Shade: "dark", Shades: []shade{"light", "dark"}, Dark: "dark", Phase: 2, By: map[string]phase{"today": 1}, SKU: "AB-12", SKUs: []*sku{&sku1},
		Short: "XYZ", Addr: netip.MustParseAddr("127.0.0.1"), Big: number, Mails: []string{"a@b.c"}, Shares: map[string]float64{"x": 0.25},
		Raw: json.RawMessage(`{"z":1.50,"a":[12345678901234567890,"<b>"]}`), Raws: []json.RawMessage{json.RawMessage(`"5"`), json.RawMessage(`{"y":1,"x":2}`)},
	}
	value.Nested.Codes, value.Nested.Code = []string{"ab"}, "AB-3"
	codec := codecOf[ownTypes]()
	for _, adapter := range []Adapter{Lines{}, JSON{}, Markers{}} {
		reply := ownTypesReply
		if n, ok := adapter.(notation); ok {
			reply = n.demo(sig.outputs, codec.encode(value))
		}
		for _, reply := range []string{reply, ownTypesReply} {
			values, err := adapter.Parse(sig, Message{RoleAssistant, reply})
			if err != nil {
				t.Errorf("%T: %v", adapter, err)
				continue
			}
			var got ownTypes
			if err := codec.decode(values, reply, &got); err != nil {
				t.Errorf("%T: %v", adapter, err)
			}
			same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
			if diff := cmp.Diff(value, got, same, cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
				t.Errorf("%T: (-want +got):\n%s", adapter, diff)
			}
		}
	}
}

// Constraints of elements hold as those of fields do.
func TestElementConstraintsAreChecked(t *testing.T) {
	type out struct {
		Codes  []string           `json:"codes" pattern:"[a-z]+"`
		Shares map[string]float64 `json:"shares" max:"1"`
		Levels []int8             `json:"levels" min:"1"`
		Own    []sku              `json:"own"`
		Addr   netip.Addr         `json:"addr"`
	}
	sig, err := SignatureOf[struct {
		Mails []string `json:"mails" format:"email"`
		Nest  struct {
			N int `max:"3"`
		} `json:"nest"`
	}, out]("")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lines{}.Parse(sig, Message{RoleAssistant, `codes: ["a","B"]` + "\n" + `shares: {"x":2}` + "\nlevels: 1, 200\n" + `own: ["ab"]` + "\naddr: home"})
	var parse *ParseError
	if !errors.As(err, &parse) {
		t.Fatal(err)
	}
	var got []string
	for _, f := range parse.Fields {
		got = append(got, f.Error())
	}
	want := []string{
		`field "codes": element 2: "B" does not match the pattern [a-z]+`,
		`field "shares": x: 2 is greater than the maximum 1`,
		`field "levels": element 2: 200 is greater than the maximum 127`,
		`field "own": element 1: "ab" does not match the pattern [A-Z]{2}-[0-9]+`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	err = sig.CheckInputs(Example{"mails": []string{"a@b.c", "nobody"}, "nest": map[string]any{"N": 4}})
	if want := `inputs do not fit the signature: input "mails": element 2: "nobody" is not a valid email; input "nest": N: 4 is greater than the maximum 3`; err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
	// What only the Go type knows is an error of the field, too.
	p := NewPredict[question, struct{ Addr netip.Addr }]("", &PredictOptions{LM: &script{pieces: []string{" home"}}})
	if _, err := p.Call(t.Context(), question{"q"}); !errors.As(err, &parse) || parse.Fields[0].Field != "addr" {
		t.Errorf("an address that is none: %v", err)
	}
}

func TestRawMessages(t *testing.T) {
	type out struct {
		Raw json.RawMessage `json:"raw"`
	}
	for _, test := range []struct{ format, reply, want string }{
		{"lines", `raw: {"b": 1.0, "a": 1e3}`, `{"b":1.0,"a":1e3}`},
		{"lines", "raw: ```json\n[1,\n2]\n```", `[1,2]`},
		{"lines", `raw: {b: 'x', a: 1.0,}`, `{"a":1.0,"b":"x"}`},
		{"lines", `raw: not at all`, `"not at all"`},
		{"lines", `raw: "5"`, `"5"`},
		{"lines", `raw: null`, `null`},
		{"json", `{"raw": {"b": 12345678901234567890, "a": null}}`, `{"b":12345678901234567890,"a":null}`},
		{"json", `{"raw": "5"}`, `"5"`},
		{"json", `{raw: "5"}`, `"5"`},
		{"json", `{"answer": {"raw": {"b":1.0,"a":2}}}`, `{"b":1.0,"a":2}`},
		{"markers", "[[ ## raw ## ]]\n{\"b\":1.0,\n\"a\":2}\n\n[[ ## completed ## ]]", `{"b":1.0,"a":2}`},
	} {
		p := NewPredict[question, out]("", &PredictOptions{Format: OutputFormat(test.format)})
		adapter, err := OutputFormat(test.format).Adapter(false)
		if err != nil {
			t.Fatal(err)
		}
		values, err := adapter.Parse(p.Signature(), Message{RoleAssistant, test.reply})
		if err != nil {
			t.Errorf("%s: %v", test.reply, err)
			continue
		}
		var got out
		if err := p.outputs.decode(values, "", &got); err != nil || string(got.Raw) != test.want {
			t.Errorf("%s: %q is %s, %v, want %s", test.format, test.reply, got.Raw, err, test.want)
		}
	}
	sig := mustParse(t, "q: JSON -> a")
	if err := sig.CheckInputs(Example{"q": json.RawMessage("{")}); err == nil {
		t.Error("half an object is an input")
	}
	req, err := Lines{}.Format(sig, Example{"q": json.RawMessage(`{"b": "<", "a": 1.0}`)})
	if err != nil || req.Chat.Turns[0].Content != `q: {"b":"<","a":1.0}` {
		t.Errorf("%v, %v", req, err)
	}
}

type asking struct{ Q string }

func (asking) Instruction() string { return "Answer in one word." }

func TestInstructionOfAStruct(t *testing.T) {
	for given, want := range map[string]string{"": "Answer in one word.", "Else.": "Else."} {
		sig, err := SignatureOf[asking, answer](given)
		if err != nil || sig.Instruction() != want {
			t.Errorf("%q: instruction %q, %v, want %q", given, sig.Instruction(), err, want)
		}
	}
}

// A model sees aliases, whatever the format; values have names.
func TestAliases(t *testing.T) {
	type member struct {
		Name string    `json:"n" alias:"name"`
		Born time.Time `json:"b" alias:"born" format:"date"`
	}
	type union struct {
		Card *struct {
			Number string `json:"no" alias:"number"`
		} `json:"card"`
	}
	type in struct {
		Text string `json:"t" alias:"text"`
		Who  member `json:"w"`
	}
	type out struct {
		Sure    bool              `json:"s" alias:"sure"`
		Title   string            `json:"h" alias:"Title" desc:"a few words"`
		Members []member          `json:"m" alias:"members"`
		By      map[string]member `json:"by"`
		Pay     union             `json:"pay" union:"how"`
	}
	born := time.Date(1990, 2, 3, 0, 0, 0, 0, time.UTC)
	value := out{Sure: true, Title: "T", Members: []member{{"A", born}}, By: map[string]member{"x": {"B", born}}}
	value.Pay.Card = &struct {
		Number string `json:"no" alias:"number"`
	}{"12"}
	const members = `[{"name":"A","born":"1990-02-03"}]`
	const by = `{"x":{"name":"B","born":"1990-02-03"}}`
	const pay = `{"how":"card","number":"12"}`
	for format, test := range map[OutputFormat]struct{ user, reply, system string }{
		OutputLines: {
			"text: hi\nw: {\"name\":\"C\",\"born\":\"1990-02-03\"}",
			"sure: true\nTitle: T\nmembers: " + members + "\nby: " + by + "\npay: " + pay,
			"Read the text and w and give the sure, Title, members, by and pay.\nTitle: a few words",
		},
		OutputJSON: {
			"text: hi\nw: {\"name\":\"C\",\"born\":\"1990-02-03\"}",
			`{"sure":true,"Title":"T","members":` + members + `,"by":` + by + `,"pay":` + pay + `}`,
			"Read the text and w and give the sure, Title, members, by and pay.\nTitle: a few words",
		},
		OutputMarkers: {
			"[[ ## text ## ]]\nhi\n\n[[ ## w ## ]]\n{\"name\":\"C\",\"born\":\"1990-02-03\"}",
			"[[ ## sure ## ]]\ntrue\n\n[[ ## Title ## ]]\nT\n\n[[ ## members ## ]]\n" + members + "\n\n[[ ## by ## ]]\n" + by + "\n\n[[ ## pay ## ]]\n" + pay + "\n\n[[ ## completed ## ]]",
			"Read the text and w and give the sure, Title, members, by and pay.\nTitle: a few words",
		},
	} {
		adapter, err := format.Adapter(true)
		if err != nil {
			t.Fatal(err)
		}
		lm := &script{}
		p := NewPredict[in, out]("", &PredictOptions{LM: lm, Adapter: adapter})
		req, err := p.core.Request(t.Context(), p.inputs.encode(in{"hi", member{"C", born}}))
		if err != nil {
			t.Fatal(err)
		}
		messages := req.Chat.Messages()
		want := []Message{{RoleSystem, test.system}, {RoleUser, test.user}}
		if diff := cmp.Diff(want, messages); diff != "" {
			t.Errorf("%s shows (-want +got):\n%s", format, diff)
		}
		if got := adapter.(notation).demo(p.Signature().outputs, p.outputs.encode(value)); got != test.reply {
			t.Errorf("%s: a demo is\n%s\nwant\n%s", format, got, test.reply)
		}
		lm.pieces = []string{test.reply[len(req.Prefill):]}
		got, err := p.Call(t.Context(), in{"hi", member{"C", born}})
		if err != nil {
			t.Errorf("%s: %v", format, err)
		} else if diff := cmp.Diff(value, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
	f, _ := NewPredict[in, out]("", nil).Signature().Field("m")
	data, err := f.JSON(value.Members)
	if err != nil || string(data) != `[{"n":"A","b":"1990-02-03"}]` {
		t.Errorf("values have the names %s, %v", data, err)
	}
}

func TestPredictOfReportsOptions(t *testing.T) {
	_, err := PredictOf[question, answer]("", &PredictOptions{Demos: []Example{{"question": "x", "score": "many"}}})
	var demo *DemoError
	if !errors.As(err, &demo) || demo.Demo != 1 {
		t.Errorf("options that do not fit: %v", err)
	}
	var declaration *DeclarationError
	if _, err := PredictOf[question, struct{ C chan int }]("", nil); !errors.As(err, &declaration) {
		t.Errorf("a struct that cannot be: %v", err)
	}
	if p, err := PredictOf[question, Reasoned[answer]]("", nil); err != nil || p.Signature().String() != "question: str -> reasoning: str, answer: str, score: int" {
		t.Errorf("a chain of thought: %v", err)
	}
}
