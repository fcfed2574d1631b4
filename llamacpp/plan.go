package llamacpp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/llama"
)

// plan says how a model's files are loaded on this machine as it is now.
func (o *Options) plan(ctx context.Context, name, path string) (plan hardware.Plan, err error) {
	headers, err := headers(path)
	if err != nil {
		return plan, wrap(ErrModelNotLoaded, err)
	}
	needs, err := hardware.EstimatedNeeds(headers[0], headers[1:]...)
	if err != nil {
		return plan, wrap(ErrModelNotLoaded, err)
	}
	m, err := hardware.Detect(ctx)
	if err != nil {
		return plan, err
	}
	model := hardware.ModelOf(name, headers...)
	request := &hardware.Request{Backend: o.Backend, GPULayers: o.GPULayers, ContextLength: o.ContextLength, Threads: o.Threads}
	if model.ContextLength > 0 { // of more than it was trained with, package engine takes that
		request.ContextLength = min(request.ContextLength, model.ContextLength)
	}
	plan, err = hardware.Choose(m, model, needs, request)
	if errors.As(err, new(*hardware.RequestError)) {
		return plan, wrap(ErrConfig, err)
	}
	if err != nil {
		return plan, wrap(ErrModelNotLoaded, err)
	}
	return plan, nil
}

// headers reads those of a model's files.
func headers(path string) (all []*gguf.File, err error) {
	paths, err := gguf.Parts(path)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		header, err := gguf.Open(path)
		if err != nil {
			return nil, err
		}
		all = append(all, header)
	}
	return all, nil
}

// engineOptions are a plan as package engine takes it. On the CPU the engine chooses what
// costs nothing there, or can change while it runs.
func (o *Options) engineOptions(p *hardware.Plan) *engine.Options {
	e := &engine.Options{
		ContextLength: p.ContextLength,
		CacheLength:   p.CacheLength,
		Threads:       o.Threads,
		Slots:         o.Slots,
		LoRAs:         o.LoRAs,
		CopyWeights:   o.CopyWeights,
		Logger:        o.Logger,
	}
	if p.Backend == hardware.BackendCPU {
		e.ContextLength = cmp.Or(o.ContextLength, min(p.ContextLength, engine.DefaultContextLength))
		return e
	}
	e.Threads, e.BatchSize, e.KV = p.DecodeThreads, p.BatchSize, p.KV
	e.GPULayers, e.Devices, e.Split = p.GPULayers, p.Devices, p.Split
	if p.FlashAttention != hardware.FlashAuto {
		on := p.FlashAttention == hardware.FlashOn
		e.FlashAttention = &on
	}
	return e
}

// loadEngine loads a model by a plan, and returns the one that it was loaded by.
func (o *Options) loadEngine(ctx context.Context, p prepared, log *slog.Logger) (e *engine.Engine, plan hardware.Plan, err error) {
	plan, err = fit(p.plan, log, func(plan *hardware.Plan) error {
		opts := o.engineOptions(plan)
		opts.Files = p.was
		e, err = engine.Load(ctx, p.path, opts)
		return err
	})
	return e, plan, err
}

// fit loads as planned, or smaller if the memory that was there as the plan was made has
// gone.
func fit(plan hardware.Plan, log *slog.Logger, load func(*hardware.Plan) error) (hardware.Plan, error) {
	for {
		err := load(&plan)
		if !errors.Is(err, llama.ErrMemory) {
			return plan, err
		}
		next, none := plan.StepDown()
		if none != nil {
			return plan, fmt.Errorf("%w; %w", err, none)
		}
		log.Warn("the model did not fit as planned, and is loaded smaller", "model", plan.Model, "err", err,
			"context", next.ContextLength, "cache", next.CacheLength, "gpu_layers", next.GPULayers)
		plan = next
	}
}
