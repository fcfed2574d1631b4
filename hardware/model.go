package hardware

import (
	"strings"

	"github.com/cria-lm/cria/gguf"
)

// A Model is what of a model decides where it goes. It is plain data, as [Machine] is.
type Model struct {
	Name          string `json:"name"`
	Layers        int    `json:"layers"`
	ContextLength int    `json:"context_length"` // tokens it was trained to see at once; 0: unknown
	Size          uint64 `json:"size"`           // bytes of its weights
	Read          uint64 `json:"read,omitempty"` // bytes of them that a token is computed with, where experts are chosen; 0: all
	// KeySize and ValueSize are those of an attention head; 0: unknown.
	KeySize   int `json:"key_size,omitempty"`
	ValueSize int `json:"value_size,omitempty"`
	// QuantizedKV is whether keys and values can be cached in blocks of 32: the size of
	// an attention head is a multiple of that.
	QuantizedKV bool `json:"quantized_kv,omitempty"`
	// Copy is the type of a copy of the weights that a CPU computes faster with, and
	// CopySize its bytes. 0: with none.
	Copy     gguf.TensorType `json:"copy,omitempty"`
	CopySize uint64          `json:"copy_size,omitempty"`
}

// ModelOf reads a model's facts from its header; of a split model, from those of all
// parts in order.
func ModelOf(name string, parts ...*gguf.File) Model {
	m := Model{Name: name}
	for _, part := range parts {
		m.Size += sizeOf(part)
	}
	if len(parts) == 0 {
		return m
	}
	f := parts[0]
	m.Layers, m.ContextLength = f.BlockCount(), f.ContextLength()
	m.KeySize, m.ValueSize = headSizes(f)
	block, _ := gguf.Q8_0.Block()
	m.QuantizedKV = m.KeySize > 0 && m.KeySize%block == 0 && m.ValueSize%block == 0
	if len(parts) == 1 {
		m.copyOf(f)
	}
	m.read(parts)
	return m
}

// read settles how many bytes of a model with experts a token is computed with.
func (m *Model) read(parts []*gguf.File) {
	f := parts[0]
	count, _ := f.Metadata().Int(f.Architecture() + ".expert_count")
	used, _ := f.Metadata().Int(f.Architecture() + ".expert_used_count")
	if used <= 0 || count <= used {
		return
	}
	for _, part := range parts {
		for _, t := range part.Tensors() {
			size := uint64(t.Size)
			if strings.Contains(t.Name, "_exps.") {
				size = size / uint64(count) * uint64(used)
			}
			m.Read += size
		}
	}
}

// headSizes are the sizes of keys and values of an attention head, 0 if the file does
// not say.
func headSizes(f *gguf.File) (key, value int) {
	number := func(name string) int {
		n, _ := f.Metadata().Int(f.Architecture() + "." + name)
		return int(max(0, min(n, 1<<20)))
	}
	if heads := number("attention.head_count"); heads > 0 {
		key = f.EmbeddingLength() / heads
	}
	value = key
	if n := number("attention.key_length"); n > 0 {
		key = n
	}
	if n := number("attention.value_length"); n > 0 {
		value = n
	}
	return key, value
}
