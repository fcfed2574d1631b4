package llamacpp

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llama"
)

// The default model is planned on the machine that runs the tests, and loaded so.
func TestPlan(t *testing.T) {
	m := loadShared(t)
	plan := m.Plan()
	if plan.Layers != 31 || len(plan.Reasons) == 0 || plan.Need.Host == 0 {
		t.Errorf("plan %+v", plan)
	}
	if m.GPULayers() != plan.GPULayers {
		t.Errorf("%d layers on GPUs, planned %d", m.GPULayers(), plan.GPULayers)
	}
	here, err := hardware.Detect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := Plan(t.Context(), here, testmodel.Model(t), &Options{Backend: hardware.BackendCPU, Threads: 3})
	if err != nil || again.Backend != hardware.BackendCPU || again.DecodeThreads != 3 {
		t.Errorf("with what was asked for: %+v, %v", again, err)
	}
	if _, err := Plan(t.Context(), here, testmodel.Model(t), &Options{Backend: "abacus"}); !errors.Is(err, ErrConfig) {
		t.Errorf("a backend that nobody has: %v", err)
	}
}

// gpuPlan plans the default model for a machine with a GPU, which need not be here.
func gpuPlan(t *testing.T) hardware.Plan {
	t.Helper()
	m := hardware.Machine{
		OS: "linux", CPU: hardware.CPU{Logical: 8, Cores: 8, PerformanceCores: 8, AllowedCores: 8},
		Memory:  hardware.Memory{Total: 16 << 30, Available: 15 << 30},
		Devices: []hardware.Device{{Name: "Vulkan0", Backend: hardware.BackendVulkan, Kind: hardware.KindGPU, Free: 8 << 30, Total: 8 << 30}},
	}
	model := hardware.Model{Name: "m", Layers: 30, ContextLength: 8192, Size: 100 << 20}
	plan, err := hardware.Choose(m, model, func(p hardware.Placement) hardware.Need {
		return hardware.Need{Devices: make([]uint64, len(p.Split)), Host: uint64(p.Cells) << 10}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestEngineOptions(t *testing.T) {
	plan := gpuPlan(t)
	plan.FlashAttention = hardware.FlashOn
	o := (&Options{Slots: 2}).engineOptions(&plan)
	if o.GPULayers != 31 || len(o.Devices) != 1 || o.Devices[0] != "Vulkan0" || o.ContextLength != 8192 || o.BatchSize != hardware.GPUBatch ||
		o.Threads != plan.DecodeThreads || o.Slots != 2 || o.FlashAttention == nil || !*o.FlashAttention {
		t.Errorf("on the GPU: %+v", o)
	}
	cpu, err := plan.StepDown()
	for err == nil && cpu.GPULayers > 0 {
		cpu, err = cpu.StepDown()
	}
	cpu.KV = gguf.Q8_0
	o = (&Options{Threads: 3}).engineOptions(&cpu)
	if err != nil || o.GPULayers != 0 || o.ContextLength != cpu.ContextLength || o.KV != gguf.Q8_0 || o.Threads != cpu.DecodeThreads || !o.FixedThreads || o.WholeCache {
		t.Errorf("on the CPU: %+v, %v", o, err)
	}
}

// Memory that another process took meanwhile makes the model smaller, until there is
// nothing left to give up.
func TestFit(t *testing.T) {
	var out bytes.Buffer
	f, err := fetch(t.Context(), testmodel.Model(t), &Options{})
	if err != nil {
		t.Fatal(err)
	}
	prepared := func(plan hardware.Plan) *Prepared {
		out.Reset()
		return &Prepared{name: "m", from: f, file: f.file, headers: f.headers, plan: plan, opts: Options{Logger: slog.New(slog.NewTextHandler(&out, nil))}}
	}
	memory := fmt.Errorf("llama: %w: no buffer", llama.ErrMemory)
	here, err := hardware.Detect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, err := (&Options{}).plan(f, here, nil)
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	plan, err := prepared(first).fit(t.Context(), nil, func(p *hardware.Plan) error {
		if tries++; tries < 4 {
			return memory
		}
		return nil
	})
	if err != nil || plan.ContextLength >= first.ContextLength || plan.Need.Total() >= first.Need.Total() {
		t.Errorf("after %d tries %d tokens, %v", tries, plan.ContextLength, err)
	}
	if n := strings.Count(out.String(), "loaded smaller"); n != 3 {
		t.Errorf("%d warnings:\n%s", n, out.String())
	}
	_, err = prepared(first).fit(t.Context(), nil, func(*hardware.Plan) error { return memory })
	if !errors.Is(err, llama.ErrMemory) || !errors.As(err, new(*hardware.ExhaustedError)) {
		t.Errorf("at the end: %v", err)
	}
	other := errors.New("other")
	if _, err := prepared(first).fit(t.Context(), nil, func(*hardware.Plan) error { return other }); err != other {
		t.Errorf("another error: %v", err)
	}
	// A GPU that was there as the plan was made is not here: what is here is planned for.
	plan, err = prepared(gpuPlan(t)).fit(t.Context(), nil, func(p *hardware.Plan) error { return nil })
	if err != nil || plan.GPULayers > 0 || !strings.Contains(out.String(), "loaded smaller") {
		t.Errorf("without the GPU %d layers are on it, %v", plan.GPULayers, err)
	}
}
