package pool

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

// Models is the [ContextSource] of a pool of llama.cpp's models: names are those that
// [llamacpp.Load] takes, and those of Contexts. How a model is loaded is planned when it is
// asked for and not in memory, as if the pool had closed all others: what the plan takes of
// GPUs and main memory is the model's need, and it is loaded so, or smaller where others than
// the pool have taken the memory meanwhile. Its context is of [hardware.WorkingContext]
// tokens unless its options say another, and the cache of a model that has contexts holds one
// request. What a context needs is its cache and its buffers, where its model is. LoRA adapters are not counted. The zero value loads with
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
	plan hardware.Plan
	at   time.Time // when it was planned
}

// planAge is for how long a plan holds of a model that is not in memory: what others than
// the pool have taken meanwhile, or given back, is then looked at again.
const planAge = 10 * time.Second

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
		p := m.planOf(name)
		if p.Prepared != nil && time.Since(p.at) < planAge {
			return planNeed(p.plan), nil
		}
		p, err := m.prepare(ctx, name, room.limit)
		if fit := (*hardware.FitError)(nil); errors.As(err, &fit) && fit.Need > room.limitOf(Host) {
			return Memory{Host: fit.Need}, nil // which the pool refuses
		}
		return planNeed(p.plan), err
	}
	p := m.planOf(model) // how it is loaded, if it is
	if p.Prepared == nil {
		var err error
		p, err = m.prepare(ctx, model, room.limit)
		if fit := (*hardware.FitError)(nil); errors.As(err, &fit) && fit.Need > room.limitOf(Host) {
			return Memory{}, nil // its model is refused by the pool
		}
		if err != nil {
			return nil, err
		}
	}
	plan, err := p.PlanContext(p.plan, m.options(name))
	return planNeed(plan), err
}

// planOf returns the plan of a model; none, if it has none or its files have changed.
func (m *Models) planOf(name string) planned {
	m.mu.Lock()
	p := m.plans[name]
	m.mu.Unlock()
	if p.Prepared != nil && p.Stale() {
		return planned{}
	}
	return p
}

// prepare plans a model.
func (m *Models) prepare(ctx context.Context, name string, limit func(*hardware.Machine)) (p planned, err error) {
	o := llamacpp.Options{}
	if of := m.options(name); of != nil {
		o = *of
	}
	if o.ContextLength == 0 {
		o.ContextLength = hardware.WorkingContext
	}
	if o.CacheLength == 0 && m.hasContexts(name) { // which have caches of their own, for which there is to be room
		o.CacheLength = o.ContextLength
	}
	if p.Prepared, err = llamacpp.PrepareIn(ctx, name, &o, limit); err != nil {
		return planned{}, err
	}
	p.plan, p.at = p.Prepared.Plan(), time.Now()
	m.note(name, p)
	return p, nil
}

// hasContexts reports whether a model is there for contexts of it.
func (m *Models) hasContexts(name string) bool {
	for _, model := range m.Contexts {
		if model == name {
			return true
		}
	}
	return false
}

// note keeps a plan; one of nothing is forgotten.
func (m *Models) note(name string, p planned) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.plans == nil {
		m.plans = map[string]planned{}
	}
	if m.plans[name] = p; p.Prepared == nil {
		delete(m.plans, name)
	}
}

// limit makes the memory of a machine that of a pool with no models in it: what is free
// and what its models hold, but no more than its budget. A device without a budget is as
// it is.
func (r Room) limit(m *hardware.Machine) {
	for i := range m.Devices {
		d := &m.Devices[i]
		d.Free = min(d.Free+r.Used[d.Name], d.Total)
	}
	m.Memory.Reclaim(r.Used[Host])
	r.Budget.limit(m)
}

// limit takes the devices from a machine that have no bytes in a budget, and of others all
// that is more.
func (budget Memory) limit(m *hardware.Machine) {
	m.Devices = slices.DeleteFunc(slices.Clone(m.Devices), func(d hardware.Device) bool {
		most, ok := budget[d.Name]
		return ok && most == 0 && d.Name != Host
	})
	for i := range m.Devices {
		m.Devices[i].Most = budget[m.Devices[i].Name]
	}
	if most, ok := budget[Host]; ok {
		m.Memory.Most = max(1, most)
	}
}

// within limits a machine to what was reserved for a model.
func within(need Memory) func(*hardware.Machine) {
	return func(m *hardware.Machine) {
		budget := Memory{Host: need[Host]}
		for _, d := range m.Devices {
			budget[d.Name] = need[d.Name]
		}
		budget.limit(m)
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

// Load implements [Source]. A model for which there is not as much memory any more as it
// needs is loaded smaller within that, or refused: asked for again, it is planned for what
// there is then.
func (m *Models) Load(ctx context.Context, name string, need Memory) (*llamacpp.LoadedModel, error) {
	p := m.planOf(name)
	if p.Prepared == nil || !maps.Equal(planNeed(p.plan), need) { // it was planned anew since
		var err error
		if p, err = m.prepare(ctx, name, within(need)); err != nil {
			return nil, err
		}
	}
	model, err := p.Prepared.LoadIn(ctx, within(need))
	if err != nil {
		m.note(name, planned{})
		return nil, err
	}
	p.plan = model.Plan()
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
