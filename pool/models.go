package pool

import (
	"context"
	"errors"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/llamacpp"
)

// Models is the [Source] of a pool of llama.cpp's models: names are those that
// [llamacpp.Load] takes. What a model needs is what [llamacpp.Plan] takes of GPUs and main
// memory, or, on the CPU, what is estimated from its header for the whole cache that its
// context length allows. The zero value loads with the defaults. It must
// not be changed once it is used.
type Models struct {
	// Options returns how a model is loaded. Nil, and a nil result, are the defaults.
	Options func(name string) *llamacpp.Options
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
	o := m.options(name)
	plan, err := llamacpp.Plan(ctx, name, &o)
	if err != nil && !errors.As(err, new(*hardware.FitError)) { // the pool makes room
		return nil, err
	}
	if plan.GPULayers > 0 {
		need := Memory{Host: plan.Need.Host}
		for i, device := range plan.Devices {
			need[device] = plan.Need.Devices[i]
		}
		return need, nil
	}
	path, err := llamacpp.Prepare(ctx, name, &o)
	if err != nil {
		return nil, err
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

// Load implements [Source].
func (m *Models) Load(ctx context.Context, name string) (*llamacpp.LoadedModel, error) {
	o := m.options(name)
	return llamacpp.Load(ctx, name, &o)
}
