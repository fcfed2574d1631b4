package hardware

import (
	"strconv"
	"strings"

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

// What every device takes for itself in [RoughNeeds]: the context of its driver and
// small buffers.
const roughDevice = 128 << 20

// RoughNeeds returns Needs that count a model's weights layer by layer, the KV cache
// as full attention in every layer, and the buffers of the computation as a few rows of
// numbers for each token of a micro-batch. For most models it is a little too much.
// The parts are the headers of all files of the model.
func RoughNeeds(parts ...*gguf.File) Needs {
	if len(parts) == 0 {
		return func(Placement) Need { return Need{} }
	}
	r := roughModel{layers: make([]uint64, parts[0].BlockCount())}
	for _, part := range parts {
		for _, t := range part.Tensors() {
			r.add(t)
		}
	}
	if r.output == 0 { // tied: the output is a second copy of the embeddings
		r.output = r.rest
	}
	f := parts[0]
	key, value := headSizes(f)
	heads, ok := f.Metadata().Int(f.Architecture() + ".attention.head_count_kv")
	if !ok { // one number for each layer, or as many as there are heads
		heads, _ = f.Metadata().Int(f.Architecture() + ".attention.head_count")
	}
	heads = max(0, min(heads, 1<<20)) // so that no product wraps
	r.row = uint64(heads) * uint64(key+value)
	// Logits, and the hidden state some 16 times.
	r.token = 4 * (uint64(f.VocabularySize()) + 16*uint64(f.EmbeddingLength()))
	return r.need
}

// roughModel is a model in bytes.
type roughModel struct {
	layers       []uint64
	output, rest uint64
	row          uint64 // numbers that a token has cached in a layer
	token        uint64 // of the computation, for each token of a micro-batch
}

func (r *roughModel) add(t gguf.Tensor) {
	size := uint64(t.Size)
	if rest, ok := strings.CutPrefix(t.Name, "blk."); ok {
		number, _, _ := strings.Cut(rest, ".")
		if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(r.layers) {
			r.layers[i] += size
			return
		}
	}
	if strings.HasPrefix(t.Name, "output.") {
		r.output += size
		return
	}
	r.rest += size
}

// need counts the last layers, and behind them the output, on the devices, as llama.cpp
// does.
func (r *roughModel) need(p Placement) Need {
	elements, size := p.KV.Block()
	cells := uint64(p.Cells) * r.row * uint64(size) / uint64(max(1, elements))
	compute := uint64(p.MicroBatch) * r.token
	n := Need{Devices: make([]uint64, len(p.Split)), Host: r.rest + compute}
	first := len(r.layers) + 1 - p.GPULayers // on a device
	for i := range len(r.layers) + 1 {
		take := r.output
		if i < len(r.layers) {
			take = r.layers[i] + cells
		}
		if i < first || len(p.Split) == 0 {
			if i < len(r.layers) || r.output != r.rest { // a tied output is there already
				n.Host += take
			}
			continue
		}
		n.Devices[p.deviceOf(i-first)] += take
	}
	for i := range n.Devices {
		n.Devices[i] += compute + roughDevice
	}
	return n
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
