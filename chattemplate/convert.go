package chattemplate

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
)

// convert makes a template's value of one of Go's.
func (r *run) convert(given any) (value, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	switch g := given.(type) {
	case nil:
		return nil, nil
	case bool:
		return g, nil
	case int:
		return int64(g), nil
	case int64:
		return g, nil
	case float64:
		return g, nil
	case string:
		return g, r.checkText(g)
	case json.Number:
		return convertNumber(g)
	case []any:
		return convertSlice(r, g)
	case []map[string]any:
		return convertSlice(r, g)
	case map[string]any:
		return convertMap(r, g)
	case json.RawMessage:
		return r.parseJSON(g)
	}
	text, err := json.Marshal(given)
	if err != nil {
		return nil, fail("a value of type %T cannot be given to a template: %v", given, err)
	}
	return r.parseJSON(text)
}

func convertSlice[T any](r *run, g []T) (value, error) {
	if err := r.allocTimes(len(g), valueSize); err != nil {
		return nil, err
	}
	items := make(list, len(g))
	for i, item := range g {
		var err error
		if items[i], err = r.convert(item); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func convertMap(r *run, g map[string]any) (value, error) {
	if err := r.allocTimes(len(g), 4*valueSize); err != nil {
		return nil, err
	}
	d := newDict()
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if err := r.checkText(name); err != nil {
			return nil, err
		}
		v, err := r.convert(g[name])
		if err != nil {
			return nil, err
		}
		if err := d.set(name, v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// convertNumber keeps integers integers: 1 and 1.0 are written differently.
func convertNumber(n json.Number) (value, error) {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return i, nil
	}
	if !bytes.ContainsAny([]byte(n), ".eE") {
		return nil, fail("the integer %s does not fit 64 bits", n)
	}
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil && !math.IsInf(f, 0) {
		return nil, fail("%s is not a number", n)
	}
	return f, nil
}

// parseJSON reads JSON with its members in the order they are written.
func (r *run) parseJSON(text []byte) (value, error) {
	if err := r.checkText(string(text)); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := r.decode(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fail("there is more than one JSON value")
	}
	return v, nil
}

func (r *run) decode(d *json.Decoder) (value, error) {
	token, err := d.Token()
	if err != nil {
		return nil, fail("invalid JSON: %v", err)
	}
	switch t := token.(type) {
	case json.Number:
		return convertNumber(t)
	case json.Delim:
		if err := r.enter(); err != nil {
			return nil, err
		}
		defer r.leave()
		if t == '[' {
			return r.decodeArray(d)
		}
		return r.decodeObject(d)
	default: // nil, bool, string
		return t, nil
	}
}

func (r *run) decodeArray(d *json.Decoder) (value, error) {
	items := list{}
	for d.More() {
		if err := r.alloc(valueSize); err != nil {
			return nil, err
		}
		v, err := r.decode(d)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	return items, endJSON(d)
}

func (r *run) decodeObject(d *json.Decoder) (value, error) {
	object := newDict()
	for d.More() {
		if err := r.alloc(4 * valueSize); err != nil {
			return nil, err
		}
		name, err := d.Token()
		if err != nil {
			return nil, fail("invalid JSON: %v", err)
		}
		v, err := r.decode(d)
		if err != nil {
			return nil, err
		}
		if err := object.set(name, v); err != nil {
			return nil, err
		}
	}
	return object, endJSON(d)
}

func endJSON(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return fail("invalid JSON: %v", err)
	}
	return nil
}
