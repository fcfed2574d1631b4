package cria

import (
	"encoding/json"
	"fmt"
	"reflect"
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
	filled := reflect.New(target.Type()).Elem()
	var errs []*FieldError
	for _, f := range c.fields {
		value, ok := ex[f.Name]
		if !ok {
			continue
		}
		for _, index := range f.index {
			if err := assign(filled.FieldByIndex(index), value); err != nil {
				errs = append(errs, &FieldError{Field: f.Name, Text: ex.Text(f.Name), Err: err})
				break
			}
		}
	}
	if len(errs) > 0 {
		return &ParseError{Fields: errs, Partial: ex, Raw: raw}
	}
	target.Set(filled)
	return nil
}

// assign stores a coerced value in a Go variable of any type that [goType]
// accepts, by way of JSON, which knows them all.
func assign(dst reflect.Value, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, dst.Addr().Interface()); err != nil {
		return fmt.Errorf("it does not fit %s: %w", dst.Type(), err)
	}
	return nil
}
