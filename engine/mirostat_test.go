package engine

import (
	"math"
	"slices"
	"testing"
)

// Token after token, what is kept is what llama.cpp keeps when both learn from
// the tokens that llama.cpp chooses.
func TestMirostatKeepsWhatLlamaKeeps(t *testing.T) {
	for _, s := range []Sampling{
		{Temperature: 1, Mirostat: Mirostat{Tau: 5}}, {Temperature: 1.5, Mirostat: Mirostat{Tau: 3, Eta: 0.7}},
		{Temperature: 0.7, Mirostat: Mirostat{Tau: 0.5, Eta: 1}},
	} {
		chain := oracle(t, s, 1000, nil, choice(s))
		x := newSampler(s, 1000)
		x.borrow()
		sizes := map[int]bool{}
		for step := range uint64(40) {
			row := logits(1000, step)
			want, at := chain.Apply(candidates(row))
			must(0, x.mirostat(row))
			if got, want := ids(x.kept), tokenIDs(want); !slices.Equal(got, want) {
				t.Fatalf("%+v, step %d: kept %d %v, llama.cpp %d %v", s, step, len(got), head(got), len(want), head(want))
			}
			sizes[len(want)] = true
			x.surprise = -math.Log2(float64(want[at].P))
			x.learn()
		}
		if len(sizes) < 2 {
			t.Errorf("%+v: the bound does not move", s)
		}
	}
}

// The surprise of the chosen token is that of its probability among those kept.
func TestMirostatSurprise(t *testing.T) {
	row := logits(1000, 1)
	x := newSampler(Sampling{Temperature: 1, Mirostat: Mirostat{Tau: 4}, Seed: new(uint32)}, len(row))
	for range 50 {
		mu := x.mu
		got := must(x.choose(row, nil, nil))
		x.borrow()
		after := x.mu
		x.mu = mu
		must(0, x.mirostat(row))
		x.mu = after
		sum, p := 0.0, 0.0
		for _, c := range x.kept {
			e := math.Exp(float64(c.logit) - 16)
			sum += e
			if c.id == got {
				p = e
			}
		}
		x.giveBack()
		if want := -math.Log2(p / sum); math.Abs(x.surprise-want) > 1e-5 {
			t.Errorf("surprise %v, want %v", x.surprise, want)
		}
	}
}
