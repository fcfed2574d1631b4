package gguf

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// loraBase is a model with a matrix, a vector, experts and an output matrix of its own.
func loraBase(t *testing.T, change func([]TensorData) []TensorData) *File {
	t.Helper()
	tensors := loraBaseTensors()
	if change != nil {
		tensors = change(tensors)
	}
	return readBack(t, []KeyValue{{"general.architecture", "llama"}}, tensors)
}

func loraBaseTensors() []TensorData {
	return []TensorData{
		{Name: "token_embd.weight", Dims: []uint64{64, 100}},
		{Name: "blk.0.attn_q.weight", Dims: []uint64{64, 32}},
		{Name: "blk.0.attn_norm.weight", Dims: []uint64{64}},
		{Name: "blk.0.ffn_up_exps.weight", Dims: []uint64{64, 128, 3}},
		{Name: "output.weight", Dims: []uint64{64, 100}},
	}
}

func readBack(t *testing.T, metadata []KeyValue, tensors []TensorData) *File {
	t.Helper()
	data := write(t, metadata, tensors)
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var loraKeys = []KeyValue{
	{"general.architecture", "llama"}, {"general.type", "adapter"}, {"adapter.type", "lora"}, {"adapter.lora.alpha", float32(8)},
}

// pair is the adapter's part for a tensor of the model.
func pair(name string, a, b []uint64) []TensorData {
	return []TensorData{{Name: name + ".lora_a", Dims: a}, {Name: name + ".lora_b", Dims: b}}
}

var attnQ = pair("blk.0.attn_q.weight", []uint64{64, 4}, []uint64{4, 32})

func TestCheckLoRA(t *testing.T) {
	set := func(key string, value any) []KeyValue {
		keys := slices.DeleteFunc(slices.Clone(loraKeys), func(kv KeyValue) bool { return kv.Key == key })
		if value != nil {
			keys = append(keys, KeyValue{key, value})
		}
		return keys
	}
	typed := func(typ TensorType, pair []TensorData) []TensorData {
		pair = slices.Clone(pair)
		for i := range pair {
			pair[i].Type = typ
		}
		return pair
	}
	tied := func(tensors []TensorData) []TensorData { return tensors[:len(tensors)-1] }
	for _, tt := range []struct {
		name    string
		keys    []KeyValue                      // nil: loraKeys
		tensors []TensorData                    // nil: attnQ
		base    func([]TensorData) []TensorData // nil: as it is
		want    string                          // "": none
	}{
		{name: "as it should be"},
		{name: "no alpha", keys: set("adapter.lora.alpha", nil)},
		{name: "negative alpha", keys: set("adapter.lora.alpha", float32(-1))},
		{name: "F16", tensors: typed(F16, attnQ)},
		{name: "Q8_0", tensors: typed(Q8_0, pair("blk.0.attn_q.weight", []uint64{64, 32}, []uint64{32, 32}))},
		{name: "B before A", tensors: []TensorData{attnQ[1], attnQ[0]}},
		{name: "a norm besides", tensors: append(slices.Clone(attnQ), TensorData{Name: "blk.0.attn_norm.weight", Dims: []uint64{64}})},
		{name: "embeddings", tensors: pair("token_embd.weight", []uint64{4, 100}, []uint64{4, 64})},
		{name: "output", tensors: pair("output.weight", []uint64{64, 4}, []uint64{4, 100})},
		{name: "experts", tensors: pair("blk.0.ffn_up_exps.weight", []uint64{64, 4, 3}, []uint64{4, 128, 3})},
		{name: "dimensions of 1", tensors: pair("blk.0.attn_q.weight", []uint64{64, 4, 1, 1}, []uint64{4, 32, 1})},

		{name: "a model", keys: set("general.type", "model"), want: `key "general.type": is "model"`},
		{name: "a model that says nothing", keys: set("general.type", nil), want: `key "general.type": is missing`},
		{name: "type is a number", keys: set("general.type", uint32(1)), want: `key "general.type": is "" of type u32`},
		{name: "another kind", keys: set("adapter.type", "dora"), want: `key "adapter.type": is "dora"`},
		{name: "kind is a number", keys: set("adapter.type", uint32(1)), want: `key "adapter.type"`},
		{name: "another architecture", keys: set("general.architecture", "gemma3"), want: `key "general.architecture": the adapter is for a model of architecture "gemma3", this one is "llama"`},
		{name: "no architecture", keys: set("general.architecture", nil), want: `architecture ""`},
		{name: "alpha NaN", keys: set("adapter.lora.alpha", float32(math.NaN())), want: `key "adapter.lora.alpha": is NaN`},
		{name: "alpha infinite", keys: set("adapter.lora.alpha", float32(math.Inf(1))), want: `key "adapter.lora.alpha": is +Inf`},
		{name: "alpha is a double", keys: set("adapter.lora.alpha", 8.0), want: "is 8 of type f64"},
		{name: "alpha is a number", keys: set("adapter.lora.alpha", uint32(8)), want: "is 8 of type u32"},
		{name: "aLoRA", keys: set("adapter.alora.invocation_tokens", []uint32{1, 2}), want: "aLoRA"},

		{name: "no tensors", tensors: []TensorData{}, want: "tensors: it has none"},
		{name: "norms only", tensors: []TensorData{{Name: "blk.0.attn_norm.weight", Dims: []uint64{64}}}, want: "tensors: it has none"},
		{name: "something else", tensors: []TensorData{{Name: "blk.0.attn_q.weight", Dims: []uint64{64}}}, want: `tensor "blk.0.attn_q.weight": is neither`},
		{name: "no B", tensors: attnQ[:1], want: `tensor "blk.0.attn_q.weight.lora_a": there is no "blk.0.attn_q.weight.lora_b"`},
		{name: "no A", tensors: attnQ[1:], want: `tensor "blk.0.attn_q.weight.lora_b": there is no "blk.0.attn_q.weight.lora_a"`},
		{name: "another model's tensor", tensors: pair("blk.1.attn_q.weight", []uint64{64, 4}, []uint64{4, 32}), want: `the model has no tensor "blk.1.attn_q.weight"`},
		{name: "no name", tensors: pair("", []uint64{64, 4}, []uint64{4, 32}), want: `the model has no tensor ""`},
		{name: "a vector", tensors: pair("blk.0.attn_norm.weight", []uint64{64, 4}, []uint64{4, 1}), want: "is not a matrix"},
		{name: "A is too wide", tensors: pair("blk.0.attn_q.weight", []uint64{65, 4}, []uint64{4, 32}), want: `lora_a": has the shape [65 4]`},
		{name: "B is too long", tensors: pair("blk.0.attn_q.weight", []uint64{64, 4}, []uint64{4, 33}), want: `lora_b": has the shape [4 33]; to change "blk.0.attn_q.weight" of [64 32] with rank 4 it must be [4 32]`},
		{name: "two ranks", tensors: pair("blk.0.attn_q.weight", []uint64{64, 5}, []uint64{4, 32}), want: `lora_a": has the shape [64 5]`},
		{name: "A is not transposed", tensors: pair("blk.0.attn_q.weight", []uint64{4, 64}, []uint64{4, 32}), want: "has the shape"},
		{name: "a third dimension", tensors: pair("blk.0.attn_q.weight", []uint64{64, 4, 2}, []uint64{4, 32, 2}), want: "has the shape [64 4 2]"},
		{name: "too few experts", tensors: pair("blk.0.ffn_up_exps.weight", []uint64{64, 4, 2}, []uint64{4, 128, 2}), want: "it must be [64 4 3]"},
		{name: "one for all experts", tensors: pair("blk.0.ffn_up_exps.weight", []uint64{64, 4}, []uint64{4, 128}), want: "it must be [64 4 3]"},
		{name: "embeddings like others", tensors: pair("token_embd.weight", []uint64{64, 4}, []uint64{4, 100}), want: "has the shape"},
		{name: "embeddings with two ranks", tensors: pair("token_embd.weight", []uint64{5, 100}, []uint64{4, 64}), want: "it must be [4 100]"},
		{name: "tied embeddings", base: tied, tensors: pair("token_embd.weight", []uint64{4, 100}, []uint64{4, 64}), want: "train the adapter without them"},
		{name: "numbers that are no weights", tensors: typed(I32, attnQ), want: "has the type I32"},
		{name: "NVFP4", base: func(tensors []TensorData) []TensorData {
			tensors[1].Type = nvfp4
			return tensors
		}, want: "has the type NVFP4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.keys == nil {
				tt.keys = loraKeys
			}
			if tt.tensors == nil {
				tt.tensors = attnQ
			}
			err := CheckLoRA(readBack(t, tt.keys, tt.tensors), loraBase(t, tt.base))
			var typed *LoRAError
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (!errors.As(err, &typed) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q in it", err, tt.want)
			}
		})
	}
}

// The tensors of a model in several files count together.
func TestCheckLoRAOfSplitModel(t *testing.T) {
	first := loraBase(t, func(tensors []TensorData) []TensorData { return tensors[:1] })
	second := readBack(t, nil, []TensorData{{Name: "blk.0.attn_q.weight", Dims: []uint64{64, 32}}})
	if err := CheckLoRA(readBack(t, loraKeys, attnQ), first, second); err != nil {
		t.Error(err)
	}
}
