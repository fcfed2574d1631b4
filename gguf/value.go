package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Type is the type of a metadata value, numbered as in the file.
type Type uint32

const (
	Uint8 Type = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	Array
	Uint64
	Int64
	Float64
)

// types describes each [Type]. Strings and arrays have no fixed size and are
// not decoded by number.
var types = [...]typeInfo{
	Uint8: number[uint8]("u8"), Int8: number[int8]("i8"),
	Uint16: number[uint16]("u16"), Int16: number[int16]("i16"),
	Uint32: number[uint32]("u32"), Int32: number[int32]("i32"),
	Uint64: number[uint64]("u64"), Int64: number[int64]("i64"),
	Float32: number[float32]("f32"), Float64: number[float64]("f64"),
	Bool: number[bool]("bool"), String: {name: "str"}, Array: {name: "arr"},
}

type typeInfo struct {
	name string
	size int                             // of one value in bytes
	one  func(bits uint64) any           // a scalar
	many func(raw string, count int) any // an array's elements
}

func number[T any](name string) typeInfo {
	size := binary.Size(*new(T))
	decode := func(b []byte, n int) []T {
		s := make([]T, n)
		if _, err := binary.Decode(b[:n*size], binary.LittleEndian, s); err != nil {
			panic("gguf: array shorter than its count: " + err.Error()) // the reader has checked it
		}
		return s
	}
	return typeInfo{
		name: name,
		size: size,
		one:  func(bits uint64) any { return decode(binary.LittleEndian.AppendUint64(nil, bits), 1)[0] },
		many: func(raw string, n int) any { return decode([]byte(raw), n) },
	}
}

func (t Type) known() bool { return int64(t) < int64(len(types)) }

// size is the fixed size in bytes of a value of a known type, 0 for strings and arrays.
func (t Type) size() int { return types[t].size }

// String is the type's name as llama.cpp writes it: "u32", "str", "arr".
func (t Type) String() string {
	if !t.known() {
		return fmt.Sprintf("type %d", uint32(t))
	}
	return types[t].name
}

// Value is one metadata value. The zero Value is a u8 of 0. Values do not
// change and may be shared between goroutines.
type Value struct {
	typ  Type
	elem Type   // of an array
	n    int    // elements of an array
	bits uint64 // a number or boolean, little-endian
	raw  string // a string, or an array's elements as they stand in the file
}

// Type is the value's type in the file.
func (v Value) Type() Type { return v.typ }

// Elem is the type of an array's elements; only of use if Type is [Array].
func (v Value) Elem() Type { return v.elem }

// Len is the number of an array's elements, 0 for other types.
func (v Value) Len() int { return v.n }

// Any is the value as the Go type that matches its type in the file: uint32
// for u32, string for str, []float32 for an array of f32, []string for an array
// of str. Arrays are new copies (the bytes of strings are shared).
func (v Value) Any() any {
	switch {
	case v.typ == String:
		return v.raw
	case v.typ != Array:
		return types[v.typ].one(v.bits)
	case v.elem == String:
		return v.strings()
	}
	return types[v.elem].many(v.raw, v.n)
}

// strings splits an array of strings, each stored behind its length.
func (v Value) strings() []string {
	s := make([]string, v.n)
	raw := v.raw
	for i := range s {
		n := binary.LittleEndian.Uint64([]byte(raw[:8]))
		s[i], raw = raw[8:8+n], raw[8+n:]
	}
	return s
}

// integer is the value of any integer type, if it fits in an int64.
func (v Value) integer() (int64, bool) {
	switch v.typ {
	case Uint8, Uint16, Uint32:
		return int64(v.bits), true
	case Uint64:
		return int64(v.bits), v.bits <= math.MaxInt64
	case Int8:
		return int64(int8(v.bits)), true
	case Int16:
		return int64(int16(v.bits)), true
	case Int32:
		return int64(int32(v.bits)), true
	case Int64:
		return int64(v.bits), true
	}
	return 0, false
}

// float is the value of either float type.
func (v Value) float() (float64, bool) {
	switch v.typ {
	case Float32:
		return float64(math.Float32frombits(uint32(v.bits))), true
	case Float64:
		return math.Float64frombits(v.bits), true
	}
	return 0, false
}
