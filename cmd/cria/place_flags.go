package main

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/llamacpp"
)

// placeFlags say how a model is loaded, where that is not left to the machine.
type placeFlags struct {
	contextLength int
	threads       int
	backend       string
	gpuLayers     int
	asShipped     bool

	flags *pflag.FlagSet
}

func (f *placeFlags) add(flags *pflag.FlagSet) {
	f.flags = flags
	flags.IntVar(&f.contextLength, "context-length", 0, "tokens of prompt and reply together, at most what the model was trained with (default: that, as memory allows)")
	flags.StringVar(&f.backend, "backend", "", "what computes: cpu, vulkan, cuda or metal (default: the GPU that is here, else the CPU; see cria doctor)")
	flags.IntVar(&f.gpuLayers, "gpu-layers", 0, "most layers to put on GPUs, the output counted as one; 0 is none (default: as many as fit)")
	flags.IntVar(&f.threads, "threads", 0, "threads to compute with (default: as cria doctor says, fewer while other processes are busy)")
	flags.BoolVar(&f.asShipped, "as-shipped", false, "load the model's own file, not the copy that computes faster here (see cria models --help)")
}

func (f *placeFlags) validate() error {
	switch {
	case f.contextLength < 0:
		return fmt.Errorf("--context-length %d is negative", f.contextLength)
	case f.gpuLayers < 0:
		return fmt.Errorf("--gpu-layers %d is negative; --backend cpu puts none there", f.gpuLayers)
	case f.backend != "" && !slices.Contains(hardware.Backends, hardware.Backend(f.backend)):
		return fmt.Errorf("--backend %q is not known; there are %v", f.backend, hardware.Backends)
	case f.threads < 0:
		return fmt.Errorf("--threads %d is negative", f.threads)
	}
	return nil
}

// options are the flags as package llamacpp takes them.
func (f *placeFlags) options() *llamacpp.Options {
	backend := hardware.Backend(f.backend)
	if backend == "" && f.gpuLayers == 0 && f.flags.Changed("gpu-layers") {
		backend = hardware.BackendCPU
	}
	return &llamacpp.Options{
		ContextLength: f.contextLength,
		Threads:       f.threads,
		Backend:       backend,
		GPULayers:     f.gpuLayers,
		AsShipped:     f.asShipped,
	}
}
