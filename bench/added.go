package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cria-lm/cria/engine"
)

const (
	addedTokens  = 8
	addedSamples = 20 // for each pair that was asked for: a p99 needs hundreds
)

// added measures what the engine adds to llama.cpp until the first token is
// there: queue, batch, sampling, text and reader. What llama.cpp takes is what the
// engine logs of that very step.
func added(ctx context.Context, s *session) ([]result, error) {
	steps := &stepTimes{}
	e, w, err := s.fresh(ctx, engine.Options{NoSpeculation: true, Logger: slog.New(steps)})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	defer s.status("")
	var first, decoded, difference []float64 // milliseconds
	samples := addedSamples * s.options.pairs
	for run := -1; run < samples; run++ {
		if run%addedSamples == 0 {
			s.status("sample %d of %d", run, samples)
		}
		if err := sleep(ctx, settle/3); err != nil {
			return nil, err
		}
		steps.took.Store(0)
		g, err := generate(ctx, e, w.prompt(seed(6, run, 0), addedTokens), 1)
		if err != nil {
			return nil, err
		}
		took := time.Duration(steps.took.Load())
		if took == 0 {
			return nil, fmt.Errorf("the engine has logged no step")
		}
		if run >= 0 {
			first, decoded, difference = append(first, ms(g.first)), append(decoded, ms(took)), append(difference, ms(g.first-took))
		}
	}
	for _, times := range [][]float64{first, decoded, difference} {
		slices.Sort(times)
	}
	notes := []string{fmt.Sprintf("%d samples; first token p50 %.3f ms, p99 %.3f ms, of which llama.cpp p50 %.3f ms, p99 %.3f ms",
		samples, quantile(first, 0.5), quantile(first, 0.99), quantile(decoded, 0.5), quantile(decoded, 0.99))}
	return []result{
		{name: "added-p50", unit: "ms", alone: quantile(difference, 0.5)},
		{name: "added-p99", unit: "ms", alone: quantile(difference, 0.99), notes: notes},
	}, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// stepTimes is a log handler that sums what the engine's steps took.
type stepTimes struct{ took atomic.Int64 }

func (*stepTimes) Enabled(context.Context, slog.Level) bool { return true }

func (s *stepTimes) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "step" {
		return nil
	}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "took" {
			s.took.Add(int64(a.Value.Duration()))
		}
		return true
	})
	return nil
}

func (s *stepTimes) WithAttrs([]slog.Attr) slog.Handler { return s }
func (s *stepTimes) WithGroup(string) slog.Handler      { return s }
