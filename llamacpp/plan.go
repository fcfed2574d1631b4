package llamacpp

import (
	"context"
	"errors"
	"fmt"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/llama"
)

// plan says how a model is loaded on a machine, where kept was measured.
func (o *Options) plan(f *fetched, m hardware.Machine, kept *hardware.Calibration) (plan hardware.Plan, err error) {
	needs, err := hardware.EstimatedNeeds(f.headers[0], f.headers[1:]...)
	if err != nil {
		return plan, wrap(ErrModelNotLoaded, err)
	}
	model := hardware.ModelOf(f.name, f.headers...)
	if !f.copies() {
		model.Copy, model.CopySize = 0, 0
	}
	request := &hardware.Request{
		Backend: o.Backend, GPULayers: o.GPULayers, ContextLength: o.ContextLength, Threads: o.Threads, Calibration: kept,
		AsShipped: o.AsShipped, CacheLength: o.CacheLength,
	}
	if o.batch > 0 { // an embedder computes a text at once, and caches nothing for others
		request.BatchSize, request.MicroBatch, request.KV, request.CacheLength = o.batch, o.batch, gguf.F16, o.batch
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

// engineOptions are a plan as package engine takes it.
func (o *Options) engineOptions(p *hardware.Plan) *engine.Options {
	e := &engine.Options{
		ContextLength:  p.ContextLength,
		CacheLength:    p.CacheLength,
		Threads:        p.DecodeThreads,
		PrefillThreads: p.PrefillThreads,
		FixedThreads:   o.Threads != 0,
		BatchSize:      p.BatchSize,
		MicroBatch:     p.MicroBatch,
		KV:             p.KV,
		GPULayers:      p.GPULayers,
		Devices:        p.Devices,
		Split:          p.Split,
		WholeCache:     p.GPULayers > 0, // what is free there may be another's by the time that it is needed
		Slots:          o.Slots,
		LoRAs:          o.LoRAs,
		CopyWeights:    o.CopyWeights,
		Logger:         o.Logger,
	}
	e.FlashAttention = flashAttention(p)
	return e
}

// flashAttention is that of a plan as package engine takes it.
func flashAttention(p *hardware.Plan) *bool {
	if p.FlashAttention == hardware.FlashAuto {
		return nil
	}
	return new(p.FlashAttention == hardware.FlashOn)
}

// fit loads as planned, or smaller if the memory that was there as the plan was made has
// gone, and returns the plan that it was loaded by. limit changes what is found of the
// machine before it is planned anew; nil changes nothing.
func (p *Prepared) fit(ctx context.Context, limit func(*hardware.Machine), load func(*hardware.Plan) error) (hardware.Plan, error) {
	plan, err := p.planNow(ctx, limit)
	if err != nil {
		return plan, err
	}
	for {
		if plan.Need.Total() != p.plan.Need.Total() {
			p.opts.logger().Warn("there is no memory for the model as planned, and it is loaded smaller", "model", plan.Model,
				"context", plan.ContextLength, "cache", plan.CacheLength, "gpu_layers", plan.GPULayers)
		}
		err := load(&plan)
		if !errors.Is(err, llama.ErrMemory) {
			return plan, err
		}
		// As much as it seems to be is not there.
		next, none := p.planNow(ctx, limit)
		if none == nil && next.Need.Total() >= plan.Need.Total() {
			next, none = plan.StepDown()
		}
		if none != nil {
			return plan, fmt.Errorf("%w; %w", err, none)
		}
		plan = next
	}
}

// planNow returns the plan, or if what it needs is not free any more, one for what is. The
// file is settled: if that is a copy, no other plan goes without.
func (p *Prepared) planNow(ctx context.Context, limit func(*hardware.Machine)) (hardware.Plan, error) {
	m, err := hardware.Detect(ctx)
	if err != nil || p.plan.Fits(m) {
		return p.plan, err
	}
	if limit != nil {
		limit(&m)
	}
	o, from := p.opts, *p.from
	o.AsShipped, from.headers = true, p.headers
	plan, err := o.plan(&from, m, p.kept)
	plan.Weights = p.plan.Weights
	return plan, err
}
