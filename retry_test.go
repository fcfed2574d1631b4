package cria

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// replies is an LM that gives one reply after the other, the last one for ever.
type replies struct {
	texts []string
	asked []Request
	err   error         // of the request behind the last text, if set
	then  time.Duration // how long that takes
}

func (r *replies) Generate(ctx context.Context, req *Request) iter.Seq2[Chunk, error] {
	n := len(r.asked)
	r.asked = append(r.asked, *req)
	s := &script{pieces: []string{r.texts[min(n, len(r.texts)-1)]}}
	if n >= len(r.texts) {
		s.err = r.err
		return (&slowLM{*s, r.then}).Generate(ctx, req)
	}
	return s.Generate(ctx, req)
}

func TestRetries(t *testing.T) {
	lm := &replies{texts: []string{" Paris\nscore: high", " Paris", " Paris\nscore: 9"}}
	p := NewPredict[question, answer]("Answer.", &PredictOptions{LM: lm, Retries: 2})
	r, err := p.Run(t.Context(), question{"Where?"})
	if err != nil || r.Value != (answer{"Paris", 9}) || r.Text != "answer: Paris\nscore: 9" || r.Usage != (Usage{PromptTokens: 30, CompletionTokens: 3}) {
		t.Fatalf("%+v, %v", r, err)
	}
	const want = "<system>Answer.\n<user>question: Where?\n" +
		"<assistant>answer: Paris\nscore: high\n<user>This reply cannot be used:\n- score: want one number, got \"high\"\nGive all of it again, without these mistakes.\n" +
		"<assistant>answer: Paris\n<user>This reply cannot be used:\n- score: missing\nGive all of it again, without these mistakes.\n<assistant>answer:"
	if diff := cmp.Diff(want, transcript(&lm.asked[2])); diff != "" {
		t.Errorf("the third request (-want +got):\n%s", diff)
	}
	if first := lm.asked[0]; len(first.Chat.Turns) != 1 || lm.asked[1].Chat.Prefix != first.Chat.Prefix || cmp.Diff(first.Output, lm.asked[2].Output) != "" {
		t.Errorf("the first request has become %+v", first)
	}
}

// Nobody is asked again who was not told to, and the last error says what all has cost.
func TestRetriesEnd(t *testing.T) {
	for retries, requests := range map[int]int{0: 1, 2: 3} {
		lm := &replies{texts: []string{" Paris"}}
		_, err := NewPredict[question, answer]("", &PredictOptions{LM: lm, Retries: retries}).Call(t.Context(), question{"?"})
		var unread *ParseError
		if !errors.As(err, &unread) || len(lm.asked) != requests || unread.Usage.PromptTokens != 10*requests {
			t.Errorf("%d retries: %d requests, %+v", retries, len(lm.asked), err)
		}
	}
	boom := errors.New("boom")
	lm := &replies{texts: []string{" Paris"}, err: boom}
	if _, err := NewPredict[question, answer]("", &PredictOptions{LM: lm, Retries: 5}).Call(t.Context(), question{"?"}); !errors.Is(err, boom) || len(lm.asked) != 2 {
		t.Errorf("the LM fails: %v after %d requests", err, len(lm.asked))
	}
	if _, err := NewPredictor(mustParse(t, "-> a"), &PredictOptions{Retries: -1}); err == nil || !strings.Contains(err.Error(), "-1") {
		t.Errorf("-1 retries: %v", err)
	}
	if data, err := json.Marshal(PredictOptions{Retries: 3}); err != nil || string(data) != `{"retries":3}` {
		t.Errorf("%s, %v", data, err)
	}
}

// What was read before a retry that comes to no reply is not lost.
func TestRetriesThatAreStopped(t *testing.T) {
	boom := errors.New("boom")
	for name, tt := range map[string]struct {
		budget Budget
		lm     func() LM
		is     func(error) bool
	}{
		"budget of calls": {Budget{Calls: 1}, func() LM { return &replies{texts: []string{" Paris"}} }, func(err error) bool { return errors.As(err, new(*BudgetError)) }},
		"budget of time": {Budget{Time: time.Second}, func() LM { return &replies{texts: []string{" Paris"}, then: time.Minute} }, func(err error) bool {
			return errors.As(err, new(*BudgetError)) && errors.Is(err, context.DeadlineExceeded)
		}},
		"the LM fails": {Budget{Calls: 9}, func() LM { return &replies{texts: []string{" Paris"}, err: boom} }, func(err error) bool { return errors.Is(err, boom) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, trace := WithTrace(t.Context())
			ctx, cancel := WithBudget(With(ctx, Scope{LM: tt.lm()}), tt.budget)
			defer cancel()
			_, err := NewPredict[question, answer]("", &PredictOptions{Retries: 2}).Call(ctx, question{"?"})
			var unread *ParseError
			if !tt.is(err) || !errors.As(err, &unread) {
				t.Fatalf("%s: %v", name, err)
			}
			if unread.Partial["answer"] != "Paris" || unread.Usage.PromptTokens != 10 || trace.Usage() != unread.Usage {
				t.Errorf("%s: partial %v, usage %+v, in the trace %+v", name, unread.Partial, unread.Usage, trace.Usage())
			}
		})
	}
}

// A stream says where it begins again; what thinks thinks again, and a reader may leave.
func TestRetriesStream(t *testing.T) {
	lm := &replies{texts: []string{"Hm.", " Paris\nscore: high", "So.", " Rome\nscore: 9"}}
	p := NewPredict[question, answer]("", &PredictOptions{LM: lm, Retries: 1, ThinkTokens: 5})
	var events []string
	for delta, err := range p.Stream(t.Context(), question{"?"}) {
		switch {
		case err != nil:
			t.Fatal(err)
		case delta.Retry != nil:
			events = append(events, "again: "+delta.Retry.Fields[0].Field)
		case delta.Result != nil:
			events = append(events, "result: "+delta.Result.Value.Answer+" "+delta.Result.Thinking)
		default:
			events = append(events, delta.Thinking+delta.Field+" "+delta.Text)
		}
	}
	want := []string{"Hm. ", "answer Paris", "score high", "score ", "again: score", "So. ", "answer Rome", "score 9", "score ", "result: Rome So."}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	lm.asked = nil
	for delta := range p.Stream(t.Context(), question{"?"}) {
		if delta.Retry != nil {
			break
		}
	}
	if len(lm.asked) != 2 {
		t.Errorf("%d requests, though the reader left", len(lm.asked))
	}
}

// One text goes on with the inputs again.
func TestRetriesOfCompletion(t *testing.T) {
	lm := &replies{texts: []string{" Paris", " Paris\nscore: 9"}}
	p := NewPredict[question, answer]("Answer.", &PredictOptions{LM: lm, Retries: 1, Format: OutputCompletion})
	if _, err := p.Call(t.Context(), question{"Where?"}); err != nil {
		t.Fatal(err)
	}
	text, _ := lm.asked[1].Chat.Text()
	const want = "Answer.\n\nquestion: Where?\nanswer: Paris\n\nThis reply cannot be used:\n- score: missing\nGive all of it again, without these mistakes.\n\nquestion: Where?\nanswer:"
	if diff := cmp.Diff(want, text+lm.asked[1].Prefill); diff != "" {
		t.Errorf("the second text (-want +got):\n%s", diff)
	}
}
