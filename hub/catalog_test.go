package hub_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/synth"
)

// A network is the shape of a model, as its makers' config.json has it.
type network struct {
	arch                     string
	layers, width, feed      int
	heads, kvHeads, headSize int
	vocabulary               int
}

var networks = map[string]network{
	"smollm2-135m-instruct":        {"llama", 30, 576, 1536, 9, 3, 64, 49152},
	"smollm2-360m-instruct":        {"llama", 32, 960, 2560, 15, 5, 64, 49152},
	"smollm2-1.7b-instruct":        {"llama", 24, 2048, 8192, 32, 32, 64, 49152},
	"smollm3-3b":                   {"smollm3", 36, 2048, 11008, 16, 4, 128, 128256},
	"qwen2.5-0.5b-instruct-q4_k_m": {"qwen2", 24, 896, 4864, 14, 2, 64, 151936},
	"qwen2.5-1.5b-instruct":        {"qwen2", 28, 1536, 8960, 12, 2, 128, 151936},
	"qwen3-0.6b":                   {"qwen3", 28, 1024, 3072, 16, 8, 128, 151936},
	"qwen3-1.7b":                   {"qwen3", 28, 2048, 6144, 16, 8, 128, 151936},
	"qwen3-4b":                     {"qwen3", 36, 2560, 9728, 32, 8, 128, 151936},
	"qwen3-4b-instruct-2507":       {"qwen3", 36, 2560, 9728, 32, 8, 128, 151936},
	"llama-3.2-1b-instruct":        {"llama", 16, 2048, 8192, 32, 8, 64, 128256},
	"llama-3.2-3b-instruct":        {"llama", 28, 3072, 8192, 24, 8, 128, 128256},
	"granite-3.3-2b-instruct":      {"granite", 40, 2048, 8192, 32, 8, 64, 49159},
	"gemma-3-270m":                 {"gemma3", 18, 640, 2048, 4, 1, 256, 262144},
}

// A family is what models of one name have in common in their files beside the shape.
type family struct {
	tokenizer, pre string
	bos, eos       int
	addBOS         bool
	epsilon, base  float32 // of norms and of rotations
	numbers        map[string]any
	biases         bool // of queries, keys and values
	headNorms      bool // of queries and keys
	postNorms      bool // behind attention and feed-forward network
	frequencies    bool // a tensor with those of rotations
}

// families are those of the catalogue by how the names of their models begin.
var families = map[string]family{
	"smollm2-":   {tokenizer: "gpt2", pre: "smollm", bos: 1, eos: 2, epsilon: 1e-5, base: 1e5},
	"smollm3-":   {tokenizer: "gpt2", pre: "smaug-bpe", bos: 128000, eos: 128012, epsilon: 1e-6, base: 5e6},
	"qwen2.5-":   {tokenizer: "gpt2", pre: "qwen2", bos: 151643, eos: 151645, epsilon: 1e-6, base: 1e6, biases: true},
	"qwen3-":     {tokenizer: "gpt2", pre: "qwen2", bos: 151643, eos: 151645, epsilon: 1e-6, base: 1e6, headNorms: true},
	"llama-3.2-": {tokenizer: "gpt2", pre: "llama-bpe", bos: 128000, eos: 128009, addBOS: true, epsilon: 1e-5, base: 5e5, frequencies: true},
	"granite-3.3-": {tokenizer: "gpt2", pre: "refact", epsilon: 1e-5, base: 1e7, numbers: map[string]any{
		"embedding_scale": float32(12), "residual_scale": float32(0.22), "logit_scale": float32(8), "attention.scale": float32(1. / 64)}},
	"gemma-3-": {tokenizer: "llama", bos: 2, eos: 1, addBOS: true, epsilon: 1e-6, base: 1e6, headNorms: true, postNorms: true, numbers: map[string]any{
		"attention.sliding_window": uint32(512)}},
}

// The rules let each model of the catalogue pass, by a header that says what its file says.
func TestCatalogIsValid(t *testing.T) {
	for _, c := range hub.Catalog() {
		found := false
		for name, family := range families {
			if !strings.HasPrefix(c.Name, name) {
				continue
			}
			found = true
			metadata, tensors := networks[c.Name].file(t, c, family)
			if err := readHead(t, metadata, tensors).Validate(); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
		if !found {
			t.Errorf("%s: its family is not in the table", c.Name)
		}
	}
}

// file is what the file of a model of the catalogue says before its weights.
func (n network) file(t *testing.T, c hub.Card, f family) (metadata []gguf.KeyValue, tensors []gguf.TensorData) {
	t.Helper()
	vocabulary, err := synth.Vocabulary(f.tokenizer, f.pre, n.vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	metadata = append(n.metadata(), []gguf.KeyValue{
		{Key: "general.type", Value: "model"},
		{Key: "general.name", Value: c.Name},
		{Key: "general.quantization_version", Value: uint32(2)},
		{Key: n.arch + ".vocab_size", Value: uint32(n.vocabulary)},
		{Key: n.arch + ".context_length", Value: uint32(c.ContextLength)},
		{Key: n.arch + ".attention.layer_norm_rms_epsilon", Value: f.epsilon},
		{Key: n.arch + ".rope.freq_base", Value: f.base},
		{Key: n.arch + ".rope.dimension_count", Value: uint32(n.headSize)},
		{Key: "tokenizer.ggml.add_bos_token", Value: f.addBOS},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(f.bos)},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(f.eos)},
	}...)
	for key, value := range f.numbers {
		metadata = append(metadata, gguf.KeyValue{Key: n.arch + "." + key, Value: value})
	}
	for _, kv := range vocabulary {
		if !strings.HasSuffix(kv.Key, "_token_id") {
			metadata = append(metadata, kv)
		}
	}
	tensors = n.matrices()
	for i := range tensors {
		tensors[i].Type = typeIn(c.Quantization, tensors[i].Dims[0])
	}
	vector := func(name string, size int) {
		tensors = append(tensors, gguf.TensorData{Name: name, Type: gguf.F32, Dims: []uint64{uint64(size)}})
	}
	vector("output_norm.weight", n.width)
	if f.frequencies {
		vector("rope_freqs.weight", n.headSize/2)
	}
	for i := range n.layers {
		at := fmt.Sprintf("blk.%d.", i)
		vector(at+"attn_norm.weight", n.width)
		vector(at+"ffn_norm.weight", n.width)
		if f.biases {
			vector(at+"attn_q.bias", n.heads*n.headSize)
			vector(at+"attn_k.bias", n.kvHeads*n.headSize)
			vector(at+"attn_v.bias", n.kvHeads*n.headSize)
		}
		if f.headNorms {
			vector(at+"attn_q_norm.weight", n.headSize)
			vector(at+"attn_k_norm.weight", n.headSize)
		}
		if f.postNorms {
			vector(at+"post_attention_norm.weight", n.width)
			vector(at+"post_ffw_norm.weight", n.width)
		}
	}
	return metadata, tensors
}

const q5_0 = gguf.TensorType(6)

// typeIn is what llama.cpp quantizes most matrices with rows of a width to.
func typeIn(quantization string, width uint64) gguf.TensorType {
	switch {
	case quantization == "Q4_1":
		return gguf.Q4_1
	case quantization == "Q8_0":
		return gguf.Q8_0
	case width%256 != 0: // no whole blocks of Q4_K
		return q5_0
	}
	return gguf.Q4_K
}

// A card's memory is the file's size, and what the estimate for a network of that shape
// has beside the weights. Of a new card that is where the number comes from.
func TestMemoryOfCards(t *testing.T) {
	for _, c := range hub.Catalog() {
		shape, ok := networks[c.Name]
		if !ok {
			t.Errorf("%s: its network is not in the table", c.Name)
			continue
		}
		e, err := hardware.EstimateMemory(shape.header(t), hardware.EstimateOptions{
			ContextLength: hardware.WorkingContext, Batch: hardware.CPUBatch, MicroBatch: hardware.MicroBatch,
		})
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		size := float64(c.Sources[0].Size)
		if c.Quantization == "Q4_1" { // of which the CPU gets a copy as Q8_0
			size = float64(c.Parameters) * 34 / 32
		}
		want := size + float64(e.Cache().Host+e.Compute.Host+e.Logits.Host)
		if math.Abs(float64(c.Memory)-want) > 0.01*want {
			t.Errorf("%s: memory is %d, estimated are %.0f", c.Name, c.Memory, want)
		}
		if parameters := shape.parameters(); math.Abs(float64(c.Parameters)-parameters) > 0.01*parameters {
			t.Errorf("%s: it has %d parameters, a network of its shape %.0f", c.Name, c.Parameters, parameters)
		}
	}
}

func (n network) matrices() []gguf.TensorData {
	var list []gguf.TensorData
	add := func(name string, in, out int) {
		list = append(list, gguf.TensorData{Name: name + ".weight", Type: gguf.F16, Dims: []uint64{uint64(in), uint64(out)}})
	}
	add("token_embd", n.width, n.vocabulary)
	for i := range n.layers {
		at := fmt.Sprintf("blk.%d.", i)
		add(at+"attn_q", n.width, n.heads*n.headSize)
		add(at+"attn_k", n.width, n.kvHeads*n.headSize)
		add(at+"attn_v", n.width, n.kvHeads*n.headSize)
		add(at+"attn_output", n.heads*n.headSize, n.width)
		add(at+"ffn_gate", n.width, n.feed)
		add(at+"ffn_up", n.width, n.feed)
		add(at+"ffn_down", n.feed, n.width)
	}
	return list
}

// parameters counts those of the matrices: the rest is a thousandth.
func (n network) parameters() float64 {
	total := 0.0
	for _, m := range n.matrices() {
		total += float64(m.Dims[0] * m.Dims[1])
	}
	return total
}

// header is that of a file with the network's shape and nothing else.
func (n network) header(t *testing.T) *gguf.File {
	t.Helper()
	return readHead(t, n.metadata(), n.matrices())
}

func (n network) metadata() []gguf.KeyValue {
	metadata := []gguf.KeyValue{{Key: "general.architecture", Value: n.arch}}
	for _, v := range []struct {
		key   string
		value int
	}{
		{"block_count", n.layers}, {"embedding_length", n.width}, {"feed_forward_length", n.feed},
		{"attention.head_count", n.heads}, {"attention.head_count_kv", n.kvHeads},
		{"attention.key_length", n.headSize}, {"attention.value_length", n.headSize},
	} {
		metadata = append(metadata, gguf.KeyValue{Key: n.arch + "." + v.key, Value: uint32(v.value)})
	}
	return metadata
}

// readHead reads what a file begins with that has these tensors.
func readHead(t *testing.T, metadata []gguf.KeyValue, tensors []gguf.TensorData) *gguf.File {
	t.Helper()
	var head headOnly
	if err := gguf.Write(&head, metadata, tensors); !errors.Is(err, errNoData) {
		t.Fatal(err)
	}
	f, err := gguf.Read(bytes.NewReader(head), 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// headOnly takes what is written before the tensors' data, and no gigabytes of that.
type headOnly []byte

var errNoData = errors.New("no data wanted")

func (h *headOnly) Write(p []byte) (int, error) {
	if *h != nil {
		return 0, errNoData
	}
	*h = bytes.Clone(p)
	return len(p), nil
}
