package engine

import (
	"errors"
	"fmt"
	"testing"
)

func ExampleSampler() {
	s, err := NewSampler(Sampling{RepeatPenalty: 2}, 4)
	if err != nil {
		panic(err)
	}
	t, err := s.Choose([]float32{0, 3, 2, 1}, []Token{1})
	fmt.Println(t, err)
	// Output: 2 <nil>
}

// A Sampler chooses what an engine would.
func TestSamplerExported(t *testing.T) {
	row := logits(1000, 1)
	o := Sampling{Temperature: 1.5, TopP: 0.9, PresencePenalty: 1, Seed: new(uint32)}
	s, err := NewSampler(o, len(row))
	if err != nil {
		t.Fatal(err)
	}
	x := newSampler(o, len(row))
	history := []Token{5, 6}
	for range 30 {
		got, err := s.Choose(row, history)
		if want := must(x.choose(row, history, nil)); err != nil || got != want {
			t.Fatalf("chose %d (%v), want %d", got, err, want)
		}
		history = append(history, got)
	}
	for _, tt := range []struct {
		name    string
		row     []float32
		history []Token
	}{
		{"short row", row[1:], nil},
		{"negative token", row, []Token{-1}},
		{"unknown token", row, []Token{3, 1000}},
	} {
		if _, err := s.Choose(tt.row, tt.history); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
	var bad *RequestError
	if _, err := NewSampler(Sampling{TopP: 2}, 10); !errors.As(err, &bad) || bad.Field != "Sampling.TopP" {
		t.Errorf("TopP 2: %v", err)
	}
}
