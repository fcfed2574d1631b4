package cria

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Variant is one of the objects that a [KindUnion] can be. In JSON it is one object:
// the union's tag with the variant's name, then the fields.
type Variant struct {
	Name   string  `json:"name"`
	Fields []Field `json:"fields"`
}

func joinVariants(tag string, variants []Variant) string {
	parts := make([]string, len(variants))
	for i, v := range variants {
		parts[i] = "{" + tag + ": " + quoteLiteral(v.Name)
		if len(v.Fields) > 0 {
			parts[i] += ", " + joinFields(v.Fields)
		}
		parts[i] += "}"
	}
	return strings.Join(parts, " | ")
}

func validateVariants(tag string, variants []Variant, depth int) error {
	if !fieldName.MatchString(tag) {
		return fmt.Errorf("the tag %q of a union is not letters, digits and underscores that do not begin with a digit", tag)
	}
	if len(variants) == 0 {
		return errors.New("a union needs at least one variant")
	}
	if err := validateValues(variantNames(variants)); err != nil {
		return fmt.Errorf("the variants of a union: %w", err)
	}
	for i, v := range variants {
		path := fmt.Sprintf(".variants[%d]", i)
		// What a model writes is compared without case.
		isTag := func(f Field) bool { return strings.EqualFold(f.Name, tag) || strings.EqualFold(f.Label(), tag) }
		if k := slices.IndexFunc(v.Fields, isTag); k >= 0 {
			return at(path, fmt.Errorf("the tag %q of a union is also the field %q of its variant %q", tag, v.Fields[k].Name, v.Name))
		}
		if err := validateFields(v.Fields, newUsedNames(), depth); err != nil {
			return at(path+".fields", err)
		}
	}
	return nil
}

func variantNames(variants []Variant) []string {
	names := make([]string, len(variants))
	for i, v := range variants {
		names[i] = v.Name
	}
	return names
}

// unionType maps a struct of pointers to structs to a Type.
func unionType(t reflect.Type, tag string, open []reflect.Type) (Type, error) {
	union := Type{Kind: KindUnion, Tag: tag}
	for _, v := range variantFields(t) {
		fields, err := variantStruct(v.field, append(open, t))
		if err != nil {
			return union, fmt.Errorf("%s.%s: %w", t, v.field.Name, err)
		}
		union.Variants = append(union.Variants, Variant{Name: v.name, Fields: fieldsOf(fields)})
	}
	if len(union.Variants) == 0 {
		return union, fmt.Errorf("%s has no exported field, so the union has no variant", t)
	}
	return union, nil
}

func variantStruct(sf reflect.StructField, open []reflect.Type) ([]structField, error) {
	tags, err := readTags(sf)
	if err == nil {
		err = tags.onlyJSON("a variant of a union")
	}
	switch {
	case err != nil:
		return nil, err
	case sf.Anonymous:
		return nil, errors.New("a variant of a union cannot be embedded")
	case sf.Type.Kind() != reflect.Pointer || sf.Type.Elem().Kind() != reflect.Struct || readsText(sf.Type.Elem()):
		return nil, fmt.Errorf("a variant of a union is a pointer to a struct with fields, not %s", sf.Type)
	case slices.Contains(open, sf.Type.Elem()):
		return nil, errors.New("the type contains itself")
	}
	return collectFields(sf.Type.Elem(), nil, nil, open)
}

// variantField is a variant's place in the Go struct of a union.
type variantField struct {
	name  string
	index int
	field reflect.StructField
}

func variantFields(t reflect.Type) (variants []variantField) {
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case name == "-" || !sf.IsExported():
			continue
		case name == "":
			name = snakeCase(sf.Name)
		}
		variants = append(variants, variantField{name, i, sf})
	}
	return variants
}

// variant returns a variant by its name.
func (t Type) variant(name string) (Variant, bool) {
	i := slices.IndexFunc(t.Variants, func(v Variant) bool { return v.Name == name })
	if i < 0 {
		return Variant{}, false
	}
	return t.Variants[i], true
}

// variantOf returns the variant that a flat object names exactly.
func (t Type) variantOf(flat map[string]any) (Variant, error) {
	name, _ := flat[t.Tag].(string)
	v, ok := t.variant(name)
	if !ok {
		return v, t.wantTag(flat[t.Tag])
	}
	return v, nil
}

func (t Type) wantTag(got any) error {
	want := fmt.Sprintf("%s: want one of %s", t.Tag, strings.Join(variantNames(t.Variants), ", "))
	if got == nil {
		return fmt.Errorf("%s, got nothing", want)
	}
	return fmt.Errorf("%s, got %s", want, abbreviate(fmt.Sprint(got), 40))
}

// union reads the flat object, or an object whose only member is a variant: some
// models write {"card": {...}}.
func (c *coercer) union(t *Type, m map[string]any) (any, error) {
	written, tagged := lookupFold(m, t.Tag)
	if w, ok := written.(writtenJSON); ok {
		written, _ = w.opened(t)
	}
	if !tagged && len(m) == 1 {
		for name, inner := range m {
			if w, ok := inner.(writtenJSON); ok {
				inner, _ = w.opened(t)
			}
			if fields, ok := inner.(map[string]any); ok {
				written, m = name, fields
			}
		}
	}
	if written == nil {
		return nil, t.wantTag(nil)
	}
	name, err := c.literal(variantNames(t.Variants), written)
	if err != nil {
		return nil, t.wantTag(written)
	}
	v, _ := t.variant(name.(string))
	out, err := c.fields(v.Fields, m)
	if err != nil {
		return nil, err
	}
	out[t.Tag] = v.Name
	return out, nil
}

// writtenUnion writes the flat object of a struct of variants or of a map.
func (t Type) writtenUnion(v reflect.Value, depth int) (any, error) {
	if v.Kind() != reflect.Struct {
		return t.writtenFlat(v, depth)
	}
	var set []string
	var inner reflect.Value
	for _, variant := range variantFields(v.Type()) {
		if p := v.Field(variant.index); p.Kind() == reflect.Pointer && !p.IsNil() {
			set, inner = append(set, variant.name), p.Elem()
		}
	}
	if len(set) != 1 {
		return nil, fmt.Errorf("want one of %s to be set, got %d", strings.Join(variantNames(t.Variants), ", "), len(set))
	}
	variant, ok := t.variant(set[0])
	if !ok {
		return nil, t.wantTag(set[0])
	}
	fields, err := writtenObject(variant.Fields, inner, depth)
	if o, ok := fields.(object); ok {
		return append(object{{t.Tag, variant.Name}}, o...), err
	}
	return fields, err
}

// writtenFlat writes the object of a map that has the tag in it already.
func (t Type) writtenFlat(v reflect.Value, depth int) (any, error) {
	fields := []Field{{Name: t.Tag, Type: Type{Kind: KindAny}}}
	if flat, ok := v.Interface().(map[string]any); ok {
		if variant, err := t.variantOf(flat); err == nil {
			fields = append(fields, variant.Fields...)
		}
	}
	return writtenObject(fields, v, depth)
}
