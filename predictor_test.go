package cria

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What was found out about a program counts again when it is read from JSON.
func TestPredictOptionsSaved(t *testing.T) {
	options := &PredictOptions{
		LM: &script{}, Adapter: Lines{}, Format: OutputMarkers, Sampling: &Sampling{TopK: 3}, MaxTokens: 7, ThinkTokens: 2, CloseOnLimit: true,
		Calibration: &Calibration{Method: CalibrateLabelled, Bias: map[string]float64{"a": 2, "b": 0.5}, Temperature: 1.5},
		Demos:       []Example{{"q": "x", "label": "b"}},
	}
	data, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	var read PredictOptions
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	want := *options
	want.LM, want.Adapter = nil, nil
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("%s (-want +got):\n%s", data, diff)
	}

	lm := &scoringScript{}
	read = PredictOptions{}
	if err := json.Unmarshal([]byte(`{"format":"json","calibration":{"method":"labelled","bias":{"a":2,"b":0}},"demos":[{"q":"x","label":"b"}]}`), &read); err != nil {
		t.Fatal(err)
	}
	read.LM = lm
	p, err := NewPredictor(mustParse(t, "q -> label: Literal['a', 'b']"), &read)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Call(t.Context(), Example{"q": "y"})
	if err != nil || got.Value["label"] != "b" || lm.replies[0] != `{"label":"a"}` { // a is twice as probable without its bias of 2
		t.Errorf("%+v, %v; scored %q", got, err, lm.replies)
	}
	if p := got.Choice.Probs[1]; math.Abs(p-1/(1+2*math.Exp(-2))) > 1e-9 {
		t.Errorf("b has the probability %v", p)
	}
}

// Settings that can never work are reported where they are given.
func TestOptionsThatCannotWork(t *testing.T) {
	sig := mustParse(t, "q -> label: Literal['a', 'b']")
	program := mustProgram(t, mustPredictor(t, sig, nil))
	for want, o := range map[string]PredictOptions{
		`unknown output format "nonsense"`: {Format: "nonsense"},
		"temperature -3":                   {Sampling: &Sampling{Temperature: -3}},
		"max tokens -1":                    {MaxTokens: -1},
		"think tokens -4":                  {ThinkTokens: -4},
		"-1 retries":                       {Retries: -1},
		`bias for "c"`:                     {Calibration: &Calibration{Bias: map[string]float64{"c": 1}}},
		`"guess" is no method`:             {Calibration: &Calibration{Method: "guess"}},
	} {
		if _, err := NewPredictor(sig, &o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("making: %v, want %q", err, want)
		}
		c := Candidate{"predict": {PredictOptions: o}}
		if _, err := program.With(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with: %v, want %q", err, want)
		}
		if _, err := program.Save(c, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("saving: %v, want %q", err, want)
		}
	}
	open := &PredictOptions{Calibration: &Calibration{Bias: map[string]float64{"a": 1}}}
	if _, err := NewPredictor(mustParse(t, "q -> a"), open); err == nil || !strings.Contains(err.Error(), "no closed set") {
		t.Errorf("a bias without values: %v", err)
	}
}

func mustPredictor(t *testing.T, sig *Signature, opts *PredictOptions) *Predictor {
	t.Helper()
	p, err := NewPredictor(sig, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
