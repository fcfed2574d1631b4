package gguf

import "slices"

// Metadata is the key-value part of a file. The getters report false if the
// key is not there or holds another kind of value. It does not change after
// reading and may be shared between goroutines.
type Metadata struct {
	keys   []string // in the order of the file
	values map[string]Value
}

// Keys are all keys in the order of the file, as a new slice.
func (m Metadata) Keys() []string { return slices.Clone(m.keys) }

// Value is the value of a key whatever its type.
func (m Metadata) Value(key string) (Value, bool) {
	v, ok := m.values[key]
	return v, ok
}

// Int is a number of any integer type that fits in an int64.
func (m Metadata) Int(key string) (int64, bool) {
	v, ok := m.values[key]
	if !ok { // the zero Value is a number too
		return 0, false
	}
	return v.integer()
}

// Ints is an array of u32 or i32, or of booleans as 0 and 1, as a new slice.
func (m Metadata) Ints(key string) ([]int64, bool) {
	v := m.values[key]
	if v.typ != Array {
		return nil, false
	}
	var all []int64
	switch list := v.Any().(type) {
	case []uint32:
		for _, n := range list {
			all = append(all, int64(n))
		}
	case []int32:
		for _, n := range list {
			all = append(all, int64(n))
		}
	case []bool:
		for _, is := range list {
			n := int64(0)
			if is {
				n = 1
			}
			all = append(all, n)
		}
	default:
		return nil, false
	}
	return all, true
}

// Float is a number of either float type.
func (m Metadata) Float(key string) (float64, bool) { return m.values[key].float() }

// Bool is a boolean.
func (m Metadata) Bool(key string) (value, ok bool) {
	v := m.values[key]
	ok = v.typ == Bool
	return ok && v.bits != 0, ok
}

// Text is a string. Nothing promises that it is UTF-8.
func (m Metadata) Text(key string) (string, bool) {
	v := m.values[key]
	if v.typ != String {
		return "", false
	}
	return v.raw, true
}

// Strings is an array of strings, as a new slice.
func (m Metadata) Strings(key string) ([]string, bool) {
	v := m.values[key]
	if v.typ != Array || v.elem != String {
		return nil, false
	}
	return v.strings(), true
}
