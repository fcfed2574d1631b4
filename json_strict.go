package cria

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// maxStrictDepth bounds the nesting of what [strictJSON] reads; a type takes up to four
// levels: the type, its fields, a field, the type of that.
const maxStrictDepth = 4*maxTypeDepth + 4

// strictJSON reads JSON into a variable as encoding/json does, but members that are not
// known or stand twice are mistakes, and a *[DeclarationError] says where one is.
func strictJSON(data []byte, dst reflect.Value, depth int) error {
	if depth > maxStrictDepth {
		return errors.New("it is nested too deeply")
	}
	switch {
	case dst.Kind() == reflect.Pointer && !isJSONNull(data):
		dst.Set(reflect.New(dst.Type().Elem()))
		return strictJSON(data, dst.Elem(), depth)
	case dst.Kind() == reflect.Struct:
		return strictObject(data, dst, depth)
	case dst.Kind() == reflect.Slice && dst.Type() != rawMessage:
		return strictList(data, dst, depth)
	}
	if err := json.Unmarshal(data, dst.Addr().Interface()); err != nil {
		return fmt.Errorf("want a %s, got %s", strings.TrimPrefix(dst.Kind().String(), "*"), abbreviate(string(data), 40))
	}
	return nil
}

func isJSONNull(data []byte) bool { return string(bytes.TrimSpace(data)) == "null" }

func strictList(data []byte, dst reflect.Value, depth int) error {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return fmt.Errorf("want a list, got %s", abbreviate(string(data), 40))
	}
	list := reflect.MakeSlice(dst.Type(), len(items), len(items))
	for i, item := range items {
		if err := strictJSON(item, list.Index(i), depth+1); err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
	}
	dst.Set(list)
	return nil
}

func strictObject(data []byte, dst reflect.Value, depth int) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return fmt.Errorf("want an object, got %s", abbreviate(string(data), 40))
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return at(name, err)
		}
		field, known := memberField(dst, name)
		switch {
		case seen[name]:
			err = errors.New("the member stands twice")
		case !field.IsValid():
			err = errors.New("there is no such member" + didYouMean(name, known))
		default:
			err = strictJSON(value, field, depth+1)
		}
		if depth > 0 {
			name = "." + name
		}
		if err != nil {
			return at(name, err)
		}
		seen[strings.TrimPrefix(name, ".")] = true
	}
	return nil
}

// memberField returns the field of a struct that has a name in JSON, and all names.
func memberField(dst reflect.Value, name string) (field reflect.Value, names []string) {
	for i := range dst.NumField() {
		tag, _, _ := strings.Cut(dst.Type().Field(i).Tag.Get("json"), ",")
		names = append(names, tag)
		if tag == name {
			field = dst.Field(i)
		}
	}
	return field, names
}
