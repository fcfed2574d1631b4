package hardware

import (
	"cmp"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/cria-lm/cria/gguf"
)

// Weights of some types take llama.cpp longer to compute with on a CPU than the same
// weights stored in more bits, since it has no kernels for several tokens at once
// (ggml-cpu/llamafile/sgemm.cpp and ggml-cpu/repack.cpp at v0.5.0). Measured on two
// cores with a model of 135M parameters: a prompt in Q4_1 300 tokens/s, in Q8_0 760, a
// step of one token the same. A copy as Q8_0 changes what the model answers about as
// little as rounding in the computation does (TestQuantize of package llama measures
// it).
const copyType = gguf.Q8_0

// copyLimit is the size of the largest model that is copied: where a step waits for the
// memory rather than the processor, the copy would be slower by as much as it is larger.
const copyLimit = 1 << 30

// slowOnCPU reports whether most of a model's weights are of a type without kernels.
func slowOnCPU(tensors []gguf.Tensor) bool {
	var slow, all int64
	for _, t := range tensors {
		all += t.Size
		if t.Type == gguf.Q4_1 || t.Type == gguf.Q5_1 {
			slow += t.Size
		}
	}
	return slow > all/2
}

// copyOf settles whether a model in one file has a copy that a CPU computes faster with.
func (m *Model) copyOf(f *gguf.File) {
	if m.Size <= copyLimit && slowOnCPU(f.Tensors()) {
		m.Copy, m.CopySize = copyType, sizeOf(f.As(copyType))
	}
}

func sizeOf(f *gguf.File) (n uint64) {
	for _, t := range f.Tensors() {
		n += uint64(t.Size)
	}
	return n
}

// hostWeights is the type of the copy for a plan on the CPU, if there is room for it.
func (c *choice) hostWeights() gguf.TensorType {
	if c.req.AsShipped {
		return 0
	}
	return c.model.Copy
}

// weightsRead is how many bytes of weights a token is computed with.
func (c *choice) weightsRead(p *Plan) uint64 {
	if p.Weights != 0 {
		return c.model.CopySize
	}
	return cmp.Or(c.model.Read, c.model.Size)
}

func (c *choice) explainWeights(p *Plan) {
	shipped := humanize.IBytes(c.model.Size) + " as shipped"
	switch {
	case c.model.Copy == 0:
		return
	case p.Weights != 0:
		p.because("weights", fmt.Sprintf("a copy as %v, %s", p.Weights, humanize.IBytes(c.model.CopySize)),
			"llama.cpp computes prompts slowly on a CPU with the model's own; it answers the same but for rounding")
	case c.req.AsShipped:
		p.because("weights", shipped, "a copy as %v, which prompts are computed faster with, was not wanted", c.model.Copy)
	case p.Backend != BackendCPU:
		p.because("weights", shipped, "a copy as %v would be faster on the CPU only", c.model.Copy)
	default:
		p.because("weights", shipped, "there is no memory for the copy as %v that is faster", c.model.Copy)
	}
}
