package gguf

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
	"strings"
)

// File is what a GGUF file says before its tensor data. It does not change,
// holds no open file and may be used by several goroutines at once.
type File struct {
	metadata Metadata
	tensors  []Tensor
	version  int
	size     int64
	model    model
}

// Open reads the metadata of the file at path and closes it again. The error
// names the path; it wraps [ErrInvalid] if the file is not a whole GGUF.
func Open(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder; name the .gguf file in it", path)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its other end
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f, err := Read(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Read is [Open] for bytes that are already at hand; size is that of the whole
// file. It reads nothing of the tensor data, so that the first bytes of a
// remote file are enough.
func Read(src io.ReaderAt, size int64) (*File, error) {
	if size < 0 || size > maxSize {
		return nil, invalidf("its size of %d bytes is not possible", size)
	}
	r := &reader{r: bufio.NewReaderSize(io.NewSectionReader(src, 0, size), bufferSize), size: size}
	if err := r.magic(); err != nil {
		return nil, err
	}
	return r.file()
}

// Metadata is all that the file says in keys and values.
func (f *File) Metadata() Metadata { return f.metadata }

// Tensors is the tensor table in the order of the file, as a new slice.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// As returns the header that the file would have if llama.cpp had quantized it to a type
// in blocks, as llama_model_quantize does: matrices of weights are stored so, if their rows
// are whole blocks; norms and what chooses experts stay as they are. What the header says
// of its own size, and of where tensors are, is that of the file as it is.
func (f *File) As(t TensorType) *File {
	as := *f
	as.tensors = slices.Clone(f.tensors)
	for i := range as.tensors {
		tensor := &as.tensors[i]
		stays := len(tensor.Dims) < 2 || !strings.HasSuffix(tensor.Name, "weight") ||
			strings.HasSuffix(tensor.Name, "_norm.weight") || strings.HasSuffix(tensor.Name, "ffn_gate_inp.weight")
		if stays {
			continue
		}
		if size, err := dataSize(t, tensor.Dims); err == nil {
			tensor.Type, tensor.Size = t, size
		}
	}
	return &as
}

// Version is that of the format: 2 or 3.
func (f *File) Version() int { return f.version }

// Size is that of the whole file in bytes.
func (f *File) Size() int64 { return f.size }

// magic checks the first four bytes and says what else the file may be.
func (r *reader) magic() error {
	head, err := r.r.Peek(64)
	if err != nil && err != io.EOF {
		return r.failed(err)
	}
	if len(head) == 0 {
		return invalidf("it is empty")
	}
	if !bytes.HasPrefix(head, []byte(magic)) {
		return describe(head)
	}
	if r.size < headerSize {
		return invalidf("it has %d bytes, fewer than a header; the download is not complete, fetch it again", r.size)
	}
	_, err = r.take(len(magic))
	return err
}

func (r *reader) file() (*File, error) {
	version, err := r.take(4)
	if err != nil {
		return nil, err
	}
	if err := checkVersion(uint32(version)); err != nil {
		return nil, at(err, "header.version")
	}
	tensors, err := r.count("tensors", MaxTensors, 8+1+4+8+4+8)
	if err != nil {
		return nil, err
	}
	keys, err := r.count("keys", MaxKeys, 8+1+4+1)
	if err != nil {
		return nil, err
	}
	f := &File{version: int(version), size: r.size}
	if f.metadata, err = r.metadata(keys); err != nil {
		return nil, err
	}
	if f.model, err = newModel(f.metadata); err != nil {
		return nil, err
	}
	if f.tensors, err = r.tensors(tensors, f.metadata); err != nil {
		return nil, err
	}
	return f, nil
}

func checkVersion(v uint32) error {
	switch {
	case v == 2 || v == 3:
		return nil
	case v&0xffff == 0 && v != 0:
		return invalidf("it is big-endian (version %d); find or convert a little-endian file", bits.ReverseBytes32(v))
	case v == 1:
		return invalidf("version 1, which llama.cpp no longer reads; convert the model again or find a newer file")
	}
	return invalidf("version %d; 2 and 3 are known", v)
}

// count reads how many items of at least unit bytes the file says it has.
func (r *reader) count(what string, limit, unit uint64) (int, error) {
	n, err := r.take(8)
	if err != nil {
		return 0, err
	}
	if n > limit {
		return 0, at(invalidf("%d %s; at most %d are allowed", n, what, limit), "header."+what)
	}
	if err := r.fits("a table of %d "+what, n, unit); err != nil {
		return 0, at(err, "header."+what)
	}
	return int(n), nil
}

func (r *reader) metadata(n int) (Metadata, error) {
	m := Metadata{values: make(map[string]Value, n)}
	for i := range n {
		key, err := r.name(maxKey)
		if err != nil {
			return m, at(err, fmt.Sprintf("metadata[%d of %d]", i+1, n))
		}
		if _, ok := m.values[key]; ok {
			return m, at(invalidf("stands there twice"), placeOfKey(key))
		}
		v, err := r.value()
		if err != nil {
			return m, at(err, placeOfKey(key))
		}
		m.keys = append(m.keys, key)
		m.values[key] = v
	}
	return m, nil
}

// tensors reads the table and places the data, which follows it at the next
// multiple of the alignment.
func (r *reader) tensors(n int, m Metadata) ([]Tensor, error) {
	align, err := alignment(m)
	if err != nil {
		return nil, err
	}
	table := make([]Tensor, 0, n)
	names := make(map[string]bool, n)
	offset := int64(0) // within the data
	for i := range n {
		t, err := r.tensor()
		if err != nil && t.Name == "" {
			return nil, at(err, fmt.Sprintf("tensors[%d of %d]", i+1, n))
		}
		if err == nil && names[t.Name] {
			err = invalidf("stands there twice")
		}
		if err == nil && t.Offset != offset {
			err = at(invalidf("its data is at %d, expected at %d, right behind the tensor before it", uint64(t.Offset), offset), ".offset")
		}
		if err == nil && t.Size > r.size-offset {
			err = r.truncated("%d bytes of data from %d on", t.Size, offset)
		}
		if err != nil {
			return nil, at(err, placeOfTensor(t.Name))
		}
		names[t.Name] = true
		table = append(table, t)
		offset = pad(offset+t.Size, align)
	}
	start := pad(r.pos, align)
	for i := range table {
		table[i].Offset += start
	}
	if n > 0 {
		if last := table[n-1]; last.Offset+last.Size > r.size {
			return nil, at(r.truncated("its data ends at byte %d", last.Offset+last.Size), placeOfTensor(last.Name))
		}
	}
	return table, nil
}

func (r *reader) truncated(format string, args ...any) error {
	return invalidf("%s, but the file has %d bytes; the download or copy is not complete, fetch it again", fmt.Sprintf(format, args...), r.size)
}

// tensor reads one entry, with the offset as the file gives it.
func (r *reader) tensor() (t Tensor, err error) {
	if t.Name, err = r.name(maxName); err != nil {
		return Tensor{}, err
	}
	dims, err := r.take(4)
	if err != nil {
		return t, err
	}
	if dims > 4 {
		return t, invalidf("%d dimensions; there must be 1 to 4", dims)
	}
	t.Dims = make([]uint64, dims)
	for i := range t.Dims {
		if t.Dims[i], err = r.take(8); err != nil {
			return t, err
		}
	}
	typ, err := r.take(4)
	if err != nil {
		return t, err
	}
	offset, err := r.take(8)
	if err != nil {
		return t, err
	}
	t.Type, t.Offset = TensorType(typ), int64(offset)
	t.Size, err = dataSize(t.Type, t.Dims)
	return t, err
}

// alignment is that of the tensor data. Less than 32 ends llama.cpp's process,
// more than a page is in no file.
func alignment(m Metadata) (int64, error) {
	v, ok := m.Value(keyAlignment)
	if !ok {
		return defaultAlignment, nil
	}
	n, _ := v.integer()
	if v.typ != Uint32 || n < 32 || n > 4096 || bits.OnesCount64(uint64(n)) != 1 {
		return 0, at(invalidf("%v of type %v; it must be a u32 and a power of two from 32 to 4096", v.Any(), v.typ), placeOfKey(keyAlignment))
	}
	return n, nil
}

// pad rounds n up to a multiple of the alignment.
func pad(n, align int64) int64 { return (n + align - 1) &^ (align - 1) }
