package cria

import (
	"fmt"
	"reflect"
	"sync"
)

// ExampleOf returns the values of a struct's fields, by the names that [SignatureOf] gives
// them. Optional fields that are zero are left out. An [Example] or a map[string]any is
// returned as it is. The error says which field cannot be one of a signature.
func ExampleOf(in any) (Example, error) {
	switch in := in.(type) {
	case Example:
		return in, nil
	case map[string]any:
		return in, nil
	}
	v := reflect.Indirect(reflect.ValueOf(in))
	if !v.IsValid() {
		return nil, fmt.Errorf("%T is no struct, or it is nil", in)
	}
	c, err := typeCodec(v.Type())
	if err != nil {
		return nil, err
	}
	return c.encode(v.Interface()), nil
}

// Decode stores the values in the struct, or the Example or map[string]any, that out points
// to. They may be as a call gives them or as JSON has them, such as "1h30m" for a
// time.Duration. Fields without a value are zero afterwards, and values without a field are
// left out. The error names each field whose value does not fit, as [*FieldError]s, and out
// then stays as it was.
func (e Example) Decode(out any) error {
	switch out := out.(type) {
	case *Example:
		*out = e
		return nil
	case *map[string]any:
		*out = e
		return nil
	}
	v := reflect.ValueOf(out)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("%T is no pointer to a struct, or it is nil", out)
	}
	t := v.Type().Elem()
	byPointer := t.Kind() == reflect.Pointer
	if byPointer {
		t = t.Elem()
	}
	c, err := typeCodec(t)
	if err != nil {
		return err
	}
	filled, errs := c.filled(e, t)
	if len(errs) > 0 {
		return decodeError(errs)
	}
	if byPointer {
		filled = filled.Addr()
	}
	v.Elem().Set(filled)
	return nil
}

// decodeError is the errors of several fields, in one line.
func decodeError(fields []*FieldError) (err error) {
	err = fields[0]
	for _, f := range fields[1:] {
		err = fmt.Errorf("%w; %w", err, f)
	}
	return err
}

// codecs has the structCodec of each type that has been asked for.
var codecs sync.Map

func typeCodec(t reflect.Type) (structCodec, error) {
	if c, ok := codecs.Load(t); ok {
		return c.(structCodec), nil
	}
	fields, err := structFields(t)
	if err != nil {
		return structCodec{}, err
	}
	c, _ := codecs.LoadOrStore(t, structCodec{fields})
	return c.(structCodec), nil
}
