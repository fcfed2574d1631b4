package pool

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llamacpp"
)

// A context needs memory where its model was loaded, unless the model's file is another by
// now: then where that would be loaded.
func TestContextNeedOfChangedFile(t *testing.T) {
	testmodel.Lock(t)
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := synth.Write(t.Context(), path, testmodel.Model(t), synth.Shape{}, nil); err != nil {
		t.Fatal(err)
	}
	onGPU := hardware.Plan{
		Backend: hardware.BackendVulkan, Devices: []string{"Vulkan0"}, GPULayers: 1, Split: []float32{1},
		KV: gguf.F16, BatchSize: hardware.GPUBatch, MicroBatch: hardware.MicroBatch, FlashAttention: hardware.FlashOn,
	}
	m := &Models{
		Contexts: map[string]string{"chat": path},
		Options:  func(string) *llamacpp.Options { return &llamacpp.Options{Backend: hardware.BackendCPU} },
	}
	if need, err := m.Need(t.Context(), path, Room{}); err != nil || need["Vulkan0"] != 0 || need[Host] == 0 {
		t.Errorf("the model: %v, %v", need, err)
	}
	p := m.plans[path]
	p.plan = onGPU
	m.note(path, p)
	if need, err := m.Need(t.Context(), "chat", Room{}); err != nil || need["Vulkan0"] == 0 {
		t.Errorf("where its model is: %v, %v", need, err)
	}
	if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if need, err := m.Need(t.Context(), "chat", Room{}); err != nil || need["Vulkan0"] != 0 || need[Host] == 0 {
		t.Errorf("where its model would be: %v, %v", need, err)
	}
}

// A machine is for a plan what its pool can make free, within the budget; for a model that
// was admitted, what was reserved for it.
func TestRoomOfMachine(t *testing.T) {
	machine := func() *hardware.Machine {
		return &hardware.Machine{
			Memory:  hardware.Memory{Total: 100, Available: 10},
			Devices: []hardware.Device{{Name: Host, Kind: hardware.KindCPU}, {Name: "Vulkan0", Kind: hardware.KindGPU, Free: 20, Total: 80}},
		}
	}
	for name, tt := range map[string]struct {
		limit     func(*hardware.Machine)
		available uint64 // of main memory
		most      uint64
		free      uint64 // of the GPU; 0: there is none
		mostGPU   uint64
	}{
		"no budget":              {Room{Used: Memory{Host: 5, "Vulkan0": 30}}.limit, 15, 0, 50, 0},
		"a budget":               {Room{Memory{Host: 40, "Vulkan0": 45}, Memory{"Vulkan0": 30}}.limit, 10, 40, 50, 45},
		"more than there is":     {Room{Memory{}, Memory{Host: 500, "Vulkan0": 500}}.limit, 100, 0, 80, 0},
		"nothing of the GPU":     {Room{Memory{Host: 40, "Vulkan0": 0}, Memory{}}.limit, 10, 40, 0, 0},
		"nothing of the host":    {Room{Memory{Host: 0}, Memory{}}.limit, 10, 1, 20, 0},
		"reserved on the GPU":    {within(Memory{Host: 3, "Vulkan0": 7}), 10, 3, 20, 7},
		"reserved on the host":   {within(Memory{Host: 3}), 10, 3, 0, 0},
		"a device that is gone":  {within(Memory{Host: 3, "Vulkan0": 7, "Vulkan1": 7}), 10, 3, 20, 7},
		"of another pool's name": {Room{Memory{"Vulkan1": 5}, Memory{}}.limit, 10, 0, 20, 0},
	} {
		m := machine()
		tt.limit(m)
		var free, mostGPU uint64
		for _, d := range m.Devices {
			if d.Name == "Vulkan0" {
				free, mostGPU = d.Free, d.Most
			}
		}
		if m.Memory.Available != tt.available || m.Memory.Most != tt.most || free != tt.free || mostGPU != tt.mostGPU {
			t.Errorf("%s: %+v, %d free and at most %d on the GPU", name, m.Memory, free, mostGPU)
		}
	}
}
