package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/gguf"
)

// memoryContext is the cells of both sides' KV caches: ours begins with so many,
// and the work needs fewer, so that it does not grow.
const memoryContext = 1024

// memory measures MiB.
func memory(ctx context.Context, s *session) ([]result, error) {
	if _, err := peakMemory("self"); err != nil {
		return nil, err
	}
	_, w, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	known, err := s.knownMemory()
	if err != nil {
		return nil, err
	}
	beyond := func(peak int64) (float64, error) {
		if peak <= known {
			return 0, fmt.Errorf("a peak of %d bytes is less than model and KV cache have (%d): not all of the model was used", peak, known)
		}
		return float64(peak-known) / (1 << 20), nil
	}
	length := strconv.Itoa(memoryContext)
	pairs, err := s.pairs(ctx,
		func(ctx context.Context, run int) (float64, error) {
			p, err := s.child(ctx, "peak-memory", "--context", length, "--run", strconv.Itoa(run))
			if err != nil {
				return 0, err
			}
			out, err := p.output()
			if err != nil {
				return 0, err
			}
			peak, err := strconv.ParseInt(string(out), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("the child wrote %.80q instead of a number", out)
			}
			return beyond(peak)
		},
		func(ctx context.Context, run int) (float64, error) {
			v, err := s.startServer(ctx, "-c", length)
			if err != nil {
				return 0, err
			}
			defer v.stop()
			err = atOnce(ctx, unrelatedPrompts(w, run), func(ctx context.Context, p []engine.Token) error {
				return v.complete(ctx, p, unrelatedOutput)
			})
			if err != nil {
				return 0, err
			}
			peak, err := peakMemory(strconv.Itoa(v.process.Process.Pid))
			if err != nil {
				return 0, err
			}
			return beyond(peak)
		})
	note := fmt.Sprintf("model and KV cache, which are taken off on both sides: %.1f MiB", float64(known)/(1<<20))
	return []result{{name: "memory", unit: "MiB", pairs: pairs, notes: []string{note}}}, err
}

// peakMemoryOfOurs is the child of memory.
func peakMemoryOfOurs(ctx context.Context, c *childOptions) error {
	e, w, err := loadEngine(ctx, c.files, c.model, &engine.Options{Threads: c.threads, FixedThreads: true, ContextLength: c.context, CacheLength: c.context})
	if err != nil {
		return err
	}
	defer e.Close()
	err = atOnce(ctx, unrelatedPrompts(w, c.run), func(ctx context.Context, p []engine.Token) error {
		_, err := generate(ctx, e, p, unrelatedOutput)
		return err
	})
	if err != nil {
		return err
	}
	peak, err := peakMemory("self")
	if err != nil {
		return err
	}
	_, err = os.Stdout.WriteString(strconv.FormatInt(peak, 10))
	return err
}

// knownMemory is what both sides need alike: the model's file, and a KV cache
// of memoryContext cells in F16.
func (s *session) knownMemory() (int64, error) {
	size, err := modelSize(s.model)
	if err != nil {
		return 0, err
	}
	f, err := gguf.Open(s.model)
	if err != nil {
		return 0, err
	}
	cell, err := cellSize(f)
	if err != nil {
		return 0, err
	}
	length := memoryContext
	if trained := f.ContextLength(); trained > 0 {
		length = min(length, trained)
	}
	return size + cell*int64(length), nil
}

// cellSize is the bytes of one token in an F16 KV cache: a key and a value for
// each KV head of each layer.
func cellSize(f *gguf.File) (int64, error) {
	arch := f.Architecture()
	get := func(key string, def int64) int64 {
		if v, ok := f.Metadata().Int(arch + ".attention." + key); ok {
			return v
		}
		return def
	}
	heads := get("head_count", 0)
	if heads <= 0 || f.EmbeddingLength() <= 0 || f.BlockCount() <= 0 {
		return 0, fmt.Errorf("the model's file does not say how many attention heads it has in every layer")
	}
	width := int64(f.EmbeddingLength()) / heads
	return 2 * int64(f.BlockCount()) * get("head_count_kv", heads) * (get("key_length", width) + get("value_length", width)), nil
}
