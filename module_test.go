package cria

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answering is an LM that answers each request by a function, and counts them.
type answering struct {
	answer func(*Request) string
	calls  atomic.Int32
	mu     sync.Mutex
	asked  []*Request
}

func (a *answering) Generate(ctx context.Context, req *Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		a.calls.Add(1)
		a.mu.Lock()
		a.asked = append(a.asked, req)
		a.mu.Unlock()
		if ctx.Err() != nil {
			yield(Chunk{}, context.Cause(ctx))
			return
		}
		if !yield(Chunk{Text: a.answer(req)}, nil) {
			return
		}
		yield(Chunk{Finish: FinishStop, Usage: Usage{PromptTokens: 10, CompletionTokens: 2}}, nil)
	}
}

// lastTurn is what the user says last.
func lastTurn(req *Request) string {
	turns := req.Chat.Turns
	return turns[len(turns)-1].Content
}

// bySeed answers with the seed of the request, 0 if it has none.
func bySeed(req *Request) string {
	if req.Sampling == nil || req.Sampling.Seed == nil {
		return " none\nscore: 0"
	}
	return fmt.Sprintf(" seed\nscore: %d", *req.Sampling.Seed)
}

func TestMapKeepsOrderAndFailuresApart(t *testing.T) {
	boom := errors.New("boom")
	m := Func[int, string](func(_ context.Context, i int) (string, error) {
		switch i {
		case 2:
			return "half", boom
		case 4:
			panic("out of cheese")
		}
		return strings.Repeat("x", i), nil
	})
	var progress []int
	got := Map(t.Context(), m, []int{0, 1, 2, 3, 4, 5}, &MapOptions{Concurrency: 3, Progress: func(done, total int) {
		progress = append(progress, done)
		if total != 6 {
			t.Errorf("total %d", total)
		}
	}})
	for i, o := range got {
		switch i {
		case 2:
			if !errors.Is(o.Err, boom) || o.Value != "" {
				t.Errorf("%d: %+v", i, o)
			}
		case 4:
			var p *PanicError
			if !errors.As(o.Err, &p) || p.Value != "out of cheese" || !strings.Contains(string(p.Stack), "module_test.go") {
				t.Errorf("%d: %+v", i, o)
			}
		default:
			if o.Err != nil || len(o.Value) != i {
				t.Errorf("%d: %+v", i, o)
			}
		}
	}
	if diff := cmp.Diff([]int{1, 2, 3, 4, 5, 6}, progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if got := Map(t.Context(), m, nil, nil); len(got) != 0 {
		t.Errorf("no inputs: %v", got)
	}
}

// A module that ends its goroutine, and a progress function that panics, hold up no other.
func TestMapSurvives(t *testing.T) {
	m := Func[int, int](func(_ context.Context, i int) (int, error) {
		if i%2 == 1 {
			runtime.Goexit()
		}
		return i, nil
	})
	told := 0
	outcomes := Map(t.Context(), m, []int{0, 1, 2, 3, 4, 5}, &MapOptions{Concurrency: 1, Progress: func(done, _ int) {
		if told++; done == 5 {
			panic("no more")
		}
	}})
	for i, o := range outcomes {
		switch {
		case i == 4:
			var p *PanicError
			if !errors.As(o.Err, &p) || p.Value != "no more" || o.Value != 4 {
				t.Errorf("%d: %+v", i, o)
			}
		case i%2 == 1 && !errors.Is(o.Err, ErrGoexit), i%2 == 0 && (o.Err != nil || o.Value != i):
			t.Errorf("%d: %+v", i, o)
		}
	}
	if told != 6 {
		t.Errorf("progress was told %d times", told)
	}
	odd := Func[int, int](func(_ context.Context, i int) (int, error) { runtime.Goexit(); return 0, nil })
	if _, err := NewMajority(odd, 2, nil).Call(t.Context(), 1); !errors.Is(err, ErrGoexit) {
		t.Errorf("attempts that end: %v", err)
	}
	for e, err := range Events(t.Context(), odd, 1) {
		if !errors.Is(err, ErrGoexit) {
			t.Errorf("events: %+v, %v", e, err)
		}
	}
}

func TestMapIsBoundedAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		m := Func[int, int](func(ctx context.Context, i int) (int, error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			time.Sleep(20 * time.Millisecond)
			return i, nil
		})
		begin := time.Now()
		inputs := make([]int, 256)
		for _, o := range Map(t.Context(), m, inputs, &MapOptions{Concurrency: 16}) {
			if o.Err != nil {
				t.Fatal(o.Err)
			}
		}
		if took := time.Since(begin); took != 320*time.Millisecond || most.Load() != 16 {
			t.Errorf("took %v with %d at once", took, most.Load())
		}

		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(30*time.Millisecond, func() { cancel(why) })
		outcomes, err := NewParallel(m, &MapOptions{Concurrency: 1}).Call(ctx, inputs)
		if err != nil || outcomes[1].Err != nil || !errors.Is(outcomes[2].Err, why) || !errors.Is(outcomes[255].Err, why) {
			t.Errorf("%v, %+v", err, outcomes[:4])
		}
	})
}

func TestBestOfN(t *testing.T) {
	lm := &answering{answer: bySeed}
	ctx := With(t.Context(), Scope{LM: lm})
	p := NewPredict[question, answer]("", nil)
	near2 := func(_ context.Context, in question, out answer) (Score, error) {
		if in.Question != "?" {
			t.Errorf("the reward sees the input %+v", in)
		}
		return Score{Value: -math.Abs(float64(out.Score - 2))}, nil
	}
	got, err := NewBestOfN(p, 5, math.Inf(1), near2).Call(ctx, question{"?"})
	if err != nil || got.Score != 2 || lm.calls.Load() != 5 {
		t.Errorf("best of 5: %+v, %v; %d calls", got, err, lm.calls.Load())
	}
	if s := lm.asked[0].Sampling; s != nil {
		t.Errorf("the first attempt samples %+v", s)
	}
	if s := lm.asked[1].Sampling; s.Temperature != 1 {
		t.Errorf("the second attempt samples %+v", s)
	}
	lm.calls.Store(0)
	got, err = NewBestOfN(p, 5, 0, near2).Call(ctx, question{"?"})
	if err != nil || got.Score != 2 || lm.calls.Load() != 3 {
		t.Errorf("threshold: %+v, %v; %d calls", got, err, lm.calls.Load())
	}
	seed := uint32(100)
	got, err = NewBestOfN(p, 2, math.Inf(1), func(_ context.Context, _ question, out answer) (Score, error) {
		return Score{Value: float64(out.Score)}, nil
	}).Call(With(ctx, Scope{Sampling: &Sampling{Temperature: 0.5, Seed: &seed}}), question{"?"})
	if err != nil || got.Score != 101 || lm.asked[len(lm.asked)-1].Sampling.Temperature != 0.5 {
		t.Errorf("own sampling: %+v, %v", got, err)
	}
}

func TestBestOfNWithBadAttempts(t *testing.T) {
	lm := &answering{answer: bySeed}
	ctx := With(t.Context(), Scope{LM: lm})
	p := NewPredict[question, answer]("", nil)
	boom := errors.New("boom")
	for name, reward := range map[string]Reward[question, answer]{
		"panic": func(context.Context, question, answer) (Score, error) { panic("no") },
		"error": func(context.Context, question, answer) (Score, error) { return Score{}, boom },
		"NaN":   func(context.Context, question, answer) (Score, error) { return Score{Value: math.NaN()}, nil },
	} {
		_, err := NewBestOfN(p, 3, 0, reward).Call(ctx, question{"?"})
		var all *AttemptsError
		if !errors.As(err, &all) || len(all.Errs) != 3 {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := func(_ context.Context, _ question, out answer) (Score, error) {
		if out.Score == 1 {
			return Score{}, boom
		}
		return Score{Value: float64(-out.Score)}, nil
	}
	if got, err := NewBestOfN(p, 3, math.Inf(1), good).Call(ctx, question{"?"}); err != nil || got.Score != 0 {
		t.Errorf("one bad attempt: %+v, %v", got, err)
	}
	// What was found before the budget was spent is not lost.
	limited, cancel := WithBudget(ctx, Budget{Calls: 1})
	defer cancel()
	if got, err := NewBestOfN(p, 3, math.Inf(1), good).Call(limited, question{"?"}); err != nil || got.Answer != "none" {
		t.Errorf("budget of one call: %+v, %v", got, err)
	}
	if _, err := NewBestOfN(p, 3, math.Inf(1), good).Call(limited, question{"?"}); !errors.As(err, new(*BudgetError)) {
		t.Errorf("spent budget: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("0 attempts were accepted")
		}
	}()
	NewBestOfN(p, 0, 0, good)
}

// Feedback stands in the next attempt's prompt, and the prefix stays the same object for
// the attempts that have it.
func TestRefine(t *testing.T) {
	lm := &answering{answer: func(req *Request) string {
		if strings.Contains(lastTurn(req), "hint: be brief") {
			return " ok\nscore: 9"
		}
		return " a long answer\nscore: 1"
	}}
	reward := func(_ context.Context, _ question, out answer) (Score, error) {
		return Score{float64(out.Score), " be brief "}, nil
	}
	ctx := With(t.Context(), Scope{LM: lm})
	got, err := NewRefine(NewPredict[question, answer]("", nil), 4, 9, reward).Call(ctx, question{"?"})
	if err != nil || got.Answer != "ok" || lm.calls.Load() != 2 {
		t.Fatalf("%+v, %v; %d calls", got, err, lm.calls.Load())
	}
	if lastTurn(lm.asked[0]) != "question: ?" || lastTurn(lm.asked[1]) != "question: ?\nhint: be brief" {
		t.Errorf("asked %q, then %q", lastTurn(lm.asked[0]), lastTurn(lm.asked[1]))
	}
	p := NewPredict[question, answer]("", nil)
	impossible := func(_ context.Context, _ question, out answer) (Score, error) { return Score{0, "more"}, nil }
	if _, err := NewRefine(p, 3, 1, impossible).Call(ctx, question{"?"}); err != nil {
		t.Fatal(err)
	}
	n := len(lm.asked)
	if lm.asked[n-1].Chat.Prefix != lm.asked[n-2].Chat.Prefix {
		t.Error("hinted attempts have prefixes of their own")
	}
	if diff := cmp.Diff(lm.asked[0].Chat.Prefix.Messages(), lm.asked[1].Chat.Prefix.Messages()); diff != "" {
		t.Errorf("the hint changes the prefix (-without +with):\n%s", diff)
	}
}

// The hint has a name that no field has, whatever its case and whatever a model is shown.
func TestRefineKeepsFields(t *testing.T) {
	for sig, want := range map[string]string{
		"q -> hint":                   "q: ?\nfeedback_hint: be brief",
		"Hint, q -> a":                "Hint: mine\nq: ?\nfeedback_hint: be brief",
		"hint, q -> a":                "hint: mine\nq: ?\nfeedback_hint: be brief",
		"hint: list[str], q -> a":     "hint: [\"mine\"]\nq: ?\nfeedback_hint: be brief",
		"hint, q -> feedback_hint, a": "hint: mine\nq: ?\nfeedback_feedback_hint: be brief",
	} {
		lm := &answering{answer: func(*Request) string { return " a\na: a" }}
		s := mustParse(t, sig)
		p, err := NewPredictor(s, &PredictOptions{LM: lm})
		if err != nil {
			t.Fatal(err)
		}
		m := Func[Example, *Prediction](p.Call)
		inputs := Example{"q": "?"}
		for _, f := range s.Inputs() {
			switch {
			case f.Type.Kind == KindList:
				inputs[f.Name] = []any{"mine"}
			case f.Name != "q":
				inputs[f.Name] = "mine"
			}
		}
		_, err = NewRefine(m, 2, 1, func(context.Context, Example, *Prediction) (Score, error) {
			return Score{0, "be brief"}, nil
		}).Call(t.Context(), inputs)
		if err != nil || len(lm.asked) != 2 || lastTurn(lm.asked[1]) != want {
			t.Errorf("%s: %v; %d requests, the last is %q, want %q", sig, err, len(lm.asked), lastTurn(lm.asked[len(lm.asked)-1]), want)
		}
	}
	lm := &answering{answer: func(*Request) string { return " a" }}
	type in struct {
		Note string `json:"note" alias:"HINT"`
	}
	type out struct{ A string }
	_, err := NewRefine(NewPredict[in, out]("", &PredictOptions{LM: lm}), 2, 1, func(context.Context, in, out) (Score, error) {
		return Score{0, "be brief"}, nil
	}).Call(t.Context(), in{"mine"})
	if err != nil || len(lm.asked) != 2 || lastTurn(lm.asked[1]) != "HINT: mine\nfeedback_hint: be brief" {
		t.Errorf("an alias: %v, %d requests", err, len(lm.asked))
	}
}

func TestMajority(t *testing.T) {
	lm := &answering{answer: func(req *Request) string {
		if s := req.Sampling; s != nil && s.Seed != nil && *s.Seed < 3 {
			return " B\nscore: 2"
		}
		return " a\nscore: 1"
	}}
	ctx := With(t.Context(), Scope{LM: lm})
	p := NewPredict[question, answer]("", nil)
	got, err := NewMajority(p, 3, nil).Call(ctx, question{"?"})
	if err != nil || got.Answer != "B" || lm.calls.Load() != 3 {
		t.Errorf("%+v, %v; %d calls", got, err, lm.calls.Load())
	}
	if got := MostFrequent([]string{"a", "B", "A", "b", "c"}, strings.ToLower); got != "a" {
		t.Errorf("tie: %q, want the first", got)
	}
	if got := MostFrequent(nil, strings.ToLower); got != "" {
		t.Errorf("of none: %q", got)
	}
	lm.answer = func(*Request) string { return " a\nscore: none" }
	if _, err := NewMajority(p, 3, nil).Call(ctx, question{"?"}); !errors.As(err, new(*AttemptsError)) || !errors.As(err, new(*ParseError)) {
		t.Errorf("all fail: %v", err)
	}
}

func TestMultiChainComparison(t *testing.T) {
	lm := &answering{answer: func(req *Request) string {
		if strings.Contains(lastTurn(req), "attempt_1:") {
			return " both say so\nanswer: final\nscore: 7"
		}
		return fmt.Sprintf(" because\nof it\nanswer: x\nscore: %d", len(bySeed(req)))
	}}
	ctx := With(t.Context(), Scope{LM: lm})
	m := NewMultiChainComparison[question, answer](2, "Answer it.", &PredictOptions{MaxTokens: 50, Demos: []Example{{"question": "q", "answer": "a"}}})
	got, err := m.Call(ctx, question{"?"})
	if err != nil || got.Value != (answer{"final", 7}) || got.Reasoning != "both say so" || lm.calls.Load() != 3 {
		t.Fatalf("%+v, %v; %d calls", got, err, lm.calls.Load())
	}
	last := lm.asked[2]
	want := "question: ?\nattempt_1: because of it So answer: x So score: 14\nattempt_2: because of it So answer: x So score: 14"
	if lastTurn(last) != want || last.MaxTokens != 50 || len(last.Chat.Prefix.Messages()) != 1 {
		t.Errorf("compared %q with %d tokens, prefix %v", lastTurn(last), last.MaxTokens, last.Chat.Prefix.Messages())
	}
	for _, n := range []int{0, 3} {
		if _, err := m.Choose(ctx, question{"?"}, make([]Reasoned[answer], n)); err == nil {
			t.Errorf("%d answers were compared", n)
		}
	}
}

// The attempts are not lost when there is nothing left to compare them with.
func TestMultiChainComparisonThatFails(t *testing.T) {
	lm := &answering{answer: func(req *Request) string {
		if strings.Contains(lastTurn(req), "attempt_1:") {
			return " both say so\nanswer: final"
		}
		text := " because\nanswer: a\nscore: 1"
		if req.Sampling != nil {
			text = strings.ReplaceAll(text, "answer: a", "answer: b")
		}
		return text
	}}
	m := NewMultiChainComparison[question, answer](3, "", &PredictOptions{LM: lm})
	ctx, cancel := WithBudget(t.Context(), Budget{Calls: 3})
	defer cancel()
	if got, err := m.Call(ctx, question{"?"}); err != nil || got.Value != (answer{"b", 1}) || lm.calls.Load() != 3 {
		t.Errorf("spent budget: %+v, %v; %d calls", got, err, lm.calls.Load())
	}
	if got, err := m.Call(t.Context(), question{"?"}); !errors.Is(err, ErrMissing) || got.Value != (answer{"b", 1}) {
		t.Errorf("unreadable comparison: %+v, %v", got, err)
	}
	if got, err := m.Call(ctx, question{"?"}); !errors.As(err, new(*AttemptsError)) || got.Value != (answer{}) {
		t.Errorf("no attempt: %+v, %v", got, err)
	}
}

// A budget that an attempt opens is that attempt's; one around all ends all.
func TestBudgetsOfAttempts(t *testing.T) {
	lm := &answering{answer: bySeed}
	p := NewPredict[question, answer]("", &PredictOptions{LM: lm})
	reward := func(_ context.Context, _ question, out answer) (Score, error) {
		return Score{Value: float64(out.Score)}, nil
	}
	begun := 0
	m := Func[question, answer](func(ctx context.Context, in question) (answer, error) {
		begun++
		ctx, cancel := WithBudget(ctx, Budget{Calls: begun}) // the first attempt may call once, and so on
		defer cancel()
		if _, err := p.Call(ctx, in); err != nil {
			return answer{}, err
		}
		return p.Call(ctx, in)
	})
	for _, tt := range []struct {
		calls  int // that the budget around all allows
		begun  int
		failed bool
	}{{100, 5, false}, {3, 3, false}, {2, 2, true}} {
		begun = 0
		ctx, cancel := WithBudget(t.Context(), Budget{Calls: tt.calls})
		defer cancel()
		_, err := NewBestOfN(m, 5, math.Inf(1), reward).Call(ctx, question{"?"})
		if tt.failed != errors.As(err, new(*BudgetError)) || tt.failed != (err != nil) || begun != tt.begun {
			t.Errorf("budget of %d: %v, %d attempts begun, want %d", tt.calls, err, begun, tt.begun)
		}
	}
}

// letterCounts embeds a text as how often it has a, b and c.
type letterCounts struct{ short bool }

func (l letterCounts) Embed(_ context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		_, text, _ = strings.Cut(text, ": ")
		vectors[i] = []float32{float32(strings.Count(text, "a")), float32(strings.Count(text, "b")), float32(strings.Count(text, "c"))}
	}
	if l.short {
		return vectors[1:], nil
	}
	return vectors, nil
}

func TestKNNFewShot(t *testing.T) {
	lm := &answering{answer: bySeed}
	ctx := With(t.Context(), Scope{LM: lm})
	p := NewPredict[question, answer]("", nil)
	demos := []Example{
		{"question": "aaa", "answer": "1", "score": 1}, {"question": "bbb", "answer": "2", "score": 2},
		{"question": "ab", "answer": "3", "score": 3}, {"question": "", "answer": "4", "score": 4},
	}
	m, err := NewKNNFewShot(ctx, p, letterCounts{}, 2, demos)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Call(ctx, question{"bbbba"}); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, message := range lm.asked[0].Chat.Messages() {
		texts = append(texts, message.Content)
	}
	want := []string{p.Signature().Instruction(), "question: ab", "answer: 3\nscore: 3", "question: bbb", "answer: 2\nscore: 2", "question: bbbba"}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	for name, err := range map[string]error{
		"k of 0":          second(NewKNN(ctx, letterCounts{}, p.Signature(), 0, demos)),
		"no inputs":       second(NewKNN(ctx, letterCounts{}, mustParse(t, "-> a"), 1, demos)),
		"too few vectors": second(NewKNN(ctx, letterCounts{short: true}, p.Signature(), 1, demos)),
		"a bad demo":      second(NewKNNFewShot(ctx, p, letterCounts{}, 1, []Example{{"question": "x"}})),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if none, err := NewKNN(ctx, letterCounts{}, p.Signature(), 3, nil); err != nil {
		t.Error(err)
	} else if got, err := none.Nearest(ctx, Example{"question": "a"}); err != nil || len(got) != 0 {
		t.Errorf("of none: %v, %v", got, err)
	}
}

func second[T any](_ T, err error) error { return err }

// Attempts sample as the call does, wherever it has that from, and no two are the same,
// attempts within attempts included.
func TestAttemptsKeepSampling(t *testing.T) {
	lm := &answering{answer: bySeed}
	seed := uint32(7)
	p := NewPredict[question, answer]("", &PredictOptions{LM: lm, Sampling: &Sampling{Temperature: 0.3, TopP: 0.9, Seed: &seed}})
	inner := NewBestOfN(p, 3, math.Inf(1), func(context.Context, question, answer) (Score, error) { return Score{}, nil })
	if _, err := NewMajority(inner, 3, nil).Call(t.Context(), question{"?"}); err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	for _, req := range lm.asked {
		if s := req.Sampling; s.Temperature != 0.3 || s.TopP != 0.9 || seen[*s.Seed] {
			t.Errorf("sampling %+v with seed %d, which was seen: %v", s, *s.Seed, seen[*s.Seed])
		}
		seen[*req.Sampling.Seed] = true
	}
	if len(seen) != 9 {
		t.Errorf("%d seeds", len(seen))
	}
}

// A judge that asks a model is asked as ever: without the attempt's hint and seed.
func TestJudgeIsNoAttempt(t *testing.T) {
	lm := &answering{answer: bySeed}
	ctx := With(t.Context(), Scope{LM: lm})
	judge := NewPredict[answer, struct{ Verdict string }]("", nil)
	reward := func(ctx context.Context, _ question, out answer) (Score, error) {
		_, err := judge.Call(ctx, out)
		return Score{0, "more"}, err
	}
	lm.answer = func(req *Request) string {
		if strings.HasPrefix(lastTurn(req), "answer:") {
			if strings.Contains(lastTurn(req), "hint") || req.Sampling != nil {
				t.Errorf("the judge was asked %q with %+v", lastTurn(req), req.Sampling)
			}
			return " fine"
		}
		return bySeed(req)
	}
	if _, err := NewRefine(NewPredict[question, answer]("", nil), 3, 1, reward).Call(ctx, question{"?"}); err != nil || lm.calls.Load() != 6 {
		t.Errorf("%v, %d calls", err, lm.calls.Load())
	}
}

func TestMajorityOfReasoned(t *testing.T) {
	lm := &answering{answer: func(req *Request) string {
		text := bySeed(req) // other words in each attempt
		if req.Sampling == nil {
			return text[:3] + "\nanswer: a\nscore: 1"
		}
		return strings.ReplaceAll(text, "\n", " ") + "\nanswer: b\nscore: 2"
	}}
	got, err := NewMajority(NewChainOfThought[question, answer]("", &PredictOptions{LM: lm}), 3, nil).Call(t.Context(), question{"?"})
	if err != nil || got.Value.Answer != "b" {
		t.Errorf("%+v, %v", got, err)
	}
}
