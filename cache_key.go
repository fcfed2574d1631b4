package cria

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"reflect"
)

// cacheKey is a digest of everything that determines a reply.
type cacheKey [sha256.Size]byte

// cacheVersion is the first thing in every key: another one for another meaning of what is
// kept, so that releases can share a folder.
const cacheVersion = "cria 1"

// requestKey digests a request to a model, for its reply or for the scores of replies,
// which are then not nil; ok is false if it is nested without end.
func requestKey(model string, req *Request, replies []string) (key cacheKey, ok bool) {
	asked := *req
	asked.CachePolicy = "" // says what to do with the reply, not what it is
	var d digester
	d.text(cacheVersion)
	d.text(model)
	d.value(reflect.ValueOf(&asked).Elem(), 0)
	if replies != nil {
		d.value(reflect.ValueOf(replies), 0)
	}
	return sha256.Sum256(d.buf), !d.failed
}

// digestMessages digests messages that come after what has the digest before. So that of a
// conversation does not depend on how much of it is its prefix, whose digest is made once.
func digestMessages(before cacheKey, messages []Message) cacheKey {
	var d digester
	for _, m := range messages {
		d.buf = append(d.buf[:0], before[:]...)
		d.value(reflect.ValueOf(m), 0)
		before = sha256.Sum256(d.buf)
	}
	return before
}

func (c Chat) digest() cacheKey {
	var before cacheKey
	if c.Prefix != nil && c.Prefix.digest != nil {
		before = c.Prefix.digest()
	}
	return digestMessages(before, c.Turns)
}

// digester writes values so that different ones are never written alike: each says its
// kind and its length, and structs name their fields. It takes whatever fields there are,
// so none can be forgotten; those that are zero are left out, so a new one changes no key
// until it is used. Text is taken byte by byte, also where it is not UTF-8.
type digester struct {
	buf    []byte
	failed bool // a value was nested too deep, or of a kind that has no digest
}

// maxNesting is deeper than any signature's types; what contains itself is deeper.
const maxNesting = 100

var (
	chatType = reflect.TypeFor[Chat]()
	toolType = reflect.TypeFor[Tool]()
)

func (d *digester) value(v reflect.Value, depth int) {
	if depth++; depth > maxNesting {
		d.failed = true
		return
	}
	switch v.Type() {
	case chatType:
		digest := v.Interface().(Chat).digest()
		d.text(string(digest[:]))
		return
	case toolType:
		d.tool(v)
		return
	}
	switch v.Kind() {
	case reflect.String:
		d.text(v.String())
	case reflect.Bool:
		d.number('b', map[bool]uint64{true: 1}[v.Bool()])
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.number('i', uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.number('u', v.Uint())
	case reflect.Float32, reflect.Float64:
		d.number('f', math.Float64bits(v.Float()))
	case reflect.Pointer:
		if v.IsNil() {
			d.buf = append(d.buf, 'n')
			return
		}
		d.buf = append(d.buf, 'p')
		d.value(v.Elem(), depth)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			d.text(string(v.Bytes()))
			return
		}
		d.number('l', uint64(v.Len()))
		for i := range v.Len() {
			d.value(v.Index(i), depth)
		}
	case reflect.Struct:
		d.buf = append(d.buf, '{')
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				d.text(v.Type().Field(i).Name)
				d.value(f, depth)
			}
		}
		d.buf = append(d.buf, '}')
	default:
		d.failed = true
	}
}

// tool digests what a model is told of a tool.
func (d *digester) tool(v reflect.Value) {
	if v.IsNil() {
		d.buf = append(d.buf, 'n')
		return
	}
	t := v.Interface().(Tool)
	d.buf = append(d.buf, 't')
	d.text(t.Name())
	d.text(t.Description())
}

func (d *digester) text(s string) {
	d.number('s', uint64(len(s)))
	d.buf = append(d.buf, s...)
}

func (d *digester) number(kind byte, n uint64) {
	d.buf = binary.LittleEndian.AppendUint64(append(d.buf, kind), n)
}
