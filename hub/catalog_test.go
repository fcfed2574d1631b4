package hub_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
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

// header is what the network's file begins with.
func (n network) header(t *testing.T) *gguf.File {
	t.Helper()
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
	var head headOnly
	if err := gguf.Write(&head, metadata, n.matrices()); !errors.Is(err, errNoData) {
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
