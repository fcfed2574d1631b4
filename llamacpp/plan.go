package llamacpp

import (
	"context"
	"errors"
	"fmt"

	"github.com/cria-lm/cria/engine"
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
		AsShipped: o.AsShipped, BatchSize: o.batch, MicroBatch: o.batch,
	}
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
	if p.FlashAttention != hardware.FlashAuto {
		e.FlashAttention = new(p.FlashAttention == hardware.FlashOn)
	}
	return e
}

// fit loads as planned, or smaller if the memory that was there as the plan was made has
// gone, and returns the plan that it was loaded by.
func (p *Prepared) fit(ctx context.Context, load func(*hardware.Plan) error) (hardware.Plan, error) {
	plan, err := p.planNow(ctx)
	if err != nil {
		return plan, err
	}
	for {
		err := load(&plan)
		if !errors.Is(err, llama.ErrMemory) {
			return plan, err
		}
		// As much as it seems to be is not there.
		next, none := p.planNow(ctx)
		if none == nil && next.Need.Total() >= plan.Need.Total() {
			next, none = plan.StepDown()
		}
		if none != nil {
			return plan, fmt.Errorf("%w; %w", err, none)
		}
		p.warnSmaller(next)
		plan = next
	}
}

// planNow returns the plan, or if what it needs is not free any more, one for what is.
func (p *Prepared) planNow(ctx context.Context) (hardware.Plan, error) {
	m, err := hardware.Detect(ctx)
	if err != nil || p.plan.Fits(m) {
		return p.plan, err
	}
	o := p.opts
	o.AsShipped = p.plan.Weights == 0 // the file is settled
	plan, err := o.plan(p.from, m, p.kept)
	if err == nil {
		p.warnSmaller(plan)
	}
	return plan, err
}

func (p *Prepared) warnSmaller(plan hardware.Plan) {
	p.opts.logger().Warn("there is no memory for the model as planned, and it is loaded smaller", "model", plan.Model,
		"context", plan.ContextLength, "cache", plan.CacheLength, "gpu_layers", plan.GPULayers)
}
