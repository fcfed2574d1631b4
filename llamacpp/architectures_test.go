package llamacpp

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
)

// renamings is how many models are tried of each architecture.
const renamings = 24

// TestArchitecturesDoNotKill gives small models the name of every architecture that the
// validator accepts, and numbers that some of them want: whatever it lets through may be
// refused by llama.cpp for what is missing, but must not end the process.
func TestArchitecturesDoNotKill(t *testing.T) {
	counts := tryMutations(t, mutations, mutations+renamings*len(gguf.Architectures()))
	if counts.failed < renamings || counts.refused < renamings || counts.computed < renamings {
		t.Error("the models are too alike")
	}
}

// wanted are numbers that only some architectures read, with values that are good for most.
var wanted = map[string]any{
	"attention.indexer.block_size": uint32(8), "attention.indexer.head_count": uint32(4), "attention.indexer.key_length": uint32(8),
	"attention.indexer.local_blocks": uint32(1), "attention.indexer.top_k": uint32(4), "attention.key_length_mla": uint32(16),
	"attention.kv_lora_rank": uint32(8), "attention.layer_norm_epsilon": float32(1e-5), "attention.layer_norm_rms_epsilon": float32(1e-5),
	"attention.q_lora_rank": uint32(8), "attention.scale": float32(1), "attention.shared_kv_layers": uint32(0), "attention.sliding_window": uint32(64),
	"attention.value_length_mla": uint32(8), "embedding_scale": float32(1), "expert_chunk_feed_forward_length": uint32(32), "expert_count": uint32(4),
	"expert_feed_forward_length": uint32(32), "expert_gating_func": uint32(1), "expert_group_scale": float32(1), "expert_shared_count": uint32(1),
	"expert_shared_feed_forward_length": uint32(32), "expert_used_count": uint32(2), "expert_weights_norm": true, "expert_weights_scale": float32(1),
	"experts_per_group": uint32(2), "full_attention_interval": uint32(2), "hrm.h_cycles": uint32(1), "hrm.l_cycles": uint32(1), "hrm.layers_per_stack": uint32(1),
	"interleave_moe_layer_step": uint32(1), "kda.gate_lower_bound": float32(-5), "kda.head_dim": uint32(8), "kda.safe_gate": true,
	"leading_dense_block_count": uint32(0), "logit_scale": float32(1), "num_loops": uint32(1), "residual_scale": float32(1), "shortconv.l_cache": uint32(3),
	"ssm.conv_kernel": uint32(4), "ssm.group_count": uint32(1), "ssm.inner_size": uint32(64), "ssm.state_size": uint32(16), "ssm.time_step_rank": uint32(4),
	"token_shift_count": uint32(2), "wkv.head_size": uint32(8), "rescale_every_n_layers": uint32(0), "time_mix_extra_dim": uint32(8),
	"time_decay_extra_dim": uint32(8),
}

// renamed makes a model of another name, with most of what is wanted and a few changes.
func renamed(bases []mutationBase, i int) (data []byte, what string) {
	r := rand.New(rand.NewPCG(mutationSeed, uint64(i)))
	names := gguf.Architectures()
	arch := names[i%len(names)]
	n := r.IntN(len(bases))
	b := bases[n]
	old := b.metadata[0].Value.(string) + "."
	b.metadata = slices.Clone(b.metadata)
	b.metadata[0].Value = arch
	stated := map[string]bool{}
	for i, kv := range b.metadata {
		if rest, ok := strings.CutPrefix(kv.Key, old); ok {
			b.metadata[i].Key = arch + "." + rest
			stated[rest] = true
		}
	}
	keys := slices.Sorted(maps.Keys(wanted))
	for _, key := range keys {
		if !stated[key] && r.IntN(8) > 0 {
			b.metadata = append(b.metadata, gguf.KeyValue{Key: arch + "." + key, Value: wanted[key]})
		}
	}
	what = fmt.Sprintf("base %d as %s", n, arch)
	for range r.IntN(3) {
		key := keys[r.IntN(len(keys))]
		if j := slices.IndexFunc(b.metadata, func(kv gguf.KeyValue) bool { return kv.Key == arch+"."+key }); j >= 0 {
			if _, ok := b.metadata[j].Value.(uint32); ok {
				b.metadata[j].Value = numbers[r.IntN(12)]
				what += fmt.Sprintf(", %s %v", key, b.metadata[j].Value)
			}
		}
	}
	return b.write(), what
}
