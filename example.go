package cria

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Example holds values by field name: the inputs of a call, the outputs of a
// reply, or both in a demonstration. Which is which, and the order, is said by
// a [Signature]. Values are what encoding/json makes of JSON (string, bool,
// float64, []any, map[string]any, nil), int64 for KindInt, or any Go value that
// encoding/json can write.
type Example map[string]any

// Keys returns the names in sorted order.
func (e Example) Keys() []string { return slices.Sorted(maps.Keys(e)) }

// Text returns the value of a field as it stands in a prompt: a string as it
// is, anything else as compact JSON. A missing field gives "".
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
	data, err := marshalCompact(value)
	if err != nil {
		return "", fmt.Errorf("writing the value as JSON: %w", err)
	}
	var s string
	if json.Unmarshal(data, &s) == nil { // a type of string kind, or a TextMarshaler
		return s, nil
	}
	return string(data), nil
}
