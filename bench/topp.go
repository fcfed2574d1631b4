package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/llama"
)

// llama.cpp's defaults.
const (
	topP            = 0.95
	topPTemperature = 0.8
)

// topPTexts are followed by words that are nearly certain and by words that could
// be anything.
var topPTexts = []string{
	"One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen,",
	"Once upon a time there was a girl who lived in a village near the forest, and whenever she",
	"for i := 0; i < 10; i++ {\n\tfmt.Println(i)\n}\n",
	"apple quickly the seventeen runs of between mountain violin xylophone",
}

// topPChoice measures choices a second with top-p over the whole vocabulary. Each
// side chooses from each row, in turns; a pair is the medians of a round over
// all rows.
func topPChoice(ctx context.Context, s *session) ([]result, error) {
	rows, err := s.rows(ctx)
	if err != nil {
		return nil, err
	}
	var results []result
	for _, size := range []struct {
		name string
		n    int
	}{{"topp-49k", 49152}, {"topp-262k", 262144}} {
		r, err := s.choices(ctx, resized(rows, size.n))
		if err != nil {
			return results, fmt.Errorf("%s: %w", size.name, err)
		}
		r.name = size.name
		results = append(results, r)
	}
	return results, nil
}

// choices compares the samplers on rows of one length.
func (s *session) choices(ctx context.Context, rows [][]float32) (r result, err error) {
	n := len(rows[0])
	sampler, err := engine.NewSampler(engine.Sampling{Temperature: topPTemperature, TopP: topP}, n)
	if err != nil {
		return r, err
	}
	chain, err := llama.NewSamplerChain()
	if err != nil {
		return r, err
	}
	defer chain.Free()
	chain.AddTopP(topP, 1)
	chain.AddTemp(topPTemperature)
	chain.AddDist(1)
	list := make([]llama.TokenData, n)
	sides := []func(row []float32) error{
		func(row []float32) error {
			_, err := sampler.Choose(row, nil)
			return err
		},
		func(row []float32) error {
			// As llama_sampler_sample does it for each choice, and as fast.
			for i, l := range row {
				list[i] = llama.TokenData{ID: llama.Token(i), Logit: l}
			}
			if _, chosen := chain.Apply(list); chosen < 0 {
				return fmt.Errorf("llama.cpp's chain chose nothing")
			}
			return nil
		},
	}
	defer s.status("")
	var all [2][]float64
	for run := -1; run < s.options.pairs; run++ {
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		s.status("pair %d of %d", run+1, s.options.pairs)
		times, err := takeTurns(rows, run, sides)
		if err != nil {
			return r, err
		}
		if run < 0 {
			continue
		}
		for side := range times {
			all[side] = append(all[side], times[side]...)
		}
		r.pairs = append(r.pairs, pair{ours: 1e6 / sortedMedian(times[0]), peer: 1e6 / sortedMedian(times[1])})
	}
	r.unit = "choices/s"
	r.notes = []string{fmt.Sprintf("a choice, of %d rows: ours median %.0f us, worst %.0f us; peer median %.0f us, worst %.0f us",
		len(rows), sortedMedian(all[0]), slices.Max(all[0]), sortedMedian(all[1]), slices.Max(all[1]))}
	return r, nil
}

// takeTurns returns the microseconds that both sides take for each row.
func takeTurns(rows [][]float32, run int, sides []func(row []float32) error) (times [2][]float64, err error) {
	for i, row := range rows {
		for turn := range sides {
			side := (turn + i + run + 1) % len(sides)
			start := time.Now()
			if err := sides[side](row); err != nil {
				return times, err
			}
			times[side] = append(times[side], float64(time.Since(start))/float64(time.Microsecond))
		}
	}
	return times, nil
}

func sortedMedian(values []float64) float64 { return median(slices.Sorted(slices.Values(values))) }

// rows returns the model's logits behind each token of some texts.
func (s *session) rows(ctx context.Context) (rows [][]float32, err error) {
	e, _, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	p := llama.DefaultModelParams()
	p.NGPULayers = 0
	model, err := llama.LoadModel(s.model, p, func(float32) bool { return ctx.Err() == nil })
	if err != nil {
		return nil, err
	}
	defer model.Free()
	for _, text := range topPTexts {
		tokens, err := e.Vocab().Encode(text)
		if err != nil {
			return nil, err
		}
		more, err := rowsBehind(model, tokens)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func rowsBehind(model *llama.Model, tokens []engine.Token) (rows [][]float32, err error) {
	p := llama.DefaultContextParams()
	p.NCtx, p.NOutputsMax = uint32(len(tokens)), uint32(len(tokens))
	p.NThreads, p.NThreadsBatch = 1, 1 // OpenMP's would stay with the thread that calls
	llm, err := llama.NewContext(model, p)
	if err != nil {
		return nil, err
	}
	defer llm.Free()
	batch := llama.NewBatch(len(tokens))
	defer batch.Free()
	for i, t := range tokens {
		batch.Add(t, llama.Pos(i), 0, true)
	}
	if code := llm.Decode(batch); code != 0 {
		return nil, fmt.Errorf("llama_decode failed with code %d", code)
	}
	for i := range tokens {
		row := llm.LogitsIth(i)
		if row == nil {
			return nil, fmt.Errorf("llama_decode gave no logits for token %d", i)
		}
		rows = append(rows, slices.Clone(row))
	}
	return rows, nil
}

// resized returns rows of n logits. Those that a row lacks are random, with the
// mean and the deviation of its own.
func resized(rows [][]float32, n int) [][]float32 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([][]float32, len(rows))
	for i, row := range rows {
		mean, deviation := moments(row)
		row = slices.Clone(row[:min(len(row), n)])
		for len(row) < n {
			row = append(row, float32(mean+deviation*r.NormFloat64()))
		}
		out[i] = row
	}
	return out
}

func moments(row []float32) (mean, deviation float64) {
	sum, squares := 0.0, 0.0
	for _, l := range row {
		sum += float64(l)
		squares += float64(l) * float64(l)
	}
	mean = sum / float64(len(row))
	return mean, math.Sqrt(max(0, squares/float64(len(row))-mean*mean))
}
