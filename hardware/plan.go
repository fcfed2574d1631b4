package hardware

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cria-lm/cria/gguf"
)

// FlashAttention says whether attention is computed in one pass, without its matrix in
// memory.
type FlashAttention string

// The choices.
const (
	FlashAuto FlashAttention = "auto" // as llama.cpp finds the device able to
	FlashOn   FlashAttention = "on"
	FlashOff  FlashAttention = "off"
)

// A Request is what is asked of a plan. The zero value leaves everything to [Choose];
// what is set is kept, or there is no plan.
type Request struct {
	// Backend is the one to use. If it is empty: Vulkan on a GPU, unless CUDA was
	// measured to be faster; Metal on a Mac; else the CPU.
	Backend Backend
	// GPULayers is the most layers to put on GPUs, the output counted as one. 0: as many
	// as fit; for none, ask for [BackendCPU].
	GPULayers int
	// ContextLength is the most tokens of a prompt and its output together, reduced to what
	// the model was trained with. 0: as many as
	// the model was trained with, if their cache takes no more than a quarter of the
	// memory; at least [WorkingContext] where that fits.
	ContextLength int
	// KV is the type of cached keys and values, F16 or Q8_0. 0: F16, but Q8_0 where the
	// context that was asked for fits only so.
	KV gguf.TensorType
	// Threads is how many threads compute. 0: see [CPU.Threads].
	Threads int
	// BatchSize is the most tokens decoded at once. 0: [CPUBatch] or [GPUBatch].
	BatchSize int
	// MicroBatch is the most of them computed at once. 0: [MicroBatch], but less where more
	// layers fit on GPUs so.
	MicroBatch int
	// FlashAttention is [FlashAuto] if it is empty.
	FlashAttention FlashAttention
	// CacheLength is how many tokens the cache holds of all requests together, but never
	// less than ContextLength. 0: those of up to four requests, as memory allows.
	CacheLength int
	// AsShipped keeps the model's own weights, where a copy would be computed faster.
	AsShipped bool
	// Calibration is what was measured for this machine and model. Nil: nothing was.
	Calibration *Calibration
}

// The defaults of a plan.
const (
	WorkingContext = 4096 // tokens; what a placement has room for, unless told otherwise
	CPUBatch       = 512  // tokens; more gain nothing on a CPU, and others wait longer
	GPUBatch       = 2048 // tokens, computed MicroBatch at a time: llama.cpp's defaults
	MicroBatch     = 512

	// LeastMicroBatch is where making it smaller ends: below, a GPU has too little to do at
	// once.
	LeastMicroBatch = 128

	// LeastContext is where making the context smaller ends: the engine begins with a
	// cache of so many tokens whatever it is allowed.
	LeastContext = 1024

	// sharedRequests is for how many requests of WorkingContext the cache has room, if
	// memory allows, as the engine has it.
	sharedRequests = 4
)

// A Plan is how a model is loaded on a machine, and why so. It is plain data but for
// what [Plan.StepDown] needs, which only those of [Choose] have.
type Plan struct {
	Model         string          `json:"model"`
	Backend       Backend         `json:"backend"`
	Devices       []string        `json:"devices,omitempty"` // llama.cpp's names of those that get layers
	GPULayers     int             `json:"gpu_layers"`        // of Layers; the output counts as one
	Layers        int             `json:"layers"`            // the model's and its output
	Split         []float32       `json:"split,omitempty"`   // each device's share of the layers, adding up to 1
	ContextLength int             `json:"context_length"`    // tokens of a prompt and its output together
	CacheLength   int             `json:"cache_length"`      // tokens of all requests together
	KV            gguf.TensorType `json:"kv"`                // ggml's number of the type
	Weights       gguf.TensorType `json:"weights,omitempty"` // of the copy that is loaded; 0: the model's own

	PrefillThreads int            `json:"prefill_threads"`
	DecodeThreads  int            `json:"decode_threads"`
	BatchSize      int            `json:"batch_size"`
	MicroBatch     int            `json:"micro_batch"`
	FlashAttention FlashAttention `json:"flash_attention"`

	Need    Need     `json:"need"`
	Reasons []Reason `json:"reasons"`

	choice *choice // what the plan was made from
}

// A Reason says why one thing was chosen.
type Reason struct {
	Choice string `json:"choice"` // "backend", "layers", "context", ...
	Value  string `json:"value"`  // "Vulkan", "33 of 33 on Vulkan0"
	Why    string `json:"why"`
}

func (r Reason) String() string { return r.Choice + ": " + r.Value + ": " + r.Why }

// because adds a reason, in place of one of the same choice.
func (p *Plan) because(choice, value, format string, args ...any) {
	r := Reason{choice, value, fmt.Sprintf(format, args...)}
	for i := range p.Reasons {
		if p.Reasons[i].Choice == choice {
			p.Reasons[i] = r
			return
		}
	}
	p.Reasons = append(p.Reasons, r)
}

// placement is the part of the plan that takes memory.
func (p *Plan) placement() Placement {
	flash := p.FlashAttention
	if p.KV == gguf.Q8_0 {
		flash = FlashOn
	}
	return Placement{p.GPULayers, p.Split, p.CacheLength, p.KV, p.BatchSize, p.MicroBatch, flash, p.Weights}
}

// Fits reports whether a machine has free what the plan needs, to the last byte.
func (p Plan) Fits(m Machine) bool {
	host := p.Need.Host
	for i, name := range p.Devices {
		d, ok := m.device(name)
		if !ok || p.Need.Devices[i] > d.Free {
			return false
		}
		if d.sharesHost() {
			host += p.Need.Devices[i]
		}
	}
	return host <= m.hostRoom(0)
}

// Context returns the plan of one more context of a model that is loaded by p, which is
// computed where p says. length is that of a prompt and its output together; if zero,
// [WorkingContext], and never more than trained, the most that the model was trained with,
// unless that is zero. The cache is of so many tokens, but never less than length; if zero,
// it has room for one such request, and for several of up to WorkingContext. needs are those of a context: see [EstimatedContextNeeds].
func (p Plan) Context(needs Needs, length, cache, trained int) Plan {
	c := p
	c.choice = nil // it has no smaller plan
	c.Reasons = slices.Clone(p.Reasons)
	c.ContextLength = cmp.Or(length, WorkingContext)
	if trained > 0 {
		c.ContextLength = min(c.ContextLength, trained)
	}
	c.CacheLength = max(c.ContextLength, cmp.Or(cache, sharedRequests*min(c.ContextLength, WorkingContext)))
	c.Need = needs(c.placement())
	c.because("weights", "shared", "another context of the model has them in memory")
	why := "it was asked for"
	if length == 0 {
		why = "no other was asked for"
	}
	c.because("context", c.contextText(), "%s", why)
	return c
}
