package gguf_test

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/synth"
)

type numbers map[string]any

// What single architectures insist on: each is right with some numbers, and refused with
// another one, whose key is said. Layers are 4, the width is 64, heads are 4 of 16.
func TestArchitectureDemands(t *testing.T) {
	experts := numbers{"expert_count": uint32(4), "expert_used_count": uint32(2)}
	latent := numbers{"rope.dimension_count": uint32(8), "attention.key_length_mla": uint32(16), "attention.value_length_mla": uint32(16), "attention.indexer.key_length": uint32(8)}
	indexer := numbers{"attention.indexer.block_size": uint32(8), "attention.indexer.key_length": uint32(8), "attention.indexer.head_count": uint32(4)}
	hybrid := []uint32{0, 4, 0, 4}
	state := numbers{"attention.head_count_kv": hybrid, "ssm.conv_kernel": uint32(4), "ssm.inner_size": uint32(128), "ssm.state_size": uint32(16), "ssm.time_step_rank": uint32(8), "ssm.group_count": uint32(2)}
	delta := numbers{"expert_count": uint32(4), "expert_used_count": uint32(2), "full_attention_interval": uint32(2), "rope.dimension_sections": []int32{4, 4, 0, 0},
		"ssm.conv_kernel": uint32(4), "ssm.inner_size": uint32(128), "ssm.state_size": uint32(16), "ssm.time_step_rank": uint32(8), "ssm.group_count": uint32(2)}
	hrm := numbers{"hrm.layers_per_stack": uint32(1), "hrm.h_cycles": uint32(2), "hrm.l_cycles": uint32(1)}
	gate := numbers{"attention.head_count_kv": hybrid, "kda.gate_lower_bound": float32(-5), "kda.safe_gate": true}
	for _, test := range []struct {
		architectures string
		right         numbers
		wrong         string
		value         any // nil: it is missing
	}{
		{"grovemoe", with(experts, "experts_per_group", uint32(2)), "experts_per_group", uint32(0)},
		{"ernie4_5-moe", numbers{"interleave_moe_layer_step": uint32(1)}, "interleave_moe_layer_step", uint32(0)},
		{"deepseek2 mistral4", latent, "rope.dimension_count", uint32(16)},
		{"deepseek32 dots3note glm-dsa hy_v4", latent, "attention.key_length_mla", uint32(0)},
		{"deepseek32 dots3note glm-dsa", latent, "attention.indexer.key_length", uint32(4)},
		{"minimax-m3", indexer, "attention.indexer.block_size", uint32(0)},
		{"minimax-m3", indexer, "attention.indexer.head_count", uint32(2)},
		{"hrm_text", hrm, "hrm.l_cycles", uint32(0)},
		{"hrm_text", hrm, "block_count", uint32(5)},
		{"nanbeige", numbers{"num_loops": uint32(2)}, "num_loops", uint32(0)},
		{"nanbeige", numbers{"num_loops": uint32(2)}, "num_loops", uint32(64)},
		{"lfm2 lfm2moe", with(experts, "attention.head_count_kv", hybrid, "shortconv.l_cache", uint32(3)), "shortconv.l_cache", uint32(1)},
		{"lfm2", numbers{"attention.head_count_kv": hybrid, "shortconv.l_cache": uint32(3)}, "attention.head_count_kv", uint32(4)},
		{"lfm2", numbers{"attention.head_count_kv": hybrid, "shortconv.l_cache": uint32(3), "attention.value_length": uint32(16)}, "attention.value_length", uint32(8)},
		{"arwkv7 rwkv6qwen2", numbers{"token_shift_count": uint32(1)}, "token_shift_count", uint32(2)},
		{"rwkv7", numbers{"token_shift_count": uint32(2)}, "token_shift_count", uint32(1)},
		{"granitehybrid mamba2 nemotron_h", state, "ssm.group_count", uint32(0)},
		{"granitehybrid mamba2 nemotron_h", state, "ssm.group_count", uint32(3)},
		{"granitehybrid mamba2 nemotron_h", state, "ssm.time_step_rank", uint32(3)},
		{"granitehybrid", state, "ssm.inner_size", uint32(64)},
		{"plamo2", with(state, "ssm.group_count", uint32(0)), "ssm.group_count", uint32(1)},
		{"qwen35moe qwen3next qwen4exp", delta, "ssm.group_count", uint32(3)},
		{"qwen35moe qwen3next qwen4exp", delta, "ssm.inner_size", uint32(64)},
		{"qwen35 qwen35moe qwen3next qwen4exp", delta, "full_attention_interval", uint32(0)},
		{"qwen35 qwen35moe qwen3next qwen4exp", delta, "full_attention_interval", uint32(1)},
		{"qwen35 qwen35moe qwen3next qwen4exp", delta, "full_attention_interval", uint32(5)},
		{"paddleocr", numbers{"rope.dimension_sections": []int32{4, 4, 0, 0}}, "rope.dimension_sections", nil},
		{"gemma4", numbers{"attention.shared_kv_layers": uint32(2)}, "attention.shared_kv_layers", uint32(3)},
		{"gemma4", numbers{"attention.key_length_swa": uint32(8), "attention.value_length_swa": uint32(8)}, "attention.value_length_swa", uint32(16)},
		{"gemma4", numbers{"attention.value_length": uint32(16)}, "attention.value_length", uint32(8)},
		{"gemma-embedding", numbers{"dense_2_feat_in": uint32(64)}, "dense_2_feat_in", uint32(32)},
		{"gemma-embedding", numbers{"dense_3_feat_out": uint32(64)}, "dense_3_feat_out", uint32(32)},
		{"bailingmoe3", gate, "kda.gate_lower_bound", float32(0)},
		{"bailingmoe3", gate, "kda.safe_gate", false},
		{"spark2_5", numbers{"attention.sliding_window": uint32(64), "attention.sliding_window_pattern": []bool{true, false, true, false}}, "attention.sliding_window_pattern", nil},
		{"spark2_5", numbers{"attention.sliding_window": uint32(64), "attention.sliding_window_pattern": []bool{true, false, true, false}}, "attention.sliding_window", uint32(0)},
		{"llama", nil, "rope.dimension_count", uint32(8)},
	} {
		for arch := range strings.FieldsSeq(test.architectures) {
			if err := renamed(t, arch, test.right).Validate(); err != nil {
				t.Errorf("%s, which is right: %v", arch, err)
			}
			err := renamed(t, arch, with(test.right, test.wrong, test.value)).Validate()
			expect(t, arch+" "+test.wrong, err, "metadata."+arch+"."+test.wrong)
		}
	}
}

// Without experts llama.cpp ends the process on these.
func TestExpertsDemanded(t *testing.T) {
	with := numbers{"experts_per_group": uint32(2), "attention.head_count_kv": []uint32{0, 4, 0, 4}, "shortconv.l_cache": uint32(3)}
	for _, arch := range []string{"lfm2moe", "bailingmoe2", "glm4moe", "grovemoe", "llada-moe", "smallthinker"} {
		expect(t, arch, renamed(t, arch, with).Validate(), "metadata."+arch+".expert_count")
		delete(with, "attention.head_count_kv") // the first alone is a hybrid
	}
}

func TestFewLayersOfLlama4(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := synth.Write(t.Context(), path, vocabularies(t)["gpt2"], synth.Shape{Layers: 3}, nil); err != nil {
		t.Fatal(err)
	}
	expect(t, "with a window", as(t, path, "llama4", nil).Validate(), "metadata.llama4.block_count")
	if err := as(t, path, "llama4", numbers{"attention.sliding_window": uint32(0)}).Validate(); err != nil {
		t.Errorf("without a window: %v", err)
	}
}

// These rotate a part of each head only.
func TestPartlyRotated(t *testing.T) {
	for _, arch := range []string{"nemotron", "minimax-m2", "glm4", "stablelm"} {
		if err := renamed(t, arch, numbers{"rope.dimension_count": uint32(8)}).Validate(); err != nil {
			t.Errorf("%s: %v", arch, err)
		}
	}
}

// What is asserted of tensors.
func TestArchitectureTensors(t *testing.T) {
	expect(t, "no mix", renamed(t, "rwkv6", nil).Validate(), "tensors.blk.0.time_mix_lerp_w.weight: is missing")
	if err := renamed(t, "jina-bert-v2", numbers{"feed_forward_length": uint32(128)}).Validate(); err != nil {
		t.Errorf("twice as wide: %v", err)
	}
	expect(t, "too wide", renamed(t, "jina-bert-v2", numbers{"feed_forward_length": uint32(64)}).Validate(), "tensors.blk.0.ffn_up.weight: is ")
}

func TestDrafts(t *testing.T) {
	for _, arch := range []string{"dflash", "eagle3", "gemma4-assistant"} {
		expect(t, arch, renamed(t, arch, nil).Validate(), "a draft for another model")
	}
}

// with adds pairs of a key and a value to a copy.
func with(n numbers, pairs ...any) numbers {
	all := numbers{}
	maps.Copy(all, n)
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i].(string)] = pairs[i+1]
	}
	return all
}

// renamed is a model of four layers with another architecture's name and some of its numbers.
func renamed(t *testing.T, arch string, with numbers) *gguf.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := synth.Write(t.Context(), path, vocabularies(t)["gpt2"], synth.Shape{Layers: 4}, nil); err != nil {
		t.Fatal(err)
	}
	return as(t, path, arch, with)
}

// as is a llama as a model of another architecture, with some numbers.
func as(t *testing.T, path, arch string, with numbers) *gguf.File {
	t.Helper()
	var b broken
	b.metadata, b.tensors = parse(t, path)
	for i, kv := range b.metadata {
		if rest, ok := strings.CutPrefix(kv.Key, "llama."); ok {
			b.metadata[i].Key = arch + "." + rest
		}
	}
	b.set("general.architecture", arch)
	for key, value := range with {
		if value == nil {
			b.drop(arch + "." + key)
			continue
		}
		b.set(arch+"."+key, value)
	}
	path = filepath.Join(t.TempDir(), "model.gguf")
	put(t, path, b.metadata, b.tensors)
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
