package cria

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type verdict struct {
	Text  string `json:"text" desc:"a title"`
	Score int    `json:"score"`
}

func TestTwoStep(t *testing.T) {
	writer, extractor := &replies{texts: []string{" It is Paris,\n\nscore: 9 of 10. "}}, &replies{texts: []string{" Paris\nscore: 9"}}
	p := NewTwoStep[question, verdict]("Answer.", &TwoStepOptions{
		Write:   &PredictOptions{LM: writer, Format: OutputJSON, MaxTokens: 50, ThinkTokens: 0},
		Extract: &PredictOptions{LM: extractor, Demos: []Example{{"free_text": "Rome gets 3.", "text": "Rome", "score": 3}}},
	})
	r, err := p.Run(t.Context(), question{"Where?"})
	if err != nil {
		t.Fatal(err)
	}
	const text = "It is Paris,\n\nscore: 9 of 10."
	if r.Value != (verdict{"Paris", 9}) || r.Free.Value != text || r.TotalUsage() != (Usage{PromptTokens: 20, CompletionTokens: 2}) {
		t.Errorf("%+v, free %+v", r.Result, r.Free)
	}
	const wrote = "<system>Answer.\nGive the text and score in your own words.\ntext: a title\n<user>question: Where?\n<assistant>"
	if diff := cmp.Diff(wrote, transcript(&writer.asked[0])); diff != "" || writer.asked[0].Output != nil || writer.asked[0].MaxTokens != 50 {
		t.Errorf("the first request %+v (-want +got):\n%s", writer.asked[0], diff)
	}
	const extracted = "<system>Read the free text and give the text and score.\n<user>free_text: Rome gets 3.\n<assistant>text: Rome\nscore: 3\n<user>free_text: " + text + "\n<assistant>text:"
	if diff := cmp.Diff(extracted, transcript(&extractor.asked[0])); diff != "" {
		t.Errorf("the second request (-want +got):\n%s", diff)
	}
	if got, err := p.Call(t.Context(), question{"Where?"}); err != nil || got.Score != 9 {
		t.Errorf("Call: %+v, %v", got, err)
	}
}

// Both requests stream, under the names of their fields.
func TestTwoStepStreams(t *testing.T) {
	writer, extractor := &script{pieces: []string{" It is", " Paris. "}}, &script{pieces: []string{" Pa", "ris\nscore: 9"}}
	p := NewTwoStep[question, verdict]("", &TwoStepOptions{Write: &PredictOptions{LM: writer}, Extract: &PredictOptions{LM: extractor}})
	want := []string{"free_text It is", "free_text  Paris.", "free_text done", "text Pa", "text ris", "text done", "score 9", "score done"}
	var got []string
	var result *Result[verdict]
	for delta, err := range p.Stream(t.Context(), question{"Where?"}) {
		if err != nil {
			t.Fatal(err)
		}
		if delta.Text != "" {
			got = append(got, delta.Field+" "+delta.Text)
		}
		if delta.Done {
			got = append(got, delta.Field+" done")
		}
		result = delta.Result
	}
	if diff := cmp.Diff(want, got); diff != "" || result.Value != (verdict{"Paris", 9}) || result.Usage != (Usage{PromptTokens: 20, CompletionTokens: 4}) {
		t.Errorf("result %+v; deltas (-want +got):\n%s", result, diff)
	}
	got = nil
	for e, err := range Events(t.Context(), p, question{"Where?"}) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case EventDelta:
			got = append(got, e.Field+" "+e.Text)
		case EventDone:
			got = append(got, e.Field+" done")
		case EventField:
			got = append(got, e.Field)
		}
	}
	want = []string{"free_text", "free_text It is", "free_text  Paris.", "free_text done", "text", "text Pa", "text ris", "text done", "score", "score 9", "score done"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, calls := range []int{0, 1} {
		writer.calls, extractor.calls = 0, 0
		for delta := range p.Stream(t.Context(), question{"Where?"}) {
			if calls == 0 || delta.Field == "text" {
				break
			}
		}
		if writer.calls != 1 || extractor.calls != calls {
			t.Errorf("%d and %d requests, though the reader left", writer.calls, extractor.calls)
		}
	}
	extractor.pieces = []string{" Paris"}
	for delta, err := range p.Stream(t.Context(), question{"Where?"}) {
		if delta.Result != nil || err != nil && !errors.Is(err, ErrMissing) {
			t.Errorf("%+v, %v", delta, err)
		}
		got = append(got[:0], fmt.Sprint(err))
	}
	if !strings.HasPrefix(got[0], "extracting from the answer: ") {
		t.Errorf("the last error is %q", got[0])
	}
}

// The model may come from an adapter, whose format is for the extraction only.
func TestTwoStepWithAdapter(t *testing.T) {
	lm := &replies{texts: []string{"Paris, 9.", `{"answer":"Paris","score":9}`}}
	a := struct {
		JSON
		LM
	}{LM: lm}
	got, err := NewTwoStep[question, answer]("", nil).Call(With(t.Context(), Scope{Adapter: a}), question{"Where?"})
	if err != nil || got != (answer{"Paris", 9}) {
		t.Fatalf("%+v, %v", got, err)
	}
	const wrote = "<system>Read the question and give the answer and score.\nAnswer in your own words.\n<user>question: Where?\n<assistant>"
	if diff := cmp.Diff(wrote, transcript(&lm.asked[0])); diff != "" {
		t.Errorf("the first request (-want +got):\n%s", diff)
	}
}

func TestTwoStepErrors(t *testing.T) {
	call := func(texts ...string) (*TwoStepResult[answer], error) {
		return NewTwoStep[question, answer]("", nil).Run(With(t.Context(), Scope{LM: &replies{texts: texts}}), question{"?"})
	}
	if r, err := call(" \n"); r != nil || !errors.Is(err, ErrMissing) {
		t.Errorf("no text: %+v, %v", r, err)
	}
	r, err := call("Paris.", " Paris")
	if unread := (*ParseError)(nil); !errors.As(err, &unread) || unread.Usage.PromptTokens != 10 || r == nil || r.Free.Value != "Paris." || r.Result != nil {
		t.Errorf("nothing to extract: %+v, %v", r, err)
	}
	if _, err := NewTwoStep[question, answer]("", nil).Call(t.Context(), question{}); !errors.Is(err, ErrNoLM) {
		t.Errorf("no LM: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a demo without outputs was taken")
		}
	}()
	NewTwoStep[question, answer]("", &TwoStepOptions{Extract: &PredictOptions{Demos: []Example{{"text": "x"}}}})
}
