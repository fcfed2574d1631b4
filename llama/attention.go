package llama

import "slices"

// architecture returns the model's kind of network, as the file names it.
func (m *Model) architecture() string {
	arch, _ := m.Meta("general.architecture")
	return arch
}

// nonCausal are the architectures whose tokens attend to those after them,
// whatever the file says (hparams.causal_attn in llama.cpp's src/models).
var nonCausal = []string{"gemma-embedding", "dream", "llada", "llada-moe", "rnd1"}

// causal says whether tokens attend only to those before them, for a context
// with the given attention type.
func (m *Model) causal(attention int32) bool {
	if attention >= 0 {
		return attention == 0
	}
	arch := m.architecture()
	v, _ := m.Meta(arch + ".attention.causal")
	return v != "false" && !slices.Contains(nonCausal, arch)
}

// learnsPositions says whether the model may have an embedding of each position,
// and so none of others (pos_embd in llama.cpp's src/models).
func (m *Model) learnsPositions() bool {
	return slices.Contains([]string{"bert", "gpt2", "mpt", "starcoder"}, m.architecture())
}
