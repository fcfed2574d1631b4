package pool

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/llamacpp"
)

// Models is the [ContextSource] of a pool of llama.cpp's models: names are those that
// [llamacpp.Load] takes, and those of Contexts. What a model needs is what [llamacpp.Plan]
// takes of GPUs and main memory, or, on the CPU, what is estimated from its header for the
// whole cache that its context length allows. What a context needs is its cache and its
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

	mu   sync.Mutex
	last map[string]placed // where models were loaded last
}

// placed is a model's file, what it was then, and the plan that it was loaded by.
type placed struct {
	path string
	was  os.FileInfo
	plan hardware.Plan
}

// stays reports whether the file is the same still.
func (p *placed) stays() bool {
	now, err := os.Stat(p.path)
	return err == nil && os.SameFile(p.was, now) && p.was.Size() == now.Size() && p.was.ModTime().Equal(now.ModTime())
}

func (m *Models) options(name string) llamacpp.Options {
	if m.Options != nil {
		if o := m.Options(name); o != nil {
			return *o
		}
	}
	return llamacpp.Options{}
}

// Need implements [Source]. It fetches what is missing of the model. Of a model whose
// architecture the estimate does not know it is a guess.
func (m *Models) Need(ctx context.Context, name string) (Memory, error) {
	if model, ok := m.ContextOf(name); ok {
		return m.contextNeed(ctx, name, model)
	}
	o := m.options(name)
	plan, path, err := plan(ctx, name, &o)
	if err != nil {
		return nil, err
	}
	if plan.GPULayers > 0 {
		return planned(plan), nil
	}
	paths, err := gguf.Parts(path)
	if err != nil {
		return nil, err
	}
	files := make([]*gguf.File, len(paths))
	for i, p := range paths {
		if files[i], err = gguf.Open(p); err != nil {
			return nil, err
		}
	}
	e, err := hardware.EstimateMemory(files[0], hardware.EstimateOptions{
		ContextLength: 4 * o.ContextLength, // what package engine's cache grows to
	}, files[1:]...)
	if err != nil && !errors.As(err, new(*hardware.ArchitectureError)) {
		return nil, err
	}
	return Memory{Host: e.Host()}, nil
}

// contextNeed is what a context of a model takes, where that was loaded last, or, if its
// file is another by now, would be loaded. With the model in memory a new plan would say where there is room beside it.
func (m *Models) contextNeed(ctx context.Context, name, model string) (Memory, error) {
	own := m.options(name)
	m.mu.Lock()
	last, ok := m.last[model]
	m.mu.Unlock()
	if ok && last.stays() {
		context, err := llamacpp.PlanContext(last.path, last.plan, &own)
		if err != nil {
			return nil, err
		}
		return planned(context), nil
	}
	o := m.options(model)
	now, path, err := plan(ctx, model, &o)
	if err != nil {
		return nil, err
	}
	context, err := llamacpp.PlanContext(path, now, &own)
	if err != nil {
		return nil, err
	}
	return planned(context), nil
}

// plan returns how a model would be loaded now, and its file. One that does not fit is on
// the CPU, for which the pool makes room.
func plan(ctx context.Context, name string, o *llamacpp.Options) (plan hardware.Plan, path string, err error) {
	plan, err = llamacpp.Plan(ctx, name, o)
	if errors.As(err, new(*hardware.FitError)) {
		plan, err = hardware.Plan{Backend: hardware.BackendCPU}, nil
	}
	if err != nil {
		return plan, "", err
	}
	path, err = llamacpp.Prepare(ctx, name, o)
	return plan, path, err
}

// planned is the memory that a plan takes.
func planned(plan hardware.Plan) Memory {
	need := Memory{Host: plan.Need.Host}
	for i, device := range plan.Devices {
		need[device] = plan.Need.Devices[i]
	}
	return need
}

// Load implements [Source].
func (m *Models) Load(ctx context.Context, name string) (*llamacpp.LoadedModel, error) {
	o := m.options(name)
	model, err := llamacpp.Load(ctx, name, &o)
	if err != nil {
		return nil, err
	}
	was, err := os.Stat(model.Path())
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil {
		m.last = map[string]placed{}
	}
	if delete(m.last, name); err == nil {
		m.last[name] = placed{model.Path(), was, model.Plan()}
	}
	return model, nil
}

// ContextOf implements [ContextSource].
func (m *Models) ContextOf(name string) (model string, ok bool) {
	model, ok = m.Contexts[name]
	return model, ok
}

// NewContext implements [ContextSource].
func (m *Models) NewContext(ctx context.Context, name string, model *llamacpp.LoadedModel) (*llamacpp.LoadedModel, error) {
	o := m.options(name)
	return model.NewContext(ctx, &o)
}
