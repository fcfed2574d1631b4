package engine

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestTally(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var x tally
	x.round = math.MaxUint32 - 3 // and over the end
	for _, n := range []int{0, 1, 8, 9, 100, 3, 1000, 50} {
		x.reset(n)
		want := map[Token]int32{}
		for range n {
			tok := Token(r.IntN(40)) << r.IntN(13)
			want[tok]++
			*x.at(tok)++
		}
		if len(x.used) != len(want) {
			t.Errorf("%d tokens, want %d", len(x.used), len(want))
		}
		for _, i := range x.used {
			if s := x.slots[i]; s.value != want[s.token] {
				t.Errorf("token %d: %d, want %d", s.token, s.value, want[s.token])
			}
		}
	}
}
