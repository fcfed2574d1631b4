package engine

import (
	"fmt"
	"math"
)

// The passes over a whole row of logits. A model's vocabulary has up to 262,144
// tokens, nearly all of them out of the question: the loops reject eight at a
// time with comparisons that the processor predicts, and nothing is
// exponentiated by calling math.Exp.

// argmax returns the token of the greatest logit, the first of equals.
func argmax(row []float32) (Token, error) {
	best, at := float32(math.Inf(-1)), -1
	i := 0
	for ; i+8 <= len(row); i += 8 {
		b := (*[8]float32)(row[i:])
		// Written so that NaN is not passed over.
		if b[0] <= best && b[1] <= best && b[2] <= best && b[3] <= best &&
			b[4] <= best && b[5] <= best && b[6] <= best && b[7] <= best {
			continue
		}
		for j, l := range b {
			if l > best {
				best, at = l, i+j
			} else if l != l {
				return 0, errNaN(i + j)
			}
		}
	}
	for ; i < len(row); i++ {
		if l := row[i]; l > best {
			best, at = l, i
		} else if l != l {
			return 0, errNaN(i)
		}
	}
	if at < 0 {
		return 0, errNoToken
	}
	if math.IsInf(float64(best), 1) {
		return 0, errInfinite(at)
	}
	return Token(at), nil
}

func errInfinite(i int) error {
	return fmt.Errorf("engine: the model computed an infinite logit for token %d", i)
}

func errNaN(i int) error { return fmt.Errorf("engine: the model computed NaN for token %d", i) }

// collect keeps the tokens with at least the given logit, ranked by it, in no
// order. Impossible tokens are never kept.
func (s *sampler) collect(row []float32, least float32) {
	least = max(least, -math.MaxFloat32)
	kept := s.kept[:0]
	i := 0
	for ; i+8 <= len(row); i += 8 {
		b := (*[8]float32)(row[i:])
		if b[0] < least && b[1] < least && b[2] < least && b[3] < least &&
			b[4] < least && b[5] < least && b[6] < least && b[7] < least {
			continue
		}
		for j, l := range b {
			if l >= least {
				kept = append(kept, candidate{id: Token(i + j), logit: l, rank: l})
			}
		}
	}
	for ; i < len(row); i++ {
		if l := row[i]; l >= least {
			kept = append(kept, candidate{id: Token(i), logit: l, rank: l})
		}
	}
	s.kept = kept
}

// The exponential function of what is not positive: a table of steps and the
// rest of a step, at most 1/128, by the first terms of the series. What the
// series leaves out is at most (1/128)^3/6 = 8e-8 of the value: about a rounding
// of float32.
const (
	expSteps = 64   // per unit
	expSize  = 2048 // so the table reaches to exp(-32)

	// Adding it to a number of 0 to 2^51 rounds that to a whole number, which the
	// lowest bits of the sum then hold.
	toWhole = 3 << 51
)

var expTable = func() (t [expSize]float64) {
	for i := range t {
		t[i] = math.Exp(-float64(i) / expSteps)
	}
	return t
}()

// expNeg returns exp(-x) for x >= 0.
func expNeg(x float64) float64 {
	y := x * expSteps
	if !(y < expSize-1) {
		return math.Exp(-x)
	}
	t := y + toWhole
	r := (t - toWhole - y) * (1.0 / expSteps)
	return expTable[math.Float64bits(t)%expSize] * (1 + r + 0.5*r*r)
}

// sums returns, over the row, the sum of exp(-x), where x is how far a logit is
// below best, times scale, and the sum of x*exp(-x). What is more than 31.98
// below is left out: of n tokens at most n*exp(-31.98), below 4e-9 for 262,144
// where the sum is at least 1, because the best is in it.
func sums(row []float32, best float32, scale float64) (sum, moment float64) {
	var s0, s1, m0, m1 float64
	top := float64(best)
	scale *= expSteps
	i := 0
	for ; i+2 <= len(row); i += 2 {
		b := (*[2]float32)(row[i:])
		if y := (top - float64(b[0])) * scale; y < expSize-1 {
			t := y + toWhole
			r := (t - toWhole - y) * (1.0 / expSteps)
			e := expTable[math.Float64bits(t)%expSize] * (1 + r + 0.5*r*r)
			s0 += e
			m0 += y * e
		}
		if y := (top - float64(b[1])) * scale; y < expSize-1 {
			t := y + toWhole
			r := (t - toWhole - y) * (1.0 / expSteps)
			e := expTable[math.Float64bits(t)%expSize] * (1 + r + 0.5*r*r)
			s1 += e
			m1 += y * e
		}
	}
	if i < len(row) {
		if y := (top - float64(row[i])) * scale; y < expSize-1 {
			e := expNeg(y / expSteps)
			s0 += e
			m0 += y * e
		}
	}
	return s0 + s1, (m0 + m1) / expSteps
}
