package cria_test

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/cria-lm/cria"
)

func ExampleParseSignature() {
	sig, err := cria.ParseSignature("question, context: list[str] -> answer, confidence: float")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sig.Instruction())
	for _, f := range sig.Outputs() {
		fmt.Println(f.Name, f.Type)
	}
	_, err = cria.ParseSignature("question: txt -> answer")
	fmt.Println(err)
	// Output:
	// Read the question and context and give the answer and confidence.
	// answer str
	// confidence float
	// signature "question: txt -> answer": at character 11, "txt -> answer": unknown type; the types are str, int, float, bool, datetime, date, timedelta, Any, JSON, list[T], tuple[T, ...], set[T], dict[str, T], Literal['a', 'b'], Optional[T], and for inputs History and Image; a type of your own is a Go struct, for SignatureOf
}

func show(sig *cria.Signature, err error) {
	fmt.Println(sig, err)
}

// Signatures are changed by making others of them.
func ExampleSignature_AppendInputs() {
	sig, err := cria.ParseSignature("question -> answer")
	if err != nil {
		fmt.Println(err)
		return
	}
	hint := cria.Field{Name: "hint", Type: cria.Type{Kind: cria.KindString}, Optional: true}
	show(sig.AppendInputs(hint))
	show(sig.PrependOutputs(cria.Field{Name: "confidence", Type: cria.Type{Kind: cria.KindFloat}}))

	answer, _ := sig.Field("answer")
	answer.MaxLen = 80
	show(sig.WithField(answer))
	show(sig.Delete("anser"))
	// Output:
	// question: str, hint: Optional[str] -> answer: str <nil>
	// question: str -> confidence: float, answer: str <nil>
	// question: str -> answer: str <nil>
	// <nil> field "anser": the signature has no such field; did you mean answer?
}

func ExampleSignature_MarshalJSON() {
	sig, err := cria.ParseSignature("question -> answer, sure: Literal['yes', 'no']")
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := json.Marshal(sig)
	fmt.Println(string(data), err)

	read := new(cria.Signature)
	err = json.Unmarshal(data, read)
	fmt.Println(read.Fingerprint() == sig.Fingerprint(), err)
	err = json.Unmarshal([]byte(`{"inputs": [], "outputs": [{"name": "tags", "type": {"kind": "list", "elem": {"kind": "text"}}}]}`), read)
	fmt.Println(err)
	// Output:
	// {"inputs":[{"name":"question","type":{"kind":"str"}}],"outputs":[{"name":"answer","type":{"kind":"str"}},{"name":"sure","type":{"kind":"Literal","values":["yes","no"]}}]} <nil>
	// true <nil>
	// reading a signature: field "tags": outputs[0].type.elem: unknown kind "text"
}

// Price is an amount of money: text to a model, whose shape the type knows.
type Price struct{ Cents int }

func (Price) Pattern() string { return `[0-9]{1,6}\.[0-9]{2}` }

func (p Price) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%02d", p.Cents/100, p.Cents%100), nil
}

func (p *Price) UnmarshalText(text []byte) error {
	var whole, cents int
	_, err := fmt.Sscanf(string(text), "%d.%02d", &whole, &cents)
	p.Cents = 100*whole + cents
	return err
}

// Types of your own are text to a model, those of other packages as well.
func ExampleSignatureOf_customType() {
	type Order struct{ Text string }
	type Parsed struct {
		Total  Price
		Prices []Price
		Server netip.Addr `format:"ipv4"`
	}
	sig, err := cria.SignatureOf[Order, Parsed]("Read the order.")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range sig.Outputs() {
		fmt.Println(f, string(f.JSONSchema()))
	}
	// Output:
	// total: str {"type":"string","minLength":1,"pattern":"^(?:[0-9]{1,6}\\.[0-9]{2})$"}
	// prices: list[str] {"type":"array","items":{"type":"string","minLength":1,"pattern":"^(?:[0-9]{1,6}\\.[0-9]{2})$"}}
	// server: str {"type":"string","minLength":1,"format":"ipv4"}
}

// What a model is shown, and how its reply is read.
func ExampleLines() {
	type Review struct{ Review string }
	type Verdict struct {
		Sentiment string `enum:"positive,negative"`
		Stars     int    `min:"1" max:"5"`
	}
	sig, err := cria.SignatureOf[Review, Verdict]("Rate the review.")
	if err != nil {
		fmt.Println(err)
		return
	}
	req, err := cria.Lines{}.Format(sig, cria.Example{"review": "I loved every minute."})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range req.Chat.Messages() {
		fmt.Printf("%s: %q\n", m.Role, m.Content)
	}
	fmt.Printf("assistant: %q\n", req.Prefill)

	values, err := cria.Lines{}.Parse(sig, cria.Message{Role: cria.RoleAssistant, Content: "sentiment: Positive\nstars: 5"})
	fmt.Println(values["sentiment"], values["stars"], err)
	// Output:
	// system: "Rate the review."
	// user: "review: I loved every minute."
	// assistant: "sentiment:"
	// positive 5 <nil>
}
