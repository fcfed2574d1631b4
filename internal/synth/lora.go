package synth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/atomicfile"
)

// Adapter is what a LoRA adapter with random weights looks like. A zero field means
// its default.
type Adapter struct {
	Rank  int     // if zero, 4
	Alpha float32 // if zero, it is not in the file: changes are then not divided by the rank

	// Tensors says which matrices of the model it changes. If nil, those of all
	// layers.
	Tensors func(name string) bool

	// Type is that of its matrices, without blocks.
	Type gguf.TensorType

	Seed uint64 // of the weights
}

// WriteAdapter writes an adapter for the model in the GGUF file at base to the file
// at path. With a scale of 1, and an alpha of the rank or none, it changes matrices by
// as much as [Write]'s have.
func WriteAdapter(path, base string, a Adapter) error {
	if a.Rank == 0 {
		a.Rank = 4
	}
	if a.Tensors == nil {
		a.Tensors = func(name string) bool { return strings.HasPrefix(name, "blk.") }
	}
	model, err := gguf.Open(base)
	if err != nil {
		return err
	}
	metadata := []gguf.KeyValue{
		{Key: "general.architecture", Value: model.Architecture()},
		{Key: "general.type", Value: "adapter"},
		{Key: "adapter.type", Value: "lora"},
	}
	if a.Alpha != 0 {
		metadata = append(metadata, gguf.KeyValue{Key: "adapter.lora.alpha", Value: a.Alpha})
	}
	var tensors []gguf.TensorData
	for _, t := range model.Tensors() {
		if len(t.Dims) == 2 && a.Tensors(t.Name) {
			tensors = append(tensors, a.pair(t, len(tensors))...)
		}
	}
	return atomicfile.Replace(path, func(f *os.File) error { return gguf.Write(f, metadata, tensors) })
}

// pair is what changes a matrix: x becomes Wx + B(Ax). The embeddings, of which a row is
// taken and nothing multiplied, have A the other way.
func (a Adapter) pair(w gguf.Tensor, n int) []gguf.TensorData {
	in, out, rank := w.Dims[0], w.Dims[1], uint64(a.Rank)
	first, second := []uint64{in, rank}, []uint64{rank, out}
	deviation := 1 / math.Sqrt(float64(in))
	if isEmbedding(w.Name) {
		first, second = []uint64{rank, out}, []uint64{rank, in}
		deviation = 1
	}
	random := func(suffix string, dims []uint64, deviation float64, n int) gguf.TensorData {
		t := tensor{name: w.Name + suffix, typ: a.Type, dims: dims, deviation: deviation}
		return gguf.TensorData{Name: t.name, Type: t.typ, Dims: dims, Fill: func(to io.Writer) error {
			return t.fill(to, source(a.Seed, n))
		}}
	}
	return []gguf.TensorData{
		random(".lora_a", first, deviation, n),
		random(".lora_b", second, 1/math.Sqrt(float64(rank)), n+1),
	}
}

func isEmbedding(name string) bool { return name == "token_embd.weight" }

// Merge writes the model at base to path with the changes of an adapter times a scale
// made to its weights, all of which must be F32.
func Merge(path, base, adapter string, scale float32) error {
	m, err := openTensors(base)
	if err != nil {
		return err
	}
	defer m.Close()
	l, err := openTensors(adapter)
	if err != nil {
		return err
	}
	defer l.Close()
	alpha, _ := l.file.Metadata().Float("adapter.lora.alpha")
	var tensors []gguf.TensorData
	for _, t := range m.file.Tensors() {
		data := gguf.TensorData{Name: t.Name, Type: t.Type, Dims: t.Dims}
		w, err := m.read(t.Name)
		if err == nil && l.has(t.Name+".lora_a") {
			err = l.addTo(w, t, alpha, scale)
		}
		if err != nil {
			return err
		}
		data.Data, _ = binary.Append(nil, binary.LittleEndian, w)
		tensors = append(tensors, data)
	}
	var metadata []gguf.KeyValue
	for _, key := range m.file.Metadata().Keys() {
		v, _ := m.file.Metadata().Value(key)
		metadata = append(metadata, gguf.KeyValue{Key: key, Value: v.Any()})
	}
	return atomicfile.Replace(path, func(f *os.File) error { return gguf.Write(f, metadata, tensors) })
}

// tensors are those of a file, to be read.
type tensors struct {
	*os.File
	file *gguf.File
}

func openTensors(path string) (*tensors, error) {
	file, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	return &tensors{f, file}, err
}

func (f *tensors) has(name string) bool {
	return slices.ContainsFunc(f.file.Tensors(), func(t gguf.Tensor) bool { return t.Name == name })
}

func (f *tensors) read(name string) ([]float32, error) {
	all := f.file.Tensors()
	i := slices.IndexFunc(all, func(t gguf.Tensor) bool { return t.Name == name })
	if i < 0 || all[i].Type != gguf.F32 {
		return nil, fmt.Errorf("%s: tensor %q is not there, or not F32", f.Name(), name)
	}
	values := make([]float32, all[i].Size/4)
	return values, binary.Read(io.NewSectionReader(f, all[i].Offset, all[i].Size), binary.LittleEndian, values)
}

// addTo adds the adapter's change of a matrix w to it.
func (f *tensors) addTo(w []float32, t gguf.Tensor, alpha float64, scale float32) error {
	a, errA := f.read(t.Name + ".lora_a")
	b, errB := f.read(t.Name + ".lora_b")
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	in, out := int(t.Dims[0]), int(t.Dims[1])
	rank := len(a) / in
	at := func(o, i, k int) float32 { return b[o*rank+k] * a[k*in+i] }
	if isEmbedding(t.Name) {
		rank = len(a) / out
		at = func(o, i, k int) float32 { return a[o*rank+k] * b[i*rank+k] }
	}
	factor := float64(scale)
	if alpha != 0 {
		factor *= alpha / float64(rank)
	}
	for o := range out {
		for i := range in {
			sum := 0.0
			for k := range rank {
				sum += float64(at(o, i, k))
			}
			w[o*in+i] += float32(factor * sum)
		}
	}
	return nil
}
