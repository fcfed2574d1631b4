package cria

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// Example holds values by field name: the inputs of a call, the outputs of a
// reply, or both in a demonstration. Which is which, and the order, is said by
// a [Signature]. Values are what encoding/json makes of JSON (string, bool,
// float64, []any, map[string]any, nil), int64 for KindInt, time.Time for KindDateTime
// and KindDate, time.Duration for KindDuration, or any Go value that encoding/json can
// write. A KindUnion is a map with the tag beside the variant's fields.
type Example map[string]any

// MarshalJSON writes an object with the names in sorted order. Unlike encoding/json
// it writes a time.Duration as text. A date needs its field: see [Field.JSON].
func (e Example) MarshalJSON() ([]byte, error) {
	if e == nil {
		return []byte("null"), nil
	}
	values, err := Type{Kind: KindAny}.written(reflect.ValueOf(map[string]any(e)), 0)
	if err != nil {
		return nil, err
	}
	return marshalCompact(values)
}

// Keys returns the names in sorted order.
func (e Example) Keys() []string { return slices.Sorted(maps.Keys(e)) }

// Text returns the value of a field as it stands in a prompt: a string as it
// is, anything else as compact JSON. A missing field gives "". A date, an object and
// a union need their field: see [Field.Text].
func (e Example) Text(name string) string {
	text, err := valueText(e[name])
	if err != nil {
		return fmt.Sprint(e[name])
	}
	return text
}

func (e Example) hasAny(fields []Field) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { _, ok := e[f.Name]; return ok })
}

// valueText writes a value as it stands in a prompt.
func valueText(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	}
	plain, err := Type{Kind: KindAny}.written(reflect.ValueOf(value), 0)
	if err != nil {
		return "", err
	}
	data, err := marshalCompact(plain)
	if err != nil {
		return "", fmt.Errorf("writing the value as JSON: %w", err)
	}
	var s string
	if json.Unmarshal(data, &s) == nil { // a type of string kind, or a TextMarshaler
		return s, nil
	}
	return string(data), nil
}
