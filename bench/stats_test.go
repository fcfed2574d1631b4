package main

import (
	"math"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestQuantile(t *testing.T) {
	for _, test := range []struct {
		name   string
		sorted []float64
		q      float64
		want   float64
	}{
		{"one value", []float64{7}, 0.5, 7},
		{"odd number", []float64{1, 2, 9}, 0.5, 2},
		{"even number", []float64{1, 2, 4, 9}, 0.5, 3},
		{"least", []float64{1, 2, 4}, 0, 1},
		{"greatest", []float64{1, 2, 4}, 1, 4},
		{"between", []float64{0, 10}, 0.99, 9.9},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := quantile(test.sorted, test.q); !near(got, test.want) {
				t.Errorf("quantile(%v, %v) = %v, want %v", test.sorted, test.q, got, test.want)
			}
		})
	}
	if got := quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("quantile of nothing = %v, want NaN", got)
	}
}

// The ranks and coverages are those of the tables of the sign test.
func TestMedianRanks(t *testing.T) {
	for _, test := range []struct {
		n, low, high int
		coverage     float64
		ok           bool
	}{
		{n: 0},
		{n: 1},
		{n: 5},
		{6, 1, 6, 1 - 2.0/64, true},
		{8, 1, 8, 1 - 2.0/256, true},
		{9, 2, 8, 1 - 2*10.0/512, true},
		{15, 4, 12, 1 - 2*576.0/32768, true},
		{31, 10, 22, 0.970551, true},
	} {
		low, high, coverage, ok := medianRanks(test.n, 0.95)
		if low != test.low || high != test.high || ok != test.ok || math.Abs(coverage-test.coverage) > 1e-6 {
			t.Errorf("medianRanks(%d) = %d, %d, %v, %v; want %d, %d, %v, %v",
				test.n, low, high, coverage, ok, test.low, test.high, test.coverage, test.ok)
		}
	}
}

func TestResult(t *testing.T) {
	six := []pair{{2, 1}, {4, 1}, {3, 1}, {6, 1}, {5, 1}, {7, 1}}
	for _, test := range []struct {
		name     string
		result   result
		line     string
		interval string
	}{
		{"pairs", result{name: "decode", pairs: six}, "BENCH decode ours=4.5 peer=1 ratio=4.500",
			"ratio 4.500, 95 % interval 2.000 to 7.000 (order statistics 1 and 6 of 6 ratios, coverage 96.9 %)"},
		{"few pairs", result{name: "start", pairs: six[:2]}, "BENCH start ours=3 peer=1 ratio=3.000",
			"ratio 3.000; 2 pairs are too few for a 95 % interval: range 2.000 to 4.000"},
		// The median of the ratios is not the ratio of the medians.
		{"median ratio", result{name: "x", pairs: []pair{{1, 1}, {10, 2}, {100, 1000}}}, "BENCH x ours=10 peer=2 ratio=1.000",
			"ratio 1.000; 3 pairs are too few for a 95 % interval: range 0.100 to 5.000"},
		{"alone", result{name: "allocs", alone: 0.25}, "BENCH allocs ours=0.25 peer=- ratio=-", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.result.line(); got != test.line {
				t.Errorf("line() = %q, want %q", got, test.line)
			}
			if test.interval == "" {
				return
			}
			if got := test.result.interval(); got != test.interval {
				t.Errorf("interval() = %q, want %q", got, test.interval)
			}
		})
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0234375: "0.02344", 12.3456: "12.35", 999.96: "1000", 12345.6: "12346", -2048.4: "-2048"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestSeed(t *testing.T) {
	seen := map[uint64]bool{}
	for figure := range 4 {
		for run := -1; run < 4; run++ {
			for client := range clients + 1 {
				s := seed(figure, run, client)
				if seen[s] {
					t.Fatalf("seed(%d, %d, %d) = %d is another's", figure, run, client, s)
				}
				seen[s] = true
			}
		}
	}
}
