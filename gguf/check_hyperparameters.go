package gguf

import (
	"math"
	"slices"
	"strings"
)

// What LLAMA_MAX_EXPERTS is, and widths beyond any model that keep products in an int64.
const (
	maxExperts = 1024
	maxWidth   = 1 << 24
)

// numbers checks what every network has (llama_model_base::load_hparams).
func (c *checker) numbers() error {
	for _, n := range []struct {
		name        string
		least, most int64
		required    bool
	}{
		{"block_count", 1, maxBlocks, true},
		{"context_length", 1, maxContext, true},
		{"embedding_length", 1, maxWidth, true},
		{"embedding_length_out", 0, maxWidth, false},
		{"pooling_type", 0, 4, false},
		{"nextn_predict_layers", 0, int64(c.layers), false},
		{"attention.sliding_window", 0, math.MaxInt32, false},
		{"vocab_size", 1, math.MaxInt32, false},
	} {
		if _, _, err := c.unsigned(n.name, n.least, n.most, n.required); err != nil {
			return err
		}
	}
	for _, name := range []string{"attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon", "attention.group_norm_epsilon", "rope.freq_base", "rope.freq_base_swa"} {
		if err := c.positive(name); err != nil {
			return err
		}
	}
	if _, err := c.perLayer("feed_forward_length", 0, maxWidth); err != nil {
		return err
	}
	return c.window()
}

// positive checks an f32 that is divided by, or in whose place a zero makes no sense.
func (c *checker) positive(name string) error {
	key := c.key(name)
	v, ok := c.values[key]
	if !ok {
		return nil
	}
	f, _ := v.float()
	if v.typ != Float32 || !(f > 0 && f <= math.MaxFloat32) {
		return unusable(placeOfKey(key), "%v of type %v; it must be an f32, finite and more than 0", f, v.typ)
	}
	return nil
}

// window checks which layers attend within a sliding window: every one but the last of a
// period, or those that are marked. There must be one if there is a window.
func (c *checker) window() error {
	const name = "attention.sliding_window_pattern"
	key := c.key(name)
	v, ok := c.values[key]
	if !ok {
		return nil
	}
	marked := false
	switch {
	case v.typ == Array && v.elem == Bool:
		if v.n < c.layers || v.n > maxBlocks {
			return unusable(placeOfKey(key), "has %d elements for %d layers", v.n, c.layers)
		}
		marked = strings.Contains(v.raw[:c.layers], "\x01")
	default:
		numbers, err := c.perLayer(name, 0, math.MaxInt32)
		if err != nil {
			return err
		}
		if v.typ == Array {
			marked = slices.Max(numbers) > 0
		} else {
			marked = numbers[0] != 1
		}
	}
	if window, _ := c.Int(c.key("attention.sliding_window")); window > 0 && !marked {
		return unusable(placeOfKey(key), "no layer has the sliding window of %d tokens", window)
	}
	return nil
}

// heads checks how the width is divided among the heads of attention.
func (c *checker) heads() error {
	least := int64(1)
	if recurrent[c.arch] || c.arch == "deci" { // layers without attention
		least = 0
	}
	heads, err := c.perLayer("attention.head_count", least, maxWidth)
	if err != nil {
		return err
	}
	kv, err := c.perLayer("attention.head_count_kv", least, maxWidth)
	if err != nil {
		return err
	}
	if heads == nil {
		if least > 0 && !partial[c.arch] {
			return unusable(placeOfKey(c.key("attention.head_count")), "is missing")
		}
		return nil
	}
	for i := range kv {
		if kv[i] > 0 && heads[i]%kv[i] != 0 {
			return unusable(placeOfKey(c.key("attention.head_count_kv")), "the %d heads of layer %d cannot be shared out among %d", heads[i], i, kv[i])
		}
	}
	return c.headWidths(heads[0])
}

// headWidths checks keys, values and what of them is rotated, for a network whose first
// layer has n heads.
func (c *checker) headWidths(n int64) error {
	width, _, err := c.unsigned("embedding_length", 1, maxWidth, true)
	if err != nil || n == 0 {
		return err
	}
	if width < n {
		return unusable(placeOfKey(c.key("attention.head_count")), "%d heads for a width of %d", n, width)
	}
	keys, err := c.or("attention.key_length", 1, width/n)
	if err != nil {
		return err
	}
	values, err := c.or("attention.value_length", 1, width/n)
	if err != nil {
		return err
	}
	for _, name := range []string{"attention.key_length_swa", "attention.value_length_swa"} {
		if _, _, err := c.unsigned(name, 1, maxWidth, false); err != nil {
			return err
		}
	}
	if equalHeads[c.arch] && keys != values {
		return unusable(placeOfKey(c.key("attention.value_length")), "values are %d wide and keys %d; architecture %s needs the same", values, keys, c.arch)
	}
	if (c.arch == "jamba" || c.arch == "bert") && keys*n != width {
		return unusable(placeOfKey(c.key("attention.key_length")), "%d heads with keys of %d are not the width of %d, as architecture %s needs it", n, keys, width, c.arch)
	}
	rotated, err := c.rotated("rope.dimension_count", keys)
	if err != nil {
		return err
	}
	if rotatesWholeHeads[c.arch] && rotated != keys {
		return unusable(placeOfKey(c.key("rope.dimension_count")), "%d of a head's %d numbers; architecture %s rotates all", rotated, keys, c.arch)
	}
	if rotatesWholeHeads[c.arch] && keys%2 != 0 {
		return unusable(placeOfKey(c.key("attention.key_length")), "%d is odd; numbers are rotated in pairs", keys)
	}
	windowed, err := c.or("attention.key_length_swa", 1, keys)
	if err == nil {
		_, err = c.rotated("rope.dimension_count_swa", windowed)
	}
	return err
}

// rotated is how many numbers of a head the rotary embedding covers; all of them if the
// file does not say. With none llama.cpp v0.5.0 does not come to an end.
func (c *checker) rotated(name string, head int64) (int64, error) {
	least := int64(2)
	if recurrent[c.arch] {
		least = 0 // positions are in the recurrence
	}
	n, stated, err := c.unsigned(name, least, head, false)
	switch {
	case err != nil:
		return 0, err
	case !stated:
		return head, nil
	case n%2 != 0:
		return 0, unusable(placeOfKey(c.key(name)), "%d is odd; numbers are rotated in pairs", n)
	}
	return n, nil
}

func (c *checker) states(name string) bool {
	_, ok := c.values[c.key(name)]
	return ok
}

// or is a number or, if the file does not state it, another.
func (c *checker) or(name string, least, otherwise int64) (int64, error) {
	n, stated, err := c.unsigned(name, least, maxWidth, false)
	if !stated {
		n = otherwise
	}
	return n, err
}

// experts checks how many there are, and how many a token is sent to.
func (c *checker) experts() error {
	count, _, err := c.unsigned("expert_count", 0, maxExperts, false)
	if err != nil {
		return err
	}
	if count == 1 && (c.arch == "hunyuan-dense" || c.arch == "hunyuan_vl") {
		return nil // llama.cpp takes one for none
	}
	if count == 0 {
		for _, t := range c.table {
			if strings.Contains(t.Name, "_exps.") {
				return unusable(placeOfTensor(t.Name), "is an expert's; the file does not say how many there are (key %q)", c.key("expert_count"))
			}
		}
	}
	used, err := c.perLayer("expert_used_count", 0, maxExperts)
	if err != nil {
		return err
	}
	most := slices.Max(append(used, 0))
	place := placeOfKey(c.key("expert_used_count"))
	switch {
	case most > count:
		return unusable(place, "%d of %d experts", most, count)
	case count > 0 && most == 0:
		return unusable(place, "none of %d experts is used", count)
	}
	groups, _, err := c.unsigned("expert_group_count", 0, max(0, count-1), false)
	if err != nil {
		return err
	}
	usedGroups, _, err := c.unsigned("expert_group_used_count", 0, maxExperts, false)
	if err == nil && groups > 1 && (count%groups != 0 || usedGroups < 1 || usedGroups >= groups) {
		err = unusable(placeOfKey(c.key("expert_group_count")), "%d experts in %d groups of which %d are used", count, groups, usedGroups)
	}
	return err
}

// rope checks how positions are made longer than those of the training.
func (c *checker) rope() error {
	key := c.key("rope.scaling.type")
	if v, ok := c.values[key]; ok {
		kind, _ := c.Text(key)
		if !slices.Contains([]string{"none", "linear", "yarn", "longrope"}, kind) {
			return unusable(placeOfKey(key), "%.50q of type %v is not known; there are none, linear, yarn and longrope", kind, v.typ)
		}
	}
	for _, name := range []string{"rope.scaling.factor", "rope.scale_linear", "rope.scaling.attn_factor", "rope.scaling.alpha"} {
		if v, ok := c.values[c.key(name)]; ok {
			f, _ := v.float()
			if v.typ != Float32 || math.IsNaN(f) || math.IsInf(f, 0) {
				return unusable(placeOfKey(c.key(name)), "%v of type %v; it must be an f32, and finite", f, v.typ)
			}
		}
	}
	if _, _, err := c.unsigned("rope.scaling.original_context_length", 1, maxContext, false); err != nil {
		return err
	}
	return c.sections()
}

// sections checks the parts of a head that are rotated by each of four positions.
func (c *checker) sections() error {
	key := c.key("rope.dimension_sections")
	v, ok := c.values[key]
	if !ok {
		return nil
	}
	list, isInts := v.Any().([]int32)
	if !isInts {
		if unsigned, isUints := v.Any().([]uint32); isUints {
			for _, n := range unsigned {
				list = append(list, int32(n))
			}
			isInts = true
		}
	}
	if !isInts || len(list) != 4 || slices.Min(list) < 0 || slices.Max(list) > maxWidth || slices.Max(list[:3]) == 0 {
		return unusable(placeOfKey(key), "%d values of type %v; there must be four i32, none negative and not all 0", v.n, v.elem)
	}
	return nil
}
