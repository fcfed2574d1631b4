package gguf

import "math"

// Numbers beyond which llama.cpp v0.5.0 ends the process, or that no model has.
const (
	maxBlocks  = 512 // LLAMA_MAX_LAYERS
	maxContext = 1 << 24
)

// checkNumbers refuses numbers of the network that llama.cpp does not check and
// does not survive: see the model's loader and ggml_norm, which aborts on an
// epsilon that is negative or NaN.
func (m Metadata) checkNumbers(arch string) error {
	for _, name := range []string{
		"attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon", "attention.group_norm_epsilon",
		"rope.freq_base", "rope.freq_base_swa", "rope.freq_scale", "rope.scale_linear", "rope.scaling.factor",
	} {
		key := arch + "." + name
		if f, ok := m.Float(key); ok && !(f >= 0 && f <= math.MaxFloat32) { // so that NaN fails
			return at(invalidf("%v is not finite and at least 0", f), placeOfKey(key))
		}
	}
	key := arch + ".attention.head_count"
	if n, ok := m.Int(key); ok && n <= 0 && !m.recurrent(arch) {
		return at(invalidf("%d is not positive", n), placeOfKey(key))
	}
	return nil
}

// recurrent reports whether the network is said to have state-space or RWKV
// layers: without any attention its files give 0 heads.
func (m Metadata) recurrent(arch string) bool {
	_, ssm := m.values[arch+".ssm.conv_kernel"]
	_, wkv := m.values[arch+".wkv.head_size"]
	return ssm || wkv
}

// within is the integer of a key, as an error if it is another kind of value
// or not in least to most.
func (v Value) within(least, most int64) (int, error) {
	n, ok := v.integer()
	if !ok {
		return 0, invalidf("is not a number from %d to %d but %v", least, most, v.typ)
	}
	if n < least || n > most {
		return 0, invalidf("is not a number from %d to %d but %d", least, most, n)
	}
	return int(n), nil
}
