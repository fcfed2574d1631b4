package hardware_test

import (
	"fmt"
	"log"

	"github.com/cria-lm/cria/hardware"
)

// Example plans a model of 8 layers for a machine with a GPU that has no room for all.
func Example() {
	machine := hardware.Machine{ // or hardware.Detect(ctx)
		OS:     "linux",
		CPU:    hardware.CPU{Cores: 6, PerformanceCores: 6, AllowedCores: 6},
		Memory: hardware.Memory{Total: 16 << 30, Available: 12 << 30},
		Devices: []hardware.Device{
			{Name: "Vulkan0", Backend: hardware.BackendVulkan, Kind: hardware.KindGPU, Free: 6 << 30, Total: 6 << 30},
		},
	}
	model := hardware.Model{Name: "model", Layers: 8, ContextLength: 4096, Size: 9 << 30}
	needs := func(p hardware.Placement) hardware.Need { // or hardware.EstimatedNeeds(header)
		const layer = 1 << 30
		need := hardware.Need{Host: uint64(9-p.GPULayers) * layer}
		if p.GPULayers > 0 {
			need.Devices = []uint64{uint64(p.GPULayers) * layer}
		}
		return need
	}
	plan, err := hardware.Choose(machine, model, needs, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range plan.Reasons[:2] {
		fmt.Println(r)
	}
	smaller, err := plan.StepDown()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(smaller.Reasons[2])
	// Output:
	// backend: Vulkan: the default on a GPU
	// layers: 5 of 9 (4 and the output) on Vulkan0: no more fit into what is free on Vulkan0 (5.5 GiB); the CPU computes the others
	// context: 4096 tokens a request, 4096 in the cache for all together: 4096 tokens a request, 16384 in the cache for all together did not fit when the model was loaded
}
