package hardware

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cria-lm/cria/gguf"
)

// smallHeader makes the header of a model with two layers, a hidden state of 64, heads of
// 32 and the tensors given.
func smallHeader(t *testing.T, extra []gguf.KeyValue, tensors ...gguf.TensorData) *gguf.File {
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
	f := smallHeader(t, nil, tensor("token_embd.weight", 256), tensor("blk.0.a", 100))
	want := Model{Name: "m", Layers: 2, ContextLength: 2048, Size: 356 * 4, KeySize: 32, ValueSize: 32, QuantizedKV: true}
	if d := cmp.Diff(want, ModelOf("m", f)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	part := smallHeader(t, nil, tensor("blk.1.a", 100))
	if m := ModelOf("m", f, part); m.Size != 456*4 {
		t.Errorf("two parts have %d bytes", m.Size)
	}
	odd := smallHeader(t, []gguf.KeyValue{{Key: "llama.attention.value_length", Value: uint32(40)}})
	if ModelOf("m", odd).QuantizedKV {
		t.Error("values of 40 numbers are no whole blocks of 32")
	}
	if m := ModelOf("m"); m != (Model{Name: "m"}) {
		t.Errorf("of no header: %+v", m)
	}
}
