package cria

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type retriever struct {
	Rewrite *Predict[question, answer]
	hidden  *ChainOfThought[question, answer]
	ready   chan int
}

type pipeline struct {
	retriever
	First   Predict[question, answer]
	Untyped *Predictor `json:"raw"`
	Left    *Predictor `json:"-"`
	Steps   []Module[question, answer]
	ByTool  map[string]*Predictor
	Best    *BestOfN[question, answer]
	Missing *Predictor
	Again   *Predictor
	Self    *pipeline
}

func (p *pipeline) Call(ctx context.Context, in question) (answer, error) {
	return p.First.Call(ctx, in)
}

func newPipeline(t *testing.T) *pipeline {
	predict := func() *Predict[question, answer] { return NewPredict[question, answer]("", nil) }
	p := &pipeline{
		retriever: retriever{predict(), NewChainOfThought[question, answer]("", nil), nil},
		First:     *predict(), Untyped: predict().Predictor(), Left: predict().Predictor(),
		Steps:  []Module[question, answer]{predict(), NewMajority(predict(), 2, nil)},
		ByTool: map[string]*Predictor{"b": predict().Predictor(), "a": predict().Predictor()},
		Best:   NewRefine(predict(), 2, 0, nil).best(),
	}
	p.Again, p.Self = p.Untyped, p
	return p
}

// best is the part of a refining module that a field can hold.
func (r *Refine[In, Out]) best() *BestOfN[In, Out] { return &r.BestOfN }

func TestNewProgram(t *testing.T) {
	p := newPipeline(t)
	program, err := NewProgram(p)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, predictor := range program.Predictors() {
		names = append(names, name)
		if program.Predictor(name) != predictor {
			t.Errorf("%s: two predictors", name)
		}
	}
	want := []string{"rewrite", "hidden", "first", "raw", "steps[0]", "steps[1].module", "by_tool.a", "by_tool.b", "best.module"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if program.Predictor("first") != p.First.Predictor() || program.Predictor("hidden") != p.hidden.Predictor() || program.Predictor("left") != nil {
		t.Error("a name stands for another predictor")
	}
	single := NewPredict[question, answer]("", nil)
	for _, module := range []any{single, single.Predictor()} {
		program, err := NewProgram(module)
		if err != nil || program.Predictor("predict") != single.Predictor() {
			t.Errorf("%T: %v", module, err)
		}
	}
}

type deep struct{ Next any }

func TestNewProgramErrors(t *testing.T) {
	well := &deep{}
	for range 100 {
		well = &deep{well}
	}
	p := NewPredict[question, answer]("", nil)
	for name, tt := range map[string]struct {
		module any
		want   string
	}{
		"nil":           {nil, "none"},
		"no predictors": {&retriever{}, "none"},
		"same name": {&struct {
			A *Predictor `json:"x"`
			X *Predictor
		}{p.Predictor(), NewPredict[question, answer]("", nil).Predictor()}, `"x"`},
		"too deep": {well, "too deep"},
	} {
		if _, err := NewProgram(tt.module); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Candidates change what is asked in their context only.
func TestCandidates(t *testing.T) {
	lm := &answering{answer: func(*Request) string { return " a\nscore: 1" }}
	p := &pipeline{First: *NewPredict[question, answer]("Answer.", &PredictOptions{MaxTokens: 7, Demos: []Example{{"question": "q", "answer": "d"}}})}
	program, err := NewProgram(p)
	if err != nil {
		t.Fatal(err)
	}
	base := With(t.Context(), Scope{LM: lm})
	asked := func(ctx context.Context) (system string, demos int, tokens int) {
		t.Helper()
		if _, err := p.Call(ctx, question{"?"}); err != nil {
			t.Fatal(err)
		}
		req := lm.asked[len(lm.asked)-1]
		prefix := req.Chat.Prefix.Messages()
		return prefix[0].Content, (len(prefix) - 1) / 2, req.MaxTokens
	}
	check := func(what string, ctx context.Context, system string, demos, tokens int) {
		t.Helper()
		if s, d, n := asked(ctx); s != system || d != demos || n != tokens {
			t.Errorf("%s: asked %q with %d demos and %d tokens", what, s, d, n)
		}
	}
	with := func(ctx context.Context, params Params) context.Context {
		t.Helper()
		ctx, err := program.With(ctx, Candidate{"first": params})
		if err != nil {
			t.Fatal(err)
		}
		return ctx
	}
	other := with(base, Params{Instruction: "Say it."})
	bare := with(base, Params{PredictOptions: PredictOptions{Demos: []Example{}, MaxTokens: 9}})
	both := with(other, Params{PredictOptions: PredictOptions{MaxTokens: 8}})
	check("as declared", base, "Answer.", 1, 7)
	check("instruction", other, "Say it.", 1, 7)
	check("no demos", bare, "Answer.", 0, 9)
	check("one over the other", both, "Say it.", 1, 8)
	check("a scope over it", With(both, Scope{MaxTokens: 3}), "Say it.", 1, 3)
	check("as declared again", base, "Answer.", 1, 7)

	first, second := len(lm.asked), len(lm.asked)+1
	asked(other)
	asked(other)
	if lm.asked[first].Chat.Prefix != lm.asked[second].Chat.Prefix {
		t.Error("a candidate's prefix is made anew in each call")
	}
	for want, c := range map[string]Candidate{
		`no predictor "second"; it has first`: {"second": {}},
		`predictor "first": demo 1`:           {"first": {PredictOptions: PredictOptions{Demos: []Example{{"x": 1}}}}},
		`predictor "first": building`:         {"first": {Instruction: "\xff"}},
	} {
		if _, err := program.With(base, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestNamesInTraces(t *testing.T) {
	lm := &answering{answer: func(*Request) string { return " a\nscore: 1" }}
	p := &pipeline{First: *NewPredict[question, answer]("", nil)}
	program, err := NewProgram(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := program.With(With(t.Context(), Scope{LM: lm}), Candidate{"first": {Instruction: "Say it."}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, trace := WithTrace(ctx)
	if _, err := p.Call(withHint(ctx, "be brief"), question{"?"}); err != nil {
		t.Fatal(err)
	}
	if s := trace.Steps()[0]; s.Name != "first" || s.Predictor != p.First.Predictor() {
		t.Errorf("%+v", s)
	}
}

func TestEvents(t *testing.T) {
	lm := &script{pieces: []string{" Pa", "ris\nsco", "re: 9"}}
	p := &pipeline{First: *NewPredict[question, answer]("", nil)}
	program, err := NewProgram(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := program.With(With(t.Context(), Scope{LM: lm}), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := Func[question, answer](func(ctx context.Context, in question) (answer, error) {
		Emit(ctx, "looking")
		return p.Call(ctx, in)
	})
	var got []string
	var last Event[answer]
	for e, err := range Events(ctx, m, question{"?"}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != EventStatus && e.Kind != EventResult && (e.Name != "first" || e.Call != 1 || e.Predictor != p.First.Predictor()) {
			t.Errorf("%+v", e)
		}
		if e.Kind == EventEnd && (e.Err != nil || e.Prediction.Value["answer"] != "Paris") {
			t.Errorf("%+v", e)
		}
		got = append(got, strings.TrimSpace(string(e.Kind)+" "+e.Field+" "+e.Text))
		last = e
	}
	want := []string{"status  looking", "start", "field answer", "delta answer Pa", "delta answer ris", "done answer", "field score", "delta score 9", "done score", "end", "result"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if last.Value != (answer{"Paris", 9}) || last.Usage.CompletionTokens != 3 {
		t.Errorf("last event %+v", last)
	}
}

// Events of calls within calls reach both readers, under numbers that no other call has.
func TestEventsOfParallelCalls(t *testing.T) {
	lm := &answering{answer: func(*Request) string { return " a\nscore: 1" }}
	p := NewPredict[question, answer]("", nil)
	nested := Func[[]question, int](func(ctx context.Context, in []question) (int, error) {
		n := 0
		for e, err := range Events(ctx, NewParallel(p, nil), in) {
			if err != nil {
				return n, err
			}
			if e.Kind == EventEnd {
				n++
			}
		}
		return n, nil
	})
	ended := map[int]bool{}
	for e, err := range Events(With(t.Context(), Scope{LM: lm}), nested, make([]question, 20)) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == EventEnd {
			ended[e.Call] = true
		}
		if e.Kind == EventResult && (e.Value != 20 || e.Usage.PromptTokens != 200) {
			t.Errorf("%+v", e)
		}
	}
	if numbers := slices.Sorted(maps.Keys(ended)); len(numbers) != 20 || numbers[0] != 1 || numbers[19] != 20 {
		t.Errorf("calls %v", numbers)
	}
}

func TestEventsBreakAndErrors(t *testing.T) {
	lm := &script{pieces: []string{" one", " two", " three"}}
	ctx := With(t.Context(), Scope{LM: lm})
	p := NewPredict[question, answer]("", nil)
	for e := range Events(ctx, p, question{"?"}) {
		if e.Kind == EventDelta {
			break
		}
	}
	if lm.calls != 1 || lm.last == nil {
		t.Errorf("%d requests", lm.calls)
	}
	cancelled := Func[question, answer](func(ctx context.Context, _ question) (answer, error) {
		Emit(ctx, "waiting")
		<-ctx.Done()
		Emit(ctx, "nobody listens")
		return answer{}, ctx.Err()
	})
	for range Events(ctx, cancelled, question{}) { // it would wait for ever
		break
	}
	boom := errors.New("boom")
	for name, tt := range map[string]struct {
		module Module[question, answer]
		is     func(error) bool
	}{
		"error": {Func[question, answer](func(context.Context, question) (answer, error) { return answer{}, boom }), func(err error) bool { return errors.Is(err, boom) }},
		"panic": {Func[question, answer](func(context.Context, question) (answer, error) { panic(boom) }), func(err error) bool { return errors.As(err, new(*PanicError)) }},
		"parse": {p, func(err error) bool { return errors.Is(err, ErrMissing) }},
	} {
		var last error
		ends := 0
		for e, err := range Events(ctx, tt.module, question{"?"}) {
			last = err
			if e.Kind == EventEnd && e.Err != nil {
				ends++
			}
		}
		if !tt.is(last) || (name == "parse") != (ends == 1) {
			t.Errorf("%s: %v, %d failed calls", name, last, ends)
		}
	}
	Emit(t.Context(), "nobody reads")
}

func TestEventsOfRetries(t *testing.T) {
	lm := &answering{}
	lm.answer = func(*Request) string {
		if lm.calls.Load() == 1 {
			return " bad\nscore: none"
		}
		return " good\nscore: 1"
	}
	var kinds []string
	for e, err := range Events(With(t.Context(), Scope{LM: lm}), NewPredict[question, answer]("", &PredictOptions{Retries: 1}), question{"?"}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == EventRetry && !errors.As(e.Err, new(*ParseError)) {
			t.Errorf("retry for %v", e.Err)
		}
		if e.Kind != EventDelta && e.Kind != EventDone {
			kinds = append(kinds, strings.TrimSpace(string(e.Kind)+" "+e.Field))
		}
	}
	want := []string{"start", "field answer", "field score", "retry", "field answer", "field score", "end", "result"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// A struct that embeds a predictor has its other predictors too, one that was not made is
// said, and what lies in a module of this package is the user's.
func TestNewProgramOfEmbedded(t *testing.T) {
	p := newJudge()
	type qa struct {
		*Predict[question, answer]
		judge *Predictor
	}
	both := &qa{p.Answer, p.Classify.Predictor()}
	for _, module := range []any{both, NewBestOfN[question, answer](both, 1, 0, nil)} {
		program := mustProgram(t, module)
		if n := len(program.names); n != 2 {
			t.Errorf("%T: %v", module, program.names)
		}
	}
	if _, err := NewProgram(&struct{ P Predict[question, answer] }{}); err == nil || !strings.Contains(err.Error(), "p was not made") {
		t.Errorf("a zero Predict: %v", err)
	}
	if _, err := NewProgram(&qa{}); err == nil {
		t.Error("a nil Predict was found")
	}
}

type asker struct{ Ask *Predict[question, answer] }

type askers struct {
	First  asker // has the address of the whole
	Second *Predict[question, answer]
}

// A struct and its first field have one address, and both are walked through.
func TestNewProgramOfOneAddress(t *testing.T) {
	all := &askers{asker{NewPredict[question, answer]("", nil)}, NewPredict[question, answer]("", nil)}
	program := mustProgram(t, &struct {
		Start *asker
		All   *askers
	}{&all.First, all})
	if diff := cmp.Diff([]string{"start.ask", "all.second"}, program.names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// What is held by value in a map or an interface has no address.
func TestNewProgramOfValues(t *testing.T) {
	p := NewPredict[question, answer]("", nil)
	for name, tt := range map[string]struct {
		module any
		want   string
	}{
		"map": {&struct {
			Tools map[string]Predict[question, answer]
		}{map[string]Predict[question, answer]{"search": *p}}, "tools.search is a cria.Predict["},
		"interface":     {&struct{ Steps []any }{[]any{*p}}, "steps[0] is a cria.Predict["},
		"within values": {&struct{ By map[string]askers }{map[string]askers{"a": {}}}, ""},
		"struct in one": {&struct{ X any }{struct{ P Predict[question, answer] }{*p}}, "x.p is a cria.Predict["},
	} {
		_, err := NewProgram(tt.module)
		if err == nil || tt.want != "" && (!strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "hold a pointer")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Data is not walked through, nor is anything twice.
func TestNewProgramPassesData(t *testing.T) {
	module := struct {
		Ask     *Predict[question, answer]
		Vectors [][]float32
		Text    []byte
		Known   []Example
		Round   []any
	}{Ask: NewPredict[question, answer]("", nil), Text: make([]byte, 1<<20), Round: make([]any, 4)}
	for range 1000 {
		module.Vectors = append(module.Vectors, make([]float32, 100))
		module.Known = append(module.Known, Example{"question": "q", "answer": "a"})
	}
	for i := range module.Round {
		module.Round[i] = module.Round // it would be walked through 4^64 times
	}
	allocs := testing.AllocsPerRun(1, func() { mustProgram(t, &module) })
	if allocs > 200 {
		t.Errorf("%v allocations", allocs)
	}
}
