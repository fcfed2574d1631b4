package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llama"
	"github.com/cria-lm/cria/llamacpp"
)

// What is measured: a prompt and a reply of so many tokens, or less in a short context.
const (
	measuredPrompt = 512
	measuredReply  = 64
)

// measure measures the model with the candidates of the machine, and keeps that.
func (d *doctor) measure(ctx context.Context, m hardware.Machine, model *hub.Model, s shape, release string) (*hardware.Request, error) {
	if release == "" {
		return nil, unavailableError{errors.New("nothing can be measured without llama.cpp's libraries: run cria pull")}
	}
	// The file that is loaded: it may be a copy that computes faster.
	path, err := llamacpp.Prepare(ctx, d.model, &llamacpp.Options{Hub: d.offlineHub(), Logger: d.logger()})
	if err != nil {
		return nil, err
	}
	plan, err := hardware.Choose(m, s.model, s.needs, nil)
	if err != nil {
		return nil, unavailableError{err}
	}
	// The engine computes on the GPUs of the default backend, or on none.
	candidates := slices.DeleteFunc(hardware.Candidates(m), func(c hardware.Candidate) bool {
		return c.Backend != hardware.BackendCPU && c.Backend != plan.Backend
	})
	measure := func(ctx context.Context, c hardware.Candidate) (hardware.Speed, error) {
		o := engine.Options{Threads: c.Threads}
		if c.Backend != hardware.BackendCPU {
			o.GPULayers, o.Devices, o.Split = plan.GPULayers, plan.Devices, plan.Split
		}
		return measureOnce(ctx, path, o)
	}
	measurements, err := hardware.Calibrate(ctx, candidates, measure, func(done, total int, next hardware.Candidate) {
		if !d.quiet {
			fmt.Fprintf(d.err, "measuring %d of %d: %v\n", done+1, total, next)
		}
	})
	if err != nil {
		return nil, err
	}
	for _, m := range measurements {
		text := fmt.Sprintf("%.0f tokens/s of prompt, %.1f tokens/s of output", m.Prefill, m.Decode)
		if m.Failed != "" {
			text = m.Failed
		}
		d.found("measured", "%v: %s", m.Candidate, text)
	}
	c := &hardware.Calibration{Machine: m.Fingerprint(), Model: modelKey(model), Release: release, Made: time.Now().UTC(), Measurements: measurements}
	if err := c.Write(d.hub.CacheDir()); err != nil {
		return nil, err
	}
	return &hardware.Request{Calibration: c}, nil
}

func (g *globals) offlineHub() *hub.Options {
	opts := g.hubOptions()
	opts.Offline = true
	return opts
}

// measureOnce loads the model and reads how fast it takes a prompt and writes a reply.
func measureOnce(ctx context.Context, path string, o engine.Options) (speed hardware.Speed, err error) {
	o.ContextLength, o.CacheLength, o.NoSpeculation = 2*measuredPrompt, 2*measuredPrompt, true
	e, err := engine.Load(ctx, path, &o)
	if err != nil {
		return speed, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	length := min(measuredPrompt, e.ContextLength()/2)
	prompt, err := e.Vocab().Encode(strings.Repeat("The machine reads a text of common words, one after the other, as fast as it can. ", length/8))
	if err != nil {
		return speed, err
	}
	prompt = prompt[:min(length, len(prompt))]
	// The first request of an engine also makes buffers.
	if _, err := readSpeed(ctx, e, "first", prompt, 1); err != nil {
		return speed, err
	}
	return readSpeed(ctx, e, "second", prompt, min(measuredReply, e.ContextLength()/4))
}

// readSpeed runs one request, which shares nothing with those of another salt; with one
// token of output, only the prompt's speed is read.
func readSpeed(ctx context.Context, e *engine.Engine, salt string, prompt []engine.Token, reply int) (hardware.Speed, error) {
	endless := map[engine.Token]float32{}
	for t := range llama.Token(e.Vocab().NTokens()) {
		if e.Vocab().IsEOG(t) {
			endless[t] = float32(math.Inf(-1))
		}
	}
	start := time.Now()
	var first, last time.Duration
	var begun, tokens int
	req := &engine.Request{Prompt: prompt, MaxTokens: reply, Salt: salt, Sampling: engine.Sampling{LogitBias: endless}}
	for chunk, err := range e.Generate(ctx, req) {
		if err != nil {
			return hardware.Speed{}, err
		}
		last, tokens = time.Since(start), chunk.Usage.CompletionTokens
		if first == 0 {
			first, begun = last, tokens
		}
	}
	return hardware.Speed{
		Prefill: float64(len(prompt)) / first.Seconds(),
		Decode:  float64(tokens-begun) / max(last-first, 1).Seconds(),
	}, nil
}
