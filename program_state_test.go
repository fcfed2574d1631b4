package cria

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type reviewed struct {
	Review string    `json:"review"`
	When   time.Time `json:"when,omitempty" format:"date"`
}

type felt struct {
	Sentiment string `json:"sentiment" enum:"positive,negative"`
}

type judge struct {
	Classify *Predict[reviewed, felt]
	Answer   *Predict[question, answer]
}

func newJudge() *judge {
	return &judge{NewPredict[reviewed, felt]("Is it good?", nil), NewPredict[question, answer]("", &PredictOptions{MaxTokens: 9})}
}

func mustProgram(t *testing.T, module any) *Program {
	t.Helper()
	p, err := NewProgram(module)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tunedFor is an LM that says which it is.
type tunedFor string

func (tunedFor) Generate(context.Context, *Request) iter.Seq2[Chunk, error] { panic("not called") }

func (n tunedFor) Identity() string { return string(n) }

func (n tunedFor) Describe() map[string]string {
	return map[string]string{"weights": string(n), "llama.cpp": map[tunedFor]string{"one model": "1", "another model": "2"}[n], "context length": "512"}
}

// What is saved, with its candidate, is asked for again when it is loaded.
func TestSaveAndLoad(t *testing.T) {
	tuned := Candidate{"classify": {Instruction: "How does it feel?", PredictOptions: PredictOptions{
		Format: OutputJSON, Sampling: &Sampling{TopK: 3}, ThinkTokens: 5, CloseOnLimit: true,
		Calibration: &Calibration{Method: CalibrateLabelled, Bias: map[string]float64{"positive": 1, "negative": 0}},
		Demos:       []Example{{"review": "Dull.", "when": time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), "sentiment": "negative"}},
	}}}
	program := mustProgram(t, newJudge())
	path := filepath.Join(t.TempDir(), "judge.json")
	if err := program.SaveFile(path, tuned, tunedFor("one model")); err != nil {
		t.Fatal(err)
	}
	other := newJudge()
	loading := mustProgram(t, other)
	loaded, err := loading.LoadFile(path, tunedFor("one model"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := loading.Save(loaded, tunedFor("one model"))
	if err != nil {
		t.Fatal(err)
	}
	saved, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(saved), string(again)); diff != "" {
		t.Errorf("saved again (-first +second):\n%s", diff)
	}
	ctx, err := loading.With(With(t.Context(), Scope{LM: &script{}}), loaded)
	if err != nil {
		t.Fatal(err)
	}
	req, err := other.Classify.Predictor().Request(ctx, Example{"review": "Fine."})
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, m := range req.Chat.Messages() {
		text = append(text, m.Content)
	}
	want := []string{"How does it feel?", "review: Dull.\nwhen: 2026-01-31", `{"sentiment":"negative"}`, "review: Fine."}
	if diff := cmp.Diff(want, text); diff != "" || req.Sampling.TopK != 3 || !req.CloseOnLimit {
		t.Errorf("asked (-want +got):\n%s%+v", diff, req)
	}
	if req, err = other.Answer.Predictor().Request(ctx, Example{"question": "?"}); err != nil || req.MaxTokens != 9 {
		t.Errorf("%+v, %v", req, err)
	}
	if _, err := loading.Load(saved, nil); err != nil {
		t.Errorf("for any model: %v", err)
	}
	if found, _ := filepath.Glob(path + ".*"); len(found) > 0 {
		t.Errorf("left behind: %v", found)
	}
}

// What was saved counts, whatever the program declares where it is loaded.
func TestLoadReplaces(t *testing.T) {
	data, err := mustProgram(t, NewPredict[question, answer]("", nil)).Save(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPredict[question, answer]("Say it.", &PredictOptions{
		Format: OutputJSON, MaxTokens: 5, Retries: 3, CloseOnLimit: true, Sampling: &Sampling{TopK: 3},
		Demos: []Example{{"question": "q", "answer": "a", "score": 1}},
	})
	program := mustProgram(t, p)
	loaded, err := program.Load(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := program.With(With(t.Context(), Scope{LM: &script{}}), loaded)
	if err != nil {
		t.Fatal(err)
	}
	req, err := p.Predictor().Request(ctx, Example{"question": "?"})
	if err != nil {
		t.Fatal(err)
	}
	system := "Read the question and give the answer and score."
	if m := req.Chat.Messages(); len(m) != 2 || m[0].Content != system || req.Prefill != "answer:" || req.MaxTokens != 0 || req.CloseOnLimit || req.Sampling != nil {
		t.Errorf("asked %+v", req)
	}
	if n := p.Predictor().current(ctx).retries; n != 0 {
		t.Errorf("%d retries", n)
	}
	if ctx, err = program.With(ctx, Candidate{"predict": {PredictOptions: PredictOptions{MaxTokens: 7}}}); err != nil {
		t.Fatal(err)
	}
	if req, err = p.Predictor().Request(ctx, Example{"question": "?"}); err != nil || req.MaxTokens != 7 || req.Chat.Messages()[0].Content != system {
		t.Errorf("one over it: %+v, %v", req, err)
	}
}

// A demonstration shows after loading what it showed before.
func TestLoadKeepsDemos(t *testing.T) {
	sig := mustParse(t, "q -> raw: JSON, any: Any, n: int")
	raw := json.RawMessage(`{"b":1,"a":{"d":9007199254740993,"c":[]}}`)
	p := mustPredictor(t, sig, &PredictOptions{Demos: []Example{{"q": "x", "raw": raw, "any": raw, "n": int64(9007199254740993)}}})
	program := mustProgram(t, p)
	data, err := program.Save(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := program.Load(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	base := With(t.Context(), Scope{LM: &script{}})
	ctx, err := program.With(base, loaded)
	if err != nil {
		t.Fatal(err)
	}
	text := func(ctx context.Context) string {
		req, err := p.Request(ctx, Example{"q": "?"})
		if err != nil {
			t.Fatal(err)
		}
		return req.Chat.Messages()[2].Content
	}
	if diff := cmp.Diff(text(base), text(ctx)); diff != "" {
		t.Errorf("demonstration (-declared +loaded):\n%s", diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	program := mustProgram(t, newJudge())
	good, err := program.Save(nil, tunedFor("one model"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(old, text string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("%s does not have %q", good, old)
		}
		return strings.Replace(string(good), old, text, 1)
	}
	type otherAnswer struct{ Answer int }
	others := mustProgram(t, &struct {
		Classify *Predict[reviewed, felt]
		Answer   *Predict[question, otherAnswer]
	}{newJudge().Classify, NewPredict[question, otherAnswer]("", nil)})
	fewer := mustProgram(t, &struct{ Answer *Predict[question, answer] }{newJudge().Answer})
	more := mustProgram(t, &struct {
		*judge
		More *Predict[question, answer]
	}{newJudge(), newJudge().Answer})
	for name, tt := range map[string]struct {
		program     *Program
		data, model string
		want        string
	}{
		"nothing":           {program, "", "", "not whole"},
		"half":              {program, string(good[:len(good)/2]), "", "not whole"},
		"a list":            {program, "[]", "", "not whole, or not JSON"},
		"null":              {program, "null", "", "not a saved program"},
		"of DSPy":           {program, `{"predict": {"demos": []}}`, "", "LoadDSPy"},
		"later version":     {program, with(`"cria_program": 1`, `"cria_program": 2`), "", "version 2"},
		"later release":     {program, `{"cria_program": 2, "cria": "v9.1.0"}`, "", "version 2, written by Cria v9.1.0, and"},
		"bad settings":      {program, with(`"instruction": "Is it good?"`, `"instruction": "Is it good?", "format": "nonsense"`), "", `unknown output format "nonsense"`},
		"unknown member":    {program, with(`"predictors"`, `"more": 1, "predictors"`), "", `unknown field "more"`},
		"more behind it":    {program, string(good) + "{}", "", "not whole"},
		"other model":       {program, string(good), "another model", "tuned for another model: llama.cpp was 1 and is 2 here, weights was one model and is another model here; load"},
		"other fields":      {others, string(good), "", `predictor "answer": it was saved with other fields: question: str -> answer: str, score: int`},
		"fewer predictors":  {fewer, string(good), "", `predictor "classify": the program has none of that name; it has answer`},
		"more predictors":   {more, string(good), "", `predictor "more": the file does not have it`},
		"bad demonstration": {program, with(`"instruction": "Is it good?"`, `"instruction": "Is it good?", "demos": [{"sentiment": "so so", "review": "x"}]`), "", `predictor "classify": demo 1`},
	} {
		c, err := tt.program.Load([]byte(tt.data), tunedFor(tt.model))
		var state *StateError
		if !errors.As(err, &state) || !strings.Contains(err.Error(), tt.want) || c != nil {
			t.Errorf("%s: %v, %v; want %q", name, c, err, tt.want)
		}
	}
	if _, err := program.Save(Candidate{"other": {}}, nil); err == nil {
		t.Error("a candidate for other predictors was saved")
	}
	if _, err := program.LoadFile(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := program.SaveFile(filepath.Join(t.TempDir(), "no folder", "x.json"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// dspyPipeline is the program of testdata/dspy/save.py.
type dspyPipeline struct {
	Classify *Predict[struct {
		Review string `json:"review"`
	}, felt]
	Explain *ChainOfThought[struct {
		Review    string `json:"review"`
		Sentiment string `json:"sentiment"`
	}, struct {
		Reasons  []string `json:"reasons"`
		Strength int      `json:"strength"`
	}]
	Steps []*Predict[question, struct {
		Answer string `json:"answer"`
	}]
}

func newDSPyPipeline() *dspyPipeline {
	p := &dspyPipeline{}
	p.Classify = NewPredict[struct {
		Review string `json:"review"`
	}, felt]("", nil)
	p.Explain = NewChainOfThought[struct {
		Review    string `json:"review"`
		Sentiment string `json:"sentiment"`
	}, struct {
		Reasons  []string `json:"reasons"`
		Strength int      `json:"strength"`
	}]("", nil)
	for range 2 {
		p.Steps = append(p.Steps, NewPredict[question, struct {
			Answer string `json:"answer"`
		}]("", nil))
	}
	return p
}

// The files are as the real DSPy wrote them.
func TestLoadDSPy(t *testing.T) {
	p := newDSPyPipeline()
	program := mustProgram(t, p)
	data, err := os.ReadFile("testdata/dspy/pipeline.json")
	if err != nil {
		t.Fatal(err)
	}
	c, skipped, err := program.LoadDSPy(data)
	if err != nil || len(skipped) > 0 {
		t.Fatal(skipped, err)
	}
	ctx, err := program.With(With(t.Context(), Scope{LM: &script{}}), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		predictor *Predictor
		inputs    Example
		want      []string
	}{
		{p.Classify.Predictor(), Example{"review": "Fine."}, []string{
			"Read the review. Is it positive or negative?",
			"review: I loved it.", "sentiment: positive", "review: Dull.", "sentiment: negative", "review: Fine."}},
		{p.Explain.Predictor(), Example{"review": "Fine.", "sentiment": "positive"}, []string{
			"Read the review and sentiment and give the reasoning, reasons and strength.",
			"review: Dull.\nsentiment: negative", "reasoning: It says dull.\nreasons: [\"dull\",\"slow\"]\nstrength: 2", "review: Fine.\nsentiment: positive"}},
		{p.Steps[1].Predictor(), Example{"question": "?"}, []string{
			"Read the question and give the answer.", "question: How old is the café?", "answer: 92 years", "question: ?"}},
	} {
		req, err := tt.predictor.Request(ctx, tt.inputs)
		if err != nil {
			t.Fatal(err)
		}
		var text []string
		for _, m := range req.Chat.Messages() {
			text = append(text, m.Content)
		}
		if diff := cmp.Diff(tt.want, text); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	}

	single, err := os.ReadFile("testdata/dspy/predict.json")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err = mustProgram(t, p.Steps[0]).LoadDSPy(single)
	if err != nil || len(c) != 1 || c["predict"].Demos == nil {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestLoadDSPyRefuses(t *testing.T) {
	data, err := os.ReadFile("testdata/dspy/pipeline.json")
	if err != nil {
		t.Fatal(err)
	}
	program, one := mustProgram(t, newDSPyPipeline()), mustProgram(t, newDSPyPipeline().Steps[0])
	for name, tt := range map[string]struct {
		program    *Program
		data, want string
	}{
		"half":           {program, string(data[:len(data)/2]), "not whole"},
		"pickle":         {program, "\x80\x05\x95", "pickle"},
		"empty":          {program, `{"metadata": {}}`, "no predictors"},
		"other things":   {program, `{"a": {"b": 1}}`, "no signature"},
		"wrong types":    {program, `{"a": {"signature": 1}}`, `predictor "a"`},
		"other program":  {one, string(data), `predictor "classify": the program has none`},
		"other fields":   {program, strings.Replace(string(data), `"prefix": "Sentiment:",`, `"prefix": "Sentiment:"}, {`, 1), "has 3 fields"},
		"other names":    {program, strings.Replace(string(data), "${review}", "${text}", 1), `its field 1 is "Review:" (${text}), and here it is review`},
		"other prefix":   {program, strings.Replace(strings.Replace(string(data), "${review}", "what they say", 1), "Review:", "Text:", 1), `its field 1 is "Text:"`},
		"one twice":      {program, strings.Replace(string(data), `"steps[0]": {`, `"classify.predict": {`, 1), `predictor "classify.predict": the file has another one for the program's classify`},
		"one is missing": {program, `{"classify": {"demos": [], "signature": {"instructions": "", "fields": [{"prefix": "Review:"}, {"prefix": "Sentiment:"}]}}}`, `predictor "explain`},
		"a bad demo":     {program, strings.Replace(string(data), `"sentiment": "positive"`, `"sentiment": "so so"`, 1), `predictor "classify": demo 1`},
	} {
		c, _, err := tt.program.LoadDSPy([]byte(tt.data))
		var state *StateError
		if !errors.As(err, &state) || !strings.Contains(err.Error(), tt.want) || c != nil {
			t.Errorf("%s: %v, %v; want %q", name, c, err, tt.want)
		}
	}
}

// What DSPy's optimizers write has the examples of the whole program in each predictor.
func TestLoadDSPyFewShot(t *testing.T) {
	data, err := os.ReadFile("testdata/dspy/few_shot.json")
	if err != nil {
		t.Fatal(err)
	}
	answering := mustPredictor(t, mustParse(t, "question, context -> answer, year: int"), nil)
	program := mustProgram(t, &struct {
		Tools  map[string]*Predictor
		Answer *Predictor
	}{map[string]*Predictor{"search": mustPredictor(t, mustParse(t, "question -> query"), nil)}, answering})
	c, skipped, err := program.LoadDSPy(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"tools.search": 2}, skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	years := map[any]bool{}
	for _, demo := range c["answer"].Demos {
		years[demo["year"]] = len(demo) == 4
	}
	if diff := cmp.Diff(map[any]bool{int64(9007199254740993): true, int64(2026): true}, years); diff != "" {
		t.Errorf("demonstrations (-want +got):\n%s", diff)
	}
	if len(c["tools.search"].Demos) != 0 || c["answer"].Instruction != "" {
		t.Errorf("%+v", c)
	}

	// An instruction that only begins and ends as the default one does was tuned, and so
	// may the last field's prefix be.
	tuned := strings.Replace(string(data), "Given the fields `question`, `context`, ", "Given the fields `question`, `context`, be brief and ", 1)
	tuned = strings.Replace(strings.Replace(tuned, `"Year:"`, `"The year, in digits:"`, 1), "${year}", "of the answer", 1)
	c, _, err = program.LoadDSPy([]byte(tuned))
	if err != nil || !strings.Contains(c["answer"].Instruction, "be brief") {
		t.Errorf("%+v, %v", c, err)
	}
}
