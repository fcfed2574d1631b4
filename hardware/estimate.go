package hardware

import (
	"cmp"
	"fmt"
	"runtime"

	"github.com/cria-lm/cria/gguf"
)

// EstimateOptions say how a model will be run. The zero value is what package
// engine does without options, all of it on the host.
type EstimateOptions struct {
	// ContextLength is the number of cells of the KV cache, over all sequences. If
	// zero, four times 4096, or four times what the model was trained with if that
	// is less: the engine begins with 1024 cells and grows up to that. An encoder
	// has no cache: it is the most tokens of an input, and if zero 512.
	ContextLength int

	// Batch is the most tokens of one call, MicroBatch of those computed at once.
	// If zero, 512; an encoder's are its ContextLength.
	Batch, MicroBatch int

	// Sequences is how many there are in the cache. If zero, 64, and 16 if each
	// has a state of its own.
	Sequences int

	// Rows is how many tokens of a batch have logits. If zero, 64 or Sequences if
	// that is more; all if Embeddings.
	Rows int

	// GPULayers is the number of layers on the GPU, as llama.cpp counts: from the
	// last, and the output matrix is one more, the first that goes there. Negative
	// or more than there are: all.
	GPULayers int

	// KVType is how keys and values are stored. If zero, F16.
	KVType gguf.TensorType

	// NoFlashAttention says that attention is computed in steps, which takes much
	// more memory for long contexts. Without it llama.cpp does so only where a
	// backend lacks the kernel.
	NoFlashAttention bool

	// WindowCells says that layers with a sliding window keep only the cells that
	// the window needs. The engine keeps all, so that it can share prefixes.
	WindowCells bool

	// Embeddings says that embeddings are computed. Always so for encoders.
	Embeddings bool
}

// An Estimate is the memory that a model will take, in bytes.
type Estimate struct {
	Layers []LayerEstimate

	Input   Placed // weights before the first layer: the embeddings
	Output  Placed // weights behind the last layer, with a copy of embeddings used there
	Compute Placed // buffers for intermediate results
	Logits  Placed // buffer for results
}

// A LayerEstimate is the memory of one layer. All of it is in one place.
type LayerEstimate struct {
	Device  bool // on the GPU
	Weights uint64
	Cache   uint64 // keys and values of all cells
	Window  uint64 // the same of a layer that attends within a sliding window
	State   uint64 // of all sequences, in the place of a cache
}

// Placed is memory of one kind on the host and on the GPU.
type Placed struct{ Host, Device uint64 }

// Total is the sum of both.
func (p Placed) Total() uint64 { return p.Host + p.Device }

func (p *Placed) add(device bool, bytes uint64) {
	if device {
		p.Device += bytes
	} else {
		p.Host += bytes
	}
}

// Weights is the memory of all weights.
func (e *Estimate) Weights() Placed {
	all := Placed{e.Input.Host + e.Output.Host, e.Input.Device + e.Output.Device}
	for _, l := range e.Layers {
		all.add(l.Device, l.Weights)
	}
	return all
}

// Cache is the memory of what is kept of the tokens before: keys, values and
// states.
func (e *Estimate) Cache() Placed {
	var all Placed
	for _, l := range e.Layers {
		all.add(l.Device, l.Cache+l.Window+l.State)
	}
	return all
}

// Host is all memory on the host.
func (e *Estimate) Host() uint64 {
	return e.Weights().Host + e.Cache().Host + e.Compute.Host + e.Logits.Host
}

// Device is all memory on the GPU.
func (e *Estimate) Device() uint64 {
	return e.Weights().Device + e.Cache().Device + e.Compute.Device + e.Logits.Device
}

// ArchitectureError says that it is not known what an architecture keeps and
// computes. llama.cpp may know it all the same.
type ArchitectureError struct{ Architecture string }

func (e *ArchitectureError) Error() string {
	return fmt.Sprintf("hardware: what a model of architecture %q keeps and computes is not known; its memory is that of a network that looks like it, so load it with some to spare", e.Architecture)
}

// EstimateMemory computes the memory that llama.cpp will allocate for a model from
// its header alone, without reading anything: a tenth of a millisecond. A model in
// several files needs the headers of all, the first one first.
//
// On the host the figures are those that llama.cpp logs; of a split over host and
// GPU they follow its rules, and where a backend has its own they are the most. Not
// in them is what llama.cpp does not count: the vocabulary and the scratch memory
// of threads, some tens of MiB, and a GPU's runtime.
//
// With an [*ArchitectureError] comes an estimate all the same, which is a guess:
// weights are right, caches nearly always, buffers need not be. Other errors come
// with none: the header or the options make no model.
func EstimateMemory(file *gguf.File, o EstimateOptions, more ...*gguf.File) (Estimate, error) {
	n, known, err := newNetwork(file, more)
	if err != nil {
		return Estimate{}, err
	}
	s, err := o.setting(n)
	if err != nil {
		return Estimate{}, err
	}
	e := n.estimate(s, cmp.Or(o.KVType, gguf.F16))
	if !known {
		return e, &ArchitectureError{n.arch}
	}
	return e, nil
}

// estimate adds up what a network takes.
func (n *network) estimate(s setting, kv gguf.TensorType) Estimate {
	var e Estimate
	elements, bytes := kv.Block()
	widest := n.widestValues()
	e.Layers = make([]LayerEstimate, len(n.layers))
	for i := range n.layers {
		l, to := &n.layers[i], &e.Layers[i]
		to.Device, to.Weights = i >= s.hostLayers, l.weights
		values := n.valueWidth(l)
		if !s.flash {
			values = widest // llama_kv_cache: TAG_V_CACHE_VARIABLE
		}
		row := uint64((n.keyWidth(l) + values) / elements * bytes)
		switch {
		case n.noCache || !l.caches():
		case l.window:
			to.Window = row * uint64(s.windowCells)
		default:
			to.Cache = row * uint64(s.cells)
		}
		if l.recurs() {
			to.State = 4 * uint64(n.convState(l)+n.scanState(l)) * uint64(s.sequences)
		}
	}
	e.Input.Host = n.inputs
	e.Output.add(!s.outputHere, n.outputs)
	// Embeddings that serve as output matrix are in memory twice if that is on the
	// other side, or stored in another order than where single rows are read.
	if !n.untied && !n.noOutput && (!s.outputHere || repacked(n.tableType, n.vocab)) {
		e.Output.add(!s.outputHere, n.table)
	}
	e.Compute = n.compute(s)
	rows := n.vocab
	if s.embeddings {
		rows += n.width
	}
	e.Logits.Host = 4 * uint64(rows) * uint64(s.sequences)
	return e
}

// repacked reports whether the CPU backend stores a matrix of a type in the order
// of its kernels: see ggml_repack_get_optimal_repack_type. It needs AVX2 on amd64,
// and on arm64 the dot product instructions, which nearly all machines have.
func repacked(typ gguf.TensorType, rows int) bool {
	switch typ.String() {
	case "Q4_0", "Q4_K", "IQ4_NL", "MXFP4":
		return rows%8 == 0 && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64")
	case "Q8_0", "Q5_K", "Q6_K":
		return rows%8 == 0 && runtime.GOARCH == "arm64"
	}
	return false
}

// Alignments of tensors: those of the host, and the least that fits all GPU
// backends of ggml.
const (
	hostAlign   = 32
	deviceAlign = 128
)

// compute is the memory for intermediate results.
func (n *network) compute(s setting) Placed {
	size := n.reserve(s)
	if s.hostLayers == 0 || s.outputHere {
		return size
	}
	// Large batches of the layers on the host are computed on the GPU all the same
	// (op_offload), to which each matrix is copied when its turn comes. What that
	// takes depends on the backend; this is the most.
	largest := uint64(0)
	for i := range n.layers[:s.hostLayers] {
		largest = max(largest, n.layers[i].largest)
	}
	s.hostLayers = 0
	all := n.reserve(s)
	return Placed{Host: min(size.Host, all.Host), Device: max(size.Device, all.Device) + largest}
}

// reserve is the size of the buffers of the graph.
func (n *network) reserve(s setting) Placed {
	b := &builder{graph: newGraph(64 * (len(n.layers) + 1)), network: n, setting: s}
	b.build()
	arenas := [2]*arena{newArena(hostAlign), newArena(deviceAlign)}
	b.place(&arenas)
	return Placed{arenas[host].size, arenas[device].size}
}

// setting is what the options and their defaults come to for a network, as the
// constructor of llama_context settles it.
func (o *EstimateOptions) setting(n *network) (setting, error) {
	for _, f := range []struct {
		name        string
		value, most int
	}{
		{"ContextLength", o.ContextLength, maxCells},
		{"Batch", o.Batch, maxTokens},
		{"MicroBatch", o.MicroBatch, maxTokens},
		{"Sequences", o.Sequences, maxSequences},
		{"Rows", o.Rows, maxTokens},
	} {
		if f.value < 0 || f.value > f.most {
			return setting{}, fmt.Errorf("hardware: %s: %d is not in 0 to %d", f.name, f.value, f.most)
		}
	}
	kv := cmp.Or(o.KVType, gguf.F16)
	elements, _ := kv.Block()
	if elements == 0 {
		return setting{}, fmt.Errorf("hardware: KVType: %v", kv)
	}
	if elements > 1 && o.NoFlashAttention {
		return setting{}, fmt.Errorf("hardware: KVType: %v is for flash attention only; use F16", kv)
	}
	longest, inputs := 4096, 4 // of the engine's cache, in cells
	all := 512
	if n.noCache {
		longest, inputs = 512, 1
	}
	if n.trained > 0 {
		longest = min(longest, n.trained)
	}
	context := cmp.Or(o.ContextLength, longest*inputs)
	if n.noCache {
		context = min(context, maxTokens)
		all = context
	}
	batch := min(cmp.Or(o.Batch, all), context)
	sequences := 64
	if n.recurs() {
		sequences = 16
	}
	sequences = cmp.Or(o.Sequences, sequences)
	rows := cmp.Or(o.Rows, max(64, sequences))
	embeddings := o.Embeddings || n.noCache
	if embeddings && o.Rows == 0 {
		rows = batch
	}
	s := setting{
		sequences:  sequences,
		cells:      roundUp(context, cellsAlign),
		flash:      !o.NoFlashAttention,
		quantized:  elements > 1,
		embeddings: embeddings,
	}
	s.tokens = min(batch, cmp.Or(o.MicroBatch, min(all, batch)))
	s.rows = min(s.tokens, rows)
	s.tokens = roundUp(s.tokens, sequences)
	s.windowCells = s.cells
	if o.WindowCells {
		s.windowCells = roundUp(min(s.cells, n.window*sequences+s.tokens), cellsAlign)
	}
	s.hostLayers = len(n.layers)
	s.outputHere = o.GPULayers == 0
	switch {
	case o.GPULayers < 0:
		s.hostLayers = 0
	case o.GPULayers > 0:
		s.hostLayers = max(len(n.layers)+1-o.GPULayers, 0)
	}
	return s, nil
}

// The most that options may be. LLAMA_MAX_SEQ is 256; the others are beyond use and
// keep products within 64 bits.
const (
	maxCells     = 1 << 28
	maxTokens    = 1 << 20
	maxSequences = 256
)

// cellsAlign is what llama.cpp rounds the cells of a cache to.
const cellsAlign = 256

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// recurs reports whether any layer keeps a state.
func (n *network) recurs() bool {
	for i := range n.layers {
		if n.layers[i].recurs() {
			return true
		}
	}
	return false
}
