package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// KeyValue is one metadata entry to write. The Go type of Value decides the
// type in the file, as in [Value.Any]: bool, string, a sized integer or float,
// or a slice of these. An int is refused, since its size would be a guess.
type KeyValue struct {
	Key   string
	Value any
}

// TensorData is one tensor to write. Without Data and Fill it is zeros.
type TensorData struct {
	Name string
	Type TensorType
	Dims []uint64 // the contiguous one first
	Data []byte

	// Fill writes the data in Data's place, in pieces of any size: so a large
	// tensor is never whole in memory. It must write exactly its size.
	Fill func(w io.Writer) error
}

// Write writes a GGUF file of version 3. What [Read] would refuse is an error,
// and then nothing is written. A Fill that fails or writes another size than
// its tensor's ends the writing.
func Write(w io.Writer, metadata []KeyValue, tensors []TensorData) error {
	head, table, err := encode(metadata, tensors)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	pos := int64(len(head))
	for i, t := range tensors {
		if _, err := w.Write(make([]byte, table[i].Offset-pos)); err != nil {
			return err
		}
		if err := t.write(w, table[i].Size); err != nil {
			return fmt.Errorf("writing tensor %q: %w", t.Name, err)
		}
		pos = table[i].Offset + table[i].Size
	}
	return nil
}

// write writes the data of a tensor of size bytes.
func (t *TensorData) write(w io.Writer, size int64) error {
	switch {
	case t.Data != nil:
		_, err := w.Write(t.Data)
		return err
	case t.Fill == nil:
		_, err := io.CopyN(w, zeros{}, size)
		return err
	}
	c := &counter{w: w}
	err := t.Fill(c)
	if err == nil && c.n != size {
		err = fmt.Errorf("its Fill wrote %d bytes; %v%v takes %d", c.n, t.Type, t.Dims, size)
	}
	return err
}

// zeros reads as zero bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// counter counts the bytes that pass.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// encode makes all that stands before the tensor data, and has the reader
// check it, so that there is one set of rules.
func encode(metadata []KeyValue, tensors []TensorData) ([]byte, []Tensor, error) {
	align := uint64(defaultAlignment)
	b := []byte(magic)
	b = le.AppendUint32(b, 3)
	b = le.AppendUint64(b, uint64(len(tensors)))
	b = le.AppendUint64(b, uint64(len(metadata)))
	for _, kv := range metadata {
		b = appendString(b, kv.Key)
		v, err := appendValue(b, kv.Value)
		if err != nil {
			return nil, nil, fmt.Errorf("writing key %q: %w", kv.Key, err)
		}
		if n, ok := kv.Value.(uint32); ok && kv.Key == keyAlignment {
			align = uint64(max(n, 1))
		}
		b = v
	}
	offset := uint64(0)
	for _, t := range tensors {
		size, err := dataSize(t.Type, t.Dims)
		if err == nil && t.Data != nil && int64(len(t.Data)) != size {
			err = fmt.Errorf("%d bytes of data; %v%v takes %d", len(t.Data), t.Type, t.Dims, size)
		}
		if err == nil && t.Data != nil && t.Fill != nil {
			err = errors.New("both Data and Fill are set")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("writing tensor %q: %w", t.Name, err)
		}
		b = appendString(b, t.Name)
		b = le.AppendUint32(b, uint32(len(t.Dims)))
		b, _ = binary.Append(b, le, t.Dims)
		b = le.AppendUint32(b, uint32(t.Type))
		b = le.AppendUint64(b, offset)
		offset += (uint64(size) + align - 1) / align * align
	}
	f, err := Read(bytes.NewReader(b), maxSize)
	if err != nil {
		return nil, nil, fmt.Errorf("writing: %w", err)
	}
	return b, f.tensors, nil
}

var le = binary.LittleEndian

func appendString(b []byte, s string) []byte {
	return append(le.AppendUint64(b, uint64(len(s))), s...)
}

var kinds = map[reflect.Kind]Type{
	reflect.Uint8: Uint8, reflect.Uint16: Uint16, reflect.Uint32: Uint32, reflect.Uint64: Uint64,
	reflect.Int8: Int8, reflect.Int16: Int16, reflect.Int32: Int32, reflect.Int64: Int64,
	reflect.Float32: Float32, reflect.Float64: Float64, reflect.Bool: Bool, reflect.String: String,
}

// appendValue appends the value behind its type.
func appendValue(b []byte, value any) ([]byte, error) {
	v := reflect.ValueOf(value)
	kind, isArray := v.Kind(), v.Kind() == reflect.Slice
	if isArray {
		kind = v.Type().Elem().Kind()
	}
	typ, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("a %T has no type in the format; use bool, string, a sized number or a slice of these", value)
	}
	if !isArray {
		b = le.AppendUint32(b, uint32(typ))
	} else {
		b = le.AppendUint32(b, uint32(Array))
		b = le.AppendUint32(b, uint32(typ))
		b = le.AppendUint64(b, uint64(v.Len()))
	}
	switch {
	case typ != String:
		return binary.Append(b, le, value)
	case !isArray:
		return appendString(b, v.String()), nil
	}
	for i := range v.Len() {
		b = appendString(b, v.Index(i).String())
	}
	return b, nil
}
