package llamacpp

import (
	"context"
	"log/slog"
	"runtime"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llama"
)

// Weights of some types take llama.cpp longer to compute with on a CPU than the same
// weights stored in more bits, since it has no kernels for several tokens at once
// (ggml-cpu/llamafile/sgemm.cpp and ggml-cpu/repack.cpp at v0.5.0). Measured on two
// cores with the default model: a prompt in Q4_1 300 tokens/s, in Q8_0 760, a step of one
// token the same. So a model of the cache whose weights are mostly of such a type is
// copied as Q8_0 once, which changes what it answers about as little as rounding in the
// computation does (TestQuantize of package llama measures it).

// requantizedLimit is the largest model that is copied: where a step waits for the
// memory rather than the processor, the copy would be slower by as much as it is larger.
const requantizedLimit = 1 << 30

// requantized returns the file to load for a model on the CPU: its own, or a copy that
// computes faster. A copy that cannot be made is no reason to fail.
func requantized(ctx context.Context, h *hub.Hub, m *checkedModel, log *slog.Logger) (file modelFile, err error) {
	if m.Digest == "" || len(m.Paths) > 1 || m.Size > requantizedLimit {
		return m.file(), nil
	}
	header, err := gguf.Open(m.Path)
	if err != nil {
		return file, wrap(ErrModelNotLoaded, err)
	}
	if !slowOnCPU(header) {
		return m.file(), nil
	}
	c, err := h.Copy(ctx, m.Model, gguf.Q8_0.String(), sizeAsQ8(header), func(_ context.Context, to string) error {
		return llama.Quantize(m.Path, to, llama.FileQ8_0, runtime.NumCPU())
	})
	switch {
	case ctx.Err() != nil:
		return file, context.Cause(ctx)
	case err != nil && log != nil:
		log.Warn("the model is used as it was shipped", "model", m.Ref, "err", err)
	}
	if err != nil {
		return m.file(), nil
	}
	was, err := stat([]string{c.Path})
	if err != nil {
		return file, wrap(ErrModelNotLoaded, err)
	}
	return modelFile{c.Path, was}, nil
}

// slowOnCPU reports whether most of a model's weights are of a type without kernels.
func slowOnCPU(f *gguf.File) bool {
	var slow, all int64
	for _, t := range f.Tensors() {
		all += t.Size
		if t.Type == gguf.Q4_1 || t.Type == gguf.Q5_1 {
			slow += t.Size
		}
	}
	return slow > all/2
}

// sizeAsQ8 is at most how many bytes a copy as Q8_0 has.
func sizeAsQ8(f *gguf.File) int64 {
	n := f.Size()
	elements, bytes := gguf.Q8_0.Block()
	for _, t := range f.Tensors() {
		weights := int64(1)
		for _, d := range t.Dims {
			weights *= int64(d)
		}
		n += max(0, weights/int64(elements)*int64(bytes)-t.Size)
	}
	return n
}
