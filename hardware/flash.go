package hardware

import "slices"

// flash says whether a plan's attention is computed in one pass. On a GPU that is settled
// here, since buffers depend on it: llama.cpp, where it is left to it, asks the device, and
// gives it up for all layers as soon as the CPU has one, of which large batches are computed
// on the GPU (seen with Vulkan: two GPUs, 15 of 31 layers; forced, the buffers of 94 MiB
// are 19).
func (c *choice) flash(p *Plan) FlashAttention {
	switch {
	case c.req.FlashAttention != "" && c.req.FlashAttention != FlashAuto:
		return c.req.FlashAttention
	case p.GPULayers == 0:
		return FlashAuto
	case !c.model.flashes(p.Backend):
		return FlashOff
	case p.GPULayers < p.Layers:
		return FlashOn
	}
	return FlashAuto
}

// flashHeads are the sizes of attention heads that backends have kernels for, keys and
// values alike (ggml-cuda/fattn.cu and ggml-metal/ggml-metal-device.m at v0.5.0). Sizes that
// only some groups of heads are computed with do not count.
var flashHeads = map[Backend][]int{
	BackendCUDA:  {40, 64, 72, 80, 96, 112, 128, 256},
	BackendMetal: {32, 40, 48, 64, 72, 80, 96, 112, 128, 192, 256, 512},
}

// flashes reports whether a backend computes the model's attention in one pass. Where the
// size of its heads is not known it is taken to.
func (m Model) flashes(b Backend) bool {
	key, value := m.KeySize, m.ValueSize
	switch {
	case key == 0:
		return true
	case b == BackendVulkan:
		return key%8 == 0 && value%8 == 0 // ggml-vulkan.cpp
	case b == BackendCUDA && key == 576:
		return value == 512
	case flashHeads[b] == nil:
		return true
	}
	return key == value && slices.Contains(flashHeads[b], key)
}
