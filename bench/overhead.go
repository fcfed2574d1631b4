package main

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"time"

	"github.com/cria-lm/cria"
)

// overheadFigures are about what cria adds to the model's work. Only "prompt" needs a model.
var overheadFigures = []figure{
	{"format-parse", "microseconds from inputs to request and from reply to values, against dspy-rs",
		"Lines.Format and Lines.Parse with 0, 2 and 16 demonstrations, against ChatAdapter::format and parse_response of dspy-rs " + dspyrsVersion + ", one thread",
		"<= 2.5 us at any number of demonstrations", formatParse},
	{"call", "microseconds of a whole call on a model that answers at once",
		"Predict.Call, struct to struct, with 0 and 16 demonstrations, against format and parse_response of dspy-rs alone, which are a part of its call",
		"<= 6 us, the same with any number of demonstrations", wholeCall},
	{"call-allocs", "Go heap allocations of such a call",
		"Predict.Call with 0 and 16 demonstrations",
		"the same number", callAllocs},
	{"adapter-64", "milliseconds of an adapter's operations with 64 demonstrations",
		"Format and Parse of a llamacpp.Adapter",
		"<= 0.05 ms", adapterOperations},
	{"adapter-memory", "bytes of one more adapter on a model",
		fmt.Sprintf("growth of the heap by %d adapters of the default configuration, each", adapterCount),
		"<= 4096 bytes", adapterMemory},
	{"prompt", "microseconds from a request to its tokens (loads the model)",
		"LoadedModel.CountTokens of a request with 0, 16 and 64 demonstrations that were there before; nobody has named a time, since it is mostly the tokenizer's for the inputs",
		"the same with any number of demonstrations, but for a copy of their tokens", promptTokens},
	{"concurrent", "calls of a fixed time, some at once, against the ideal",
		fmt.Sprintf("cria.Map over %d calls of %v, %d at once", mapCalls, mapCall, mapAtOnce),
		"ratio <= 1.03", concurrentCalls},
}

// turn is how long one side repeats an operation before it is the other's turn.
const turn = 250 * time.Millisecond

// formatParse measures what stands between a program and its model.
func formatParse(ctx context.Context, s *session) ([]result, error) {
	return s.againstDspyrs(ctx, "format-parse", []int{0, 2, 16}, func(t *task) func() error {
		return t.formatAndParse(cria.Lines{})
	})
}

// wholeCall measures what a program pays for a call.
func wholeCall(ctx context.Context, s *session) ([]result, error) {
	results, err := s.againstDspyrs(ctx, "call", []int{0, 16}, func(t *task) func() error { return t.call(ctx) })
	for i, took := range []string{"227", "1013"} {
		if i < len(results) {
			results[i].notes = append(results[i].notes, fmt.Sprintf("DSPy 3.4.1 took %s us for a whole call, on another machine: quoted, not measured", took))
		}
	}
	return results, err
}

// againstDspyrs measures an operation in microseconds, with several numbers of
// demonstrations.
func (s *session) againstDspyrs(ctx context.Context, name string, demos []int, operation func(*task) func() error) (results []result, err error) {
	peer, why, err := s.dspyrs(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range demos {
		t, err := newTask(n)
		if err != nil {
			return results, err
		}
		op := operation(t)
		ours := func(context.Context, int) (float64, error) { return microseconds(op) }
		r := result{name: fmt.Sprintf("%s-%d", name, n), unit: "us"}
		if why == "" {
			r.pairs, err = s.pairs(ctx, ours, func(ctx context.Context, _ int) (float64, error) { return peer.measure(ctx, t) })
		} else {
			r.alone, err = s.alone(ctx, ours)
			r.notes = []string{fmt.Sprintf("dspy-rs %s took %s us on another machine: quoted, not measured, as %s", dspyrsVersion, dspyrsQuoted[n], why)}
		}
		if err != nil {
			return results, err
		}
		results = append(results, r)
	}
	return results, nil
}

// alone returns the median of as many runs as there would be pairs, and one that does
// not count.
func (s *session) alone(ctx context.Context, ours side) (float64, error) {
	var all []float64
	for run := -1; run < s.options.pairs; run++ {
		if err := sleep(ctx, settle); err != nil {
			return 0, err
		}
		v, err := ours(ctx, run)
		if err != nil {
			return 0, err
		}
		if run >= 0 {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return median(all), nil
}

// microseconds returns what an operation takes, repeated for a turn.
func microseconds(operation func() error) (float64, error) {
	runtime.GC() // what was before is not this one's garbage
	if _, err := repeat(turn/4, operation); err != nil {
		return 0, err
	}
	each, err := repeat(turn, operation)
	return each * 1e6, err
}

// repeat returns the seconds of one operation.
func repeat(d time.Duration, operation func() error) (float64, error) {
	const batch = 256 // between two readings of the clock
	n := 0
	start := time.Now()
	for time.Since(start) < d {
		for range batch {
			if err := operation(); err != nil {
				return 0, err
			}
		}
		n += batch
	}
	return time.Since(start).Seconds() / float64(n), nil
}

// callAllocs counts what a call allocates, the model's part aside, which is nothing.
func callAllocs(ctx context.Context, s *session) ([]result, error) {
	const calls = 2000
	var results []result
	for _, n := range []int{0, 16} {
		t, err := newTask(n)
		if err != nil {
			return results, err
		}
		call := t.call(ctx)
		bytes := 0.0
		each, err := s.alone(ctx, func(context.Context, int) (float64, error) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range calls {
				if err := call(); err != nil {
					return 0, err
				}
			}
			runtime.ReadMemStats(&after)
			bytes = float64(after.TotalAlloc-before.TotalAlloc) / calls
			return float64(after.Mallocs-before.Mallocs) / calls, nil
		})
		if err != nil {
			return results, err
		}
		results = append(results, result{name: fmt.Sprintf("allocs-%d", n), unit: "allocations/call", alone: each,
			notes: []string{number(bytes) + " bytes"}})
	}
	return results, nil
}

const (
	mapCalls  = 256
	mapAtOnce = 16
	mapCall   = 20 * time.Millisecond
)

// concurrentCalls measures what [cria.Map] adds to calls that only wait.
func concurrentCalls(ctx context.Context, s *session) ([]result, error) {
	t, err := newTask(0)
	if err != nil {
		return nil, err
	}
	predict := t.predict(mapCall)
	inputs := make([]query, mapCalls)
	for i := range inputs {
		inputs[i] = t.query()
	}
	pairs, err := s.pairs(ctx,
		func(ctx context.Context, _ int) (float64, error) {
			start := time.Now()
			for _, o := range cria.Map(ctx, predict, inputs, &cria.MapOptions{Concurrency: mapAtOnce}) {
				if o.Err != nil {
					return 0, o.Err
				}
			}
			return ms(time.Since(start)), nil
		},
		func(context.Context, int) (float64, error) { return ms(mapCall * mapCalls / mapAtOnce), nil })
	if err != nil {
		return nil, err
	}
	waits, err := s.alone(ctx, func(ctx context.Context, _ int) (float64, error) {
		start := time.Now()
		err := sleep(ctx, mapCall)
		return ms(time.Since(start)), err
	})
	if err != nil {
		return nil, err
	}
	return []result{{name: "concurrent", unit: "ms", pairs: pairs,
		notes: []string{fmt.Sprintf("the peer is the ideal, not measured; a timer of %v alone takes %s ms here", mapCall, number(waits))}}}, nil
}

// canned is an LM that has its answer ready, after a while if it is to take one.
type canned struct {
	reply string
	after time.Duration
}

func (c canned) Generate(ctx context.Context, _ *cria.Request) iter.Seq2[cria.Chunk, error] {
	return func(yield func(cria.Chunk, error) bool) {
		if c.after > 0 {
			if err := sleep(ctx, c.after); err != nil {
				yield(cria.Chunk{}, err)
				return
			}
		}
		yield(cria.Chunk{Text: c.reply, Finish: cria.FinishStop, Usage: cria.Usage{PromptTokens: 100, CompletionTokens: 10}}, nil)
	}
}
