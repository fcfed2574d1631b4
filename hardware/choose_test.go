package hardware

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
)

// gpuMachine has GPUs of a backend with so many bytes free, and 64 GiB of main memory.
func gpuMachine(b Backend, kind Kind, free ...uint64) Machine {
	m := Machine{OS: "linux", CPU: CPU{Cores: 8, PerformanceCores: 8, AllowedCores: 8, Logical: 16}, Memory: Memory{Total: 64 * gib, Available: 60 * gib}}
	for i, f := range free {
		m.Devices = append(m.Devices, Device{Name: fmt.Sprintf("%s%d", b.Title(), i), Backend: b, Kind: kind, Free: f, Total: f})
	}
	return m
}

func (m Machine) with(devices ...Device) Machine {
	m.Devices = append(m.Devices, devices...)
	return m
}

// A GPU of 24 GiB gives 22.4 GiB: the margin is 1.6.
func TestChoose(t *testing.T) {
	cpu := gpuMachine(BackendVulkan, KindGPU)
	gpu := gpuMachine(BackendVulkan, KindGPU, 24*gib)
	cuda := Device{Name: "CUDA0", Backend: BackendCUDA, Kind: KindGPU, Free: 24 * gib, Total: 24 * gib}
	igpu := Device{Name: "IGPU", Backend: BackendVulkan, Kind: KindIGPU, Free: 30 * gib, Total: 30 * gib}
	budgeted := gpuMachine(BackendVulkan, KindGPU, 24*gib)
	budgeted.Devices[0].Most = gpuMachine(BackendVulkan, KindGPU, 4*gib).Devices[0].Room()
	measured := func(prefill, decode float64, b Backend, threads int) Measurement {
		return Measurement{Candidate: Candidate{b, threads}, Speed: Speed{prefill, decode}}
	}
	for name, tt := range map[string]struct {
		machine Machine
		model   testModel
		req     Request
		want    string // see summary
		why     string // a part of a reason
	}{
		"CPU": {cpu, model8B, Request{}, "cpu 0/33 [] context 65536 cache 65536 F16 threads 8/8 batch 512/512 auto", "no GPU is here"},
		"GPU": {gpu, model8B, Request{}, "vulkan 33/33 [Vulkan0] context 32768 cache 32768 F16 threads 4/4 batch 2048/512 auto", "all fit into what is free (22 GiB)"},
		"not the whole model": {gpuMachine(BackendVulkan, KindGPU, 4*gib), model8B, Request{},
			"vulkan 20/33 [Vulkan0] context 4096 cache 4096 F16 threads 8/8 batch 2048/512 on", "no more fit into what is free on Vulkan0 (3.7 GiB); the CPU computes"},
		"not a layer": {gpuMachine(BackendVulkan, KindGPU, gib/2), model8B, Request{},
			"cpu 0/33 [] context 65536 cache 65536 F16 threads 8/8 batch 512/512 auto", "not one layer fits into what is free on Vulkan0 (471 MiB)"},
		"one of two GPUs": {gpuMachine(BackendVulkan, KindGPU, 8*gib, 24*gib), model8B, Request{},
			"vulkan 33/33 [Vulkan1] context 32768 cache 32768 F16 threads 4/4 batch 2048/512 auto", "all fit on one device"},
		"two GPUs": {gpuMachine(BackendVulkan, KindGPU, 24*gib, 40*gib), model70B, Request{},
			"vulkan 81/81 [Vulkan1 Vulkan0] context 32768 cache 32768 F16 threads 4/4 batch 2048/512 auto", "they fit on no fewer devices, and are split by what is free: Vulkan1 (38 GiB) and Vulkan0 (22 GiB)"},
		"three of four GPUs": {gpuMachine(BackendCUDA, KindGPU, 16*gib, 24*gib, 16*gib, 8*gib), model70B, Request{},
			"cuda 81/81 [CUDA1 CUDA0 CUDA2] context 32768 cache 32768 F16 threads 4/4 batch 2048/512 auto", "it alone"},
		"Vulkan before CUDA":  {gpu.with(cuda), model8B, Request{}, "vulkan 33/33 [Vulkan0] context 32768 cache 32768 F16 threads 4/4 batch 2048/512 auto", "CUDA is here too"},
		"CUDA asked for":      {gpu.with(cuda), model8B, Request{Backend: BackendCUDA}, "cuda 33/33 [CUDA0] context 32768 cache 32768 F16 threads 4/4 batch 2048/512 auto", "CUDA: it was asked for"},
		"CPU asked for":       {gpu, model8B, Request{Backend: BackendCPU}, "cpu 0/33 [] context 65536 cache 65536 F16 threads 8/8 batch 512/512 auto", "CPU: it was asked for"},
		"no more layers":      {gpu, model8B, Request{GPULayers: 10}, "vulkan 10/33 [Vulkan0] context 32768 cache 32768 F16 threads 8/8 batch 2048/512 on", "no more were asked for"},
		"discrete before own": {gpu.with(igpu), model8B, Request{}, "vulkan 33/33 [Vulkan0] context 32768 cache 32768 F16 threads 4/4 batch 2048/512 auto", "all fit into what is free"},
		"the host's memory": {Machine{OS: "linux", CPU: cpu.CPU, Memory: Memory{Total: 16 * gib, Available: 8 * gib}}.with(igpu), model8B, Request{},
			"vulkan 33/33 [IGPU] context 8192 cache 8192 F16 threads 4/4 batch 2048/512 auto", "all fit"},
		"a context asked for":       {gpu, model8B, Request{ContextLength: 10000}, "vulkan 33/33 [Vulkan0] context 10000 cache 40000 F16 threads 4/4 batch 2048/512 auto", "10000 tokens a request, 40000 in the cache for all together: it was asked for"},
		"fewer tokens at once":      {gpuMachine(BackendVulkan, KindGPU, 20*gib), model8B, Request{ContextLength: 110000}, "vulkan 33/33 [Vulkan0] context 110000 cache 110000 F16 threads 4/4 batch 2048/256 auto", "smaller buffers leave room for layers"},
		"longer than trained":       {cpu, model135M, Request{ContextLength: 8193}, "cpu 0/31 [] context 8192 cache 32768 F16 threads 8/4 batch 512/512 auto", "8193 were asked for, but so many the model was trained with"},
		"a cache asked for":         {cpu, model135M, Request{CacheLength: 5000, ContextLength: 512}, "cpu 0/31 [] context 512 cache 5000 F16 threads 8/4 batch 512/512 auto", "it was asked for"},
		"only as Q8_0":              {gpuMachine(BackendVulkan, KindGPU, 20*gib), model8B, Request{ContextLength: 120000}, "vulkan 33/33 [Vulkan0] context 120000 cache 120000 Q8_0 threads 4/4 batch 2048/512 on", "fits only so"},
		"not even as Q8_0":          {gpuMachine(BackendVulkan, KindGPU, 12*gib), model8B, Request{ContextLength: 110000}, "vulkan 29/33 [Vulkan0] context 110000 cache 110000 Q8_0 threads 8/8 batch 2048/512 on", "no more fit"},
		"Q8_0 on the CPU":           {Machine{OS: "linux", CPU: cpu.CPU, Memory: Memory{Total: 16 * gib, Available: 15 * gib}}, model8B, Request{ContextLength: 100000}, "cpu 0/33 [] context 100000 cache 100000 Q8_0 threads 8/8 batch 512/512 on", "fits only so"},
		"Q8_0 asked for":            {gpu, model135M, Request{KV: gguf.Q8_0}, "vulkan 31/31 [Vulkan0] context 8192 cache 16384 Q8_0 threads 4/4 batch 2048/512 on", "Q8_0: it was asked for"},
		"a shorter context":         {Machine{OS: "linux", CPU: cpu.CPU, Memory: Memory{Total: 8 * gib, Available: 64 * gib / 10}}, model8B, Request{}, "cpu 0/33 [] context 2048 cache 2048 F16 threads 8/8 batch 512/512 auto", "there is no memory for more"},
		"little is free":            {Machine{OS: "linux", CPU: cpu.CPU, Memory: Memory{Total: 4 * gib, Available: 9 * gib / 10}}, model135M, Request{}, "cpu 0/31 [] context 1024 cache 1024 F16 threads 8/4 batch 512/512 auto", "nearly all that is free"},
		"a budget":                  {budgeted, model8B, Request{}, "vulkan 20/33 [Vulkan0] context 4096 cache 4096 F16 threads 8/8 batch 2048/512 on", "no more fit into what is free on Vulkan0 (3.7 GiB)"},
		"measured, not all layers":  {gpuMachine(BackendVulkan, KindGPU, 4*gib), model8B, Request{Calibration: &Calibration{Measurements: []Measurement{measured(5000, 90, BackendVulkan, 4), measured(60, 8, BackendCPU, 8)}}}, "vulkan 20/33 [Vulkan0] context 4096 cache 4096 F16 threads 8/8 batch 2048/512 on", "one for each core"},
		"few tokens of training":    {cpu, newTestModel("short", 12, 512, 1e8, 768), Request{}, "cpu 0/13 [] context 512 cache 2048 F16 threads 8/4 batch 512/512 auto", "so many the model was trained with"},
		"training unknown":          {cpu, newTestModel("unknown", 12, 0, 1e9, 768), Request{}, "cpu 0/13 [] context 4096 cache 16384 F16 threads 8/8 batch 512/512 auto", "does not say"},
		"few threads for output":    {cpu, model135M, Request{}, "cpu 0/31 [] context 8192 cache 16384 F16 threads 8/4 batch 512/512 auto", "138 MiB of weights are too little work for more"},
		"threads and batch":         {cpu, model135M, Request{Threads: 3, BatchSize: 64, FlashAttention: FlashOff}, "cpu 0/31 [] context 8192 cache 16384 F16 threads 3/3 batch 64/64 off", "so many were asked for"},
		"measured threads":          {cpu, model135M, Request{Calibration: &Calibration{Measurements: []Measurement{measured(700, 81, BackendCPU, 8), measured(600, 100, BackendCPU, 6), measured(100, 98, BackendCPU, 2)}}}, "cpu 0/31 [] context 8192 cache 16384 F16 threads 8/2 batch 512/512 auto", "measured here: 700 tokens/s of prompt, 98.0 tokens/s of output"},
		"measured faster":           {gpu.with(cuda), model8B, Request{Calibration: &Calibration{Measurements: []Measurement{measured(5000, 90, BackendVulkan, 4), measured(6000, 100, BackendCUDA, 4), measured(60, 8, BackendCPU, 8)}}}, "cuda 33/33 [CUDA0] context 32768 cache 32768 F16 threads 4/4 batch 2048/512 auto", "measured here: 6000 tokens/s of prompt and 100.0 of output, Vulkan 5000 and 90.0"},
		"measured, and not there":   {gpu, model8B, Request{Calibration: &Calibration{Measurements: []Measurement{measured(5000, 90, BackendVulkan, 4), measured(6000, 100, BackendCUDA, 4), {Candidate: Candidate{BackendCPU, 8}, Failed: "no"}}}}, "vulkan 33/33 [Vulkan0] context 32768 cache 32768 F16 threads 4/4 batch 2048/512 auto", "the default on a GPU"},
		"the CPU is faster":         {cpu.with(igpu), model135M, Request{Calibration: &Calibration{Measurements: []Measurement{measured(500, 90, BackendVulkan, 4), measured(900, 80, BackendCPU, 8)}}}, "cpu 0/31 [] context 8192 cache 16384 F16 threads 8/8 batch 512/512 auto", "Vulkan 500 and 90.0"},
		"Metal":                     {gpuMachine(BackendMetal, KindGPU, 48*gib), model8B, Request{}, "metal 33/33 [Metal0] context 65536 cache 65536 F16 threads 4/4 batch 2048/512 auto", "the GPU of this Mac"},
		"no word on memory":         {Machine{OS: "plan9"}, model8B, Request{}, "cpu 0/33 [] context 131072 cache 131072 F16 threads 1/1 batch 512/512 auto", "one for each core"},
		"performance cores":         {Machine{CPU: CPU{Cores: 8, PerformanceCores: 2, AllowedCores: 2}}, model135M, Request{}, "cpu 0/31 [] context 8192 cache 16384 F16 threads 2/2 batch 512/512 auto", "the other 6 cores would hold them up"},
		"pinned":                    {Machine{CPU: CPU{Cores: 8, PerformanceCores: 8, AllowedCores: 3}}, model135M, Request{}, "cpu 0/31 [] context 8192 cache 16384 F16 threads 3/3 batch 512/512 auto", "may run on 3 of the 8 cores"},
		"NUMA":                      {Machine{CPU: CPU{Cores: 4, PerformanceCores: 4, AllowedCores: 4, Nodes: make([]Node, 2)}}, model135M, Request{}, "cpu 0/31 [] context 8192 cache 16384 F16 threads 4/4 batch 512/512 auto", "on 2 NUMA nodes"},
		"a GPU that is not to have": {Machine{OS: "linux", GPUs: []GPU{{Vendor: AMD}}}, model135M, Request{}, "cpu 0/31 [] context 8192 cache 16384 F16 threads 1/1 batch 512/512 auto", "no driver of the kernel has it"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Choose(tt.machine, tt.model.Model, tt.model.needs, &tt.req)
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(p); got != tt.want {
				t.Errorf("plan\n%s, want\n%s", got, tt.want)
			}
			if !strings.Contains(fmt.Sprint(p.Reasons), tt.why) {
				t.Errorf("%v do not say %q", p.Reasons, tt.why)
			}
			checkPlan(t, tt.machine, p)
		})
	}
}

func summary(p Plan) string {
	return fmt.Sprintf("%s %d/%d %v context %d cache %d %v threads %d/%d batch %d/%d %s", p.Backend, p.GPULayers, p.Layers, p.Devices,
		p.ContextLength, p.CacheLength, p.KV, p.PrefillThreads, p.DecodeThreads, p.BatchSize, p.MicroBatch, p.FlashAttention)
}

// checkPlan checks what holds for every plan.
func checkPlan(t *testing.T, m Machine, p Plan) {
	t.Helper()
	sum := float32(0)
	for i, share := range p.Split {
		sum += share
		d := p.choice.device(p.Devices[i])
		if p.Need.Devices[i] > d.Room() {
			t.Errorf("%s: %d bytes of %d", d.Name, p.Need.Devices[i], d.Room())
		}
	}
	if len(p.Split) != len(p.Devices) || len(p.Split) != len(p.Need.Devices) || len(p.Split) > 0 && (sum < 0.999 || sum > 1.001) {
		t.Errorf("split %v of %v", p.Split, p.Devices)
	}
	if p.Need.Host > p.choice.hostRoom() {
		t.Errorf("%d bytes of %d", p.Need.Host, p.choice.hostRoom())
	}
	if p.CacheLength < p.ContextLength {
		t.Errorf("a cache of %d for a context of %d", p.CacheLength, p.ContextLength)
	}
	said := map[string]bool{}
	for _, r := range p.Reasons {
		if said[r.Choice] || r.Value == "" || r.Why == "" {
			t.Errorf("reason %+v", r)
		}
		said[r.Choice] = true
	}
	for _, choice := range []string{"backend", "context", "kv", "flash attention", "batch", "threads"} {
		if !said[choice] {
			t.Errorf("no reason for %s", choice)
		}
	}
}

// Attention is computed in one pass where the backend has a kernel for its heads, and where
// the CPU has layers too that is not left to llama.cpp.
func TestFlashAttention(t *testing.T) {
	for name, tt := range map[string]struct {
		backend    Backend
		key, value int
		layers     int // of 33
		asked      FlashAttention
		want       FlashAttention
	}{
		"all layers":          {BackendVulkan, 128, 128, 33, "", FlashAuto},
		"some layers":         {BackendVulkan, 128, 128, 10, "", FlashOn},
		"some, not wanted":    {BackendVulkan, 128, 128, 10, FlashOff, FlashOff},
		"odd heads":           {BackendVulkan, 100, 100, 33, "", FlashOff},
		"CUDA":                {BackendCUDA, 256, 256, 33, FlashAuto, FlashAuto},
		"CUDA without kernel": {BackendCUDA, 160, 160, 33, "", FlashOff},
		"CUDA, unequal":       {BackendCUDA, 128, 64, 33, "", FlashOff},
		"CUDA, DeepSeek":      {BackendCUDA, 576, 512, 33, "", FlashAuto},
		"heads unknown":       {BackendCUDA, 0, 0, 33, "", FlashAuto},
		"Metal":               {BackendMetal, 192, 192, 33, "", FlashAuto},
		"CPU":                 {BackendCPU, 100, 100, 0, "", FlashAuto},
	} {
		m := model8B
		m.KeySize, m.ValueSize = tt.key, tt.value
		p, err := Choose(gpuMachine(tt.backend, KindGPU, 24*gib), m.Model, m.needs, &Request{Backend: tt.backend, GPULayers: tt.layers, FlashAttention: tt.asked})
		if err != nil || p.FlashAttention != tt.want || p.GPULayers != tt.layers {
			t.Errorf("%s: %q with %d layers, %v", name, p.FlashAttention, p.GPULayers, err)
		}
	}
}

func TestChooseRefuses(t *testing.T) {
	cpu := gpuMachine(BackendVulkan, KindGPU)
	small := Machine{OS: "linux", Memory: Memory{Total: 4 * gib, Available: 3 * gib}}
	odd := model135M
	odd.QuantizedKV = false
	noRuntime := readMachine(t, "gpu-ready")
	noRuntime.Drivers.NVIDIA = "590.44"
	noRuntime.Drivers.drop("libcudart.so.13")
	for name, tt := range map[string]struct {
		machine Machine
		model   testModel
		req     Request
		field   string // of a RequestError; empty: a FitError
		want    string
	}{
		"negative":             {cpu, model8B, Request{Threads: -1}, "Threads", "-1 is negative"},
		"beyond use":           {cpu, model8B, Request{CacheLength: 1 << 40}, "CacheLength", "1099511627776 is more than 268435456"},
		"no such KV type":      {cpu, model8B, Request{KV: gguf.Q4_K}, "KV", "Q4_K is not a type to cache"},
		"odd heads":            {cpu, odd, Request{KV: gguf.Q8_0}, "KV", "not whole blocks"},
		"Q8_0 without flash":   {cpu, model8B, Request{KV: gguf.Q8_0, FlashAttention: FlashOff}, "FlashAttention", "Q8_0"},
		"no such flash":        {cpu, model8B, Request{FlashAttention: "yes"}, "FlashAttention", "none of auto"},
		"no Vulkan":            {cpu, model8B, Request{Backend: BackendVulkan}, "Backend", "Vulkan cannot be used: llama.cpp shows no device for it; it has [CPU]"},
		"Vulkan's loader":      {readMachine(t, "gpu-without-loader"), model8B, Request{Backend: BackendVulkan}, "Backend", "install libvulkan1"},
		"CUDA's runtime":       {noRuntime, model8B, Request{Backend: BackendCUDA}, "Backend", "install CUDA 13's runtime"},
		"no such backend":      {readMachine(t, "gpu-ready"), model8B, Request{Backend: "abacus"}, "Backend", "it has [CPU Vulkan]"},
		"not a layer":          {gpuMachine(BackendVulkan, KindGPU, gib/2), model8B, Request{Backend: BackendVulkan}, "Backend", "not one layer fits"},
		"too large":            {cpu, model405B, Request{}, "", "it takes 223 GiB of memory, and 60 GiB are free for it: take a smaller model"},
		"others are in memory": {Machine{OS: "linux", Memory: Memory{Total: 16 * gib, Available: 3 * gib}}, model8B, Request{}, "", "close other programs"},
		"context too long":     {small, model135M, Request{ContextLength: 8192, KV: gguf.F16, BatchSize: 4096}, "", ""},
		"cache too long":       {cpu, model8B, Request{CacheLength: 1 << 28}, "", "and 268435456 in the cache it takes"},
		"a long cache":         {cpu, model8B, Request{CacheLength: 1 << 28}, "", "ask for a shorter context or cache, or take"},
		"container":            {readMachine(t, "container"), model8B, Request{}, "", "raise the container's memory limit (now 2.0 GiB)"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "context too long" {
				tt.model.needs = func(p Placement) Need { return Need{Host: uint64(p.Cells) << 20} }
				tt.want = "context of 8192 tokens it takes 8.0 GiB of memory, and 3.0 GiB are free"
			}
			_, err := Choose(tt.machine, tt.model.Model, tt.model.needs, &tt.req)
			var request *RequestError
			var fit *FitError
			if tt.field == "" && !errors.As(err, &fit) || tt.field != "" && (!errors.As(err, &request) || request.Field != tt.field) {
				t.Fatalf("error %#v", err)
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want %q", err, tt.want)
			}
		})
	}
}
