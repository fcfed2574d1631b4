package cria

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
	"unicode/utf8"
)

// structCodec moves values between a Go struct and an [Example].
type structCodec struct {
	fields []structField
}

// codecOf makes the codec of a struct that [SignatureOf] has accepted.
func codecOf[T any]() structCodec {
	fields, err := structFields(reflect.TypeFor[T]())
	if err != nil {
		panic(err)
	}
	return structCodec{fields}
}

// encode reads the struct's fields. An optional one that is a nil pointer or a
// zero value is left out.
func (c structCodec) encode(in any) Example {
	v := reflect.ValueOf(in)
	ex := Example{}
	for _, f := range c.fields {
		value := v.FieldByIndex(f.index[0])
		if f.Optional && value.IsZero() {
			continue
		}
		if value.Kind() == reflect.Pointer {
			if value.IsNil() {
				continue
			}
			value = value.Elem()
		}
		if f.byPointer {
			p := reflect.New(value.Type())
			p.Elem().Set(value)
			value = p
		}
		switch {
		case value.Kind() == reflect.Slice && value.IsNil() && value.Type() != rawMessage:
			value = reflect.MakeSlice(value.Type(), 0, 0)
		case value.Kind() == reflect.Map && value.IsNil():
			value = reflect.MakeMap(value.Type())
		}
		ex[f.Name] = value.Interface()
	}
	return ex
}

// decode writes coerced values into the struct that out points to. Either all
// fields fit or out stays as it was.
func (c structCodec) decode(ex Example, raw string, out any) error {
	target := reflect.ValueOf(out).Elem()
	filled, errs := c.filled(ex, target.Type())
	if len(errs) > 0 {
		return &ParseError{Fields: errs, Partial: ex, Raw: raw}
	}
	target.Set(filled)
	return nil
}

// filled returns a new struct of type t with the values, and why some do not fit.
func (c structCodec) filled(ex Example, t reflect.Type) (filled reflect.Value, errs []*FieldError) {
	filled = reflect.New(t).Elem()
	for i := range c.fields {
		f := &c.fields[i]
		value, ok := ex[f.Name]
		if !ok {
			continue
		}
		for _, index := range f.index {
			if err := assign(&f.Type, filled.FieldByIndex(index), value); err != nil {
				errs = append(errs, &FieldError{Field: f.Name, Text: ex.Text(f.Name), Err: err})
				break
			}
		}
	}
	return filled, errs
}

// assign stores a value in a Go variable of any type that [goType] accepts, by way of
// JSON, which knows nearly all of them.
func assign(t *Type, dst reflect.Value, value any) error {
	if value == nil || !t.unlikeJSON() {
		return assignJSON(dst, value)
	}
	data, err := Field{Type: *t}.labelledJSON(value)
	if err != nil {
		return err
	}
	coerced, err := coerceType(t, writtenJSON(data))
	if err != nil {
		return err
	}
	return fill(*t, dst, coerced)
}

func assignJSON(dst reflect.Value, value any) error {
	if assignPlain(dst, value) {
		return nil
	}
	if text, ok := value.(string); ok {
		if dst.Kind() == reflect.Pointer {
			dst.Set(reflect.New(dst.Type().Elem()))
			dst = dst.Elem()
		}
		if own, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok && readsText(dst.Type()) {
			return own.UnmarshalText([]byte(text)) // its JSON may be no text: that of a big.Int is not
		}
	}
	data, err := marshalCompact(value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, dst.Addr().Interface()); err != nil {
		return fmt.Errorf("it does not fit %s: %w", dst.Type(), err)
	}
	return nil
}

// assignPlain stores a text, a number or a truth value in a variable of a predeclared
// type that can hold it, as encoding/json would, but at once. It reports whether it did.
func assignPlain(dst reflect.Value, value any) (ok bool) {
	if dst.Type().PkgPath() != "" { // it may read its JSON itself
		return false
	}
	switch v := value.(type) {
	case string:
		if ok = dst.Kind() == reflect.String && utf8.ValidString(v); ok {
			dst.SetString(v)
		}
	case bool:
		if ok = dst.Kind() == reflect.Bool; ok {
			dst.SetBool(v)
		}
	case int64:
		if ok = dst.CanInt() && !dst.OverflowInt(v); ok {
			dst.SetInt(v)
		}
	case float64:
		if ok = dst.Kind() == reflect.Float64 && finite(v); ok {
			dst.SetFloat(v)
		}
	}
	return ok
}

// fill stores a value of [coerceType] in a Go variable. What holds durations and
// unions is filled part by part: encoding/json reads them differently.
func fill(t Type, dst reflect.Value, value any) error {
	switch {
	case value == nil || !t.unlikeJSON():
		return assignJSON(dst, value)
	case dst.Kind() == reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		return fill(t, dst.Elem(), value)
	case dst.Type() != timeType && dst.Addr().Type().Implements(jsonUnmarshaler):
		data, err := Field{Type: t}.JSON(value)
		if err != nil {
			return err
		}
		return assignJSON(dst, data)
	}
	switch v := value.(type) {
	case time.Duration:
		dst.SetInt(int64(v))
	case []any:
		return fillList(*t.Elem, dst, v)
	case map[string]any:
		switch t.Kind {
		case KindDict:
			return fillDict(*t.Elem, dst, v)
		case KindUnion:
			return fillUnion(t, dst, v)
		}
		return fillStruct(dst, v)
	default:
		return assignJSON(dst, value)
	}
	return nil
}

func fillList(elem Type, dst reflect.Value, items []any) error {
	list := reflect.MakeSlice(dst.Type(), len(items), len(items))
	for i, item := range items {
		if err := fill(elem, list.Index(i), item); err != nil {
			return fmt.Errorf("element %d: %w", i+1, err)
		}
	}
	dst.Set(list)
	return nil
}

func fillDict(elem Type, dst reflect.Value, items map[string]any) error {
	dict := reflect.MakeMapWithSize(dst.Type(), len(items))
	for k, item := range items {
		value := reflect.New(dst.Type().Elem()).Elem()
		if err := fill(elem, value, item); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
		dict.SetMapIndex(reflect.ValueOf(k).Convert(dst.Type().Key()), value)
	}
	dst.Set(dict)
	return nil
}

func fillStruct(dst reflect.Value, values map[string]any) error {
	fields, err := nestedFields(dst.Type())
	if err != nil {
		return err
	}
	for _, f := range fields {
		value, ok := values[f.Name]
		if !ok {
			continue
		}
		for _, index := range f.index {
			if err := fill(f.Type, dst.FieldByIndex(index), value); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	}
	return nil
}

// fillUnion sets the one variant that the tag names.
func fillUnion(t Type, dst reflect.Value, flat map[string]any) error {
	for _, v := range variantFields(dst.Type()) {
		if v.name != flat[t.Tag] {
			continue
		}
		variant := reflect.New(v.field.Type.Elem())
		dst.Field(v.index).Set(variant)
		return fillStruct(variant.Elem(), flat)
	}
	return t.wantTag(flat[t.Tag])
}
