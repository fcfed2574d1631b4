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
