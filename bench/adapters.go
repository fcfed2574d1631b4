package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/cria-lm/cria/llamacpp"
)

// adapterOperations measures an adapter of package llamacpp. It needs no model to
// format and to parse.
func adapterOperations(ctx context.Context, s *session) ([]result, error) {
	const demos = 64
	adapter, err := llamacpp.NewAdapter(new(llamacpp.LoadedModel), nil)
	if err != nil {
		return nil, err
	}
	var first []float64
	each, err := s.alone(ctx, func(context.Context, int) (float64, error) {
		t, err := newTask(demos) // of which nothing is rendered yet
		if err != nil {
			return 0, err
		}
		start := time.Now()
		if _, err := adapter.Format(t.sig, t.inputs); err != nil {
			return 0, err
		}
		first = append(first, ms(time.Since(start)))
		took, err := microseconds(t.formatAndParse(adapter))
		return took / 1000, err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(first)
	return []result{{name: "adapter-64", unit: "ms", alone: each,
		notes: []string{fmt.Sprintf("the first Format of a signature, which renders its %d demonstrations, takes %s ms", demos, number(median(first)))}}}, nil
}

const adapterCount = 10_000

// adapterMemory measures what the heap grows by. What an adapter holds does not depend
// on its model, so that one that was never loaded will do.
func adapterMemory(ctx context.Context, s *session) ([]result, error) {
	plain := llamacpp.DefaultConfig()
	all := plain
	all.EnableCache, all.TokenBudget, all.RequestsPerMinute = true, 1_000_000, 600
	var bytes [2]float64
	for i, config := range []llamacpp.Config{plain, all} {
		var err error
		bytes[i], err = s.alone(ctx, func(context.Context, int) (float64, error) { return bytesOfAdapter(config) })
		if err != nil {
			return nil, err
		}
	}
	return []result{{name: "adapter-memory", unit: "bytes", alone: bytes[0],
		notes: []string{fmt.Sprintf("with an empty cache, a token budget and a rate limit: %s bytes", number(bytes[1]))}}}, nil
}

func bytesOfAdapter(config llamacpp.Config) (float64, error) {
	model := new(llamacpp.LoadedModel)
	adapters := make([]*llamacpp.Adapter, adapterCount)
	before := liveHeap()
	for i := range adapters {
		var err error
		if adapters[i], err = llamacpp.NewAdapter(model, &config); err != nil {
			return 0, err
		}
	}
	after := liveHeap()
	runtime.KeepAlive(adapters)
	return (float64(after) - float64(before)) / adapterCount, nil
}

// liveHeap returns the bytes of all that is reachable, and of the stacks.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // what a finalizer kept alive
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
