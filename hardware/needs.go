package hardware

import (
	"errors"

	"github.com/cria-lm/cria/gguf"
)

// A Placement is one way to load a model, as far as it takes memory.
type Placement struct {
	GPULayers  int       // on devices; the output counts as one more than the model's layers
	Split      []float32 // each device's share of them, adding up to 1; empty: no device
	Cells      int       // of the KV cache: tokens of all sequences together
	KV         gguf.TensorType
	BatchSize  int
	MicroBatch int
	// FlashAttention is what the context would be made with.
	FlashAttention FlashAttention
	// Weights is the type of the copy of the weights that is loaded; 0: the model's own.
	Weights gguf.TensorType
}

// Need is the memory that a placement takes, in bytes.
type Need struct {
	Devices []uint64 `json:"devices,omitempty"` // of each device, in the order of Split
	Host    uint64   `json:"host"`
}

// Total is the memory of all together.
func (n Need) Total() uint64 {
	total := n.Host
	for _, d := range n.Devices {
		total += d
	}
	return total
}

// Needs says what a placement of one model takes, with a number for each device of the
// split. [Choose] calls it some dozens of times; it must not change what it is given.
type Needs func(Placement) Need

// DeviceReserve is what every device takes for itself: the context of its driver and
// small buffers.
const DeviceReserve = 128 << 20

// EstimatedNeeds returns Needs of [EstimateMemory]. The error is that of a header which
// is no model's; an [*ArchitectureError] is none, since the guess that comes with it
// serves.
func EstimatedNeeds(file *gguf.File, more ...*gguf.File) (Needs, error) {
	return estimatedNeeds(file, more, true)
}

// EstimatedContextNeeds is [EstimatedNeeds] of one more context of a model in memory: of
// the cache and the buffers, without the weights.
func EstimatedContextNeeds(file *gguf.File, more ...*gguf.File) (Needs, error) {
	return estimatedNeeds(file, more, false)
}

// beyond is more memory than any machine has.
const beyond = 1 << 60

func estimatedNeeds(file *gguf.File, more []*gguf.File, weights bool) (Needs, error) {
	estimate := func(p Placement) (Estimate, error) {
		header := file
		if p.Weights != 0 {
			header = file.As(p.Weights)
		}
		e, err := EstimateMemory(header, EstimateOptions{
			ContextLength: p.Cells, Batch: p.BatchSize, MicroBatch: p.MicroBatch,
			GPULayers: p.GPULayers, KVType: p.KV, NoFlashAttention: p.FlashAttention == FlashOff,
		}, more...)
		if errors.As(err, new(*ArchitectureError)) {
			err = nil
		}
		if !weights {
			e.forgetWeights()
		}
		return e, err
	}
	if _, err := estimate(Placement{Cells: LeastContext, BatchSize: CPUBatch, MicroBatch: MicroBatch}); err != nil {
		return nil, err
	}
	reserve := uint64(0)
	if weights { // the driver's context is there with them
		reserve = DeviceReserve
	}
	return func(p Placement) Need {
		e, err := estimate(p)
		n := Need{Devices: make([]uint64, len(p.Split)), Host: e.Host()}
		if err != nil { // of a placement beyond any machine
			n.Host = beyond
			return n
		}
		if len(p.Split) == 0 {
			n.Host += e.growth()
			return n
		}
		i := 0 // of the layers on devices
		for _, l := range e.Layers {
			if l.Device {
				n.Devices[p.deviceOf(i)] += l.Weights + l.Cache + l.Window + l.State
				i++
			}
		}
		n.Devices[p.deviceOf(p.GPULayers-1)] += e.Input.Device + e.Output.Device + e.Logits.Device
		device, host := uint64(0), uint64(0)
		if len(p.Split) > 1 && p.GPULayers > len(e.Layers) {
			device, host = e.pipeline(p, file.EmbeddingLength())
		}
		n.Host += host
		for i := range n.Devices {
			n.Devices[i] += e.Compute.Device + device + reserve
		}
		return n
	}, nil
}

// growth is what it takes for a moment when package engine makes the cache twice as large,
// which on the CPU it does as requests need it: the old one is kept beside the new one.
func (e *Estimate) growth() (n uint64) {
	for _, l := range e.Layers {
		n += (l.Cache + l.Window) / 2
	}
	return n
}

// pipeline is what each device and the host take more where all layers are on several
// devices, which then compute different batches at once: llama.cpp keeps four copies of what
// goes into a graph and from one device to the next (GGML_SCHED_MAX_COPIES), the masks of
// attention and the hidden state, and none of their memory is used again. Measured with two
// GPUs and three models it is right within 3 MiB for each device.
func (e *Estimate) pipeline(p Placement, width int) (device, host uint64) {
	masks, element := uint64(1), uint64(2)
	for _, l := range e.Layers {
		if l.Window > 0 {
			masks = 2
			break
		}
	}
	if p.FlashAttention == FlashOff {
		element = 4
	}
	mask := masks * element * uint64(roundUp(p.Cells, cellsAlign)) * uint64(p.MicroBatch)
	hidden := 4 * uint64(width) * uint64(p.MicroBatch)
	return 3*mask + 5*hidden, 3*mask + hidden
}

// forgetWeights leaves what a context takes.
func (e *Estimate) forgetWeights() {
	e.Input, e.Output = Placed{}, Placed{}
	for i := range e.Layers {
		e.Layers[i].Weights = 0
	}
}

// deviceOf is the device that gets the i-th of the layers on devices.
func (p Placement) deviceOf(i int) int {
	at, sum := float32(i)/float32(p.GPULayers), float32(0)
	for d, share := range p.Split {
		if sum += share; at < sum {
			return d
		}
	}
	return len(p.Split) - 1
}
