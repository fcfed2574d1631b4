package chattemplate

import (
	"math"
	"strconv"
	"strings"
)

// dict keeps its keys in the order they came. Once a template sees it, it is not
// changed any more; only a namespace's is.
type dict struct {
	keys, values []value
	at           map[any]int // of hash
}

func newDict() *dict { return &dict{at: map[any]int{}} }

func (d *dict) len() int { return len(d.keys) }

// set puts a value under a key that can be one.
func (d *dict) set(key, v value) error {
	h, err := hash(key)
	if err != nil {
		return err
	}
	if i, ok := d.at[h]; ok {
		d.values[i] = v
		return nil
	}
	d.at[h] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, v)
	return nil
}

// get returns the value under a key; a value that can be no key is an error.
func (d *dict) get(key value) (value, bool, error) {
	h, err := hash(key)
	if err != nil {
		return nil, false, err
	}
	if i, ok := d.at[h]; ok {
		return d.values[i], true, nil
	}
	return nil, false, nil
}

type (
	noneHash  struct{}
	tupleHash string
)

const maxHash = 1 << 12 // bytes of a tuple's hash

// hash returns a Go value that is equal for equal keys: 1, 1.0 and true are.
func hash(v value) (any, error) {
	switch v := v.(type) {
	case nil:
		return noneHash{}, nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<63 {
			return int64(v), nil
		}
		return v, nil
	case tuple:
		var b strings.Builder
		err := hashTuple(&b, v)
		return tupleHash(b.String()), err
	case *undefined:
		return (*undefined)(nil), nil
	case *namespace, *macro, *function, *generator, span:
		return v, nil
	}
	if n, ok := integer(v); ok {
		return n, nil
	}
	if s, ok := text(v); ok {
		return s, nil
	}
	return nil, fail("unhashable type: '%s'", typeName(v))
}

func hashTuple(b *strings.Builder, t tuple) error {
	b.WriteByte('(')
	for _, v := range t {
		if b.Len() > maxHash {
			return fail("a tuple is too large to be a key")
		}
		if inner, ok := v.(tuple); ok {
			if err := hashTuple(b, inner); err != nil {
				return err
			}
			continue
		}
		h, err := hash(v)
		if err != nil {
			return err
		}
		switch h := h.(type) {
		case string:
			b.WriteString(strconv.Quote(h))
		case int64:
			b.WriteString(strconv.FormatInt(h, 10))
		case float64:
			b.WriteString(strconv.FormatFloat(h, 'g', -1, 64))
		case noneHash:
			b.WriteString("None")
		default:
			return fail("a tuple with a %s in it cannot be a key here", typeName(v))
		}
		b.WriteByte(',')
	}
	b.WriteByte(')')
	return nil
}
