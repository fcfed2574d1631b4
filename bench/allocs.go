package main

import (
	"context"
	"runtime"
	"slices"
)

const (
	allocsShort = 32
	allocsLong  = 160
)

// allocs measures what one more token allocates, a reader included: what a
// request costs whatever its length is in both runs.
func allocs(ctx context.Context, s *session) ([]result, error) {
	e, w, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	var each []float64
	for run := -1; run < s.options.pairs; run++ {
		var count [2]uint64
		for i, n := range []int{allocsShort, allocsLong} {
			prompt := w.prompt(seed(5, run, i), 8)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := generate(ctx, e, prompt, n); err != nil {
				return nil, err
			}
			runtime.ReadMemStats(&after)
			count[i] = after.Mallocs - before.Mallocs
		}
		if run >= 0 { // buffers have their sizes
			each = append(each, (float64(count[1])-float64(count[0]))/(allocsLong-allocsShort))
		}
	}
	slices.Sort(each)
	return []result{{name: "allocs", unit: "allocations/token", alone: median(each)}}, nil
}
