package pool

import (
	"context"
	"errors"
	"math"
	"sync"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

// Models is the [ContextSource] of a pool of llama.cpp's models: names are those that
// [llamacpp.Load] takes, and those of Contexts. How a model is loaded is planned once, when
// it is first asked for, as if the pool had closed all others: what the plan takes of GPUs
// and main memory is the model's need, and it is loaded so, or smaller where others than
// the pool have taken the memory meanwhile. What a context needs is its cache and its
// buffers, where its model is. LoRA adapters are not counted. The zero value loads with
// the defaults. Its fields must not be changed once it is used.
type Models struct {
	// Options returns how a model is loaded, and how a context is made: see
	// [llamacpp.LoadedModel.NewContext]. Nil, and a nil result, are the defaults.
	Options func(name string) *llamacpp.Options

	// Contexts are names for further contexts of models, each with the name of its model:
	//
	//	map[string]string{"classifier": "smollm2-135m-instruct"}
	Contexts map[string]string

	mu    sync.Mutex
	plans map[string]planned
}

// planned is a model that was prepared, and how it was loaded last, or will be.
type planned struct {
	*llamacpp.Prepared
	plan    hardware.Plan
	smaller bool // than prepared, since the memory had gone
}

func (m *Models) options(name string) *llamacpp.Options {
	if m.Options == nil {
		return nil
	}
	return m.Options(name)
}

// Budget returns what models may take of this machine as it is now: all that is free of
// each device that they would be planned for, but what is left to others. It fetches what
// is missing of llama.cpp's libraries. hubOptions are where they come from; nil is the
// default.
func Budget(ctx context.Context, hubOptions *hub.Options) (Memory, error) {
	m, err := llamacpp.Machine(ctx, hubOptions)
	if err != nil {
		return nil, err
	}
	budget := Memory{Host: m.HostRoom()}
	for _, d := range m.Devices {
		if d.Kind == hardware.KindGPU || d.Kind == hardware.KindIGPU {
			budget[d.Name] = d.Room()
		}
	}
	return budget, nil
}

// Need implements [Source]. It fetches what is missing of the model. Of a model whose
// architecture the estimate does not know it is a guess.
func (m *Models) Need(ctx context.Context, name string, room Room) (Memory, error) {
	model, isContext := m.ContextOf(name)
	if !isContext {
		p, err := m.prepare(ctx, name, room, false)
		if fit := (*hardware.FitError)(nil); errors.As(err, &fit) && fit.Need > room.limitOf(Host) {
			return Memory{Host: fit.Need}, nil // which the pool refuses
		}
		if err != nil {
			return nil, err
		}
		return planNeed(p.plan), nil
	}
	p, err := m.prepare(ctx, model, room, true)
	if err != nil {
		return nil, err
	}
	plan, err := p.PlanContext(p.plan, m.options(name))
	if err != nil {
		return nil, err
	}
	return planNeed(plan), nil
}

// prepare plans a model, unless that was done and its files are still the same. One that
// was loaded smaller than planned is planned anew, unless it is for a context of it.
func (m *Models) prepare(ctx context.Context, name string, room Room, context bool) (p planned, err error) {
	m.mu.Lock()
	p, known := m.plans[name]
	m.mu.Unlock()
	if known && !p.Stale() && (context || !p.smaller) {
		return p, nil
	}
	o := llamacpp.Options{}
	if of := m.options(name); of != nil {
		o = *of
	}
	if o.ContextLength == 0 {
		o.ContextLength = hardware.WorkingContext
	}
	if p.Prepared, err = llamacpp.PrepareIn(ctx, name, &o, room.limit); err != nil {
		return planned{}, err
	}
	p.plan, p.smaller = p.Prepared.Plan(), false
	m.note(name, p)
	return p, nil
}

func (m *Models) note(name string, p planned) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.plans == nil {
		m.plans = map[string]planned{}
	}
	m.plans[name] = p
}

// limit makes the memory of a machine that of a pool with no models in it: what is free
// and what its models hold, but no more than its budget. A device without a budget is as
// it is.
func (r Room) limit(m *hardware.Machine) {
	for i := range m.Devices {
		d := &m.Devices[i]
		if budget, ok := r.Budget[d.Name]; ok {
			d.Free = min(d.Free+r.Used[d.Name], d.Total)
			d.Most = min(budget, d.Free)
		}
	}
	if budget, ok := r.Budget[Host]; ok {
		m.Memory.Reclaim(r.Used[Host])
		m.Memory.Most = budget
	}
}

// limitOf is the budget of a device; all, if it has none.
func (r Room) limitOf(device string) uint64 {
	if budget, ok := r.Budget[device]; ok {
		return budget
	}
	return math.MaxUint64
}

// planNeed is the memory that a plan takes.
func planNeed(plan hardware.Plan) Memory {
	need := Memory{Host: plan.Need.Host}
	for i, device := range plan.Devices {
		need[device] = plan.Need.Devices[i]
	}
	return need
}

// Load implements [Source].
func (m *Models) Load(ctx context.Context, name string) (*llamacpp.LoadedModel, error) {
	p, err := m.prepare(ctx, name, Room{}, false) // [Models.Need] has done that
	if err != nil {
		return nil, err
	}
	model, err := p.Prepared.Load(ctx)
	if err != nil {
		return nil, err
	}
	p.plan = model.Plan()
	p.smaller = p.plan.Need.Total() != p.Prepared.Plan().Need.Total()
	m.note(name, p)
	return model, nil
}

// ContextOf implements [ContextSource].
func (m *Models) ContextOf(name string) (model string, ok bool) {
	model, ok = m.Contexts[name]
	return model, ok
}

// NewContext implements [ContextSource].
func (m *Models) NewContext(ctx context.Context, name string, model *llamacpp.LoadedModel) (*llamacpp.LoadedModel, error) {
	return model.NewContext(ctx, m.options(name))
}
