package hardware

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cria-lm/cria/gguf"
)

// part is a tensor's place in a layer.
type part uint8

const (
	attnNorm part = iota
	attnQKV
	attnQ
	attnK
	attnV
	attnQNorm
	attnKNorm
	attnGate // of a delta net
	attnOut
	attnOutNorm  // of encoders, behind the residual sum
	postAttnNorm // before the residual sum
	ffnNorm
	ffnGate
	ffnUp
	ffnDown
	postFFNNorm
	layerOutNorm
	router
	expertBias // of the choice, not of the weights
	expertGate
	expertUp
	expertDown
	sharedRouter
	sharedGate
	sharedUp
	sharedDown
	ssmIn
	ssmConv
	ssmX
	ssmTime
	ssmTimeNorm
	ssmNorm
	ssmOut
	ssmBeta
	ssmAlpha
	perLayerGate
	perLayerUp
	convIn
	convKernel
	convOut
	parts
)

// partNames are the names of tensors, as llama.cpp's src/llama-arch.cpp has them.
var partNames = map[string]part{
	"attn_norm": attnNorm, "attn_qkv": attnQKV, "attn_q": attnQ, "attn_k": attnK, "attn_v": attnV,
	"attn_q_norm": attnQNorm, "attn_k_norm": attnKNorm, "attn_gate": attnGate, "attn_output": attnOut,
	"attn_output_norm": attnOutNorm, "post_attention_norm": postAttnNorm,
	"ffn_norm": ffnNorm, "ffn_gate": ffnGate, "ffn_up": ffnUp, "ffn_down": ffnDown,
	"post_ffw_norm": postFFNNorm, "layer_output_norm": layerOutNorm,
	"ffn_gate_inp": router, "exp_probs_b": expertBias, "ffn_gate_exps": expertGate, "ffn_up_exps": expertUp, "ffn_down_exps": expertDown,
	"ffn_gate_inp_shexp": sharedRouter, "ffn_gate_shexp": sharedGate, "ffn_up_shexp": sharedUp, "ffn_down_shexp": sharedDown,
	"ssm_in": ssmIn, "ssm_conv1d": ssmConv, "ssm_x": ssmX, "ssm_dt": ssmTime, "ssm_dt_norm": ssmTimeNorm,
	"ssm_norm": ssmNorm, "ssm_out": ssmOut, "ssm_beta": ssmBeta, "ssm_alpha": ssmAlpha,
	"inp_gate": perLayerGate, "proj": perLayerUp,
	"shortconv.in_proj": convIn, "shortconv.conv": convKernel, "shortconv.out_proj": convOut,
}

// layer is one layer as the tensor table shows it.
type layer struct {
	weights uint64
	largest uint64                       // of the tensors that they are in
	matrix  [parts]struct{ in, out int } // of weights; in is 0 if there are none
	bias    [parts]bool

	kvHeads int
	window  bool // attends within the sliding window
	borrows bool // attends to keys and values of a layer before
}

func (l *layer) has(p part) bool { return l.matrix[p].in > 0 }

// in and out are the widths of what a part's weights are multiplied with, and of
// the product.
func (l *layer) in(p part) int  { return l.matrix[p].in }
func (l *layer) out(p part) int { return l.matrix[p].out }

// attends reports whether the layer looks at tokens before.
func (l *layer) attends() bool { return (l.has(attnQ) || l.has(attnQKV)) && !l.has(ssmBeta) }

// caches reports whether it keeps their keys and values.
func (l *layer) caches() bool { return l.attends() && !l.borrows }

// recurs reports whether the layer keeps a state instead of cells.
func (l *layer) recurs() bool { return l.has(ssmIn) || l.has(ssmBeta) || l.has(convIn) }

// network is what the sizes depend on.
type network struct {
	rules
	arch   string
	layers []layer

	inputs  uint64 // bytes of weights before the first layer
	outputs uint64 // behind the last

	table     uint64 // bytes of the embeddings, which are of the inputs
	tableType gguf.TensorType
	untied    bool // there is an output matrix too

	width, vocab            int
	trained                 int // tokens
	heads, keyDim, valueDim int
	experts, expertsUsed    int
	window                  int
	shared, further         int  // layers without a cache of their own; that predict further tokens
	perLayer                int  // width of the embeddings that each layer has of its own
	types                   bool // embeddings of token types
	embeddingNorm           bool

	inner, state, groups, timeRank int // of Mamba
}

// newNetwork reads the sizes from the headers of a model's files. Of an architecture
// that is not known it makes what its tensors look like, and known is false.
func newNetwork(f *gguf.File, more []*gguf.File) (n *network, known bool, err error) {
	m := f.Metadata()
	n = &network{arch: f.Architecture(), width: f.EmbeddingLength(), trained: f.ContextLength(), layers: make([]layer, f.BlockCount())}
	if n.rules, known = architectures[n.arch]; !known {
		causal, stated := m.Bool(n.arch + ".attention.causal")
		n.noCache = stated && !causal
	}
	if len(n.layers) == 0 || n.width == 0 {
		return nil, known, fmt.Errorf("hardware: the file does not say how many layers its model has, or how wide they are (keys %q and %q)", n.arch+".block_count", n.arch+".embedding_length")
	}
	kvHeads, err := n.readNumbers(m)
	if err != nil {
		return nil, known, err
	}
	if n.arch == "gemma4" && n.experts > 0 {
		known = false // its experts stand beside a feed-forward network
	}
	if n.further >= len(n.layers) {
		return nil, known, fmt.Errorf("hardware: key %q: of %d layers %d predict further tokens", n.arch+".nextn_predict_layers", len(n.layers), n.further)
	}
	n.layers = n.layers[:len(n.layers)-n.further]
	if parts := f.Split().Count; parts > 1 && len(more)+1 != parts {
		return nil, known, fmt.Errorf("hardware: the model is in %d files; the headers of %d are given", parts, len(more)+1)
	}
	for _, file := range append([]*gguf.File{f}, more...) {
		if err := n.readTensors(file.Tensors()); err != nil {
			return nil, known, err
		}
	}
	if n.vocab == 0 {
		return nil, known, fmt.Errorf("hardware: the file has no tensor %q: it is no language model, or only a part of one", "token_embd.weight")
	}
	mixes := func(l layer) bool { return l.has(expertUp) }
	if slices.ContainsFunc(n.layers, mixes) && (n.expertsUsed < 1 || n.expertsUsed > n.experts) {
		return nil, known, fmt.Errorf("hardware: the model has tensors of experts, of %d of which a token uses %d (keys %q and %q)", n.experts, n.expertsUsed, n.arch+".expert_count", n.arch+".expert_used_count")
	}
	n.readLayers(m, kvHeads)
	return n, known, nil
}

// The most that numbers of a network may be, far beyond any model: so products
// stay within 64 bits. (LLAMA_MAX_EXPERTS is 512.)
const (
	maxWidth   = 1 << 24
	maxHeads   = 1 << 12
	maxExperts = 1 << 10
)

// readNumbers takes the numbers of the metadata and returns the KV heads of all
// layers that do not have their own.
func (n *network) readNumbers(m gguf.Metadata) (kvHeads int, err error) {
	headDim := func() int { return n.width / max(n.heads, 1) }
	for _, f := range []struct {
		key  string
		to   *int
		most int
		def  func() int
	}{
		{"attention.head_count", &n.heads, maxHeads, nil},
		{"attention.head_count_kv", &kvHeads, maxHeads, func() int { return n.heads }},
		{"attention.key_length", &n.keyDim, maxWidth, headDim},
		{"attention.value_length", &n.valueDim, maxWidth, headDim},
		{"attention.sliding_window", &n.window, maxWidth, nil},
		{"attention.shared_kv_layers", &n.shared, maxWidth, nil},
		{"nextn_predict_layers", &n.further, maxWidth, nil},
		{"embedding_length_per_layer_input", &n.perLayer, maxWidth, nil},
		{"expert_count", &n.experts, maxExperts, nil},
		{"expert_used_count", &n.expertsUsed, maxExperts, nil},
		{"ssm.inner_size", &n.inner, maxWidth, nil},
		{"ssm.state_size", &n.state, maxWidth, nil},
		{"ssm.group_count", &n.groups, maxWidth, nil},
		{"ssm.time_step_rank", &n.timeRank, maxWidth, nil},
	} {
		key := n.arch + "." + f.key
		v, ok := m.Int(key)
		if !ok { // or one for each layer
			perLayer, _ := m.Ints(key)
			for _, one := range perLayer {
				v, ok = max(v, one), true
			}
		}
		switch {
		case !ok && f.def != nil:
			*f.to = f.def()
		case v < 0 || v > int64(f.most):
			return 0, fmt.Errorf("hardware: key %q: %d is not in 0 to %d", key, v, f.most)
		default:
			*f.to = int(v)
		}
	}
	return kvHeads, nil
}

// readTensors takes the sizes of a tensor table.
func (n *network) readTensors(tensors []gguf.Tensor) error {
	for i := range tensors {
		t := &tensors[i]
		size := uint64(t.Size)
		if width := slices.Max(t.Dims); width > maxWidth {
			return fmt.Errorf("hardware: tensor %q: %d numbers in a row or column are no model's", t.Name, width)
		}
		rest, inLayer := strings.CutPrefix(t.Name, "blk.")
		if !inLayer {
			n.readOuter(t, size)
			continue
		}
		number, name, _ := strings.Cut(rest, ".")
		at, err := strconv.Atoi(number)
		if err != nil || at < 0 || at >= len(n.layers) {
			continue // a layer that predicts further tokens: it is not loaded
		}
		l := &n.layers[at]
		l.weights += size
		l.largest = max(l.largest, size)
		name, isBias := strings.CutSuffix(name, ".bias")
		if p, ok := partNames[strings.TrimSuffix(name, ".weight")]; ok && isBias {
			l.bias[p] = true
		} else if ok {
			l.matrix[p].in, l.matrix[p].out = int(t.Dims[0]), 1
			if len(t.Dims) > 1 {
				l.matrix[p].out = int(t.Dims[1])
			}
		}
	}
	return nil
}

// readOuter takes a tensor that is in no layer.
func (n *network) readOuter(t *gguf.Tensor, size uint64) {
	name, isBias := strings.CutSuffix(t.Name, ".bias")
	name = strings.TrimSuffix(name, ".weight")
	switch name {
	case "token_embd":
		n.table, n.tableType = size, t.Type
		if len(t.Dims) > 1 {
			n.vocab = int(t.Dims[1])
		}
	case "token_types":
		n.types = true
	case "token_embd_norm":
		n.embeddingNorm = true
	case "output":
		n.untied = n.untied || !isBias
		n.outputs += size
		return
	case "output_norm", "cls", "cls.output":
		n.outputs += size
		return
	}
	n.inputs += size
}

// readLayers tells the layers what the metadata says of each.
func (n *network) readLayers(m gguf.Metadata, kvHeads int) {
	perLayer, _ := m.Ints(n.arch + ".attention.head_count_kv")
	pattern, _ := m.Ints(n.arch + ".attention.sliding_window_pattern")
	period := n.period
	if p, ok := m.Int(n.arch + ".attention.sliding_window_pattern"); ok && p > 0 {
		period = int(min(p, math.MaxInt32))
	}
	for i := range n.layers {
		l := &n.layers[i]
		l.kvHeads = kvHeads
		l.borrows = i >= len(n.layers)-n.shared
		if i < len(perLayer) {
			l.kvHeads = int(perLayer[i])
		}
		switch {
		case n.window == 0 || n.period == 0:
		case i < len(pattern):
			l.window = pattern[i] != 0
		case n.fullFirst:
			l.window = i%period != 0
		default:
			l.window = i%period < period-1
		}
	}
}

// keyWidth and valueWidth are the numbers that a token has in a layer's cache.
func (n *network) keyWidth(l *layer) int {
	if l.has(attnK) {
		return l.out(attnK)
	}
	return l.kvHeads * n.keyDim
}

func (n *network) valueWidth(l *layer) int {
	switch {
	case l.has(attnV):
		return l.out(attnV)
	case l.has(attnK): // which make the values too
		return l.out(attnK)
	}
	return l.kvHeads * n.valueDim
}

// widestValues is the most numbers that a token's values have in any layer.
func (n *network) widestValues() int {
	most := 0
	for i := range n.layers {
		if l := &n.layers[i]; l.caches() {
			most = max(most, n.valueWidth(l))
		}
	}
	return most
}

// queryWidth is that of all heads' queries together, mixedWidth that of their
// results.
func (n *network) queryWidth(l *layer) int {
	if l.has(attnQ) && n.gated {
		return l.out(attnQ) / 2 // the other half are gates
	}
	if l.has(attnQ) {
		return l.out(attnQ)
	}
	return max(l.out(attnQKV)-n.keyWidth(l)-n.valueWidth(l), 0)
}

func (n *network) mixedWidth(l *layer) int {
	if l.has(attnOut) {
		return l.in(attnOut)
	}
	return n.heads * n.valueDim
}

// kernel is how many tokens the convolution of a recurrent layer spans.
func (l *layer) kernel() int { return max(l.in(ssmConv), l.in(convKernel), 1) }

// convState and scanState are the numbers of a sequence's state in a recurrent
// layer (llama_hparams::n_embd_r and n_embd_s).
func (n *network) convState(l *layer) int {
	if l.has(convIn) {
		return n.width * (l.kernel() - 1)
	}
	return (l.kernel() - 1) * n.convWidth()
}

func (n *network) scanState(l *layer) int {
	if l.has(convIn) {
		return 0
	}
	return n.state * n.inner
}

// convWidth is how many numbers of a token pass the convolution of a Mamba layer.
func (n *network) convWidth() int { return n.inner + 2*n.groups*n.state }
