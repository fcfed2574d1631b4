package gguf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// notWeights are the types that llama.cpp stores but does not multiply with: it reads beyond
// a table of functions where it meets one.
var notWeights = words("I8 I16 I32 I64 F64 Q8_1 Q8_K")

// wholeFloats are matrices that llama.cpp computes with as F32 and nothing else.
var wholeFloats = words("ssm_conv1d ssm_a ssm_d ssm_dt_b shortconv.conv token_types")

// tensorTypes checks what tensors are stored as, and that they belong to a layer that is there.
func (c *checker) tensorTypes() error {
	for _, t := range c.table {
		place := placeOfTensor(t.Name)
		layer, name, err := layerOf(t.Name)
		if err != nil || layer >= c.layers {
			return unusable(place, "there is no such layer; the model has %d", c.layers)
		}
		stem, kind := name, ""
		for _, suffix := range []string{".weight", ".bias"} {
			if before, ok := strings.CutSuffix(name, suffix); ok {
				stem, kind = before, suffix
			}
		}
		whole := len(t.Dims) == 1 || kind == ".bias" || strings.Contains(stem, "_norm") || wholeFloats[stem]
		switch {
		case stem == "ffn_gate_tid2eid": // which expert a token is sent to
		case notWeights[t.Type.String()]:
			return unusable(place, "%v is not a type to compute with", t.Type)
		case whole && t.Type != F32:
			return unusable(place, "is %v; norms, biases and vectors must be F32", t.Type)
		}
	}
	return nil
}

// layerOf cuts a tensor's name: "blk.3.attn_q.weight" is attn_q.weight of layer 3. What
// belongs to no layer has -1.
func layerOf(tensor string) (layer int, name string, err error) {
	rest, ok := strings.CutPrefix(tensor, "blk.")
	if !ok {
		return -1, tensor, nil
	}
	number, name, _ := strings.Cut(rest, ".")
	n, err := strconv.ParseUint(number, 10, 31)
	return int(n), name, err
}

// embeddings checks the table that makes vectors of tokens.
func (c *checker) embeddings() error {
	if partial[c.arch] {
		return nil
	}
	width, _ := c.Int(c.key("embedding_length"))
	const out = "embedding_length_out"
	if n, ok := c.Int(c.key(out)); ok && n != 0 && n != width && c.tensors["dense_2.weight"].Name == "" {
		return unusable(placeOfKey(c.key(out)), "%d is not the width of %d, and no tensor dense_2.weight changes it", n, width)
	}
	return c.shape("token_embd.weight", true, width, int64(len(c.tokens)))
}

// shape checks a tensor's dimensions; those that are 1 at the end do not count.
func (c *checker) shape(name string, required bool, want ...int64) error {
	t, ok := c.tensors[name]
	if !ok && required {
		return unusable(placeOfTensor(name), "is missing")
	}
	if !ok {
		return nil
	}
	dims := t.Dims
	for len(dims) > len(want) && dims[len(dims)-1] == 1 {
		dims = dims[:len(dims)-1]
	}
	if !slices.EqualFunc(dims, want, func(d uint64, w int64) bool { return d == uint64(w) }) {
		return unusable(placeOfTensor(name), "is %v; by the numbers of the network it must be %v", t.Dims, want)
	}
	return nil
}

// transformers are the networks whose layers are those of llama (src/models): attention
// and a gated feed-forward network, each behind a norm.
var transformers = words("llama llama-embed qwen2 qwen3 gemma gemma2 gemma3 smollm3")

// shapes checks the tensors of transformers against the numbers.
func (c *checker) shapes() error {
	if !transformers[c.arch] {
		return nil
	}
	heads, err := c.perLayer("attention.head_count", 1, maxWidth)
	if err != nil {
		return err
	}
	groups, err := c.perLayer("attention.head_count_kv", 1, maxWidth)
	if err != nil {
		return err
	}
	if groups == nil {
		groups = heads
	}
	inner, err := c.perLayer("feed_forward_length", 1, maxWidth)
	if err != nil {
		return err
	}
	if inner == nil {
		return unusable(placeOfKey(c.key("feed_forward_length")), "is missing")
	}
	width, _ := c.Int(c.key("embedding_length"))
	head, err := c.or("attention.key_length", 1, width/heads[0])
	if err != nil {
		return err
	}
	if err := c.shape("output_norm.weight", true, width); err != nil {
		return err
	}
	if err := c.shape("output.weight", false, width, int64(len(c.tokens))); err != nil {
		return err
	}
	for i := range c.layers {
		if err := c.layer(fmt.Sprintf("blk.%d.", i), width, heads[i]*head, groups[i]*head, inner[i]); err != nil {
			return err
		}
	}
	return nil
}

// layer checks one of a transformer's: of a width, with queries, with keys and values, and
// with a feed-forward network, of their widths.
func (c *checker) layer(at string, width, queries, keys, inner int64) error {
	experts, _ := c.Int(c.key("expert_count"))
	_, fused := c.tensors[at+"attn_qkv.weight"]
	for _, t := range []struct {
		name     string
		required bool
		dims     []int64
	}{
		{"attn_norm.weight", true, []int64{width}},
		{"attn_qkv.weight", false, []int64{width, queries + 2*keys}},
		{"attn_q.weight", !fused, []int64{width, queries}},
		{"attn_k.weight", !fused, []int64{width, keys}},
		{"attn_v.weight", !fused, []int64{width, keys}},
		{"attn_q.bias", false, []int64{queries}},
		{"attn_k.bias", false, []int64{keys}},
		{"attn_v.bias", false, []int64{keys}},
		{"attn_output.weight", true, []int64{queries, width}},
		{"ffn_norm.weight", true, []int64{width}},
		{"ffn_gate.weight", experts == 0, []int64{width, inner}},
		{"ffn_up.weight", experts == 0, []int64{width, inner}},
		{"ffn_down.weight", experts == 0, []int64{inner, width}},
	} {
		if err := c.shape(at+t.name, t.required, t.dims...); err != nil {
			return err
		}
	}
	return nil
}

// recurrence checks the sizes of Mamba's layers, and of those like them.
func (c *checker) recurrence() error {
	if !c.states("ssm.conv_kernel") {
		if c.arch == "mamba" || c.arch == "jamba" || scanned[c.arch] || delta[c.arch] {
			return unusable(placeOfKey(c.key("ssm.conv_kernel")), "is missing")
		}
		return nil
	}
	for _, name := range []string{"ssm.conv_kernel", "ssm.inner_size", "ssm.state_size", "ssm.time_step_rank"} {
		if _, _, err := c.unsigned(name, 1, maxWidth, true); err != nil {
			return err
		}
	}
	width, _ := c.Int(c.key("embedding_length"))
	if inner, _ := c.Int(c.key("ssm.inner_size")); (c.arch == "mamba" || c.arch == "jamba" || c.arch == "granitehybrid") && inner != 2*width {
		return unusable(placeOfKey(c.key("ssm.inner_size")), "%d is not twice the width of %d", inner, width)
	}
	return c.stateHeads()
}
