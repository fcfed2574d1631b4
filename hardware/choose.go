package hardware

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/cria-lm/cria/gguf"
)

// Memory that is left to others, as node-llama-cpp 3.22.1 leaves it: of a device the
// lesser of 8 % and 1.6 GiB, for what grows while computing; of main memory the lesser
// of a quarter and 1 GiB on Linux, 6 GiB elsewhere, where a desktop lives in it.
const (
	devicePercent   = 8
	deviceMost      = 1638 << 20
	hostPercent     = 25
	hostMostLinux   = 1 << 30
	hostMost        = 6 << 30
	growthShare     = 4        // the part of memory that a longer context than the working one may take
	smallestThreads = 4        // for decoding, where the machine has as many
	threadBytes     = 80 << 20 // of weights read for a token that make a thread worth its while (yzma's measure)
)

func (d Device) margin() uint64 { return min(d.Total*devicePercent/100, deviceMost) }

func (m Machine) margin() uint64 {
	most := uint64(hostMost)
	if m.OS == "linux" {
		most = hostMostLinux
	}
	return min(m.Memory.Size()*hostPercent/100, most)
}

func less(a, b uint64) uint64 { return a - min(a, b) }

// Choose plans how a model is loaded on a machine. needs says what a placement takes; a
// nil request leaves all to Choose. The error is a *[RequestError] for what the machine
// has not, and a *[FitError] for a model that has no place.
func Choose(m Machine, model Model, needs Needs, req *Request) (Plan, error) {
	c := &choice{machine: m, model: model, needs: needs}
	if req != nil {
		c.req = *req
	}
	if err := c.check(); err != nil {
		return Plan{}, err
	}
	p := Plan{
		Model: model.Name, Layers: model.Layers + 1,
		FlashAttention: cmp.Or(c.req.FlashAttention, FlashAuto),
		choice:         c,
	}
	if err := c.backend(&p); err != nil {
		return Plan{}, err
	}
	if err := c.place(&p); err != nil {
		return Plan{}, err
	}
	c.threads(&p)
	c.explainCalibration(&p)
	return p, nil
}

// A choice is what a plan is made from.
type choice struct {
	machine Machine
	model   Model
	needs   Needs
	req     Request
	tight   bool // nothing is left to others of the main memory
}

func (c *choice) check() error {
	r := c.req
	for _, f := range []struct {
		name        string
		value, most int
	}{
		{"GPULayers", r.GPULayers, math.MaxInt32}, {"ContextLength", r.ContextLength, maxCells}, {"CacheLength", r.CacheLength, maxCells},
		{"Threads", r.Threads, math.MaxInt32}, {"BatchSize", r.BatchSize, maxTokens}, {"MicroBatch", r.MicroBatch, maxTokens},
	} {
		switch {
		case f.value < 0:
			return &RequestError{f.name, fmt.Sprintf("%d is negative; 0 leaves it to the machine", f.value)}
		case f.value > f.most:
			return &RequestError{f.name, fmt.Sprintf("%d is more than %d", f.value, f.most)}
		}
	}
	switch r.KV {
	case 0, gguf.F16:
	case gguf.Q8_0:
		if !c.model.QuantizedKV {
			return &RequestError{"KV", fmt.Sprintf("the attention heads of %s are not whole blocks of Q8_0; F16 works", c.model.Name)}
		}
		if r.FlashAttention == FlashOff {
			return &RequestError{"FlashAttention", "values of Q8_0 cannot be cached without it"}
		}
	default:
		return &RequestError{"KV", fmt.Sprintf("%v is not a type to cache keys and values in; F16 and Q8_0 are", r.KV)}
	}
	switch r.FlashAttention {
	case "", FlashAuto, FlashOn, FlashOff:
	default:
		return &RequestError{"FlashAttention", fmt.Sprintf("%q is none of auto, on and off", r.FlashAttention)}
	}
	return nil
}

// backend chooses what computes.
func (c *choice) backend(p *Plan) error {
	m := c.machine
	if asked := c.req.Backend; asked != "" {
		if asked != BackendCPU && !m.Shows(asked) {
			return &RequestError{"Backend", m.whyNot(asked)}
		}
		p.Backend = asked
		p.because("backend", asked.Title(), "it was asked for")
		return nil
	}
	var there []Backend
	for _, b := range []Backend{BackendMetal, BackendVulkan, BackendCUDA} {
		if m.Shows(b) {
			there = append(there, b)
		}
	}
	there = append(there, BackendCPU)
	p.Backend = there[0]
	best, other, ok := c.req.Calibration.fastest(Backends) // of which the libraries of the slower ones are not even loaded
	if !ok || !slices.Contains(there, best.Backend) {
		best, other, ok = c.req.Calibration.fastest(there)
	}
	if ok {
		p.Backend = best.Backend
		p.because("backend", best.Backend.Title(), "measured here: %s", best.against(other))
		return nil
	}
	p.because("backend", p.Backend.Title(), "%s", m.whyBackend(p.Backend, there))
	return nil
}

// whyBackend says why a backend is the default one of those that are there.
func (m Machine) whyBackend(b Backend, there []Backend) string {
	switch {
	case b == BackendVulkan && slices.Contains(there, BackendCUDA):
		return "the default on a GPU; CUDA is here too, and is taken when it is asked for or was measured to be faster (cria doctor --calibrate)"
	case b == BackendVulkan:
		return "the default on a GPU"
	case b == BackendCUDA:
		return "llama.cpp shows the GPU through it alone"
	case b == BackendMetal:
		return "the GPU of this Mac computes through it"
	case len(m.GPUs) == 0:
		return "no GPU is here that llama.cpp computes on"
	}
	if missing := m.Missing(); len(missing) > 0 {
		return missing[0].Problem
	}
	return "llama.cpp shows no GPU"
}

// whyNot says why a backend that was asked for cannot be had.
func (m Machine) whyNot(b Backend) string {
	for _, a := range m.Missing() {
		if a.Backend == b || a.Backend == "" {
			return fmt.Sprintf("%s cannot be used: %s", b.Title(), a)
		}
	}
	has := []string{BackendCPU.Title()}
	for _, d := range m.Devices {
		if t := d.Backend.Title(); d.isGPU() && !slices.Contains(has, t) {
			has = append(has, t)
		}
	}
	return fmt.Sprintf("%s cannot be used: llama.cpp shows no device for it; it has %v", b.Title(), has)
}

// threads chooses how many compute. Reading the weights is what decoding a token waits
// for, so a small model has too little work for many.
func (c *choice) threads(p *Plan) {
	cpu := c.machine.CPU
	most := cpu.Threads()
	p.PrefillThreads, p.DecodeThreads = most, most
	why := c.machine.whyThreads()
	enough := max(smallestThreads, int((c.weightsRead(p)+threadBytes-1)/threadBytes))
	switch {
	case c.req.Threads > 0:
		p.PrefillThreads, p.DecodeThreads = c.req.Threads, c.req.Threads
		why = "so many were asked for"
	case c.calibrated(p):
		return
	case p.GPULayers >= p.Layers:
		p.PrefillThreads = min(most, smallestThreads)
		p.DecodeThreads = p.PrefillThreads
		why = "the GPU computes; they only feed it"
	case most > enough:
		p.DecodeThreads = enough
		p.because("threads", threadCounts(p), "%s; to decode, %s of weights are too little work for more", why, humanize.IBytes(c.weightsRead(p)))
		return
	}
	p.because("threads", threadCounts(p), "%s", why)
}

// calibrated takes the numbers that were measured for the plan's backend.
func (c *choice) calibrated(p *Plan) bool {
	if p.Backend != BackendCPU && p.GPULayers < p.Layers { // GPUs are measured with threads that only feed them
		return false
	}
	best, ok := c.req.Calibration.threads(p.Backend)
	if !ok {
		return false
	}
	p.PrefillThreads, p.DecodeThreads = best.prefill.Threads, best.decode.Threads
	p.because("threads", threadCounts(p), "measured here: %.0f tokens/s of prompt, %.1f tokens/s of output", best.prefill.Prefill, best.decode.Decode)
	return true
}

func (c *choice) explainCalibration(p *Plan) {
	if c.req.Calibration == nil {
		p.because("calibration", "none", "nothing was measured on this machine with this model; cria doctor --calibrate does")
		return
	}
	p.because("calibration", c.req.Calibration.Made.Format(time.DateOnly), "this model was measured on this machine then")
}

func threadCounts(p *Plan) string {
	if p.PrefillThreads == p.DecodeThreads {
		return fmt.Sprint(p.DecodeThreads)
	}
	return fmt.Sprintf("%d for prompts, %d for output", p.PrefillThreads, p.DecodeThreads)
}

// whyThreads explains [CPU.Threads].
func (m Machine) whyThreads() string {
	c := m.CPU
	switch {
	case c.Limit > 0 && c.Threads() < c.AllowedCores:
		return fmt.Sprintf("a limit of %.3g CPUs is set for this process (it could run on %d cores)", c.Limit, c.AllowedCores)
	case c.AllowedCores < c.PerformanceCores:
		return fmt.Sprintf("this process may run on %d of the %d cores", c.AllowedCores, c.Cores)
	case c.PerformanceCores < c.Cores:
		return fmt.Sprintf("one for each performance core; the other %d cores would hold them up", c.Cores-c.PerformanceCores)
	case len(c.Nodes) > 1:
		return fmt.Sprintf("one for each core, on %d NUMA nodes", len(c.Nodes))
	}
	return "one for each core"
}
