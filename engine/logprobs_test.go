package engine

import (
	"math"
	"slices"
	"testing"

	"github.com/cria-lm/cria/llama"
)

// Log probabilities are those of the whole row, whatever was sampled with.
func TestLogprobs(t *testing.T) {
	for seed := range uint64(4) {
		row := logits(1000, seed)
		row[5] = -inf
		kept, _ := oracle(t, Sampling{}, len(row), nil, func(c *llama.SamplerChain) { c.AddDist(1) }).Apply(candidates(row))
		want := map[Token]float64{}
		for _, k := range kept {
			want[k.ID] = math.Log(float64(k.P))
		}
		x := newSampler(Sampling{Temperature: 0.3, TopK: 2, RepeatPenalty: 3, LogitBias: map[Token]float32{1: 20}}, len(row))
		for _, n := range []int{0, 1, 20, 2000} {
			chosen := must(x.choose(row, []Token{1, 2, 3}, nil))
			got, err := x.logprobs(row, chosen, n)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Top) != min(n, len(row)-1) { // without the impossible one
				t.Errorf("%d tokens, want %d", len(got.Top), n)
			}
			if !slices.IsSortedFunc(got.Top, func(a, b TokenLogprob) int {
				return descending(candidate{logit: a.Logprob}, candidate{logit: b.Logprob})
			}) {
				t.Error("not in order")
			}
			if n > 0 && got.Top[0].Token != must(argmax(row)) {
				t.Error("the most probable token is not the first")
			}
			for _, l := range append([]TokenLogprob{got}, got.Top...) {
				if math.Abs(float64(l.Logprob)-want[l.Token]) > 1e-4 {
					t.Errorf("token %d: %v, llama.cpp %v", l.Token, l.Logprob, want[l.Token])
				}
			}
		}
		if got, err := x.logprobs(row, 5, 0); err != nil || !math.IsInf(float64(got.Logprob), -1) {
			t.Errorf("an impossible token: %v, %v", got, err)
		}
	}
	if _, err := newSampler(Sampling{}, 1).logprobs([]float32{float32(math.NaN())}, 0, 1); err == nil {
		t.Error("NaN is no error")
	}
}
