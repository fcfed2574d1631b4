package llamacpp

import (
	"context"
	"fmt"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/llama"
)

// copies reports whether a model can have a copy with other weights: one of the cache, where
// copies are kept by its digest.
func (f *fetched) copies() bool { return f.model.Digest != "" && len(f.headers) == 1 }

// quantized are the types that a copy may have.
var quantized = map[gguf.TensorType]llama.FileType{gguf.Q8_0: llama.FileQ8_0}

// copyWeights gets the copy of a model whose weights are of a type, making it if it is not
// in the cache.
func copyWeights(ctx context.Context, f *fetched, t gguf.TensorType, threads int) (*fetched, error) {
	as, ok := quantized[t]
	if !ok {
		return nil, fmt.Errorf("llama.cpp makes no copies as %v", t)
	}
	size := f.headers[0].Size()
	for i, before := range f.headers[0].Tensors() {
		size += f.headers[0].As(t).Tensors()[i].Size - before.Size
	}
	c, err := f.hub.Copy(ctx, f.model, t.String(), size, func(_ context.Context, to string) error {
		return llama.Quantize(f.model.Path, to, as, threads)
	})
	if err != nil {
		return nil, err
	}
	of := *f
	if of.file, err = fileOf(c.Path, []string{c.Path}); err != nil {
		return nil, err
	}
	of.headers = nil
	header, err := gguf.Open(c.Path)
	of.headers = append(of.headers, header)
	return &of, err
}
