package cria_test

import (
	"fmt"

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
	// signature "question: txt -> answer": at character 11, "txt -> answer": unknown type; the types are str, int, float, bool, datetime, date, timedelta, Any, list[T], dict[str, T], Literal['a', 'b'] and Optional[T]
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
