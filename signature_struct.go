package cria

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// SignatureOf builds a signature from two structs, whose exported fields are
// the inputs and the outputs, in order. Tags say the rest:
//
//	json:"name,omitempty"  the name (else the Go name in snake_case; in nested structs the Go name); omitempty makes it optional; "-" leaves it out
//	json:",inline"         the fields of a struct stand in its place, as those of an embedded one do
//	alias:"name"           what a model is shown instead of the name
//	desc:"..."             the description
//	enum:"a,b"             the closed set of a string
//	min:"0" max:"10"       the range of a number, inclusive
//	len:"1..80"            the length of a string in code points, or of a slice or map
//	pattern:"[a-z]+"       a regular expression (RE2) that matches the whole string
//	format:"date"          see [Format]; a time.Time is then a date
//	union:"kind"           the member of a union that says which variant it is
//
// Of a slice or map all but len are said of the elements.
//
// A pointer is optional too. Strings, booleans, integers, floats, time.Time,
// time.Duration, slices, maps with string keys, nested structs and any can stand as
// fields; so can json.RawMessage, any JSON value, which is kept as the model wrote it
// but for space.
//
// Types of your own that implement both encoding.TextMarshaler and
// encoding.TextUnmarshaler are strings to the model: a decimal, a netip.Addr. They, and
// types of string kind, may have two more methods, which are called on the zero value
// (one of a number is a mistake: its values are no texts):
//
//	Values() []string  the closed set that they are of, as if they had the tag enum
//	Pattern() string   the regular expression that they match, as if they had the tag pattern
//
// Tags of the field come first. If instruction is empty and In has a method
// Instruction() string, that says it.
//
// A union is a struct whose exported fields are all pointers to structs, its variants.
// It is written as one object: of a field
//
//	Payment Payment `json:"payment" union:"method"`
//
// with
//
//	type Payment struct {
//		Card     *Card     `json:"card"`
//		Transfer *Transfer `json:"transfer"`
//	}
//
// the model writes {"method":"card", and the fields of Card, and exactly Card is set.
//
// A mistake gives an error that names the struct's field, a misspelt tag as well.
func SignatureOf[In, Out any](instruction string) (*Signature, error) {
	inputs, err := structFields(reflect.TypeFor[In]())
	if err != nil {
		return nil, fmt.Errorf("building a signature: %w", inStruct("inputs", err))
	}
	outputs, err := structFields(reflect.TypeFor[Out]())
	if err == nil {
		err = apart(inputs, outputs)
	}
	if err != nil {
		return nil, fmt.Errorf("building a signature: %w", inStruct("outputs", err))
	}
	if instruction == "" {
		if instruction, err = instructionOf[In](); err != nil {
			return nil, fmt.Errorf("building a signature: %w", &DeclarationError{Path: "instruction", Err: err})
		}
	}
	return NewSignature(instruction, fieldsOf(inputs), fieldsOf(outputs))
}

// instructionOf returns what In's method says, "" if it has none.
func instructionOf[In any]() (text string, err error) {
	defer recovered("the method Instruction", &err)
	if in, ok := any(new(In)).(interface{ Instruction() string }); ok {
		text = in.Instruction()
	}
	return text, nil
}

// structMistake is a mistake in a field of a struct.
type structMistake struct {
	name string // the field's
	from string // the Go struct and field
	err  error
}

func (e *structMistake) Error() string { return e.from + ": " + e.err.Error() }

func (e *structMistake) Unwrap() error { return e.err }

// inStruct says of a mistake in which of a signature's fields it is: of structs within
// structs that is the outermost.
func inStruct(side string, err error) error {
	mistake := &DeclarationError{Path: side, Err: err}
	if field := (*structMistake)(nil); errors.As(err, &field) {
		mistake.Field = field.name
	}
	return mistake
}

// structField ties a Field to its place in a Go struct.
type structField struct {
	Field
	index [][]int // where the value stands; two places when an inlined struct repeats a name
	from  string  // the Go struct and field

	byPointer bool // only a pointer to the value says how encoding/json writes it
}

// clash reports what two fields have in common that tells fields apart.
func (f structField) clash(g structField) error {
	switch {
	case strings.EqualFold(f.Name, g.Name):
		return fmt.Errorf("the name %q is declared twice, by %s before: give one of them another json name", f.Name, g.from)
	case strings.EqualFold(f.Label(), g.Label()):
		return fmt.Errorf("a model is shown %q twice, for %s before", f.Label(), g.from)
	}
	return nil
}

// apart reports an output that clashes with an input.
func apart(inputs, outputs []structField) error {
	for _, out := range outputs {
		for _, in := range inputs {
			if err := out.clash(in); err != nil {
				return &structMistake{out.Name, out.from, err}
			}
		}
	}
	return nil
}

func fieldsOf(structFields []structField) []Field {
	fields := make([]Field, len(structFields))
	for i, f := range structFields {
		fields[i] = f.Field
	}
	return fields
}

func structFields(t reflect.Type) ([]structField, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	return collectFields(t, nil, nil, nil)
}

// collectFields appends the fields of t, which stands at index in the outermost
// struct. open holds the types being looked at, to find recursion; it is empty
// for the outermost struct and those inlined in it.
func collectFields(t reflect.Type, index []int, fields []structField, open []reflect.Type) ([]structField, error) {
	for i := range t.NumField() {
		sf := t.Field(i)
		from := fmt.Sprintf("%s.%s", t, sf.Name)
		named, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		mistake := func(err error) error {
			return &structMistake{cmp.Or(named, snakeCase(sf.Name)), from, err}
		}
		tags, err := readTags(sf)
		if err != nil {
			return nil, mistake(err)
		}
		at := append(append([]int{}, index...), i)
		name := tags.name
		inline := sf.Anonymous && name == "" || tags.inline
		switch {
		case name == "-", !sf.IsExported() && !sf.Anonymous:
			continue
		case tags.inline && len(open) > 0: // encoding/json, which reads nested structs, does not know it
			return nil, mistake(errors.New("only fields of a signature's own struct can be inlined; embed the struct instead"))
		case inline && sf.Type.Kind() == reflect.Struct:
			if err = tags.onlyJSON("a struct whose fields stand in its place"); err != nil {
				return nil, mistake(err)
			}
			if fields, err = collectFields(sf.Type, at, fields, open); err != nil {
				return nil, err
			}
			continue
		case inline:
			return nil, mistake(fmt.Errorf("only a struct can be inlined or embedded, not %s", sf.Type))
		case name == "" && len(open) > 0: // nested structs are read by encoding/json, which does not know snake_case
			name = sf.Name
		case name == "":
			name = snakeCase(sf.Name)
		}
		f, err := declare(sf.Type, name, tags, append(open, t))
		if err == nil {
			fields, err = merge(fields, structField{f, [][]int{at}, from, writtenByPointer(sf.Type)})
		}
		if err != nil {
			return nil, mistake(err)
		}
	}
	return fields, nil
}

// merge appends a field. A name that an outer struct and one inlined in it both
// declare with the same type is one field with two places.
func merge(fields []structField, f structField) ([]structField, error) {
	for i := range fields {
		same := &fields[i]
		if same.Name == f.Name && len(same.index[0]) != len(f.index[0]) && same.Type.String() == f.Type.String() {
			same.index = append(same.index, f.index...)
			return fields, nil
		}
		if err := f.clash(*same); err != nil {
			return nil, err
		}
	}
	return append(fields, f), nil
}

// declare makes the field of a Go type and its tags.
func declare(t reflect.Type, name string, tags structTags, open []reflect.Type) (Field, error) {
	f := Field{
		Name:     name,
		Alias:    tags.get("alias"),
		Desc:     tags.get("desc"),
		Optional: t.Kind() == reflect.Pointer || tags.optional,
	}
	var err error
	if f.Type, err = goType(t, tags.get("union"), open); err != nil {
		return f, err
	}
	if err = leafOf(&f.Type).constrain(tags); err != nil {
		return f, err
	}
	if f.MinLen, f.MaxLen, err = tags.length(); err != nil {
		return f, err
	}
	f = f.settled()
	err = f.validate(0)
	if inner := (*DeclarationError)(nil); errors.As(err, &inner) {
		err = inner.Err // the path would be that of the signature, not of the struct
	}
	return f, err
}

// leafOf returns what the elements of lists and dicts are in the end.
func leafOf(t *Type) *Type {
	for t.Elem != nil {
		t = t.Elem
	}
	return t
}

// snakeCase turns a Go name into a field's name: "MaxTokens" into "max_tokens",
// "HTTPServer" into "http_server".
func snakeCase(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		upper := unicode.IsUpper(r)
		afterLower := i > 0 && !unicode.IsUpper(runes[i-1]) && runes[i-1] != '_'
		beforeLower := i > 0 && runes[i-1] != '_' && i+1 < len(runes) && unicode.IsLower(runes[i+1])
		if upper && (afterLower || beforeLower) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
