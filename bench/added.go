package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/llama"
)

const (
	addedTokens  = 8  // few, as the noise of computing grows with them
	addedSamples = 20 // for each pair that was asked for: a p99 needs hundreds
)

// added measures what the engine adds to llama.cpp: queue, batch, sampling, text
// and reader.
func added(ctx context.Context, s *session) (_ []result, err error) {
	e, w, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	bare, err := newBare(ctx, s.model, s.options.threads, e.ContextLength())
	if err != nil {
		return nil, err
	}
	defer bare.close()
	var ours, peer, difference []float64 // milliseconds
	samples := addedSamples * s.options.pairs
	for run := -1; run < samples; run++ {
		if run%addedSamples == 0 {
			s.status("sample %d of %d", run, samples)
		}
		var first, decoded time.Duration
		prompt := w.prompt(seed(6, run, 0), addedTokens)
		sides := []func() error{
			func() error {
				g, err := generate(ctx, e, prompt, 1)
				first = g.first
				return err
			},
			func() (err error) {
				decoded, err = bare.decode(prompt)
				return err
			},
		}
		if run%2 != 0 {
			slices.Reverse(sides)
		}
		for _, side := range sides {
			if err := side(); err != nil {
				s.status("")
				return nil, err
			}
		}
		if run >= 0 {
			ours, peer = append(ours, ms(first)), append(peer, ms(decoded))
			difference = append(difference, ms(first-decoded))
		}
	}
	s.status("")
	slices.Sort(ours)
	slices.Sort(peer)
	slices.Sort(difference)
	p50, p99 := quantile(difference, 0.5), quantile(difference, 0.99)
	notes := []string{
		fmt.Sprintf("%d samples; first token p50 %.3f ms, p99 %.3f ms; llama_decode p50 %.3f ms, p99 %.3f ms",
			samples, quantile(ours, 0.5), quantile(ours, 0.99), quantile(peer, 0.5), quantile(peer, 0.99)),
		fmt.Sprintf("how far llama_decode alone spreads, p99 less p50, is %.3f ms: differences of that size are noise",
			quantile(peer, 0.99)-quantile(peer, 0.5)),
	}
	return []result{
		{name: "added-p50", unit: "ms", alone: p50},
		{name: "added-p99", unit: "ms", alone: p99, notes: notes},
	}, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// bare is llama.cpp without the engine, set up as the engine sets it up.
type bare struct {
	model *llama.Model
	llm   *llama.Context
	pool  *llama.ThreadPool
	batch *llama.Batch
}

func newBare(ctx context.Context, path string, threads, length int) (_ *bare, err error) {
	b := &bare{}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	mp := llama.DefaultModelParams()
	mp.NGPULayers = 0
	b.model, err = llama.LoadModel(path, mp, func(float32) bool { return ctx.Err() == nil })
	if err != nil {
		return nil, err
	}
	p := llama.DefaultContextParams()
	p.NCtx = uint32(length)
	p.NBatch = uint32(min(engine.DefaultBatchSize, length))
	p.NUbatch = min(p.NUbatch, p.NBatch)
	p.NOutputsMax = 1
	p.NThreads, p.NThreadsBatch = int32(threads), int32(threads)
	if b.llm, err = llama.NewContext(b.model, p); err != nil {
		return nil, err
	}
	if threads > 1 {
		if b.pool, err = llama.NewThreadPool(llama.ThreadPoolParams{Threads: threads, Poll: engine.DefaultPoll}); err != nil {
			return nil, err
		}
		b.llm.AttachThreadPool(b.pool, nil)
	}
	b.batch = llama.NewBatch(addedTokens)
	return b, nil
}

// decode computes a prompt until its logits are there, and forgets it.
func (b *bare) decode(prompt []engine.Token) (time.Duration, error) {
	start := time.Now()
	b.batch.Clear()
	for i, t := range prompt {
		b.batch.Add(t, llama.Pos(i), 0, i == len(prompt)-1)
	}
	code := b.llm.Decode(b.batch)
	if code != 0 || b.llm.LogitsIth(-1) == nil {
		return 0, fmt.Errorf("llama_decode failed with code %d", code)
	}
	took := time.Since(start)
	b.llm.Memory().Clear(false)
	return took, nil
}

func (b *bare) close() {
	if b.batch != nil {
		b.batch.Free()
	}
	if b.llm != nil {
		b.llm.Free()
	}
	if b.pool != nil {
		b.pool.Free()
	}
	if b.model != nil {
		b.model.Free()
	}
}
