package cria

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// JSON writes a value of the field on one line: the members of objects in declared
// order, the tag of a union first, dates and durations as text. It does not check the
// value; see [Signature.CheckInputs].
func (f Field) JSON(value any) (json.RawMessage, error) {
	return f.json(value, func(written any) any { return written })
}

// labelledJSON is [Field.JSON] with members named as a model is shown them.
func (f Field) labelledJSON(value any) (json.RawMessage, error) {
	return f.json(value, f.Type.labelled)
}

func (f Field) json(value any, change func(written any) any) (json.RawMessage, error) {
	plain, err := f.Type.written(reflect.ValueOf(value), 0)
	if err != nil {
		return nil, err
	}
	data, err := marshalCompact(change(plain))
	if err != nil {
		return nil, fmt.Errorf("writing the value as JSON: %w", err)
	}
	return data, nil
}

// Text writes a value of the field as it stands in a prompt: a string as it is,
// anything else as [Field.JSON] does, without quotes if that is a string. Members of
// objects have the names that a model is shown, see [Field.Label].
func (f Field) Text(value any) (string, error) {
	switch f.Type.Kind {
	case KindString, KindInt, KindFloat, KindBool, KindLiteral:
		return valueText(value)
	}
	text, ok := value.(string)
	if value == nil || ok && f.Type.Kind != KindJSON {
		return text, nil
	}
	data, err := f.labelledJSON(value)
	if err != nil {
		return "", err
	}
	if f.Type.Kind != KindJSON && json.Unmarshal(data, &text) == nil {
		return text, nil
	}
	return string(data), nil
}

var (
	timeType        = reflect.TypeFor[time.Time]()
	durationType    = reflect.TypeFor[time.Duration]()
	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
)

// maxValueDepth bounds the nesting of a value that is written: one may contain itself.
const maxValueDepth = 1000

// written returns what encoding/json writes as a value of the type is to be written.
// A value of another type stays as it is, for the checks to complain about.
func (t Type) written(v reflect.Value, depth int) (any, error) {
	if !v.IsValid() {
		return nil, nil
	}
	given := v.Interface()
	for ; depth <= maxValueDepth && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface); depth++ {
		if v.IsNil() {
			return nil, nil
		}
		v = v.Elem()
	}
	if depth > maxValueDepth {
		return nil, fmt.Errorf("the value is nested deeper than %d levels", maxValueDepth)
	}
	switch value := v.Interface().(type) {
	case time.Time:
		return t.writtenTime(value)
	case time.Duration:
		if t.Kind == KindDuration || t.isAny() {
			return durationText(value), nil
		}
		return value, nil
	}
	switch t.Kind {
	case KindList, KindDict, KindObject, KindUnion:
		if writesItself(v.Type()) {
			return t.rewritten(given, depth+1)
		}
	case KindAny, KindJSON: // only what may hold durations unseen
		switch v.Interface().(type) {
		case []any, map[string]any:
		default:
			return given, nil
		}
	default:
		return given, nil
	}
	switch {
	case v.Kind() == reflect.Slice && (t.Kind == KindList || t.isAny()):
		return t.writtenList(v, depth+1)
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String && (t.Kind == KindDict || t.isAny()):
		return t.writtenDict(v, depth+1)
	case t.Kind == KindObject:
		return writtenObject(t.Fields, v, depth+1)
	case t.Kind == KindUnion:
		return t.writtenUnion(v, depth+1)
	}
	return given, nil
}

func (t Type) writtenTime(v time.Time) (any, error) {
	if y := v.Year(); y < 0 || y > 9999 { // RFC 3339 has no others
		return nil, fmt.Errorf("the year %d of a time is not between 0 and 9999", y)
	}
	if t.Kind == KindDate {
		return v.Format(time.DateOnly), nil
	}
	return v, nil
}

// writesItself reports whether encoding/json asks the type how it is written.
func writesItself(t reflect.Type) bool {
	return t.Implements(jsonMarshaler) || t.Implements(textMarshaler)
}

// rewritten is written for a value that says its JSON itself.
func (t Type) rewritten(value any, depth int) (any, error) {
	data, err := marshalCompact(value)
	if err != nil {
		return nil, fmt.Errorf("writing the value as JSON: %w", err)
	}
	parsed, err := parseJSON(string(data))
	if err != nil {
		return nil, err
	}
	return t.written(reflect.ValueOf(parsed), depth)
}

func (t Type) writtenList(v reflect.Value, depth int) (any, error) {
	list := make([]any, v.Len())
	for i := range list {
		item, err := t.elemType().written(v.Index(i), depth)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i+1, err)
		}
		list[i] = item
	}
	return list, nil
}

func (t Type) writtenDict(v reflect.Value, depth int) (any, error) {
	dict := make(map[string]any, v.Len())
	for _, key := range v.MapKeys() {
		item, err := t.elemType().written(v.MapIndex(key), depth)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		dict[key.String()] = item
	}
	return dict, nil
}

func (t Type) elemType() Type {
	if t.Elem == nil {
		return Type{Kind: KindAny}
	}
	return *t.Elem
}

// object is the members of a JSON object in order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON keeps the order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, m := range o {
		name, err := marshalCompact(m.name)
		if err != nil {
			return nil, err
		}
		value, err := marshalCompact(m.value)
		if err != nil {
			return nil, err
		}
		b.WriteByte("{,"[min(i, 1)])
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	if len(o) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// writtenObject writes the fields in their order and then what else there is.
// Optional fields that are empty are left out, as a model leaves them out.
func writtenObject(fields []Field, v reflect.Value, depth int) (any, error) {
	found, ok := membersOf(v)
	if !ok {
		return v.Interface(), nil
	}
	o := object{}
	add := func(f Field, v reflect.Value) error {
		value, err := f.Type.written(v, depth)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		o = append(o, member{f.Name, value})
		return nil
	}
	for _, f := range fields {
		i := slices.IndexFunc(found, func(m foundMember) bool { return m.name == f.Name })
		if i < 0 || f.Optional && isEmpty(found[i].value) {
			continue
		}
		if err := add(f, found[i].value); err != nil {
			return nil, err
		}
	}
	for _, m := range found {
		if slices.ContainsFunc(fields, func(f Field) bool { return f.Name == m.name }) {
			continue
		}
		if err := add(Field{Name: m.name, Type: Type{Kind: KindAny}}, m.value); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// labelled gives the members of objects in a value that [Type.written] returned the
// names that a model is shown.
func (t Type) labelled(written any) any {
	switch v := written.(type) {
	case []any:
		for i := range v {
			if t.Kind == KindList {
				v[i] = t.elemType().labelled(v[i])
			}
		}
	case map[string]any:
		for name := range v {
			if t.Kind == KindDict {
				v[name] = t.elemType().labelled(v[name])
			}
		}
	case object:
		fields := t.Fields
		if i := slices.IndexFunc(v, func(m member) bool { return m.name == t.Tag }); i >= 0 && t.Kind == KindUnion {
			name, _ := v[i].value.(string)
			variant, _ := t.variant(name)
			fields = variant.Fields
		}
		for i, m := range v {
			if k := slices.IndexFunc(fields, func(f Field) bool { return f.Name == m.name }); k >= 0 {
				v[i] = member{fields[k].Label(), fields[k].Type.labelled(m.value)}
			}
		}
	}
	return written
}

// isEmpty reports what encoding/json's omitempty and omitzero leave out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

type foundMember struct {
	name  string
	value reflect.Value
}

// membersOf returns the fields of a struct, as a nested signature struct names them,
// or the members of a map in sorted order; ok is false if v is neither.
func membersOf(v reflect.Value) (found []foundMember, ok bool) {
	switch {
	case v.Kind() == reflect.Struct:
		fields, err := nestedFields(v.Type())
		for _, f := range fields {
			found = append(found, foundMember{f.Name, v.FieldByIndex(f.index[0])})
		}
		return found, err == nil
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		for _, key := range v.MapKeys() {
			found = append(found, foundMember{key.String(), v.MapIndex(key)})
		}
		slices.SortFunc(found, func(a, b foundMember) int { return strings.Compare(a.name, b.name) })
		return found, true
	}
	return nil, false
}

// nestedStructs keeps the fields of nested structs, by reflect.Type, so that a call
// does not read their tags again. A program has few types.
var nestedStructs sync.Map

type nestedStruct struct {
	fields []structField
	err    error
}

// nestedFields returns the fields of a struct that is a field's value.
func nestedFields(t reflect.Type) ([]structField, error) {
	if known, ok := nestedStructs.Load(t); ok {
		return known.(nestedStruct).fields, known.(nestedStruct).err
	}
	fields, err := collectFields(t, nil, nil, []reflect.Type{t})
	nestedStructs.Store(t, nestedStruct{fields, err})
	return fields, err
}
