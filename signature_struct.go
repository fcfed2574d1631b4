package cria

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// SignatureOf builds a signature from two structs, whose exported fields are
// the inputs and the outputs, in order. Tags say the rest:
//
//	json:"name,omitempty"  the name (else the Go name in snake_case; in nested structs the Go name); omitempty makes it optional; "-" leaves it out
//	json:",inline"         the fields of a struct stand in its place, as those of an embedded one do
//	desc:"..."             the description
//	enum:"a,b"             the closed set of a string, or of the elements of a slice or map
//	min:"0" max:"10"       the range of a number, inclusive
//	len:"1..80"            the length of a string in code points, or of a slice or map
//	pattern:"[a-z]+"       a regular expression (RE2) that matches the whole string
//	format:"date"          see [Format]; a time.Time is then a date
//	union:"kind"           the member of a union that says which variant it is
//
// A pointer is optional too. Strings, booleans, integers, floats, time.Time,
// time.Duration, slices, maps with string keys, nested structs, json.RawMessage, any,
// and types that implement both encoding.TextMarshaler and encoding.TextUnmarshaler
// can stand as fields. format and union say it of the elements of slices and maps too.
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
// A mistake gives an error that names the struct's field.
func SignatureOf[In, Out any](instruction string) (*Signature, error) {
	inputs, err := structFields(reflect.TypeFor[In]())
	if err != nil {
		return nil, fmt.Errorf("building a signature: inputs: %w", err)
	}
	outputs, err := structFields(reflect.TypeFor[Out]())
	if err != nil {
		return nil, fmt.Errorf("building a signature: outputs: %w", err)
	}
	return NewSignature(instruction, fieldsOf(inputs), fieldsOf(outputs))
}

// structField ties a Field to its place in a Go struct.
type structField struct {
	Field
	index [][]int // where the value stands; two places when an inlined struct repeats a name
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
		at := append(append([]int{}, index...), i)
		name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
		tagged := hasOption(options, "inline")
		inline := sf.Anonymous && name == "" || tagged
		switch {
		case name == "-", !sf.IsExported() && !sf.Anonymous:
			continue
		case hasOption(options, "string"):
			return nil, fmt.Errorf("%s.%s: the json option \"string\" is not supported", t, sf.Name)
		case tagged && len(open) > 0: // encoding/json, which reads nested structs, does not know it
			return nil, fmt.Errorf("%s.%s: only fields of a signature's own struct can be inlined; embed the struct instead", t, sf.Name)
		case inline && sf.Type.Kind() == reflect.Struct:
			var err error
			if fields, err = collectFields(sf.Type, at, fields, open); err != nil {
				return nil, err
			}
			continue
		case inline:
			return nil, fmt.Errorf("%s.%s: only a struct can be inlined or embedded, not %s", t, sf.Name, sf.Type)
		case name == "" && len(open) > 0: // nested structs are read by encoding/json, which does not know snake_case
			name = sf.Name
		case name == "":
			name = snakeCase(sf.Name)
		}
		f, err := declare(sf, name, options, append(open, t))
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, sf.Name, err)
		}
		if fields, err = merge(fields, structField{f, [][]int{at}}); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, sf.Name, err)
		}
	}
	return fields, nil
}

// merge appends a field. A name that an outer struct and one inlined in it both
// declare with the same type is one field with two places.
func merge(fields []structField, f structField) ([]structField, error) {
	for i := range fields {
		switch same := &fields[i]; {
		case same.Name != f.Name:
		case len(same.index[0]) == len(f.index[0]) || same.Type.String() != f.Type.String():
			return nil, fmt.Errorf("the name %q is declared twice", f.Name)
		default:
			same.index = append(same.index, f.index...)
			return fields, nil
		}
	}
	return append(fields, f), nil
}

// declare reads a struct field's type and tags.
func declare(sf reflect.StructField, name, options string, open []reflect.Type) (Field, error) {
	f := Field{
		Name:     name,
		Desc:     sf.Tag.Get("desc"),
		Pattern:  sf.Tag.Get("pattern"),
		Format:   Format(sf.Tag.Get("format")),
		Optional: sf.Type.Kind() == reflect.Pointer || hasOption(options, "omitempty") || hasOption(options, "omitzero"),
	}
	var err error
	tag, isUnion := sf.Tag.Lookup("union")
	if isUnion && tag == "" {
		return f, errors.New(`union:"" does not name the member that says which variant it is`)
	}
	if f.Type, err = goType(sf.Type, tag, open); err != nil {
		return f, err
	}
	switch leaf := leafOf(&f.Type); {
	case isUnion && leaf.Kind != KindUnion:
		return f, fmt.Errorf("union:%q needs a struct of pointers to structs, not %s", tag, sf.Type)
	case leaf.Kind == KindDateTime:
		if err := leaf.setFormat(f.Format); err != nil {
			return f, err
		}
		f.Format = ""
	}
	if values, ok := sf.Tag.Lookup("enum"); ok {
		leaf := leafOf(&f.Type)
		if leaf.Kind != KindString {
			return f, fmt.Errorf("enum needs a string, or a slice or map of them, not %s", sf.Type)
		}
		*leaf = Type{Kind: KindLiteral, Values: splitTrim(values, ",")}
	}
	if f.Min, err = floatTag(sf.Tag, "min"); err != nil {
		return f, err
	}
	if f.Max, err = floatTag(sf.Tag, "max"); err != nil {
		return f, err
	}
	if t := f.Type; t.Min != nil && (f.Min == nil || *f.Min < *t.Min) {
		f.Min = t.Min
	}
	if t := f.Type; t.Max != nil && (f.Max == nil || *f.Max > *t.Max) {
		f.Max = t.Max
	}
	if f.MinLen, f.MaxLen, err = lenTag(sf.Tag.Get("len")); err != nil {
		return f, err
	}
	return f, f.validate()
}

// leafOf returns what the elements of lists and dicts are in the end.
func leafOf(t *Type) *Type {
	for t.Elem != nil {
		t = t.Elem
	}
	return t
}

// setFormat makes a date of a time if a tag says so.
func (t *Type) setFormat(f Format) error {
	switch f {
	case "", FormatDateTime:
		return nil
	case FormatDate:
		t.Kind = KindDate
		return nil
	default:
		return fmt.Errorf("the format of a time is %s or %s, not %q", FormatDateTime, FormatDate, f)
	}
}

func hasOption(options, name string) bool {
	return slices.Contains(strings.Split(options, ","), name)
}

func splitTrim(s, sep string) []string {
	parts := strings.Split(s, sep)
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func floatTag(tag reflect.StructTag, name string) (*float64, error) {
	text, ok := tag.Lookup(name)
	if !ok {
		return nil, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%s:%q is not a number", name, text)
	}
	return &v, nil
}

var lenRange = regexp.MustCompile(`^(\d*)\.\.(\d*)$|^(\d+)$`)

// lenTag reads "1..80", "1..", "..80" or "80" (exactly).
func lenTag(text string) (lo, hi int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	m := lenRange.FindStringSubmatch(text)
	if m == nil {
		return 0, 0, fmt.Errorf("len:%q is not a range such as \"1..80\"", text)
	}
	if m[3] != "" {
		m[1], m[2] = m[3], m[3]
	}
	for i, dst := range []*int{&lo, &hi} {
		if m[i+1] == "" {
			continue
		}
		if *dst, err = strconv.Atoi(m[i+1]); err != nil {
			return 0, 0, fmt.Errorf("len:%q is out of range", text)
		}
	}
	return lo, hi, nil
}

var (
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	rawMessage      = reflect.TypeFor[json.RawMessage]()
)

// readsText reports whether a type is text by its own account.
func readsText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(textMarshaler) && reflect.PointerTo(t).Implements(textUnmarshaler)
}

// goType maps a Go type to a Type. union is the tag of a union in it, if not "".
func goType(t reflect.Type, union string, open []reflect.Type) (Type, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == rawMessage || t.Kind() == reflect.Interface && t.NumMethod() == 0:
		return Type{Kind: KindAny}, nil
	case t == timeType:
		return Type{Kind: KindDateTime}, nil
	case t == durationType:
		return Type{Kind: KindDuration}, nil
	case readsText(t):
		return Type{Kind: KindString}, nil
	case slices.Contains(open, t):
		return Type{}, errors.New("the type contains itself")
	}
	if t.Kind() != reflect.Struct { // collectFields adds structs
		open = append(open, t)
	}
	switch t.Kind() {
	case reflect.String:
		return Type{Kind: KindString}, nil
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
