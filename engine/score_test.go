package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// The scores are those that the probabilities of single tokens make, node by node.
func TestScore(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 512, BatchSize: smallBatch})
	defer e.Close()
	prompt := encode(t, e, "The weather in the north was")
	var options [][]Token
	for _, text := range []string{" cold", " very cold", " very warm", " very", " warm and wet", " warm and dry"} {
		options = append(options, encode(t, e, text))
	}
	ends := encode(t, e, "\n.")
	got, err := e.Score(t.Context(), &ScoreRequest{Prompt: prompt, Options: options, Ends: ends})
	if err != nil {
		t.Fatal(err)
	}
	ref := newReference(t)
	sum := 0.0
	for i, o := range options {
		want := 0.0
		for depth := range o {
			want += ref.branch(t, prompt, options, ends, o, depth)
		}
		want += ref.branch(t, prompt, options, ends, o, len(o))
		if math.Abs(want-got.Logprobs[i]) > 0.3 {
			t.Errorf("option %d: log probability %.3f, want %.3f", i, got.Logprobs[i], want)
		}
		sum += math.Exp(got.Logprobs[i])
	}
	if math.Abs(sum-1) > 1e-6 {
		t.Errorf("the probabilities add up to %v", sum)
	}
	if got.Usage.PromptTokens != len(prompt) {
		t.Errorf("usage %+v", got.Usage)
	}
}

// branch is the log probability of going on as an option does at a depth, among the
// options that begin like it.
func (r *reference) branch(t *testing.T, prompt []Token, options [][]Token, ends, o []Token, depth int) float64 {
	t.Helper()
	next := map[Token]bool{}
	end := false
	for _, other := range options {
		if len(other) < depth || !slices.Equal(other[:depth], o[:depth]) {
			continue
		}
		if len(other) == depth {
			end = true
		} else {
			next[other[depth]] = true
		}
	}
	if len(next) == 0 || len(next) == 1 && !end {
		return 0
	}
	logits := r.logits(t, slices.Concat(prompt, o[:depth]))
	sum, own := 0.0, 0.0
	for token := range next {
		p := math.Exp(float64(logits[token]))
		sum += p
		if depth < len(o) && token == o[depth] {
			own = p
		}
	}
	if end {
		p := 0.0
		for _, token := range ends {
			p = max(p, math.Exp(float64(logits[token])))
		}
		sum += p
		if depth == len(o) {
			own = p
		}
	}
	return math.Log(own / sum)
}

// Many at once share what they have in common, and leave others alone.
func TestScoresTogether(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 1024, BatchSize: smallBatch})
	defer e.Close()
	prefix := story(t, e, 0, 60)
	options := [][]Token{{20}, {30, 31}, {30, 32}, {40}}
	done := make(chan float64)
	for i := range 6 {
		go func() {
			s, err := e.Score(context.Background(), &ScoreRequest{Prompt: slices.Concat(prefix, story(t, e, i+1, 8)), Options: options})
			if err != nil {
				t.Error(err)
				done <- 1
				return
			}
			sum := 0.0
			for _, l := range s.Logprobs {
				sum += math.Exp(l)
			}
			done <- sum
		}()
	}
	checkAll(t, together(t, e, []*Request{{Prompt: story(t, e, 9, 30), MaxTokens: 8}}), 8)
	for range 6 {
		if sum := <-done; math.Abs(sum-1) > 1e-6 {
			t.Errorf("the probabilities add up to %v", sum)
		}
	}
}

func TestScoreMistakes(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 128})
	defer e.Close()
	for _, tt := range []struct {
		req  ScoreRequest
		want string
	}{
		{ScoreRequest{Prompt: []Token{20}}, "Options: has 0"},
		{ScoreRequest{Prompt: []Token{20}, Options: [][]Token{{1}, {}}}, "Options[1]: is empty"},
		{ScoreRequest{Prompt: []Token{20}, Options: [][]Token{{1}, {-1}}}, "Options[1]: token -1 is not in the vocabulary"},
		{ScoreRequest{Prompt: []Token{20}, Options: [][]Token{{1, 2}, {3}, {1, 2}}}, "Options[2]: is the same as Options[0]"},
		{ScoreRequest{Prompt: []Token{20}, Options: [][]Token{{1, 2}, {1}}}, "Ends: is empty"},
		{ScoreRequest{Prompt: []Token{20}, Options: [][]Token{{1, 2}, {1}}, Ends: []Token{1 << 20}}, "Ends: token"},
		{ScoreRequest{Options: [][]Token{{1}, {2}}}, "Prompt: is empty"},
		{ScoreRequest{Prompt: make([]Token, 128), Options: [][]Token{{1}, {2}}}, "context"},
	} {
		if _, err := e.Score(t.Context(), &tt.req); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Score(ctx, &ScoreRequest{Prompt: []Token{20}, Options: [][]Token{{1}, {2}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if s, err := e.Score(t.Context(), &ScoreRequest{Prompt: []Token{20}, Options: [][]Token{{1}}}); err != nil || s.Logprobs[0] != 0 {
		t.Errorf("one option: %+v, %v", s, err)
	}
}
