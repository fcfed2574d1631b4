package cria

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// structTags are the tags of a struct's field that say something here.
type structTags struct {
	name             string // in JSON
	inline, optional bool
	pairs            []tagPair
}

// tagPair is key:"value" in a tag.
type tagPair struct{ key, value string }

// tagKeys are the keys that are known.
var tagKeys = []string{"json", "desc", "alias", "enum", "min", "max", "len", "pattern", "format", "union"}

// jsonOptions are the options of a json tag that are known.
var jsonOptions = []string{"omitempty", "omitzero", "inline", "string"}

// readTags reads the tags of a field. Those of other packages are let pass, unless one
// looks like a misspelt one of ours.
func readTags(sf reflect.StructField) (structTags, error) {
	pairs, err := splitTag(string(sf.Tag))
	if err != nil {
		return structTags{}, err
	}
	var tags structTags
	for _, p := range pairs {
		if !slices.Contains(tagKeys, p.key) {
			if err := p.misspelt(); err != nil {
				return tags, err
			}
			continue
		}
		switch {
		case tags.has(p.key):
			return tags, fmt.Errorf("the tag has %s twice", p.key)
		case p.value == "" && p.key != "json" && p.key != "desc":
			return tags, fmt.Errorf(`%s:"" says nothing`, p.key)
		case !sf.IsExported() && !sf.Anonymous && sf.Name != "_":
			return tags, fmt.Errorf("it has the tag %s, but is not exported", p.key)
		}
		tags.pairs = append(tags.pairs, p)
	}
	return tags, tags.readJSON()
}

// readJSON reads the tag json.
func (t *structTags) readJSON() error {
	name, options, _ := strings.Cut(t.get("json"), ",")
	t.name = name
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "inline":
			t.inline = true
		case "omitempty", "omitzero":
			t.optional = true
		case "string":
			return errors.New(`the json option "string" is not supported`)
		default:
			if near := nearest(option, jsonOptions); near != "" {
				return fmt.Errorf("unknown json option %q; did you mean %s?", option, near)
			}
		}
	}
	return nil
}

// misspelt reports a key that is meant to be one of ours.
func (p tagPair) misspelt() error {
	near := nearest(p.key, tagKeys)
	switch p.key {
	case "bson", "map": // of other packages
		return nil
	case "description":
		near = "desc"
	case "length":
		near = "len"
	case "minimum", "maximum":
		near = p.key[:3]
	}
	if near == "" {
		return nil
	}
	return fmt.Errorf("unknown tag %s:%q; did you mean %s?", p.key, p.value, near)
}

func (t structTags) has(key string) bool {
	return slices.ContainsFunc(t.pairs, func(p tagPair) bool { return p.key == key })
}

func (t structTags) get(key string) string {
	for _, p := range t.pairs {
		if p.key == key {
			return p.value
		}
	}
	return ""
}

// onlyJSON reports a tag of what can have json only.
func (t structTags) onlyJSON(what string) error {
	for _, p := range t.pairs {
		if p.key != "json" {
			return fmt.Errorf("%s:%q says nothing of %s", p.key, p.value, what)
		}
	}
	return nil
}

var tagSyntax = regexp.MustCompile(`^([^\s":]+):("(?:[^"\\]|\\.)*")\s*`)

// splitTag reads a tag, of which package reflect would leave out what it cannot read.
func splitTag(tag string) ([]tagPair, error) {
	var pairs []tagPair
	for rest := strings.TrimSpace(tag); rest != ""; {
		m := tagSyntax.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("the tag is not written as key:\"value\": %s", abbreviate(rest, 40))
		}
		value, err := strconv.Unquote(m[2])
		if err != nil {
			return nil, fmt.Errorf("the value of the tag %s is not a quoted text: %s", m[1], m[2])
		}
		pairs, rest = append(pairs, tagPair{m[1], value}), rest[len(m[0]):]
	}
	return pairs, nil
}

// constrain puts what tags say of a value into its type.
func (t *Type) constrain(tags structTags) error {
	if tags.has("union") && t.Kind != KindUnion {
		return fmt.Errorf("union:%q needs a struct of pointers to structs, not %s", tags.get("union"), t)
	}
	if err := t.close(tags); err != nil {
		return err
	}
	least, err := tags.number("min")
	if err != nil {
		return err
	}
	if least != nil && (t.Min == nil || !(*least <= *t.Min)) { // what the Go type can hold
		t.Min = least
	}
	most, err := tags.number("max")
	if err != nil {
		return err
	}
	if most != nil && (t.Max == nil || !(*most >= *t.Max)) {
		t.Max = most
	}
	if tags.has("pattern") {
		t.Pattern = tags.get("pattern")
	}
	if format := Format(tags.get("format")); t.Kind == KindDateTime {
		return t.setFormat(format)
	} else if format != "" {
		t.Format = format
	}
	return nil
}

// close makes a closed set of a text if a tag says so; of one that is closed already it
// leaves the values that the tag has.
func (t *Type) close(tags structTags) error {
	if !tags.has("enum") {
		return nil
	}
	values := splitTrim(tags.get("enum"), ",")
	switch t.Kind {
	case KindString:
	case KindLiteral:
		for _, v := range values {
			if !slices.Contains(t.Values, v) {
				return fmt.Errorf("enum has %q, which is not among the values of the type: %s", v, strings.Join(t.Values, ", "))
			}
		}
	default:
		return fmt.Errorf("enum needs a string, or a slice or map of them, not %s", t)
	}
	*t = Type{Kind: KindLiteral, Values: values}
	return nil
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

func splitTrim(s, sep string) []string {
	parts := strings.Split(s, sep)
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func (t structTags) number(key string) (*float64, error) {
	if !t.has(key) {
		return nil, nil
	}
	v, err := strconv.ParseFloat(t.get(key), 64)
	if err != nil {
		return nil, fmt.Errorf("%s:%q is not a number", key, t.get(key))
	}
	return &v, nil
}

var lenRange = regexp.MustCompile(`^(\d*)\.\.(\d*)$|^(\d+)$`)

// length reads "1..80", "1..", "..80" or "80" (exactly).
func (t structTags) length() (lo, hi int, err error) {
	text := t.get("len")
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
