package cria

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFitCalibration(t *testing.T) {
	values := []string{"a", "b"}
	// The model prefers a by 2, whatever the input; the signal is 1.
	var scored []scoredExample
	for i := range 12 {
		label := i % 3 / 2 // two thirds are a
		logits := []float64{2, 0}
		logits[label]++
		probs := softmax(logits)
		scored = append(scored, scoredExample{[]float64{math.Log(probs[0]), math.Log(probs[1])}, label})
	}
	for method, want := range map[CalibrationMethod]float64{
		CalibrateLabelled: 2, CalibrateMidrange: 2, CalibrateMean: 2 + 1.0/3, // which takes the classes to be equally frequent
	} {
		c, err := fitCalibration(method, values, scored)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Bias["a"] - c.Bias["b"]; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: a is preferred by %.3f, want %.3f", method, got, want)
		}
		for _, s := range scored {
			if best := c.apply(values, s.logprobs).Best(); method == CalibrateLabelled && best != s.label {
				t.Errorf("%s chooses %d, want %d", method, best, s.label)
			}
		}
		data, err := json.Marshal(c)
		var again Calibration
		if err != nil || json.Unmarshal(data, &again) != nil || cmp.Diff(*c, again) != "" {
			t.Errorf("%s does not come back", data)
		}
	}
	for _, method := range []CalibrationMethod{CalibrateLabelled, "median"} {
		if c, err := fitCalibration(method, values, scored[:7]); err == nil {
			t.Errorf("%s of 7 examples: %+v", method, c)
		}
	}
}

// A few examples that are all right do not make a model sure of itself.
func TestFewExamples(t *testing.T) {
	values := []string{"a", "b"}
	var scored []scoredExample
	for i := range 8 {
		logits := []float64{0, 0}
		logits[i%2] = 5 // 0.993
		probs := softmax(logits)
		scored = append(scored, scoredExample{[]float64{math.Log(probs[0]), math.Log(probs[1])}, i % 2})
	}
	c, err := fitCalibration(CalibrateLabelled, values, scored)
	if err != nil {
		t.Fatal(err)
	}
	if p := c.apply(values, scored[0].logprobs).Probs[0]; p < 0.99 || p > 0.997 {
		t.Errorf("the temperature %.3f makes the probability %.4f", c.Temperature, p)
	}
	for i := range scored {
		scored[i].label = 1
	}
	if c, err := fitCalibration(CalibrateLabelled, values, scored); err == nil || !strings.Contains(err.Error(), `all 8 examples are "b"`) {
		t.Errorf("examples of one value: %+v, %v", c, err)
	}
}

func TestCalibrationMistakes(t *testing.T) {
	for _, c := range []Calibration{{Temperature: -1}, {Temperature: math.NaN()}, {Bias: map[string]float64{"a": math.Inf(1)}}, {Bias: map[string]float64{"c": 1}}} {
		sig, lm := mustParse(t, "-> l: Literal['a', 'b']"), &scoringScript{}
		if _, err := NewPredictor(sig, &PredictOptions{Calibration: &c}); err == nil {
			t.Errorf("%+v: a predictor has it", c)
		}
		if got, err := mustPredictor(t, sig, nil).Call(With(t.Context(), Scope{LM: lm, Calibration: &c}), Example{}); err == nil {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// The temperature makes the probabilities those that are right as often.
func TestFitTemperature(t *testing.T) {
	values := []string{"a", "b"}
	var scored []scoredExample
	for i := range 100 { // sure of itself, and right in 8 of 10 cases
		label := 0
		if i%10 >= 8 {
			label = 1
		}
		scored = append(scored, scoredExample{[]float64{math.Log(0.99), math.Log(0.01)}, label})
	}
	c := &Calibration{Temperature: fitTemperature(&Calibration{}, values, scored)}
	if p := c.apply(values, scored[0].logprobs).Probs[0]; math.Abs(p-0.8) > 0.01 {
		t.Errorf("the probability is %.3f with a temperature of %.3f, want 0.8", p, c.Temperature)
	}
}

func TestChoiceMeasures(t *testing.T) {
	values := []string{"a", "b"}
	choices := []*Choice{{values, []float64{0.9, 0.1}}, {values, []float64{0.9, 0.1}}, {values, []float64{0.3, 0.7}}}
	if got, want := Brier(choices, []string{"a", "b", "b"}), (2*0.01+2*0.81+2*0.09)/3; math.Abs(got-want) > 1e-9 {
		t.Errorf("Brier %v, want %v", got, want)
	}
	if got, want := ExpectedCalibrationError(choices, []string{"a", "b", "b"}), (0.8+0.3)/3; math.Abs(got-want) > 1e-9 {
		t.Errorf("ECE %v, want %v", got, want)
	}
	if got := choices[2].Best(); got != 1 {
		t.Errorf("best %d", got)
	}
	if got := choices[2].Margin(); math.Abs(got-0.4) > 1e-9 {
		t.Errorf("margin %v", got)
	}
}
