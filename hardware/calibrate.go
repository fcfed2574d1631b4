package hardware

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Measure reads the speed of one candidate once.
type Measure func(context.Context, Candidate) (Speed, error)

// Rounds is how often [Calibrate] measures each candidate.
const Rounds = 3

// Candidates lists what is worth measuring on a machine: each backend that llama.cpp
// shows a device for; on the CPU several numbers of threads, on a GPU, where all layers
// fit there, the one that only feeds it.
func Candidates(m Machine) (list []Candidate) {
	for _, b := range []Backend{BackendMetal, BackendVulkan, BackendCUDA} {
		if m.Shows(b) {
			list = append(list, Candidate{b, min(m.CPU.Threads(), smallestThreads)})
		}
	}
	most := m.CPU.Threads()
	counts := []int{most, most * 3 / 4, most / 2, most / 4}
	if most == m.CPU.AllowedCores { // no limit: two on one core seldom help, but the machine may show it
		counts = append(counts, len(m.CPU.Allowed))
	}
	slices.Sort(counts)
	for _, n := range slices.Compact(counts) {
		if n > 0 {
			list = append(list, Candidate{BackendCPU, n})
		}
	}
	return list
}

// Calibrate measures candidates in turns, [Rounds] times each, so that what else the
// machine does meets all alike, and returns their medians in the same order. progress,
// if it is not nil, is called before each reading with how many are done. A candidate
// that fails is not measured again, and says why. The error is ctx's, or that of all
// candidates if none could be measured.
func Calibrate(ctx context.Context, candidates []Candidate, measure Measure, progress func(done, total int, next Candidate)) ([]Measurement, error) {
	if len(candidates) == 0 {
		return nil, errors.New("hardware: there is no candidate to measure")
	}
	result := make([]Measurement, len(candidates))
	readings := make([][]Speed, len(candidates))
	errs := make([]error, len(candidates))
	total := Rounds * len(candidates)
	for done := range total {
		i := done % len(candidates)
		if errs[i] != nil {
			continue
		}
		if progress != nil {
			progress(done, total, candidates[i])
		}
		s, err := measure(ctx, candidates[i])
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil && !(s.Prefill > 0 && s.Decode > 0) {
			err = fmt.Errorf("measured %v tokens/s of prompt and %v of output", s.Prefill, s.Decode)
		}
		if err != nil {
			errs[i] = fmt.Errorf("%v: %w", candidates[i], err)
			continue
		}
		readings[i] = append(readings[i], s)
	}
	failed := 0
	for i, c := range candidates {
		result[i].Candidate = c
		if errs[i] != nil {
			result[i].Failed = errs[i].Error()
			failed++
			continue
		}
		result[i].Speed = median(readings[i])
	}
	if failed == len(candidates) {
		return nil, fmt.Errorf("hardware: nothing could be measured: %w", errors.Join(errs...))
	}
	return result, nil
}

// median is that of each speed by itself.
func median(readings []Speed) Speed {
	middle := func(of func(Speed) float64) float64 {
		values := make([]float64, len(readings))
		for i, s := range readings {
			values[i] = of(s)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return Speed{middle(func(s Speed) float64 { return s.Prefill }), middle(func(s Speed) float64 { return s.Decode })}
}
