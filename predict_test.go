package cria

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(processDir); dir != "" {
		if err := askCache(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// script is an LM that plays back a reply in pieces, and counts its calls. The
// tests on a real model are in package llamacpp; here the pieces must be exact.
type script struct {
	pieces  []string
	finish  FinishReason
	err     error
	calls   int
	stopped bool // the consumer broke out
	last    *Request
}

func (s *script) Generate(ctx context.Context, req *Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		s.calls++
		s.last = req
		for _, p := range s.pieces {
			if !yield(Chunk{Text: p}, nil) {
				s.stopped = true
				return
			}
		}
		if s.err != nil {
			yield(Chunk{}, s.err)
			return
		}
		finish := s.finish
		if finish == "" {
			finish = FinishStop
		}
		yield(Chunk{Finish: finish, Usage: Usage{PromptTokens: 10, CompletionTokens: len(s.pieces)}}, nil)
	}
}

type question struct {
	Question string `json:"question"`
}

type answer struct {
	Answer string `json:"answer"`
	Score  int    `json:"score"`
}

func TestPredictCall(t *testing.T) {
	lm := &script{pieces: []string{" Pa", "ris\nsco", "re: 9"}}
	p := NewPredict[question, answer]("", nil)
	result, err := p.Run(With(t.Context(), Scope{LM: lm}), question{"Where?"})
	if err != nil {
		t.Fatal(err)
	}
	want := &Result[answer]{
		Value: answer{"Paris", 9}, Text: "answer: Paris\nscore: 9", Finish: FinishStop,
		Usage: Usage{PromptTokens: 10, CompletionTokens: 3},
	}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestPredictStream(t *testing.T) {
	// Every way to cut the reply into pieces of n bytes gives the same fields.
	const reply = " Paris: a score\nof\nscore: 9"
	for n := 1; n <= len(reply); n++ {
		lm := &script{}
		for i := 0; i < len(reply); i += n {
			lm.pieces = append(lm.pieces, reply[i:min(i+n, len(reply))])
		}
		fields := map[string]string{}
		var done []string
		var result *Result[answer]
		for delta, err := range NewPredict[question, answer]("", nil).Stream(With(t.Context(), Scope{LM: lm}), question{"?"}) {
			if err != nil {
				t.Fatal(err)
			}
			fields[delta.Field] += delta.Text
			if delta.Done {
				done = append(done, delta.Field)
			}
			result = delta.Result
		}
		want := map[string]string{"answer": "Paris: a score\nof", "score": "9", "": ""}
		if diff := cmp.Diff(want, fields); diff != "" {
			t.Errorf("pieces of %d bytes: fields (-want +got):\n%s", n, diff)
		}
		if diff := cmp.Diff([]string{"answer", "score"}, done); diff != "" {
			t.Errorf("pieces of %d bytes: done (-want +got):\n%s", n, diff)
		}
		if result == nil || result.Value.Score != 9 {
			t.Errorf("pieces of %d bytes: result = %+v", n, result)
		}
	}
}

func TestStreamBreak(t *testing.T) {
	lm := &script{pieces: []string{" one", " two", " three"}}
	for range NewPredict[question, answer]("", nil).Stream(With(t.Context(), Scope{LM: lm}), question{"?"}) {
		break
	}
	if !lm.stopped {
		t.Error("breaking out did not reach the LM")
	}
}

func TestPredictErrors(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name string
		lm   *script
		is   func(error) bool
	}{
		{"the LM fails", &script{pieces: []string{" a"}, err: boom}, func(err error) bool { return errors.Is(err, boom) }},
		{"a field is missing", &script{pieces: []string{" a"}}, func(err error) bool { return errors.Is(err, ErrMissing) }},
		{"the reply is cut off", &script{pieces: []string{" a"}, finish: FinishLength}, func(err error) bool {
			var p *ParseError
			return errors.As(err, &p) && p.Truncated && strings.Contains(err.Error(), "cut off")
		}},
		{"the last value is cut off", &script{pieces: []string{" a\nscore: 1"}, finish: FinishLength}, func(err error) bool {
			var p *ParseError
			return errors.As(err, &p) && p.Truncated && errors.Is(err, ErrTruncated)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := NewPredict[question, answer]("", nil).Call(With(t.Context(), Scope{LM: tt.lm}), question{"?"})
			if !tt.is(err) {
				t.Errorf("Call = %v", err)
			}
			if got != (answer{}) {
				t.Errorf("a half-filled value %+v was handed out", got)
			}
		})
	}
}

// Traces and events say of a stream that was left that it was, and what it has cost.
func TestStreamThatIsLeft(t *testing.T) {
	p := NewPredict[question, answer]("", &PredictOptions{LM: &script{pieces: []string{" x", " y", "\nscore: 1"}}})
	m := Func[question, answer](func(ctx context.Context, in question) (answer, error) {
		ctx, trace := WithTrace(ctx)
		for range p.Stream(ctx, in) {
			break
		}
		if s := trace.Steps()[0]; s.Err != ErrStopped || s.Prediction != nil || trace.Usage().CompletionTokens != 1 {
			t.Errorf("step %+v", s)
		}
		return answer{}, nil
	})
	ended := 0
	for e := range Events(t.Context(), m, question{"?"}) {
		if e.Kind == EventEnd {
			ended++
			if !errors.Is(e.Err, ErrStopped) || !errors.Is(e.Err, context.Canceled) || e.Usage.CompletionTokens != 1 {
				t.Errorf("%+v", e)
			}
		}
	}
	if ended != 1 {
		t.Errorf("%d ends", ended)
	}
}

func TestTextThatIsCutOffIsGiven(t *testing.T) {
	type answer struct{ Answer string }
	lm := &script{pieces: []string{" half a sen"}, finish: FinishLength}
	got, err := NewPredict[question, answer]("", nil).Run(With(t.Context(), Scope{LM: lm}), question{"?"})
	if err != nil || got.Value.Answer != "half a sen" || got.Finish != FinishLength {
		t.Errorf("Run = %+v, %v", got, err)
	}
}

func TestNilSlicesAndMapsAreEmpty(t *testing.T) {
	type in struct {
		L []string
		M map[string]int
	}
	lm := &script{pieces: []string{" a"}}
	type out struct{ A string }
	if _, err := NewPredict[in, out]("", nil).Call(With(t.Context(), Scope{LM: lm}), in{}); err != nil {
		t.Fatal(err)
	}
	if got, want := lm.last.Chat.Turns[0].Content, "l: []\nm: {}"; got != want {
		t.Errorf("prompt %q, want %q", got, want)
	}
}

func TestNilSignature(t *testing.T) {
	if _, err := NewPredictor(nil, nil); err == nil {
		t.Error("a predictor without a signature was made")
	}
}

func TestNoLM(t *testing.T) {
	if _, err := NewPredict[question, answer]("", nil).Call(t.Context(), question{}); !errors.Is(err, ErrNoLM) {
		t.Errorf("Call = %v, want ErrNoLM", err)
	}
}

func TestBadSettings(t *testing.T) {
	for _, scope := range []Scope{
		{MaxTokens: -1},
		{Sampling: &Sampling{Temperature: math.NaN()}},
		{Sampling: &Sampling{Temperature: -1}},
		{Sampling: &Sampling{TopK: -1}},
		{Sampling: &Sampling{TopP: 1.5}},
		{Sampling: &Sampling{MinP: math.NaN()}},
		{Sampling: &Sampling{RepeatPenalty: math.Inf(1)}},
		{Sampling: &Sampling{RepeatPenalty: 1e-40}},
		{Sampling: &Sampling{Temperature: 1e39}},
	} {
		lm := &script{}
		scope.LM = lm
		if _, err := NewPredict[question, answer]("", nil).Call(With(t.Context(), scope), question{}); err == nil || lm.calls > 0 {
			t.Errorf("%+v: error %v, calls %d", scope, err, lm.calls)
		}
	}
}

func TestScopePrecedence(t *testing.T) {
	t.Cleanup(func() { Configure(Scope{}) })
	reply := []string{" a\nscore: 1"}
	process, predictor, outer, inner := &script{pieces: reply}, &script{pieces: reply}, &script{pieces: reply}, &script{pieces: reply}
	call := func(ctx context.Context, opts *PredictOptions) {
		t.Helper()
		if _, err := NewPredict[question, answer]("", opts).Call(ctx, question{}); err != nil {
			t.Fatal(err)
		}
	}
	Configure(Scope{LM: process, MaxTokens: 1, Sampling: &Sampling{TopK: 1}})
	call(t.Context(), nil)
	call(t.Context(), &PredictOptions{LM: predictor, MaxTokens: 2})
	ctx := With(t.Context(), Scope{LM: outer, MaxTokens: 3})
	call(ctx, &PredictOptions{LM: predictor, MaxTokens: 2})
	call(With(ctx, Scope{LM: inner, Sampling: new(Sampling)}), &PredictOptions{LM: predictor})

	for _, tt := range []struct {
		name      string
		lm        *script
		maxTokens int
		topK      int
	}{{"process", process, 1, 1}, {"predictor", predictor, 2, 1}, {"outer", outer, 3, 1}, {"inner", inner, 3, 0}} {
		if tt.lm.calls != 1 {
			t.Errorf("%s: %d calls, want 1", tt.name, tt.lm.calls)
		} else if got := tt.lm.last; got.MaxTokens != tt.maxTokens || got.Sampling.TopK != tt.topK {
			t.Errorf("%s: max tokens %d and top-k %d, want %d and %d", tt.name, got.MaxTokens, got.Sampling.TopK, tt.maxTokens, tt.topK)
		}
	}
}

// modelAdapter is an adapter that brings its own model.
type modelAdapter struct {
	Lines
	*script
}

func TestAdapterWithItsOwnModel(t *testing.T) {
	a := modelAdapter{script: &script{pieces: []string{" a\nscore: 1"}}}
	if _, err := NewPredict[question, answer]("", &PredictOptions{Adapter: a}).Call(t.Context(), question{}); err != nil {
		t.Error(err)
	}
}

func BenchmarkFormatAndParse(b *testing.B) {
	for _, demos := range []int{0, 2, 16} {
		b.Run(strings.Repeat("d", demos), func(b *testing.B) {
			sig := mustParse(b, "question, context -> answer, score: int")
			for range demos {
				sig = mustDemos(b, sig, append(sig.Demos(), Example{"question": "q", "context": "c", "answer": "a", "score": 1})...)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (Lines{}).Format(sig, Example{"question": "What?", "context": "c"}); err != nil {
					b.Fatal(err)
				}
				if _, err := (Lines{}).Parse(sig, Message{RoleAssistant, "answer: Paris\nscore: 5"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A field of a module that nobody filled in is an error, not a crash.
func TestNilPredict(t *testing.T) {
	var p *Predict[question, answer]
	if _, err := p.Call(t.Context(), question{"?"}); err != errNoPredictor {
		t.Errorf("Call: %v", err)
	}
	for _, err := range p.Stream(t.Context(), question{"?"}) {
		if err != errNoPredictor {
			t.Errorf("Stream: %v", err)
		}
	}
}
