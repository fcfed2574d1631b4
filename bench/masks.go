package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
)

//go:embed data/schemas.jsonl
var schemaData string

//go:embed data/llguidance.py
var llguidanceScript string

// maskWork is schemas with instances that fit them, as both sides get them.
type maskWork struct {
	Vocabulary []string   `json:"vocabulary"` // base64 of each token's bytes
	Control    []int32    `json:"control"`
	EOS        int32      `json:"eos"`
	Schemas    []maskCase `json:"schemas"`
}

type maskCase struct {
	Schema    json.RawMessage `json:"schema"`
	Instances [][]int32       `json:"instances"` // tokens
}

// masks measures the time of masks, and of as many of llguidance.
func masks(ctx context.Context, s *session) ([]result, error) {
	e, _, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	work, err := newMaskWork(e.Vocab())
	if err != nil {
		return nil, err
	}
	vocabulary := grammar.NewVocabulary(tokenizer{e.Vocab()})
	vocabulary.Prepare()
	n := e.Vocab().NTokens()
	name := fmt.Sprintf("masks-%dk", n/1000)
	var all []float64
	ours := func(context.Context, int) (float64, error) {
		took, err := work.measure(vocabulary)
		all = append(all, took...)
		return mean(took), err
	}
	note := func() string {
		slices.Sort(all)
		return fmt.Sprintf("ours, all runs: %d masks over %d tokens, mean %s us, p50 %s, p99 %s, most %s", len(all), n,
			number(mean(all)), number(all[len(all)/2]), number(all[len(all)*99/100]), number(all[len(all)-1]))
	}
	if err := exec.CommandContext(ctx, "python3", "-c", "import llguidance").Run(); err != nil {
		for run := range s.options.pairs {
			if _, err := ours(ctx, run); err != nil {
				return nil, err
			}
		}
		return []result{{name: name, unit: "us", alone: mean(all), notes: []string{note(), "python3 has no llguidance, so there is nothing to compare with: pip install llguidance"}}}, nil
	}
	pairs, err := s.pairs(ctx, ours, func(ctx context.Context, _ int) (float64, error) { return work.llguidance(ctx) })
	if err != nil {
		return nil, err
	}
	return []result{{name: name, unit: "us", pairs: pairs, notes: []string{note()}}}, nil
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(max(len(v), 1))
}

func newMaskWork(v *engine.Vocab) (*maskWork, error) {
	work := &maskWork{EOS: v.EOS()}
	for t := range engine.Token(v.NTokens()) {
		work.Vocabulary = append(work.Vocabulary, base64.StdEncoding.EncodeToString(v.Piece(t)))
		if v.IsControl(t) || len(v.Piece(t)) == 0 {
			work.Control = append(work.Control, t)
		}
	}
	for line := range strings.Lines(schemaData) {
		var c struct {
			Schema    json.RawMessage
			Instances []json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			return nil, err
		}
		one := maskCase{Schema: c.Schema}
		for _, instance := range c.Instances {
			text, err := grammar.CompactJSON(instance)
			if err != nil {
				return nil, err
			}
			tokens, err := v.EncodeContinuation(text)
			if err != nil {
				return nil, err
			}
			one.Instances = append(one.Instances, tokens)
		}
		work.Schemas = append(work.Schemas, one)
	}
	return work, nil
}

// measure compiles the schemas anew and times the mask before each token.
func (w *maskWork) measure(v *grammar.Vocabulary) (took []float64, err error) {
	bits := make([]uint64, (v.NTokens()+63)/64)
	for _, c := range w.Schemas {
		g, err := grammar.Compile(grammar.JSONSchema{Schema: c.Schema})
		if err != nil {
			return nil, err
		}
		for _, tokens := range c.Instances {
			m := g.Matcher(v)
			m.Rollback(len(tokens)) // what it would write by itself
			for _, t := range tokens {
				clear(bits)
				start := time.Now()
				m.Mask(bits)
				took = append(took, float64(time.Since(start))/float64(time.Microsecond))
				if !m.Read(t) {
					return nil, fmt.Errorf("schema %s does not allow token %d", c.Schema, t)
				}
			}
		}
	}
	return took, nil
}

// llguidance measures the same in a process of its own, and returns the mean.
func (w *maskWork) llguidance(ctx context.Context) (float64, error) {
	input, err := json.Marshal(w)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "python3", "-c", llguidanceScript)
	cmd.Stdin = bytes.NewReader(input)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("llguidance: %w: %.500s", err, stderr.String())
	}
	var took []float64
	if err := json.Unmarshal(out, &took); err != nil {
		return 0, fmt.Errorf("llguidance: %w", err)
	}
	return mean(took), nil
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}
