package cria

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type chatInput struct {
	History  History `json:"history"`
	Question string  `json:"question"`
}

func contents(messages []Message) (texts []string) {
	for _, m := range messages {
		texts = append(texts, string(m.Role)+": "+m.Content)
	}
	return texts
}

// Earlier exchanges are turns between the demonstrations and the live inputs, in every
// format as it writes them.
func TestHistory(t *testing.T) {
	lm := &answering{answer: func(*Request) string { return " Rome\nscore: 2" }}
	p := NewPredict[chatInput, answer]("", &PredictOptions{LM: lm, Demos: []Example{{"question": "d", "answer": "e"}}})
	first, err := p.Call(t.Context(), chatInput{Question: "France?"})
	if err != nil {
		t.Fatal(err)
	}
	h := History{}.Add(Example{"question": "France?", "history": History{}}, Example{"answer": first.Answer, "score": first.Score})
	if _, err := p.Call(t.Context(), chatInput{h, "Italy?"}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"system: Read the question and give the answer and score.", "user: question: d", "assistant: answer: e",
		"user: question: France?", "assistant: answer: Rome\nscore: 2", "user: question: Italy?",
	}
	if diff := cmp.Diff(want, contents(lm.asked[1].Chat.Messages())); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if lm.asked[0].Chat.Prefix != lm.asked[1].Chat.Prefix {
		t.Error("the history is part of the prefix")
	}
	req, err := p.Predictor().Request(With(t.Context(), Scope{Format: OutputJSON}), Example{"question": "?", "history": []any{map[string]any{"question": "a", "answer": "b", "score": 1.0}}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"user: question: a", `assistant: {"answer":"b","score":1}`, "user: question: ?"}, contents(req.Chat.Turns)); diff != "" {
		t.Errorf("asked in JSON (-want +got):\n%s", diff)
	}
}

func TestHistoryErrors(t *testing.T) {
	p := NewPredict[chatInput, answer]("", &PredictOptions{LM: &script{}})
	for name, tt := range map[string]struct {
		history any
		want    string
	}{
		"no output":   {History{{"question": "?"}}, "exchange 1: it has no output field"},
		"no input":    {History{{"question": "?", "answer": "!"}, {"answer": "!"}}, "exchange 2: it has no input field"},
		"bad value":   {History{{"question": "?", "score": "many"}}, `exchange 1: field "score"`},
		"not objects": {[]any{"hello"}, "exchange 1: want an object"},
		"a text":      {"hello", "want a cria.History, got string"},
	} {
		_, err := p.Predictor().Request(t.Context(), Example{"question": "?", "history": tt.history})
		if !errors.As(err, new(*InputError)) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	type twice struct {
		A, B History
	}
	type inside struct{ A []History }
	type within struct{ A struct{ B History } }
	for name, err := range map[string]error{
		"output":    second(SignatureOf[question, struct{ H History }]("")),
		"twice":     second(SignatureOf[twice, answer]("")),
		"a list":    second(SignatureOf[inside, answer]("")),
		"an object": second(SignatureOf[within, answer]("")),
		"in text":   second(ParseSignature("q -> h: History")),
	} {
		if err == nil || !strings.Contains(err.Error(), "History") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"history: History, q -> a", "history: dspy.History, q -> a"} {
		if sig := mustParse(t, text); sig.Instruction() != "Read the q and give the a." || sig.String() != "history: History, q: str -> a: str" {
			t.Errorf("%s is %q, %s", text, sig, sig.Instruction())
		}
	}
}
