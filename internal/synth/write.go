package synth

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/atomicfile"
)

// Write writes a model of a shape to the file at path, with the vocabulary of
// the GGUF file at from, its chat template included. The file appears whole, by
// rename, in the place of one that may be there. A shape that makes no model is
// an error before anything is written. progress is called with the bytes of
// tensors written so far and in all, often; nil: nobody is told. Cancelling ctx
// gives the writing up.
func Write(ctx context.Context, path, from string, shape Shape, progress func(done, total int64)) error {
	shape.setDefaults()
	if err := shape.check(); err != nil {
		return fmt.Errorf("shape: %w", err)
	}
	vocabulary, size, err := readVocabulary(from)
	if err != nil {
		return err
	}
	if shape.Architecture == BERT {
		vocabulary = append(vocabulary, gguf.KeyValue{Key: keyTokenTypes, Value: uint32(tokenTypes)})
	}
	n := newNetwork(shape, size)
	if progress == nil {
		progress = func(done, total int64) {}
	}
	if err := atomicfile.Replace(path, func(f *os.File) error {
		if err := n.write(&meter{ctx: ctx, w: f, total: n.size(), progress: progress}, vocabulary); err != nil {
			return err
		}
		return f.Chmod(0o644) // a new file is for its owner alone
	}); err != nil {
		return fmt.Errorf("writing a model to %s: %w", path, err)
	}
	return nil
}

// keyTokenTypes is the one key of a tokenizer that Write sets itself.
const keyTokenTypes = "tokenizer.ggml.token_type_count"

// readVocabulary returns what a file says about its tokenizer, and the number
// of its tokens.
func readVocabulary(path string) (metadata []gguf.KeyValue, size int, err error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("vocabulary: %w", err)
	}
	if f.VocabularySize() == 0 {
		return nil, 0, fmt.Errorf("vocabulary: %s has none", path)
	}
	m := f.Metadata()
	for _, key := range m.Keys() {
		if v, ok := m.Value(key); ok && strings.HasPrefix(key, "tokenizer.") && key != keyTokenTypes {
			metadata = append(metadata, gguf.KeyValue{Key: key, Value: v.Any()})
		}
	}
	return metadata, f.VocabularySize(), nil
}

// size is that of all tensors in bytes, without the padding between them.
func (n *network) size() (bytes int64) {
	for _, t := range n.tensors {
		count := int64(1)
		for _, d := range t.dims {
			count *= int64(d)
		}
		elements, size := t.typ.Block()
		bytes += count / int64(elements) * int64(size)
	}
	return bytes
}

func (n *network) write(w io.Writer, vocabulary []gguf.KeyValue) error {
	metadata := []gguf.KeyValue{
		{Key: "general.architecture", Value: string(n.shape.Architecture)},
		{Key: "general.name", Value: "Synthetic " + string(n.shape.Architecture)},
	}
	metadata = append(append(metadata, n.metadata...), vocabulary...)
	tensors := make([]gguf.TensorData, len(n.tensors))
	for i, t := range n.tensors {
		tensors[i] = gguf.TensorData{Name: t.name, Type: t.typ, Dims: t.dims, Fill: func(w io.Writer) error {
			return t.fill(w, source(n.shape.Seed, i))
		}}
	}
	return gguf.Write(w, metadata, tensors)
}

// source is the randomness of the tensor of a number.
func source(seed uint64, tensor int) *rand.ChaCha8 {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(tensor))
	return rand.NewChaCha8(key)
}

// meter tells how far the writing is and ends it when ctx is cancelled.
type meter struct {
	ctx         context.Context
	w           io.Writer
	done, total int64
	progress    func(done, total int64)
}

func (m *meter) Write(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.w.Write(p)
	// The header counts too, but what is done is never more than all.
	m.done = min(m.done+int64(n), m.total)
	m.progress(m.done, m.total)
	return n, err
}
