package gguf

import (
	"fmt"
	"math"
	"slices"
)

// demand is a number that architectures must have, within bounds.
type demand struct {
	architectures map[string]bool
	key           string
	least, most   int64
	required      bool
}

// demands are what llama.cpp v0.5.0 asserts of, or divides by, in src/models.
var demands = []demand{
	{words("bailingmoe2 glm4moe grovemoe llada-moe qwen35moe qwen4exp smallthinker"), "expert_count", 1, maxExperts, true},
	{words("grovemoe"), "experts_per_group", 1, maxExperts, true},
	{words("ernie4_5-moe"), "interleave_moe_layer_step", 1, maxBlocks, true},
	{words("deepseek32 dots3note glm-dsa hy_v4"), "attention.key_length_mla", 1, maxWidth, true},
	{words("deepseek32 dots3note glm-dsa hy_v4"), "attention.value_length_mla", 1, maxWidth, true},
	{words("deepseek32 dots3note glm-dsa minimax-m3"), "attention.indexer.key_length", 1, maxWidth, true},
	{words("minimax-m3"), "attention.indexer.block_size", 1, maxContext, true},
	{words("minimax-01 qwen35 qwen35moe qwen3next qwen4exp"), "full_attention_interval", 1, maxBlocks, false},
	{words("hrm_text"), "hrm.layers_per_stack", 1, maxBlocks, true},
	{words("hrm_text"), "hrm.h_cycles", 1, maxBlocks, true},
	{words("hrm_text"), "hrm.l_cycles", 1, maxBlocks, true},
	{words("spark2_5"), "attention.sliding_window", 1, maxContext, true},
	{words("nanbeige"), "num_loops", 1, maxBlocks, false},
	{words("lfm2 lfm2moe"), "shortconv.l_cache", 2, maxContext, true},
	{words("arwkv7 rwkv6qwen2"), "token_shift_count", 1, 1, true},
	{words("rwkv6 rwkv7"), "token_shift_count", 2, 2, false},
	{words("falcon-h1 granitehybrid mamba2 nemotron_h nemotron_h_moe qwen35 qwen35moe qwen3next qwen4exp"), "ssm.group_count", 1, maxWidth, true},
	{words("plamo2"), "ssm.group_count", 0, 0, true},
}

// nodesPerLayer is what a layer's operations are at most, where layers are computed several
// times: llama.cpp has room for some by the number of tensors (llama_context::graph_max_nodes).
const nodesPerLayer = 40

// demands checks what one architecture or a few insist on.
func (c *checker) demands() error {
	for _, d := range demands {
		if d.architectures[c.arch] {
			if _, _, err := c.unsigned(d.key, d.least, d.most, d.required); err != nil {
				return err
			}
		}
	}
	n := func(key string) int64 { n, _ := c.Int(c.key(key)); return n }
	refuse := func(key, format string, args ...any) error {
		return unusable(placeOfKey(c.key(key)), format, args...)
	}
	width, layers := n("embedding_length"), int64(c.layers)
	switch c.arch {
	case "deepseek2", "deepseek32", "dots3note", "glm-dsa", "hy_v4", "mistral4":
		return c.latentHeads()
	case "paddleocr":
		if !c.states("rope.dimension_sections") {
			return refuse("rope.dimension_sections", "is missing")
		}
	case "nanbeige":
		if loops := n("num_loops"); layers*loops > maxBlocks || nodesPerLayer*layers*loops > 32*int64(len(c.table)) {
			return refuse("num_loops", "%d layers %d times are more than llama.cpp has room for", layers, loops)
		}
	case "hrm_text":
		if want := n("hrm.layers_per_stack") * n("hrm.h_cycles") * (n("hrm.l_cycles") + 1); layers != want {
			return refuse("block_count", "%d layers; by the cycles there must be %d", layers, want)
		}
		if nodesPerLayer*layers > 64*int64(len(c.table)) {
			return refuse("hrm.h_cycles", "%d layers are more than llama.cpp has room for", layers)
		}
	case "minimax-m3":
		kv, err := c.perLayer("attention.head_count_kv", 1, maxWidth)
		if indexed := n("attention.indexer.head_count"); err == nil && slices.ContainsFunc(kv, func(heads int64) bool { return heads != indexed }) {
			err = refuse("attention.indexer.head_count", "%d, which is not the number of heads of keys", indexed)
		}
		return err
	case "rwkv6":
		return c.mixes()
	case "jina-bert-v2":
		return c.widenings()
	case "llama4":
		if window, stated := c.Int(c.key("attention.sliding_window")); layers < 4 && !(stated && window == 0) {
			return refuse("block_count", "%d layers; with a window there must be 4, of which the last has none", layers)
		}
	case "gemma4":
		if shared := n("attention.shared_kv_layers"); layers-shared < 2 {
			return refuse("attention.shared_kv_layers", "%d of %d layers; two at least must have keys and values of their own", shared, layers)
		}
		if keys, values := n("attention.key_length_swa"), n("attention.value_length_swa"); keys != values {
			return refuse("attention.value_length_swa", "values are %d wide and keys %d; architecture gemma4 needs the same", values, keys)
		}
	case "gemma-embedding":
		for _, key := range []string{"dense_2_feat_in", "dense_3_feat_out"} {
			if got := n(key); got != 0 && got != width {
				return refuse(key, "%d is not the width of %d", got, width)
			}
		}
	case "lfm2moe":
		if dense := n("leading_dense_block_count"); dense < layers && n("expert_count") == 0 {
			return refuse("expert_count", "is missing; %d of %d layers have experts", layers-dense, layers)
		}
	case "bailingmoe3":
		if v, ok := c.values[c.key("kda.safe_gate")]; ok && v.Any() != true {
			return refuse("kda.safe_gate", "%v; llama.cpp computes with it only", v.Any())
		}
		v := c.values[c.key("kda.gate_lower_bound")]
		if f, _ := v.float(); v.typ != Float32 || !(f < 0 && f >= -math.MaxFloat32) {
			return refuse("kda.gate_lower_bound", "it must be an f32, finite and less than 0")
		}
	case "spark2_5":
		if !c.states("attention.sliding_window_pattern") {
			return refuse("attention.sliding_window_pattern", "is missing")
		}
	}
	return c.kinds()
}

// Hybrids have layers with attention and layers with a state; one kind alone llama.cpp cannot
// compute. Those of byHeads have attention where there are heads of keys, the others in every
// so many layers.
var (
	byHeads    = words("bailingmoe3 granitehybrid jamba kimi-k3 kimi-linear lfm2 lfm2moe nemotron_h nemotron_h_moe plamo2")
	byInterval = map[string]int64{"minimax-01": 8, "qwen35": 4, "qwen35moe": 4, "qwen3next": 4, "qwen4exp": 4}
)

// kinds checks that a hybrid has layers of both kinds.
func (c *checker) kinds() error {
	place := placeOfKey(c.key("attention.head_count_kv"))
	if byHeads[c.arch] {
		kv, err := c.perLayer("attention.head_count_kv", 0, maxWidth)
		if err == nil && (kv == nil || slices.Min(kv) > 0 || slices.Max(kv) == 0) {
			err = unusable(place, "some layers of architecture %s must have attention (and heads), and some must not", c.arch)
		}
		return err
	}
	interval, ok := byInterval[c.arch]
	if !ok || c.states("attention.recurrent_layers") {
		return nil
	}
	const key = "full_attention_interval"
	if n, stated := c.Int(c.key(key)); stated {
		interval = n
	}
	drafting, _ := c.Int(c.key("nextn_predict_layers"))
	if layers := int64(c.layers) - drafting; interval < 2 || interval > layers {
		return unusable(placeOfKey(c.key(key)), "%d of %d layers; some must have attention, and some must not", interval, layers)
	}
	return nil
}

// mixes checks that each layer of RWKV 6 has its weights of the last token, in one of two ways.
func (c *checker) mixes() error {
	for i := range c.layers {
		at := fmt.Sprintf("blk.%d.time_mix_lerp_", i)
		if c.tensors[at+"fused.weight"].Name == "" && c.tensors[at+"w.weight"].Name == "" {
			return unusable(placeOfTensor(at+"w.weight"), "is missing")
		}
	}
	return nil
}

// widenings checks that feed-forward networks are as wide as is said, or twice as wide for
// a gate.
func (c *checker) widenings() error {
	inner, err := c.perLayer("feed_forward_length", 1, maxWidth)
	for i, n := range inner {
		name := fmt.Sprintf("blk.%d.ffn_up.weight", i)
		if t, ok := c.tensors[name]; ok && (len(t.Dims) < 2 || t.Dims[1] != uint64(n) && t.Dims[1] != 2*uint64(n)) {
			return unusable(placeOfTensor(name), "is %v; it must be %d wide, or twice that", t.Dims, n)
		}
	}
	return err
}

// latentHeads checks attention through a latent vector (MLA), where only a part of the keys
// is rotated.
func (c *checker) latentHeads() error {
	rotated, stated := c.Int(c.key("rope.dimension_count"))
	keys, _ := c.Int(c.key("attention.key_length"))
	if mla, _ := c.Int(c.key("attention.key_length_mla")); mla > 0 {
		if values, _ := c.Int(c.key("attention.value_length_mla")); values > 0 {
			keys = mla
		}
	}
	if !stated || rotated >= keys {
		return unusable(placeOfKey(c.key("rope.dimension_count")), "%d of keys of %d are rotated; some must not be", rotated, keys)
	}
	if indexed, ok := c.Int(c.key("attention.indexer.key_length")); ok && indexed < rotated {
		return unusable(placeOfKey(c.key("attention.indexer.key_length")), "%d is less than the %d numbers that are rotated", indexed, rotated)
	}
	return nil
}

// scanned are the networks with states of several heads (Mamba 2), and delta those whose
// states are changed by a delta rule.
var (
	scanned = words("falcon-h1 granitehybrid mamba2 nemotron_h nemotron_h_moe plamo2")
	delta   = words("qwen35 qwen35moe qwen3next qwen4exp")
)

// stateHeads checks how the inner width of recurrent layers is divided; its parts are more than 0.
func (c *checker) stateHeads() error {
	n := func(key string) int64 { n, _ := c.Int(c.key(key)); return n }
	inner, heads, groups, state := n("ssm.inner_size"), n("ssm.time_step_rank"), n("ssm.group_count"), n("ssm.state_size")
	switch {
	case scanned[c.arch] && inner%heads != 0:
		return unusable(placeOfKey(c.key("ssm.time_step_rank")), "a width of %d cannot be divided among %d heads", inner, heads)
	case scanned[c.arch] && groups > 0 && inner%groups != 0:
		return unusable(placeOfKey(c.key("ssm.group_count")), "a width of %d cannot be divided among %d groups", inner, groups)
	case delta[c.arch] && heads%groups != 0:
		return unusable(placeOfKey(c.key("ssm.group_count")), "%d heads cannot be shared out among %d groups", heads, groups)
	case delta[c.arch] && heads*state != inner:
		return unusable(placeOfKey(c.key("ssm.inner_size")), "%d is not that of %d heads of %d", inner, heads, state)
	}
	return nil
}
