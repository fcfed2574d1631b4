package hardware

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cria-lm/cria/gguf"
)

// roughHeader makes the header of a model with two layers, a hidden state of 64, heads of
// 32 and the tensors given.
func roughHeader(t *testing.T, extra []gguf.KeyValue, tensors ...gguf.TensorData) *gguf.File {
	t.Helper()
	metadata := append([]gguf.KeyValue{
		{Key: "general.architecture", Value: "llama"},
		{Key: "llama.block_count", Value: uint32(2)},
		{Key: "llama.context_length", Value: uint32(2048)},
		{Key: "llama.embedding_length", Value: uint32(64)},
		{Key: "llama.attention.head_count", Value: uint32(2)},
		{Key: "tokenizer.ggml.tokens", Value: []string{"a", "b", "c", "d"}},
	}, extra...)
	var b bytes.Buffer
	if err := gguf.Write(&b, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// tensor has n numbers of 4 bytes.
func tensor(name string, n uint64) gguf.TensorData {
	return gguf.TensorData{Name: name, Type: gguf.F32, Dims: []uint64{n}}
}

func TestModelOf(t *testing.T) {
	f := roughHeader(t, nil, tensor("token_embd.weight", 256), tensor("blk.0.a", 100))
	want := Model{Name: "m", Layers: 2, ContextLength: 2048, Size: 356 * 4, QuantizedKV: true}
	if d := cmp.Diff(want, ModelOf("m", f)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	part := roughHeader(t, nil, tensor("blk.1.a", 100))
	if m := ModelOf("m", f, part); m.Size != 456*4 {
		t.Errorf("two parts have %d bytes", m.Size)
	}
	odd := roughHeader(t, []gguf.KeyValue{{Key: "llama.attention.value_length", Value: uint32(40)}})
	if ModelOf("m", odd).QuantizedKV {
		t.Error("values of 40 numbers are no whole blocks of 32")
	}
	if m := ModelOf("m"); m != (Model{Name: "m"}) {
		t.Errorf("of no header: %+v", m)
	}
}

func TestRoughNeeds(t *testing.T) {
	tensors := []gguf.TensorData{
		tensor("token_embd.weight", 1000), tensor("output_norm.weight", 10), tensor("output.weight", 990),
		tensor("blk.0.a", 200), tensor("blk.1.a", 300), tensor("blk.1.b", 100), tensor("blk.9.a", 50), // of no layer
	}
	// 3 key heads of 32: with keys and values 192 numbers for a token in a layer.
	needs := RoughNeeds(roughHeader(t, []gguf.KeyValue{{Key: "llama.attention.head_count_kv", Value: uint32(3)}}, tensors...))
	const compute = 4 * (4 + 16*64) * 8 // of 8 tokens
	const rest, output, first, second = 4 * 1060, 4 * 990, 4 * 200, 4 * 400
	const cells, cellsQ8 = 10 * 192 * 2, 10 * 192 * 34 / 32
	for name, tt := range map[string]struct {
		p    Placement
		want Need
	}{
		"CPU":          {Placement{Cells: 10, KV: gguf.F16, MicroBatch: 8}, Need{[]uint64{}, rest + output + first + second + 2*cells + compute}},
		"Q8_0":         {Placement{Cells: 10, KV: gguf.Q8_0, MicroBatch: 8}, Need{[]uint64{}, rest + output + first + second + 2*cellsQ8 + compute}},
		"output":       {Placement{GPULayers: 1, Split: []float32{1}, Cells: 10, KV: gguf.F16, MicroBatch: 8}, Need{[]uint64{output + compute + roughDevice}, rest + first + second + 2*cells + compute}},
		"a layer":      {Placement{GPULayers: 2, Split: []float32{1}, Cells: 10, KV: gguf.F16, MicroBatch: 8}, Need{[]uint64{output + second + cells + compute + roughDevice}, rest + first + cells + compute}},
		"all":          {Placement{GPULayers: 3, Split: []float32{1}, Cells: 10, KV: gguf.F16, MicroBatch: 8}, Need{[]uint64{output + first + second + 2*cells + compute + roughDevice}, rest + compute}},
		"over two":     {Placement{GPULayers: 3, Split: []float32{0.4, 0.6}, Cells: 10, KV: gguf.F16, MicroBatch: 8}, Need{[]uint64{first + second + 2*cells + compute + roughDevice, output + compute + roughDevice}, rest + compute}},
		"more layers?": {Placement{GPULayers: 9, Split: []float32{1}, KV: gguf.F16}, Need{[]uint64{output + first + second + roughDevice}, rest}},
	} {
		if d := cmp.Diff(tt.want, needs(tt.p)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	tied := RoughNeeds(roughHeader(t, nil, tensor("token_embd.weight", 990), tensor("output_norm.weight", 10), tensor("blk.0.a", 200)))
	if got := tied(Placement{KV: gguf.F16}); got.Host != 4*1200 {
		t.Errorf("tied embeddings on the CPU: %+v, want them once", got)
	}
	if got := tied(Placement{GPULayers: 3, Split: []float32{1}, KV: gguf.F16}); got.Devices[0] != 4*1200+roughDevice || got.Host != 4*1000 {
		t.Errorf("tied embeddings on a GPU: %+v, want them on both", got)
	}
	if got := RoughNeeds()(Placement{}); got.Total() != 0 {
		t.Errorf("of no header: %+v", got)
	}
}
