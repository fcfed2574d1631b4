package engine

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestExpNeg(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for range 100000 {
		x := r.Float64() * 40
		if want, got := math.Exp(-x), expNeg(x); math.Abs(got-want) > 8e-8*want {
			t.Fatalf("exp(-%v) = %v, want %v", x, got, want)
		}
	}
	for _, x := range []float64{0, 1.0 / 128, 31.98, 31.99, 32, 1e3, math.Inf(1)} {
		if want, got := math.Exp(-x), expNeg(x); math.Abs(got-want) > 8e-8*want {
			t.Errorf("exp(-%v) = %v, want %v", x, got, want)
		}
	}
}

func TestSums(t *testing.T) {
	for _, n := range []int{1, 2, 7, 999, 49152} {
		for _, scale := range []float64{1, 0.1, 3} {
			row := logits(n, 2)
			row[n/2] = -inf
			row[0] = 20
			best := row[must(argmax(row))]
			var sum, moment float64
			for _, l := range row {
				x := (float64(best) - float64(l)) * scale
				if e := math.Exp(-x); e > 0 {
					sum += e
					moment += x * e
				}
			}
			s, m := sums(row, best, scale)
			if math.Abs(s-sum) > 1e-7*sum || math.Abs(m-moment) > 2e-7*moment+1e-12 {
				t.Errorf("%d, %v: %v and %v, want %v and %v", n, scale, s, m, sum, moment)
			}
		}
	}
}

// Top-p and typical-p of rows of all shapes are those of a plain computation.
func TestFiltersOfManyShapes(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 9))
		row := make([]float32, 1+r.IntN(5000))
		spread, peaks := math.Exp(r.Float64()*6-3), r.IntN(4)
		for i := range row {
			row[i] = float32(r.NormFloat64() * spread)
		}
		for range peaks {
			row[r.IntN(len(row))] += float32(r.Float64() * 30)
		}
		for _, p := range []float32{0.01, 0.5, 0.95, 0.99999} {
			x := newSampler(Sampling{}, len(row))
			x.borrow()
			must(0, x.topP(row, float64(p), true))
			checkKept(t, "top-p", row, x.kept, float64(p), func(x, _ float64) float64 { return x })
			must(0, x.typical(row, float64(p), true))
			checkKept(t, "typical-p", row, x.kept, float64(p), func(x, mean float64) float64 { return math.Abs(x - mean) })
		}
	}
}

// checkKept checks that kept is the tokens of the lowest rank that reach p,
// but for a rounding of float32.
func checkKept(t *testing.T, what string, row []float32, kept []candidate, p float64, rank func(x, mean float64) float64) {
	t.Helper()
	best := slices.Max(row)
	var sum, moment, weight, leastWeight, worst float64
	for _, l := range row {
		x := float64(best) - float64(l)
		sum += math.Exp(-x)
		moment += x * math.Exp(-x)
	}
	for _, c := range kept {
		x := float64(best) - float64(c.logit)
		weight += math.Exp(-x)
		if r := rank(x, moment/sum); r >= worst {
			worst, leastWeight = r, math.Exp(-x)
		}
	}
	better := 0
	for _, l := range row {
		if rank(float64(best)-float64(l), moment/sum) < worst-1e-5 {
			better++
		}
	}
	if better > len(kept) || weight < (p-2e-7)*sum || weight-leastWeight > (p+2e-7)*sum {
		t.Errorf("%s %v of %d: kept %d of weight %v, the last %v; %d rank higher than it", what, p, len(row), len(kept), weight/sum, leastWeight/sum, better)
	}
}

// Tokens outside of what is exponentiated are drawn as often as they should be.
func TestDrawAnyIsExact(t *testing.T) {
	row := make([]float32, 20000)
	for i := range row {
		row[i] = float32(i%4) - 9 // all beyond reach
	}
	row[7] = 0
	const n = 100000
	x := newSampler(Sampling{Temperature: 1, Seed: new(uint32)}, len(row))
	counts := map[float32]float64{}
	for range n {
		counts[row[must(x.choose(row, nil, nil))]]++
	}
	weights, sum := map[float32]float64{}, 0.0
	for _, l := range row {
		weights[l] += math.Exp(float64(l))
		sum += math.Exp(float64(l))
	}
	for l, w := range weights {
		p := w / sum
		if got := counts[l] / n; math.Abs(got-p) > 5*math.Sqrt(p*(1-p)/n) {
			t.Errorf("tokens of logit %v chosen with probability %.4f, want %.4f", l, got, p)
		}
	}
}
