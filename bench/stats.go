package main

import (
	"math"
	"slices"
)

// pair is what both sides gave in one turn.
type pair struct{ ours, peer float64 }

func (p pair) ratio() float64 { return p.ours / p.peer }

// column returns f of all pairs, sorted.
func column(pairs []pair, f func(pair) float64) []float64 {
	values := make([]float64, len(pairs))
	for i, p := range pairs {
		values[i] = f(p)
	}
	slices.Sort(values)
	return values
}

// quantile returns the value below which a part q of the sorted values lies,
// between neighbours in proportion; NaN of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	part := at - float64(low)
	return sorted[low]*(1-part) + sorted[high]*part
}

func median(sorted []float64) float64 { return quantile(sorted, 0.5) }

// medianRanks returns the ranks, from 1, of the two order statistics of n
// values that are closest together and still have the median of the population
// between them with a probability of at least level, and that probability. The
// number of values below the median is binomial with p = 1/2, whatever the
// distribution (David and Nagaraja, Order Statistics, section 7.1). With too
// few values ok is false.
func medianRanks(n int, level float64) (low, high int, coverage float64, ok bool) {
	tail := 0.0 // probability that fewer than low values are below the median
	for k := 0; 2*(k+1) <= n; k++ {
		next := tail + binomial(n, k)
		if 1-2*next < level {
			break
		}
		tail, low = next, k+1
	}
	if low == 0 {
		return 0, 0, 0, false
	}
	return low, n + 1 - low, 1 - 2*tail, true
}

// binomial is the probability of k heads in n tosses of a coin.
func binomial(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return math.Exp(a - b - c - float64(n)*math.Ln2)
}
