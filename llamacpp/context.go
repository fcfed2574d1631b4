package llamacpp

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
)

// NewContext makes another context of a model: a LoadedModel that shares the weights of
// m, which stay in memory once, and has a context length, slots, threads, LoRA adapters
// and a chat template of its own. Both answer at the same time. Each is closed by itself,
// in any order; the weights are freed with the last one.
//
// Where the weights are is settled, so Hub says nothing, and Backend, GPULayers, AsShipped
// and CopyWeights must be zero or as m was loaded; other values are an [ErrConfig]. A context
// without a ContextLength has one of [hardware.WorkingContext] tokens. Further errors are
// those of [Load].
func (m *LoadedModel) NewContext(ctx context.Context, opts *Options) (*LoadedModel, error) {
	if opts == nil {
		opts = &Options{}
	}
	if err := m.places(opts); err != nil {
		return nil, wrap(ErrConfig, err)
	}
	all, err := m.engine.Headers()
	if err != nil {
		return nil, wrapLoad(err)
	}
	plan, err := opts.planContext(m.plan, all)
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(m.name, all[0].ChatTemplate(), opts.ChatTemplate)
	if err != nil {
		return nil, err
	}
	e, err := m.engine.Share(ctx, opts.engineOptions(&plan))
	if err != nil {
		return nil, wrapLoad(err)
	}
	c := newLoadedModel(&LoadedModel{name: m.name, path: m.path, plan: plan, opts: m.opts, engine: e, template: template, log: opts.logger()})
	c.vocabulary = m.vocabulary
	return c, nil
}

// places reports options that want the weights elsewhere.
func (m *LoadedModel) places(o *Options) error {
	switch {
	case o.Backend != "" && o.Backend != m.plan.Backend && o.Backend != m.opts.Backend:
		return fmt.Errorf("backend %q of a context: its model is loaded for %q", o.Backend, m.plan.Backend)
	case o.GPULayers != 0 && o.GPULayers != m.plan.GPULayers && o.GPULayers != m.opts.GPULayers:
		return fmt.Errorf("GPU layers %d of a context: its model has %d", o.GPULayers, m.plan.GPULayers)
	case o.AsShipped && !m.opts.AsShipped:
		return errors.New("a context is as shipped, but its model may be a copy: load that as shipped")
	case o.CopyWeights && !m.opts.CopyWeights:
		return errors.New("a context copies weights that its model has mapped: load that with CopyWeights")
	}
	return nil
}

// PlanContext says how [LoadedModel.NewContext] makes a context of the model once it is
// loaded by a plan. What the context needs is its cache and buffers.
func (p *Prepared) PlanContext(model hardware.Plan, opts *Options) (hardware.Plan, error) {
	if opts == nil {
		opts = &Options{}
	}
	return opts.planContext(model, p.headers)
}

// planContext plans a context of a model that is loaded by a plan from files with these
// headers.
func (o *Options) planContext(model hardware.Plan, all []*gguf.File) (plan hardware.Plan, err error) {
	if err := o.validate(); err != nil {
		return plan, wrap(ErrConfig, err)
	}
	needs, err := hardware.EstimatedContextNeeds(all[0], all[1:]...)
	if err != nil {
		return plan, wrap(ErrModelNotLoaded, err)
	}
	plan = model.Context(needs, o.ContextLength, o.CacheLength, all[0].ContextLength())
	plan.PrefillThreads = cmp.Or(o.Threads, plan.PrefillThreads)
	plan.DecodeThreads = cmp.Or(o.Threads, plan.DecodeThreads)
	return plan, nil
}
