package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

const level = 0.95 // of the intervals

// result is a measured figure: pairs, or one number without anything to compare
// it with.
type result struct {
	name  string
	unit  string
	pairs []pair
	alone float64 // without pairs
	notes []string
}

// print writes the table of a result.
func (r *result) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	if len(r.pairs) == 0 {
		fmt.Fprintf(w, "%s\t%s %s\t\n", r.name, number(r.alone), r.unit)
	} else {
		fmt.Fprintf(w, "pair\tours %s\tpeer %[1]s\tratio\t\n", r.unit)
		for i, p := range r.pairs {
			fmt.Fprintf(w, "%d\t%s\t%s\t%.3f\t\n", i+1, number(p.ours), number(p.peer), p.ratio())
		}
		ours, peer, ratio := r.medians()
		fmt.Fprintf(w, "median\t%s\t%s\t%.3f\t\n", number(ours), number(peer), ratio)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(r.pairs) > 0 {
		fmt.Fprintln(out, r.interval())
	}
	for _, note := range r.notes {
		fmt.Fprintln(out, note)
	}
	return nil
}

func (r *result) medians() (ours, peer, ratio float64) {
	return median(column(r.pairs, func(p pair) float64 { return p.ours })),
		median(column(r.pairs, func(p pair) float64 { return p.peer })),
		median(column(r.pairs, pair.ratio))
}

// interval says how sure the median ratio is.
func (r *result) interval() string {
	ratios := column(r.pairs, pair.ratio)
	low, high, coverage, ok := medianRanks(len(ratios), level)
	if !ok {
		return fmt.Sprintf("ratio %.3f; %d pairs are too few for a 95 %% interval: range %.3f to %.3f",
			median(ratios), len(ratios), ratios[0], ratios[len(ratios)-1])
	}
	return fmt.Sprintf("ratio %.3f, 95 %% interval %.3f to %.3f (order statistics %d and %d of %d ratios, coverage %.1f %%)",
		median(ratios), ratios[low-1], ratios[high-1], low, high, len(ratios), 100*coverage)
}

// line is what programs read.
func (r *result) line() string {
	if len(r.pairs) == 0 {
		return fmt.Sprintf("BENCH %s ours=%s peer=- ratio=-", r.name, number(r.alone))
	}
	ours, peer, ratio := r.medians()
	return fmt.Sprintf("BENCH %s ours=%s peer=%s ratio=%.3f", r.name, number(ours), number(peer), ratio)
}

// number writes four significant digits, and whole numbers whole.
func number(v float64) string {
	if v >= 1000 || v <= -1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
