package cria

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
)

var (
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	rawMessage      = reflect.TypeFor[json.RawMessage]()
)

// readsText reports whether a type is text by its own account.
func readsText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(textMarshaler) && reflect.PointerTo(t).Implements(textUnmarshaler)
}

// writtenByPointer reports whether encoding/json asks only a pointer to a value, or to
// what a pointer points to, how it is written.
func writtenByPointer(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return !writesItself(t) && writesItself(reflect.PointerTo(t))
}

// valuer and patterner are types that say which texts they take.
type (
	valuer    interface{ Values() []string }
	patterner interface{ Pattern() string }
)

// textType is a text, of which the Go type may say more.
func textType(t reflect.Type) (text Type, err error) {
	defer recovered("a method of "+t.String(), &err)
	zero := reflect.New(t).Interface()
	if enum, ok := zero.(valuer); ok {
		return Type{Kind: KindLiteral, Values: slices.Clone(enum.Values())}, nil
	}
	text = Type{Kind: KindString}
	if p, ok := zero.(patterner); ok {
		text.Pattern = p.Pattern()
	}
	return text, nil
}

// noText reports a number or a truth value that says which texts it takes.
func noText(t reflect.Type) error {
	kind, of, method := t.Kind(), reflect.PointerTo(t), "Values"
	switch {
	case kind < reflect.Bool || kind > reflect.Float64:
		return nil
	case of.Implements(reflect.TypeFor[valuer]()):
	case of.Implements(reflect.TypeFor[patterner]()):
		method = "Pattern"
	default:
		return nil
	}
	return fmt.Errorf("%s has a method %s, but a type of kind %s is no text: make it a string, or give it methods MarshalText and UnmarshalText", t, method, kind)
}

// goType maps a Go type to a Type. union is the tag of a union in it, if not "".
func goType(t reflect.Type, union string, open []reflect.Type) (Type, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == imageType:
		return Type{Kind: KindImage}, nil
	case t == historyType:
		return Type{Kind: KindHistory}, nil
	case t == rawMessage:
		return Type{Kind: KindJSON}, nil
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		return Type{Kind: KindAny}, nil
	case t == timeType:
		return Type{Kind: KindDateTime}, nil
	case t == durationType:
		return Type{Kind: KindDuration}, nil
	case readsText(t) || t.Kind() == reflect.String:
		return textType(t)
	case slices.Contains(open, t):
		return Type{}, errors.New("the type contains itself")
	}
	if err := noText(t); err != nil {
		return Type{}, err
	}
	if t.Kind() != reflect.Struct { // collectFields adds structs
		open = append(open, t)
	}
	switch t.Kind() {
	case reflect.Bool:
		return Type{Kind: KindBool}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return intType(t), nil
	case reflect.Float32, reflect.Float64:
		return Type{Kind: KindFloat}, nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return Type{}, errors.New("bytes cannot be a field; use a string")
		}
		elem, err := goType(t.Elem(), union, open)
		return Type{Kind: KindList, Elem: &elem}, err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return Type{}, fmt.Errorf("the keys of a map must be strings, not %s", t.Key())
		}
		elem, err := goType(t.Elem(), union, open)
		return Type{Kind: KindDict, Elem: &elem}, err
	case reflect.Struct:
		if union != "" {
			return unionType(t, union, open)
		}
		fields, err := collectFields(t, nil, nil, open)
		if err == nil && len(fields) == 0 {
			err = fmt.Errorf("%s has no exported field", t)
		}
		return Type{Kind: KindObject, Fields: fieldsOf(fields)}, err
	case reflect.Interface:
		return Type{}, fmt.Errorf("the interface %s cannot be a field, only any can", t)
	default:
		return Type{}, fmt.Errorf("a %s cannot be a field", t)
	}
}

// intType is an int that the Go type can hold.
func intType(t reflect.Type) Type {
	i := Type{Kind: KindInt}
	bits := t.Bits()
	switch unsigned := t.Kind() >= reflect.Uint; {
	case unsigned:
		i.Min = new(float64)
		if bits <= 32 {
			i.Max = new(math.Ldexp(1, bits) - 1)
		}
	case bits <= 32:
		i.Min, i.Max = new(-math.Ldexp(1, bits-1)), new(math.Ldexp(1, bits-1)-1)
	}
	return i
}
