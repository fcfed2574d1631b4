package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of what is read. Real files stay far below them: the metadata of a
// model with 262,144 tokens and their merges takes 20 MB.
const (
	MaxKeys     = 65_536    // key-value pairs
	MaxTensors  = 65_536    // entries of the tensor table
	MaxMetadata = 256 << 20 // bytes before the tensor data
	maxKey      = 65_535    // bytes of a key, from the format's description
	maxName     = 63        // bytes of a tensor's name: GGML_MAX_NAME less the NUL
	maxSize     = 1 << 62   // bytes of a file, so that sums of offsets do not overflow
)

const (
	magic            = "GGUF"
	headerSize       = 24 // magic, version, tensor count, key count
	defaultAlignment = 32
	bufferSize       = 64 << 10
	keyAlignment     = "general.alignment"
)

// reader walks through the metadata once. Every length that the file states is
// tested by fits before it is used, so that a small file cannot ask for much
// memory.
type reader struct {
	r    *bufio.Reader
	pos  int64 // bytes taken so far
	size int64 // of the file
	buf  [8]byte
}

// fits is nil if n items of at least unit bytes each may follow; what names
// them, with a verb for n.
func (r *reader) fits(what string, n, unit uint64) error {
	if left := uint64(r.size - r.pos); n > left/unit {
		return invalidf(what+" is larger than the file, of which %d bytes are left", n, left)
	}
	if left := uint64(MaxMetadata - r.pos); n > left/unit {
		return invalidf(what+" is larger than what is left of the %d MiB that metadata may take", n, MaxMetadata>>20)
	}
	return nil
}

// take reads n (at most 8) bytes as a little-endian number.
func (r *reader) take(n int) (uint64, error) {
	if int64(n) > r.size-r.pos {
		return 0, invalidf("the file ends here, at byte %d; the download is not complete, fetch it again", r.size)
	}
	if err := r.fits("number of %d bytes", uint64(n), 1); err != nil {
		return 0, err
	}
	clear(r.buf[:])
	if _, err := io.ReadFull(r.r, r.buf[:n]); err != nil {
		return 0, r.failed(err)
	}
	r.pos += int64(n)
	return binary.LittleEndian.Uint64(r.buf[:]), nil
}

// copy appends n bytes to b. It grows with what is really there: the size
// given for the file may be wrong too.
func (r *reader) copy(b *strings.Builder, n uint64) error {
	if n <= bufferSize {
		b.Grow(int(n))
	}
	for n > 0 {
		chunk, err := r.r.Peek(int(min(n, bufferSize)))
		if err != nil {
			return r.failed(err)
		}
		b.Write(chunk)
		r.r.Discard(len(chunk)) // cannot fail: they are buffered
		r.pos += int64(len(chunk))
		n -= uint64(len(chunk))
	}
	return nil
}

func (r *reader) failed(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("the file became shorter while it was read: %w", io.ErrUnexpectedEOF)
	}
	return err
}

func (r *reader) string(limit uint64) (string, error) {
	n, err := r.take(8)
	if err != nil {
		return "", err
	}
	if err := r.fits("string of %d bytes", n, 1); err != nil {
		return "", err
	}
	if n > limit {
		return "", invalidf("string of %d bytes; at most %d are allowed", n, limit)
	}
	var b strings.Builder
	err = r.copy(&b, n)
	return b.String(), err
}

// name reads a key or a tensor's name.
func (r *reader) name(limit uint64) (string, error) {
	s, err := r.string(limit)
	if err != nil {
		return "", err
	}
	if s == "" {
		return "", invalidf("the name is empty")
	}
	if !utf8.ValidString(s) || strings.Contains(s, "\x00") {
		return "", invalidf("the name %q is not UTF-8 text", s)
	}
	return s, nil
}

func (r *reader) typ() (Type, error) {
	n, err := r.take(4)
	if err != nil {
		return 0, err
	}
	if t := Type(n); t.known() {
		return t, nil
	}
	return 0, invalidf("value type %d is not known", n)
}

func (r *reader) value() (Value, error) {
	t, err := r.typ()
	if err != nil {
		return Value{}, err
	}
	if t == Array {
		return r.array()
	}
	if t == String {
		s, err := r.string(MaxMetadata)
		return Value{typ: t, raw: s}, err
	}
	n, err := r.take(t.size())
	if err == nil && t == Bool && n > 1 {
		err = invalidf("boolean of %d; it must be 0 or 1", n)
	}
	return Value{typ: t, bits: n}, err
}

func (r *reader) array() (Value, error) {
	elem, err := r.typ()
	if err != nil {
		return Value{}, err
	}
	if elem == Array {
		return Value{}, invalidf("array of arrays, which llama.cpp does not read")
	}
	n, err := r.take(8)
	if err != nil {
		return Value{}, err
	}
	unit := elem.size()
	if elem == String {
		unit = 8 // its length
	}
	if err := r.fits("array of %d elements", n, uint64(unit)); err != nil {
		return Value{}, err
	}
	var b strings.Builder
	if elem == String {
		err = r.stringElements(&b, n)
	} else {
		err = r.copy(&b, n*uint64(unit))
	}
	if err == nil && elem == Bool && strings.Trim(b.String(), "\x00\x01") != "" {
		err = invalidf("an array of booleans holds other bytes than 0 and 1")
	}
	return Value{typ: Array, elem: elem, n: int(n), raw: b.String()}, err
}

// stringElements copies n strings with their lengths.
func (r *reader) stringElements(b *strings.Builder, n uint64) error {
	for i := range n {
		size, err := r.take(8)
		if err != nil {
			return at(err, fmt.Sprintf("[%d]", i))
		}
		if err := r.fits("string of %d bytes", size, 1); err != nil {
			return at(err, fmt.Sprintf("[%d]", i))
		}
		b.Write(r.buf[:])
		if err := r.copy(b, size); err != nil {
			return at(err, fmt.Sprintf("[%d]", i))
		}
	}
	return nil
}
