package cria

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type card struct {
	Number string     `json:"number" pattern:"[0-9]{4}"`
	Expiry *time.Time `json:"expiry" format:"date"`
}

type transfer struct {
	IBAN  string        `json:"iban"`
	Delay time.Duration `json:"delay"`
	Split []payment     `json:"-"`
}

type cash struct{}

type payment struct {
	Card     *card     `json:"card"`
	Transfer *transfer `json:"bank-transfer,omitempty"`
	Cash     *cash
	Skipped  string `json:"-"`
	_        chan int
}

type order struct {
	Payment payment             `json:"payment" union:"method"`
	Refund  *payment            `json:"refund" union:"method"`
	Others  []payment           `json:"others" union:"kind"`
	By      map[string]*payment `json:"by" union:"method"`
	Nested  struct {
		Deep []payment `union:"type"`
	} `json:"nested"`
}

const paymentType = "{method: 'card', number: str, expiry: Optional[date]} | {method: 'bank-transfer', iban: str, delay: timedelta} | {method: 'cash'}"

func TestUnionOf(t *testing.T) {
	type out struct {
		Payment payment   `json:"payment" union:"method"`
		Others  []payment `json:"others" union:"method"`
	}
	sig, err := SignatureOf[struct{ Q string }, out]("")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sig.String(), "q: str -> payment: "+paymentType+", others: list["+paymentType+"]"; got != want {
		t.Errorf("signature %s\nwant      %s", got, want)
	}
	field := sig.Outputs()[0]
	data, err := json.Marshal(field)
	if err != nil {
		t.Fatal(err)
	}
	var again Field
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(field, again); diff != "" {
		t.Errorf("as JSON (-want +got):\n%s", diff)
	}
	if _, err := NewSignature("", nil, []Field{again}); err != nil {
		t.Error(err)
	}
	const schema = `{"anyOf":[` +
		`{"type":"object","properties":{"method":{"const":"card"},"number":{"type":"string","minLength":1,"pattern":"^(?:[0-9]{4})$"},` +
		`"expiry":{"type":"string","format":"date"}},"required":["method","number"],"additionalProperties":false},` +
		`{"type":"object","properties":{"method":{"const":"bank-transfer"},"iban":{"type":"string","minLength":1},` +
		`"delay":{"type":"string","pattern":"^(?:PATTERN)$"}},"required":["method","iban","delay"],"additionalProperties":false},` +
		`{"type":"object","properties":{"method":{"const":"cash"}},"required":["method"],"additionalProperties":false}]}`
	pattern := strings.ReplaceAll(DurationPattern, `\`, `\\`)
	if diff := cmp.Diff(strings.Replace(schema, "PATTERN", pattern, 1), string(field.JSONSchema())); diff != "" {
		t.Errorf("JSON Schema (-want +got):\n%s", diff)
	}
}

func TestUnionDeclarationErrors(t *testing.T) {
	type texts struct{ A *string }
	type values struct{ A card }
	type pointers struct{ A **card }
	type times struct{ A *time.Time }
	type none struct{ hidden *card }
	type tree struct {
		Leaf *struct{ A string }
		Node *struct {
			Next []tree `union:"kind"`
		}
	}
	type itself struct{ It *itself }
	type embedded struct{ *card }
	type Embedded struct{ *Card }
	_, _ = none{hidden: nil}, embedded{}
	check := func(name, want string, build func() error) {
		t.Run(name, func(t *testing.T) {
			if err := build(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want one containing %q", err, want)
			}
		})
	}
	check("the tag is a field", `.U: the tag "NUMBER" of a union is also the field "number" of its variant "card"`, unionErr[struct {
		U payment `union:"NUMBER"`
	}])
	check("no variant", ".U: cria.none has no exported field, so the union has no variant", unionErr[struct {
		U none `union:"kind"`
	}])
	check("a pointer to text", ".U: cria.texts.A: a variant of a union is a pointer to a struct with fields, not *string", unionErr[struct {
		U texts `union:"kind"`
	}])
	check("a struct", "A: a variant of a union is a pointer to a struct with fields, not cria.card", unionErr[struct {
		U values `union:"kind"`
	}])
	check("a nested pointer", "A: a variant of a union is a pointer to a struct with fields, not **cria.card", unionErr[struct {
		U pointers `union:"kind"`
	}])
	check("a nested pointer to the union", ".U: a *cria.payment cannot be a field", unionErr[struct {
		U **payment `union:"kind"`
	}])
	check("a time", "A: a variant of a union is a pointer to a struct with fields, not *time.Time", unionErr[struct {
		U times `union:"kind"`
	}])
	check("names alike", `the variants of a union: the values "card" and "CARD" of a closed set differ only in case`, unionErr[struct {
		U struct {
			A *card `json:"card"`
			B *card `json:"CARD"`
		} `union:"kind"`
	}])
	check("a tag that is no name", `the tag "a b" of a union is not letters`, unionErr[struct {
		U payment `union:"a b"`
	}])
	check("an empty tag", `.U: union:"" says nothing`, unionErr[struct {
		U payment `union:""`
	}])
	check("not a struct", `union:"kind" needs a struct of pointers to structs, not str`, unionErr[struct {
		U []string `union:"kind"`
	}])
	check("a variant with itself", "the type contains itself", unionErr[struct {
		U tree `union:"kind"`
	}])
	check("itself", "the type contains itself", unionErr[struct {
		U itself `union:"kind"`
	}])
	check("embedded", "cannot be embedded", unionErr[struct {
		U Embedded `union:"kind"`
	}])
	check("a variant's field", "a chan int cannot be a field", unionErr[struct {
		U struct{ A *struct{ C chan int } } `union:"kind"`
	}])
	check("a range of durations", ".D: min and max need a number, not timedelta", unionErr[struct {
		D time.Duration `min:"1"`
	}])
	check("a range of times", ".T: min and max need a number, not datetime", unionErr[struct {
		T time.Time `max:"1"`
	}])
	check("a format of a time", `.T: the format of a time is date-time or date, not "time"`, unionErr[struct {
		T time.Time `format:"time"`
	}])
	check("a format of a duration", ".D: pattern and format need a str, not timedelta", unionErr[struct {
		D time.Duration `format:"duration"`
	}])
	check("an enum of times", ".T: enum needs a string", unionErr[struct {
		T time.Time `enum:"now"`
	}])
}

// Card is exported, so that it counts where it is embedded.
type Card struct{ Number string }

func unionErr[Out any]() error {
	_, err := SignatureOf[struct{ Q string }, Out]("")
	return err
}

func TestUnionsRoundTrip(t *testing.T) {
	day := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	want := order{
		Payment: payment{Card: &card{"1234", &day}},
		Refund:  &payment{Transfer: &transfer{IBAN: "DE", Delay: 36 * time.Hour}},
		Others:  []payment{{Cash: &cash{}}, {Card: &card{Number: "5678"}}},
		By:      map[string]*payment{"b": {Cash: &cash{}}, "a": {Transfer: &transfer{IBAN: "FR"}}},
	}
	want.Nested.Deep = []payment{{Cash: &cash{}}}
	got, lines := roundTrip(t, want)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(payment{})); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
	const text = `payment: {"method":"card","number":"1234","expiry":"2027-01-01"}` + "\n" +
		`refund: {"method":"bank-transfer","iban":"DE","delay":"36h"}` + "\n" +
		`others: [{"kind":"cash"},{"kind":"card","number":"5678"}]` + "\n" +
		`by: {"a":{"method":"bank-transfer","iban":"FR","delay":"0s"},"b":{"method":"cash"}}` + "\n" +
		`nested: {"Deep":[{"type":"cash"}]}`
	if diff := cmp.Diff(text, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func unionField(t *testing.T) Field {
	t.Helper()
	fields, err := structFields(reflect.TypeFor[order]())
	if err != nil {
		t.Fatal(err)
	}
	return fields[0].Field
}

func TestCoerceUnion(t *testing.T) {
	f := unionField(t)
	for _, tt := range []struct {
		text string
		want any // an error's text if it is a string
	}{
		{`{"method":"card","number":"1234"}`, map[string]any{"method": "card", "number": "1234"}},
		{`{"number":"1234","Method":"CARD","colour":"red"}`, map[string]any{"method": "card", "number": "1234"}},
		{"```json\n{'method': 1}\n```", `method: want one of card, bank-transfer, cash, got "1"`},
		{`Here: {"method":"bank-transfer","iban":"X","delay":"2 days",}`, map[string]any{"method": "bank-transfer", "iban": "X", "delay": 48 * time.Hour}},
		{`{"cash": {}}`, map[string]any{"method": "cash"}},
		{`{"card": {"number": "1234"}}`, map[string]any{"method": "card", "number": "1234"}},
		{`{"method":"cheque"}`, `method: want one of card, bank-transfer, cash, got "cheque"`},
		{`{"method":null}`, "method: want one of card, bank-transfer, cash, got nothing"},
		{`{"number":"1234"}`, "method: want one of card, bank-transfer, cash, got nothing"},
		{`{"card":{},"cash":{}}`, "method: want one of card, bank-transfer, cash, got nothing"},
		{`{"cheque":{}}`, `method: want one of card, bank-transfer, cash, got "cheque"`},
		{`{"method":["card"]}`, `method: want one of card, bank-transfer, cash, got "[card]"`},
		{`{"method":"card"}`, "number: missing"},
		{`{"method":"card","number":"12"}`, "number: \"12\" does not match the pattern"},
		{`{"method":"bank-transfer","iban":"X","delay":"soon"}`, "delay: want a timedelta such as 1h30m"},
		{`[]`, "want a JSON object"},
		{"card", "want a JSON object"},
		{"", "want a JSON object"},
	} {
		got, err := coerce(&f, tt.text)
		if want, isErr := tt.want.(string); isErr {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s = %v, %v, want the error %q", tt.text, got, err, want)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", tt.text, err, diff)
		}
	}
}

func TestUnionInputs(t *testing.T) {
	f := unionField(t)
	for name, tt := range map[string]struct {
		value any
		want  string // text, or what an error contains
		bad   bool
	}{
		"a struct":        {payment{Card: &card{Number: "1234"}}, `{"method":"card","number":"1234"}`, false},
		"a pointer":       {&payment{Cash: &cash{}}, `{"method":"cash"}`, false},
		"a map":           {map[string]any{"number": "1234", "method": "card", "b": 1, "a": 2}, `{"method":"card","number":"1234","a":2,"b":1}`, false},
		"raw JSON":        {json.RawMessage(`{"number":"1234","method":"card"}`), `{"method":"card","number":"1234"}`, false},
		"nothing set":     {payment{}, "want one of card, bank-transfer, cash to be set, got 0", true},
		"two set":         {payment{Card: &card{}, Cash: &cash{}}, "to be set, got 2", true},
		"another struct":  {struct{ Cheque *card }{&card{}}, `method: want one of card, bank-transfer, cash, got "cheque"`, true},
		"another tag":     {map[string]any{"method": "cheque"}, `method: want one of`, true},
		"no tag":          {map[string]any{"number": "1"}, "got nothing", true},
		"a missing field": {map[string]any{"method": "card"}, "number: want str, got ", true},
		"a list":          {[]any{}, "want {method: 'card'", true},
		"a text":          {"card", "want {method: 'card'", true},
		"a number":        {1, "want {method: 'card'", true},
		"null":            {nil, "got null", true},
		"a function":      {func() {}, "writing the value as JSON", true},
	} {
		sig, err := NewSignature("", []Field{f}, []Field{{Name: "a", Type: Type{Kind: KindString}}})
		if err != nil {
			t.Fatal(err)
		}
		err = sig.CheckInputs(Example{"payment": tt.value})
		if tt.bad {
			var inputErr *InputError
			if !errors.As(err, &inputErr) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want an InputError containing %q", name, err, tt.want)
			}
			continue
		}
		if text, textErr := f.Text(tt.value); err != nil || textErr != nil || text != tt.want {
			t.Errorf("%s is written %s, %v, %v, want %s", name, text, err, textErr, tt.want)
		}
	}
}

// ownJSON writes and reads itself otherwise than encoding/json would.
type ownJSON struct {
	Took time.Duration `json:"took"`
}

func (o ownJSON) MarshalJSON() ([]byte, error) {
	return []byte(`{"more":1,"took":"` + o.Took.String() + `"}`), nil
}

func (o *ownJSON) UnmarshalJSON(data []byte) (err error) {
	var v struct{ Took string }
	if err = json.Unmarshal(data, &v); err == nil {
		o.Took, err = time.ParseDuration(v.Took)
	}
	return err
}

func TestObjectsAreWrittenInDeclaredOrder(t *testing.T) {
	type out struct {
		Home address   `json:"home"`
		Own  []ownJSON `json:"own"`
	}
	got, lines := roundTrip(t, out{address{"S", 1}, []ownJSON{{time.Minute}}})
	const want = "home: {\"Street\":\"S\",\"no\":1}\nown: [{\"took\":\"1m0s\",\"more\":1}]"
	if lines != want || got.Own[0].Took != time.Minute {
		t.Errorf("%+v, lines %s", got, lines)
	}
	f := codecOf[out]().fields[0].Field
	text, err := f.Text(map[string]any{"no": 1, "extra": "<", "Street": "S"})
	if want := `{"Street":"S","no":1,"extra":"<"}`; err != nil || text != want {
		t.Errorf("a map is written %s, %v, want %s", text, err, want)
	}
}

func TestPredictUnion(t *testing.T) {
	type in struct {
		Text string
		Wait time.Duration
	}
	type out struct {
		Payment payment `json:"payment" union:"method"`
	}
	lm := &script{pieces: []string{` {"method":"cash"}`}}
	p := NewPredict[in, out]("", &PredictOptions{Demos: []Example{{"text": "t", "wait": time.Hour, "payment": payment{Card: &card{Number: "1234"}}}}})
	got, err := p.Call(With(t.Context(), Scope{LM: lm}), in{"x", 90 * time.Minute})
	if err != nil || got.Payment.Cash == nil || got.Payment.Card != nil {
		t.Errorf("Call = %+v, %v", got, err)
	}
	want := "<system>Read the text and wait and give the payment.\n<user>text: t\nwait: 1h\n" +
		`<assistant>payment: {"method":"card","number":"1234"}` + "\n<user>text: x\nwait: 1h30m\n<assistant>payment:"
	if diff := cmp.Diff(want, transcript(lm.last)); diff != "" {
		t.Errorf("prompt (-want +got):\n%s", diff)
	}
}
