package llamacpp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cria-lm/cria"
)

// labelled reads a set of testdata. The examples of its classes take turns.
func labelled(t *testing.T, name string) []cria.Example {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var examples []cria.Example
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var ex cria.Example
		if err := json.Unmarshal(lines.Bytes(), &ex); err != nil {
			t.Fatal(err)
		}
		examples = append(examples, ex)
	}
	return examples
}

// measured is how good a predictor's choices are.
type measured struct{ accuracy, brier, ece float64 }

func measure(t *testing.T, ctx context.Context, p *cria.Predictor, examples []cria.Example, c *cria.Calibration) measured {
	t.Helper()
	output := p.Signature().Outputs()[0].Name
	right := 0
	var choices []*cria.Choice
	var labels []string
	for _, ex := range examples {
		inputs := cria.Example{}
		for _, f := range p.Signature().Inputs() {
			inputs[f.Name] = ex[f.Name]
		}
		r, err := p.Call(cria.With(ctx, cria.Scope{Calibration: c}), inputs)
		if err != nil {
			t.Fatal(err)
		}
		if r.Choice == nil || !slices.Contains(r.Choice.Values, r.Value.Text(output)) {
			t.Fatalf("the choice is %+v, the value %q", r.Choice, r.Value.Text(output))
		}
		if r.Value.Text(output) == ex.Text(output) {
			right++
		}
		choices, labels = append(choices, r.Choice), append(labels, ex.Text(output))
	}
	return measured{float64(right) / float64(len(examples)), cria.Brier(choices, labels), cria.ExpectedCalibrationError(choices, labels)}
}

// On sets that the repository has, calibrated scores are right more often, and their
// probabilities are worth more.
func TestCalibration(t *testing.T) {
	m := loadShared(t)
	cache, err := cria.OpenCache("", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := cria.With(t.Context(), cria.Scope{LM: m, Cache: cache}) // each text is scored once
	for _, tt := range []struct {
		file, signature, instruction string
		fit                          int // examples for the bias; the others are judged
		raw, calibrated              float64
	}{
		{"sentiment.jsonl", "review -> sentiment: Literal['positive','negative']", "Classify the sentiment of the review.", 16, 0.8, 0.85},
		{"topics.jsonl", "text -> topic: Literal['sports','politics','science','food','travel']", "Name the topic of the text.", 20, 0.5, 0.8},
	} {
		sig, err := cria.ParseSignature(tt.signature)
		if err != nil {
			t.Fatal(err)
		}
		if sig, err = sig.WithInstruction(tt.instruction); err != nil {
			t.Fatal(err)
		}
		p, err := cria.NewPredictor(sig, nil)
		if err != nil {
			t.Fatal(err)
		}
		examples := labelled(t, tt.file)
		fit, judged := examples[:tt.fit], examples[tt.fit:]
		raw := measure(t, ctx, p, judged, nil)
		for _, method := range []cria.CalibrationMethod{cria.CalibrateLabelled, cria.CalibrateMean, cria.CalibrateMidrange, cria.CalibrateContextual} {
			source := fit
			if method == cria.CalibrateMean || method == cria.CalibrateMidrange {
				source = judged
			}
			c, err := cria.Calibrate(ctx, p, method, source)
			if err != nil {
				t.Fatal(err)
			}
			got := measure(t, ctx, p, judged, c)
			t.Logf("%s, %s: accuracy %.3f to %.3f, Brier %.3f to %.3f, ECE %.3f to %.3f", tt.file, method, raw.accuracy, got.accuracy, raw.brier, got.brier, raw.ece, got.ece)
			if method == cria.CalibrateLabelled && (got.accuracy < tt.calibrated || got.accuracy < raw.accuracy || got.brier > raw.brier) {
				t.Errorf("%s: accuracy %.3f to %.3f, Brier %.3f to %.3f", tt.file, raw.accuracy, got.accuracy, raw.brier, got.brier)
			}
		}
		if raw.accuracy < tt.raw {
			t.Errorf("%s: accuracy %.3f without calibration, want %.2f", tt.file, raw.accuracy, tt.raw)
		}
	}
}

// An adapter scores within its configuration, and only if its choices are not random.
func TestAdapterScores(t *testing.T) {
	sig := parseSignature(t, "review -> sentiment: Literal['positive', 'negative']")
	for name, test := range map[string]struct {
		change func(*Config)
		scores bool
	}{
		"greedy":      {func(c *Config) { c.Temperature, c.RepeatPenalty = 0, 1 }, true},
		"cached":      {func(c *Config) { c.Temperature, c.RepeatPenalty, c.EnableCache = 0, 1, true }, true},
		"random":      {func(c *Config) { c.Temperature = 0.7 }, false},
		"grammar off": {func(c *Config) { c.Temperature, c.RepeatPenalty, c.Grammar = 0, 1, GrammarOff }, false},
	} {
		a := newAdapter(t, test.change)
		p, err := cria.NewPredictor(sig, &cria.PredictOptions{LM: a})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := p.Call(t.Context(), cria.Example{"review": "I loved every minute."})
			if err != nil || (got.Choice != nil) != test.scores {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	}
	a := newAdapter(t, func(c *Config) { c.Temperature, c.RepeatPenalty, c.TokenBudget = 0, 1, 60 })
	p, err := cria.NewPredictor(sig, &cria.PredictOptions{LM: a})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err = p.Call(t.Context(), cria.Example{"review": "I loved every minute."}); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrTokenBudget) {
		t.Errorf("ten scores of some 30 tokens with a budget of 60: %v", err)
	}
}
