package gguf_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/synth"
)

// parse takes a model apart, without the data of its tensors.
func parse(t testing.TB, path string) (metadata []gguf.KeyValue, tensors []gguf.TensorData) {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	m := f.Metadata()
	for _, key := range m.Keys() {
		v, _ := m.Value(key)
		metadata = append(metadata, gguf.KeyValue{Key: key, Value: v.Any()})
	}
	for _, tensor := range f.Tensors() {
		tensors = append(tensors, gguf.TensorData{Name: tensor.Name, Type: tensor.Type, Dims: tensor.Dims})
	}
	return metadata, tensors
}

// put writes a model.
func put(t testing.TB, path string, metadata []gguf.KeyValue, tensors []gguf.TensorData) {
	t.Helper()
	var b bytes.Buffer
	if err := gguf.Write(&b, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// expect fails unless err is a refusal with a text.
func expect(t *testing.T, name string, err error, want string) {
	t.Helper()
	var refusal *gguf.Error
	if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &refusal) {
		t.Errorf("%s: error %v; want %q", name, err, want)
	}
}

// A broken model is a good one with one change.
type broken struct {
	metadata []gguf.KeyValue
	tensors  []gguf.TensorData
}

func (b *broken) set(key string, value any) {
	i := slices.IndexFunc(b.metadata, func(kv gguf.KeyValue) bool { return kv.Key == key })
	if i < 0 {
		b.metadata = append(b.metadata, gguf.KeyValue{Key: key, Value: value})
		return
	}
	b.metadata[i].Value = value
}

func (b *broken) drop(key string) {
	b.metadata = slices.DeleteFunc(b.metadata, func(kv gguf.KeyValue) bool { return kv.Key == key })
}

func (b *broken) value(key string) any {
	i := slices.IndexFunc(b.metadata, func(kv gguf.KeyValue) bool { return kv.Key == key })
	return b.metadata[i].Value
}

func (b *broken) tensor(name string) *gguf.TensorData {
	i := slices.IndexFunc(b.tensors, func(t gguf.TensorData) bool { return t.Name == name })
	return &b.tensors[i]
}

// A breakage is what is done to a model of an architecture with a vocabulary, and what is
// said then.
type breakage struct {
	name  string
	model string // architecture and vocabulary: "llama gpt2"
	do    func(*broken)
	want  string
}

func short(name string) string { return name[:min(len(name), 100)] }

// setting breaks a llama by a value of a key.
func setting(key string, value any, want string) breakage {
	name := short(fmt.Sprintf("%s is %T %v", key, value, value))
	return breakage{name, "llama gpt2", func(b *broken) { b.set(key, value) }, want}
}

func dropping(key, want string) breakage {
	return breakage{key + " is missing", "llama gpt2", func(b *broken) { b.drop(key) }, want}
}

func in(model string, b breakage) breakage {
	b.model, b.name = model, model+": "+b.name
	return b
}

// element changes an element of an array.
func element[T any](key string, i int, value T, want string) breakage {
	return breakage{short(fmt.Sprintf("%s[%d] is %v", key, i, value)), "llama gpt2", func(b *broken) {
		list := slices.Clone(b.value(key).([]T))
		list[i] = value
		b.set(key, list)
	}, want}
}

// longer makes an array one longer.
func longer[T any](key, want string) breakage {
	return breakage{key + " is too long", "llama gpt2", func(b *broken) {
		b.set(key, append(slices.Clone(b.value(key).([]T)), *new(T)))
	}, want}
}

func shorter[T any](key, want string) breakage {
	return breakage{key + " is too short", "llama gpt2", func(b *broken) {
		b.set(key, b.value(key).([]T)[1:])
	}, want}
}

func typed(tensor string, typ gguf.TensorType, want string) breakage {
	return breakage{fmt.Sprintf("%s is %v", tensor, typ), "llama gpt2", func(b *broken) { b.tensor(tensor).Type = typ }, want}
}

func shaped(tensor string, dims ...uint64) breakage {
	return breakage{fmt.Sprintf("%s is %v", tensor, dims), "llama gpt2", func(b *broken) { b.tensor(tensor).Dims = dims }, "tensors." + tensor + ": is " + fmt.Sprint(dims)}
}

func without(tensor string) breakage {
	return breakage{tensor + " is missing", "llama gpt2", func(b *broken) {
		b.tensors = slices.DeleteFunc(b.tensors, func(t gguf.TensorData) bool { return t.Name == tensor })
	}, "tensors." + tensor + ": is missing"}
}

func added(tensor string, typ gguf.TensorType, want string, dims ...uint64) breakage {
	return breakage{tensor + " is there too", "llama gpt2", func(b *broken) {
		b.tensors = append(b.tensors, gguf.TensorData{Name: tensor, Type: typ, Dims: dims})
	}, want}
}

// recurrentWithoutHeads says by a key that a transformer is recurrent.
func recurrentWithoutHeads(key string) breakage {
	return breakage{"no heads, but " + key, "llama gpt2", func(b *broken) {
		b.drop("llama.attention.head_count")
		b.drop("llama.attention.head_count_kv")
		b.set("llama."+key, uint32(4))
	}, "metadata.llama.attention.head_count: is missing"}
}

const (
	keyArch   = "general.architecture"
	keyTokens = "tokenizer.ggml.tokens"
	keyTypes  = "tokenizer.ggml.token_type"
	keyScores = "tokenizer.ggml.scores"
	keyMerges = "tokenizer.ggml.merges"
)

// breakages are those of whole files; package gguf has those of the format itself.
func breakages() []breakage {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	all := []breakage{
		dropping(keyArch, "metadata.general.architecture: is missing"),
		setting(keyArch, "llama9", `metadata.general.architecture: this release does not know architecture "llama9"`),
		setting(keyArch, "", "is missing"),
		setting(keyArch, "clip", "mmproj"),
		setting("general.type", "adapter", "metadata.general.type: it is an adapter"),
		setting("general.type", "imatrix", `says that it is "imatrix"`),

		dropping("llama.block_count", "metadata.llama.block_count: is missing"),
		dropping("llama.context_length", "metadata.llama.context_length: is missing"),
		dropping("llama.embedding_length", "metadata.llama.embedding_length: is missing"),
		dropping("llama.feed_forward_length", "metadata.llama.feed_forward_length: is missing"),
		dropping("llama.attention.head_count", "metadata.llama.attention.head_count: is missing"),
		setting("llama.block_count", int32(2), "is i32; it must be u32"),
		setting("llama.block_count", uint32(1), "there is no such layer; the model has 1"),
		setting("llama.block_count", uint32(3), "tensors.blk.2.attn_norm.weight: is missing"),
		setting("llama.block_count", uint32(512), "is missing"),
		setting("llama.context_length", uint64(2048), "is u64; it must be u32"),
		setting("llama.embedding_length", uint32(1<<30), "is not in 1 to"),
		setting("llama.embedding_length", uint32(128), "tensors.token_embd.weight: is [64"),
		setting("llama.embedding_length", uint32(3), "4 heads for a width of 3"),
		setting("llama.embedding_length", uint16(64), "is u16; it must be u32"),
		setting("llama.pooling_type", uint32(9), "metadata.llama.pooling_type: 9 is not in 0 to 4"),
		setting("llama.pooling_type", int32(-1), "is i32"),
		setting("llama.embedding_length_out", uint32(255), "embedding_length_out: 255 is not the width of 64"),
		setting("llama.nextn_predict_layers", uint32(3), "3 is not in 0 to 2"),
		setting("llama.vocab_size", uint32(0), "metadata.llama.vocab_size: 0"),
		setting("llama.attention.sliding_window", ^uint32(0), "attention.sliding_window: 4294967295"),
		setting("llama.attention.sliding_window", "64", "is str; it must be u32"),
		setting("llama.attention.sliding_window_pattern", []bool{true}, "has 1 elements for 2 layers"),
		setting("llama.attention.sliding_window_pattern", []uint32{1, 0, 1}, "has 3 elements for 2 layers"),
		setting("llama.attention.sliding_window_pattern", []float32{1, 0}, "array of f32"),
		setting("llama.attention.sliding_window_pattern", make([]bool, 600), "has 600 elements"),
		setting("llama.attention.layer_norm_rms_epsilon", float32(0), "layer_norm_rms_epsilon: 0 of type f32"),
		setting("llama.attention.layer_norm_rms_epsilon", float64(1e-5), "must be an f32"),
		setting("llama.attention.layer_norm_rms_epsilon", uint32(1), "must be an f32"),
		setting("llama.attention.layer_norm_rms_epsilon", nan, "NaN"),
		setting("llama.attention.layer_norm_rms_epsilon", inf, "Inf"),
		setting("llama.attention.layer_norm_epsilon", float32(-1), "-1"),
		setting("llama.attention.group_norm_epsilon", nan, "NaN"),
		setting("llama.rope.freq_base", float32(0), "metadata.llama.rope.freq_base: 0 of type f32"),
		setting("llama.rope.freq_base", nan, "NaN"),
		setting("llama.rope.freq_base", float64(10000), "must be an f32"),
		setting("llama.rope.freq_base_swa", float32(0), "rope.freq_base_swa"),
		setting("llama.feed_forward_length", uint32(0), "metadata.llama.feed_forward_length: 0"),
		setting("llama.feed_forward_length", uint32(255), "tensors.blk.0.ffn_gate.weight: is"),
		setting("llama.feed_forward_length", []uint32{256}, "has 1 elements for 2 layers"),
		setting("llama.feed_forward_length", []uint32{256, 0}, "feed_forward_length[1]: 0 is not"),
		setting("llama.feed_forward_length", []int32{-1, 256}, "feed_forward_length[0]: -1 is not"),
		setting("llama.feed_forward_length", []string{"256", "256"}, "array of str"),

		setting("llama.attention.head_count", []uint32{4}, "has 1 elements for 2 layers"),
		setting("llama.attention.head_count", []uint32{4, 0}, "attention.head_count[1]: 0 is not in 1"),
		setting("llama.attention.head_count", []float32{4, 4}, "array of f32; it must be one of u32 or i32"),
		setting("llama.attention.head_count", uint32(8), "tensors.blk.0.attn_k.weight: is [64 64]; by the numbers of the network it must be [64 32]"),
		setting("llama.attention.head_count", uint32(1<<25), "is not in 1 to"),
		setting("llama.attention.head_count", int64(4), "is i64; it must be u32"),
		setting("llama.attention.head_count_kv", uint32(0), "metadata.llama.attention.head_count_kv: 0"),
		setting("llama.attention.head_count_kv", uint32(3), "the 4 heads of layer 0 cannot be shared out among 3"),
		setting("llama.attention.head_count_kv", uint32(8), "cannot be shared out among 8"),
		setting("llama.attention.head_count_kv", uint32(2), "tensors.blk.0.attn_k.weight: is"),
		setting("llama.attention.head_count_kv", []uint32{4, 0}, "attention.head_count_kv[1]: 0"),
		setting("llama.attention.head_count_kv", []uint32{4, 4, 4}, "has 3 elements for 2 layers"),
		setting("llama.attention.key_length", uint32(0), "attention.key_length: 0"),
		setting("llama.attention.key_length", uint32(32), "values are 16 wide and keys 32"),
		setting("llama.attention.value_length", uint32(8), "values are 8 wide and keys 16"),
		setting("llama.attention.key_length_swa", uint32(0), "attention.key_length_swa: 0"),
		setting("llama.attention.value_length_swa", float32(16), "is f32; it must be u32"),
		setting("llama.rope.dimension_count", uint32(8), "8 of a head's 16 numbers; architecture llama rotates all"),
		setting("llama.rope.dimension_count", uint32(15), "15 is odd"),
		setting("llama.rope.dimension_count", uint32(18), "18 is not in 2 to 16"),
		setting("llama.rope.dimension_count", uint32(0), "0 is not in 2 to 16"),
		setting("llama.rope.dimension_count_swa", uint32(32), "rope.dimension_count_swa: 32 is not in"),
		in("gemma3 gpt2", setting("gemma3.rope.dimension_count", uint32(0), "0 is not in 2 to 16")),
		in("gemma3 gpt2", setting("gemma3.rope.dimension_count", uint32(512), "512 is not in 2 to 16")),
		in("gemma3 gpt2", setting("gemma3.attention.sliding_window_pattern", uint32(1), "no layer has the sliding window")),
		in("gemma3 gpt2", setting("gemma3.attention.sliding_window_pattern", []bool{false, false}, "no layer has the sliding window")),
		in("jamba gpt2", setting("jamba.attention.key_length", uint32(2), "4 heads with keys of 2")),
		in("bert bert", typed("token_types.weight", gguf.F16, "token_types.weight: is F16")),
		setting("llama.rope.scaling.type", "ntk", `"ntk" of type str is not known`),
		setting("llama.rope.scaling.type", uint32(1), "of type u32 is not known"),
		setting("llama.rope.scaling.factor", inf, "rope.scaling.factor"),
		setting("llama.rope.scaling.attn_factor", nan, "rope.scaling.attn_factor: NaN"),
		setting("llama.rope.scaling.alpha", "1", "must be an f32"),
		setting("llama.rope.scale_linear", float64(1), "must be an f32"),
		setting("llama.rope.scaling.original_context_length", uint32(0), "original_context_length: 0"),
		setting("llama.rope.dimension_sections", []int32{1, 2, 3}, "must be four i32"),
		setting("llama.rope.dimension_sections", []int32{0, 0, 0, 4}, "not all 0"),
		setting("llama.rope.dimension_sections", []int32{8, -1, 0, 0}, "none negative"),
		setting("llama.rope.dimension_sections", []float32{1, 1, 1, 1}, "must be four i32"),

		setting("llama.expert_count", uint32(8), "metadata.llama.expert_used_count: none of 8 experts"),
		setting("llama.expert_count", uint32(1025), "1025 is not in 0 to 1024"),
		setting("llama.expert_count", uint64(8), "is u64"),
		setting("llama.expert_used_count", uint32(2), "2 of 0 experts"),
		setting("llama.expert_used_count", []uint32{0, 1}, "1 of 0 experts"),
		setting("llama.expert_group_count", uint32(2), "expert_group_count: 2 is not in 0 to 0"),
		{"more experts used than there are", "llama gpt2", func(b *broken) {
			b.set("llama.expert_count", uint32(4))
			b.set("llama.expert_used_count", uint32(5))
		}, "5 of 4 experts"},
		{"groups that do not divide experts", "llama gpt2", func(b *broken) {
			b.set("llama.expert_count", uint32(8))
			b.set("llama.expert_used_count", uint32(2))
			b.set("llama.expert_group_count", uint32(3))
		}, "8 experts in 3 groups"},
		{"no group is used", "llama gpt2", func(b *broken) {
			b.set("llama.expert_count", uint32(8))
			b.set("llama.expert_used_count", uint32(2))
			b.set("llama.expert_group_count", uint32(2))
		}, "of which 0 are used"},

		dropping("tokenizer.ggml.model", "metadata.tokenizer.ggml.model: is missing"),
		setting("tokenizer.ggml.model", "rwkv", `does not know the tokenizer "rwkv"`),
		setting("tokenizer.ggml.model", "no_vocab", "does not know the tokenizer"),
		setting("tokenizer.ggml.model", "none", "does not know the tokenizer"),
		setting("tokenizer.ggml.model", "gpt3", "does not know the tokenizer"),
		setting("tokenizer.ggml.model", "llama", "there is no token <0x00>"),
		setting("tokenizer.ggml.model", "plamo2", "there is no token <0x00>"),
		setting("tokenizer.ggml.pre", "gpt-9", `does not know the pre-tokenizer "gpt-9"`),
		dropping(keyTokens, "metadata.tokenizer.ggml.tokens: there are no tokens"),
		setting(keyTokens, []string{}, "there are no tokens"),
		element(keyTokens, 17, "<|im_end|>", `metadata.tokenizer.ggml.tokens[17]: "<|im_end|>" is token 2 too`),
		element(keyTokens, 17, "a\x00b", `metadata.tokenizer.ggml.tokens[17]: "a\x00b" has a NUL`),
		element(keyTokens, 17, strings.Repeat("x", 8193), "metadata.tokenizer.ggml.tokens[17]: has 8193 bytes"),
		element(keyTokens, 17, strings.Repeat("x", 3<<20), "has 3145728 bytes"),
		{"an empty token and its name", "llama gpt2", func(b *broken) {
			tokens := slices.Clone(b.value(keyTokens).([]string))
			tokens[20], tokens[30] = "", "[EMPTY_20]"
			b.set(keyTokens, tokens)
		}, "tokens[30]"},
		longer[string](keyTokens, "elements for"),
		setting(keyTypes, []uint32{1}, "metadata.tokenizer.ggml.token_type: is not an array of i32"),
		setting(keyTypes, "1", "is not an array of i32"),
		longer[int32](keyTypes, "token_type: has 265 elements for 264 tokens"),
		shorter[int32](keyTypes, "token_type: has 263 elements for 264 tokens"),
		element(keyTypes, 5, int32(0), "metadata.tokenizer.ggml.token_type[5]: 0 is not in 1 to 6"),
		element(keyTypes, 5, int32(7), "token_type[5]: 7"),
		element(keyTypes, 5, int32(-1), "token_type[5]: -1"),
		element(keyTypes, 5, int32(6), "metadata.tokenizer.ggml.tokens[5]: \"Ă\" is said to be a byte"),
		setting(keyScores, []float64{1}, "metadata.tokenizer.ggml.scores: is not an array of f32"),
		setting(keyScores, []int32{1}, "scores: has 1 elements for 264 tokens"),
		longer[float32](keyScores, "scores: has 265 elements"),
		shorter[float32](keyScores, "scores: has 263 elements"),
		element(keyScores, 9, nan, "metadata.tokenizer.ggml.scores[9]: NaN is not finite"),
		element(keyScores, 9, inf, "scores[9]: +Inf is not finite"),
		dropping(keyMerges, "metadata.tokenizer.ggml.merges: is missing"),
		setting(keyMerges, []int32{1}, "merges: is not an array of strings"),
		element(keyMerges, 1, "ab", `metadata.tokenizer.ggml.merges[1]: "ab" is not two texts`),
		element(keyMerges, 1, "", "merges[1]"),
		element(keyMerges, 1, " ab", "merges[1]"),
		element(keyMerges, 1, "ab ", "merges[1]"),
		element(keyMerges, 1, "a\x00 b", "merges[1]"),
		element(keyMerges, 1, strings.Repeat("x ", 1<<14), "merges[1]"),
		setting("tokenizer.ggml.eos_token_id", uint32(264), "metadata.tokenizer.ggml.eos_token_id: 264; there are 264 tokens"),
		setting("tokenizer.ggml.eos_token_id", int32(2), "is i32; it must be u32"),
		setting("tokenizer.ggml.bos_token_id", uint32(1<<31), "bos_token_id: 2147483648"),
		setting("tokenizer.ggml.padding_token_id", uint32(1000), "padding_token_id: 1000"),
		setting("tokenizer.ggml.eot_token_id", "x", "eot_token_id: is str"),
		setting("tokenizer.ggml.add_bos_token", uint8(1), "add_bos_token: is u8; it must be bool"),
		setting("tokenizer.ggml.suppress_tokens", []uint32{1}, "suppress_tokens: is not an array of i32"),
		setting("tokenizer.ggml.suppress_tokens", []int32{1, 264}, "metadata.tokenizer.ggml.suppress_tokens[1]: 264"),
		setting("tokenizer.ggml.suppress_tokens", []int32{-1}, "suppress_tokens[0]: -1"),
		{"a BOS token is added that there is not", "llama gpt2", func(b *broken) {
			b.set("tokenizer.ggml.bos_token_id", ^uint32(0))
			b.set("tokenizer.ggml.pre", "glm4")
			b.set("tokenizer.ggml.add_bos_token", true)
		}, "metadata.tokenizer.ggml.bos_token_id: is missing"},
		setting("tokenizer.ggml.precompiled_charsmap", []uint32{1}, "precompiled_charsmap: is not an array of bytes"),
		setting("tokenizer.ggml.precompiled_charsmap", []uint8{1, 2}, "shorter than its header"),
		setting("tokenizer.ggml.precompiled_charsmap", []uint8{4, 0, 0, 0, 1}, "a trie of 4 bytes is larger"),
		setting("tokenizer.ggml.precompiled_charsmap", []uint8{4, 0, 0, 0, 0, 4, 0, 0, 0}, "leads outside"),

		in("llama llama", element(keyTokens, 3, "<0xFG>", "is said to be a byte")),
		in("llama llama", element(keyTokens, 3, "<", "is said to be a byte")),
		in("llama llama", element(keyTokens, 3, "<0x1FF>", "is said to be a byte")),
		{"a byte without a token", "llama llama", func(b *broken) {
			tokens, types := slices.Clone(b.value(keyTokens).([]string)), slices.Clone(b.value(keyTypes).([]int32))
			tokens[3+'\n'], types[3+'\n'] = "nl", 1
			b.set(keyTokens, tokens)
			b.set(keyTypes, types)
		}, "there is no token <0x0A>"},
		in("bert bert", breakage{"no separator", "", func(b *broken) { b.drop("tokenizer.ggml.seperator_token_id") }, "seperator_token_id: is missing"}),
		in("bert bert", element(keyTypes, 9, int32(6), "token_type[9]: a tokenizer of kind \"bert\" has no tokens of bytes")),
		in("bert bert", breakage{"no CLS", "", func(b *broken) { b.drop("tokenizer.ggml.bos_token_id") }, "bos_token_id: is missing"}),
		in("bert bert", breakage{"no unknown token", "", func(b *broken) { b.drop("tokenizer.ggml.unknown_token_id") }, "unknown_token_id: is missing"}),
		in("llama t5", setting("tokenizer.ggml.add_bos_token", true, "bos_token_id: is missing")),
		in("gemma3 gpt2", setting("gemma3.attention.head_count_kv", uint32(3), "cannot be shared out")),
		in("gemma3 gpt2", shaped("blk.1.ffn_down.weight", 64, 256)),
		in("mamba gpt2", setting("mamba.ssm.conv_kernel", uint32(0), "ssm.conv_kernel: 0")),
		in("mamba gpt2", setting("mamba.ssm.state_size", uint32(0), "ssm.state_size: 0")),
		in("mamba gpt2", setting("mamba.ssm.inner_size", uint32(64), "is not twice the width")),
		in("mamba gpt2", dropping("mamba.ssm.conv_kernel", "head_count: 0 is not positive")),
		in("mamba gpt2", dropping("mamba.ssm.time_step_rank", "ssm.time_step_rank: is missing")),
		in("mamba gpt2", typed("blk.0.ssm_conv1d.weight", gguf.F16, "must be F32")),
		in("mamba gpt2", typed("blk.0.ssm_a", gguf.F16, "must be F32")),
		in("jamba gpt2", setting("jamba.attention.head_count_kv", []uint32{0}, "has 1 elements for 2 layers")),

		shaped("token_embd.weight", 64, 263),
		shaped("token_embd.weight", 32, 264),
		shaped("token_embd.weight", 64, 264, 2),
		shaped("output.weight", 64, 263),
		shaped("output_norm.weight", 63),
		shaped("blk.1.attn_norm.weight", 65),
		shaped("blk.1.attn_q.weight", 64, 32),
		shaped("blk.1.attn_k.weight", 32, 64),
		shaped("blk.1.attn_v.weight", 64),
		shaped("blk.0.attn_output.weight", 128, 64),
		shaped("blk.0.ffn_norm.weight", 64, 2),
		shaped("blk.0.ffn_up.weight", 64, 255),
		added("blk.2.attn_q.weight", gguf.F32, "tensors.blk.2.attn_q.weight: there is no such layer", 64, 64),
		added("blk.x.attn_q.weight", gguf.F32, "there is no such layer", 64, 64),
		added("blk.99999999999.attn_q.weight", gguf.F32, "there is no such layer", 64, 64),
		added("blk.0.attn_q.bias", gguf.F16, "blk.0.attn_q.bias: is F16; norms, biases and vectors must be F32", 64),
		added("blk.0.attn_q.bias", gguf.F32, "blk.0.attn_q.bias: is [65]", 65),
		added("blk.0.attn_qkv.weight", gguf.F32, "blk.0.attn_qkv.weight: is", 64, 64),
		added("blk.0.ffn_up_exps.weight", gguf.F32, "blk.0.ffn_up_exps.weight: is an expert's; the file does not say how many there are", 64, 64, 2),
		recurrentWithoutHeads("ssm.conv_kernel"),
		recurrentWithoutHeads("wkv.head_size"),
		added("rope_freqs.weight", gguf.F16, "rope_freqs.weight: is F16", 8),
	}
	for _, tensor := range []string{"token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.0.attn_q.weight", "blk.0.attn_k.weight",
		"blk.1.attn_v.weight", "blk.1.attn_output.weight", "blk.1.ffn_norm.weight", "blk.1.ffn_gate.weight", "blk.1.ffn_up.weight", "blk.1.ffn_down.weight"} {
		all = append(all, without(tensor))
	}
	for _, typ := range []gguf.TensorType{24, 25, gguf.I32, 27, 28, 9, 15} { // I8 to F64, Q8_1, Q8_K
		want := fmt.Sprintf("tensors.blk.0.ffn_down.weight: %v is not a type to compute with", typ)
		all = append(all, typed("blk.0.ffn_down.weight", typ, want))
	}
	for _, norm := range []string{"output_norm.weight", "blk.0.attn_norm.weight", "blk.1.ffn_norm.weight"} {
		all = append(all, typed(norm, gguf.F16, "tensors."+norm+": is F16; norms"), typed(norm, gguf.BF16, "is BF16; norms"))
	}
	return all
}

func TestMalformedModels(t *testing.T) {
	vocabulary := vocabularies(t)
	path := filepath.Join(t.TempDir(), "model.gguf")
	for _, b := range breakages() {
		t.Run(b.name, func(t *testing.T) {
			arch, kind, _ := strings.Cut(b.model, " ")
			if err := synth.Write(t.Context(), path, vocabulary[kind], synth.Shape{Architecture: synth.Architecture(arch), Embedding: embedding(b.name)}, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := gguf.Check(path); err != nil {
				t.Fatalf("before: %v", err)
			}
			m := broken{}
			m.metadata, m.tensors = parse(t, path)
			b.do(&m)
			var out bytes.Buffer
			err := gguf.Write(&out, m.metadata, m.tensors) // refuses what the reader does
			if err == nil {
				if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
				_, err = gguf.Check(path)
			}
			expect(t, b.name, err, b.want)
		})
	}
	if n := len(breakages()); n < 150 {
		t.Errorf("%d malformed models", n)
	}
}

// embedding is wide where a tensor's type needs whole blocks.
func embedding(name string) int {
	if strings.Contains(name, "Q8_K") {
		return 256
	}
	return 0
}
