package engine

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/cria-lm/cria/llama"
)

// The penalties are llama.cpp's, with and without breakers, of one token and of
// several.
func TestDRYPenalizesWhatLlamaPenalizes(t *testing.T) {
	v := newVocab(oracleModel(t).Vocab())
	breakers, err := v.DRYBreakers(breakerTexts...)
	if err != nil {
		t.Fatal(err)
	}
	text := "A: The cat. The dog é\nB: The cat. Therefore the cat. The dog é\nA: caf\u00e9 au lait. The cat. The"
	prose, err := v.Encode(text + text)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 1))
	histories := [][]Token{nil, {1}, {1, 1}, {5, 5, 5, 5, 5, 5, 5}, prose}
	for range 15 {
		histories = append(histories, prose[:r.IntN(len(prose))])
		random := make([]Token, r.IntN(60))
		for i := range random {
			random[i] = Token(300 + r.IntN(2+r.IntN(4)))
		}
		histories = append(histories, random)
	}
	changed := 0
	for _, history := range histories {
		for _, d := range []DRY{
			{Multiplier: 0.8}, {Multiplier: 1, Base: 1, AllowedLength: 1}, {Multiplier: 2, Base: 3, AllowedLength: 4},
			{Multiplier: 1, LastN: 7}, {Multiplier: 1, LastN: 1}, {Multiplier: 0.5, AllowedLength: 1, Breakers: breakers},
			{Multiplier: 1, Breakers: breakers, LastN: 30}, {Multiplier: 1, Breakers: breakers},
		} {
			s := Sampling{DRY: d}
			row := make([]float32, v.NTokens())
			want := candidates(row)
			if len(history) > 0 { // llama.cpp's cannot be made for no history
				want, _ = oracle(t, s, len(row), history, nil).Apply(want)
			}
			x := newSampler(s, len(row))
			x.borrow()
			x.adjust(row, history)
			for _, w := range want {
				got := row[w.ID]
				if math.Abs(float64(got-w.Logit)) > 1e-5*math.Abs(float64(w.Logit)) {
					t.Fatalf("%+v, %d tokens %v: logit of %d is %v, llama.cpp's %v", d, len(history), head(history), w.ID, got, w.Logit)
				}
				if got != 0 {
					changed++
				}
			}
		}
	}
	if changed < 100 {
		t.Errorf("only %d logits were penalized: the test is empty", changed)
	}
}

func TestDRYIsBounded(t *testing.T) {
	history := make([]Token, 500)
	row := []float32{1, 0}
	s := Sampling{DRY: DRY{Multiplier: 1000, Base: 1000}}
	if got, err := newSampler(s, 2).choose(row, history, nil); err != nil || got != 1 {
		t.Errorf("chose %d, %v", got, err)
	}
	if got, err := newSampler(s, 2).choose(row, history, only{0: true}); err != nil || got != 0 {
		t.Errorf("where only that is allowed: %d, %v", got, err)
	}
}

func TestDRYBreakersCheck(t *testing.T) {
	v := newVocab(oracleModel(t).Vocab())
	for _, text := range []string{"", "\xff", string(make([]byte, maxBreaker+1))} {
		var bad *RequestError
		if _, err := v.DRYBreakers("\n", text); !errors.As(err, &bad) || bad.Field != "texts[1]" {
			t.Errorf("%q: %v", text, err)
		}
	}
	b, err := v.DRYBreakers()
	if err != nil {
		t.Fatal(err)
	}
	colon, err := v.Encode(":")
	if err != nil || !b.single(colon[0]) || b.single(llama.NoToken) {
		t.Errorf("the default breakers lack a colon: %v", err)
	}
}
