package cria

import (
	"encoding/json"
	"fmt"
	"regexp/syntax"
	"strings"
)

// Bounds of the numbers that a model may write: integers are exact in a float64, and
// have digits enough.
const (
	maxWritten      = "999999999999999"
	writtenFraction = "0.000001"
)

// JSONSchema returns the JSON Schema (draft 2020-12) of the values that the field may
// have in JSON. Texts are not empty, objects have no other members than declared, and
// numbers are of at most 15 digits and 6 decimals. Members are named as a model is shown
// them, see [Field.Label].
func (f Field) JSONSchema() json.RawMessage {
	if f.Schema != nil {
		return f.Schema
	}
	f = f.settled()
	s := f.Type.schema()
	switch f.Type.Kind {
	case KindString:
		s.setIf(f.MinLen > 1, "minLength", f.MinLen)
		s.setIf(f.MaxLen > 0, "maxLength", f.MaxLen)
	case KindList:
		s.setIf(f.MinLen > 0, "minItems", f.MinLen)
		s.setIf(f.MaxLen > 0, "maxItems", f.MaxLen)
	case KindDict:
		s.setIf(f.MinLen > 0, "minProperties", f.MinLen)
		s.setIf(f.MaxLen > 0, "maxProperties", f.MaxLen)
	}
	s.setLimits(f.limits())
	return s.json()
}

func (s *schemaWriter) setLimits(l limits) {
	s.setIf(l.pattern != "", "pattern", "^(?:"+plainPattern(l.pattern)+")$")
	s.setIf(l.format != "", "format", l.format)
	s.setIf(l.min != nil, "minimum", l.min)
	s.setIf(l.max != nil, "maximum", l.max)
}

// plainPattern writes a regular expression without what RE2 and ECMA-262, which JSON
// Schema has, read in different ways: classes by name, quoted text.
func plainPattern(expr string) string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil { // the field is not valid
		return expr
	}
	return re.String()
}

// schemaWriter writes an object with its members in order.
type schemaWriter struct {
	names  []string
	values map[string]string
}

// set adds a member, or gives it another value.
func (s *schemaWriter) set(name string, value any) {
	data, err := marshalCompact(value)
	if err != nil {
		panic(fmt.Sprintf("cria: a JSON Schema cannot hold %v: %v", value, err)) // only texts and numbers come here
	}
	if _, ok := s.values[name]; !ok {
		s.names = append(s.names, name)
	}
	s.values[name] = string(data)
}

func (s *schemaWriter) setIf(yes bool, name string, value any) {
	if yes {
		s.set(name, value)
	}
}

func (s *schemaWriter) json() json.RawMessage {
	members := make([]string, len(s.names))
	for i, name := range s.names {
		members[i] = fmt.Sprintf("%q:%s", name, s.values[name])
	}
	return json.RawMessage("{" + strings.Join(members, ",") + "}")
}

func (t Type) schema() *schemaWriter {
	s := &schemaWriter{values: map[string]string{}}
	switch t.Kind {
	case KindString:
		s.set("type", "string")
		s.set("minLength", 1)
	case KindInt:
		s.set("type", "integer")
		s.set("minimum", json.RawMessage("-"+maxWritten))
		s.set("maximum", json.RawMessage(maxWritten))
	case KindFloat:
		s.set("type", "number")
		s.set("minimum", json.RawMessage("-"+maxWritten))
		s.set("maximum", json.RawMessage(maxWritten))
		s.set("multipleOf", json.RawMessage(writtenFraction))
	case KindBool:
		s.set("type", "boolean")
	case KindDateTime:
		s.set("type", "string")
		s.set("format", FormatDateTime)
	case KindDate:
		s.set("type", "string")
		s.set("format", FormatDate)
	case KindDuration:
		s.set("type", "string")
		s.set("pattern", "^(?:"+DurationPattern+")$")
	case KindLiteral:
		s.set("enum", t.Values)
	case KindList:
		s.set("type", "array")
		s.set("items", t.Elem.schema().json())
	case KindDict:
		s.set("type", "object")
		s.set("additionalProperties", t.Elem.schema().json())
	case KindObject:
		s.setMembers("", "", t.Fields)
	case KindUnion:
		variants := make([]json.RawMessage, len(t.Variants))
		for i, v := range t.Variants {
			variant := &schemaWriter{values: map[string]string{}}
			variant.setMembers(t.Tag, v.Name, v.Fields)
			variants[i] = variant.json()
		}
		s.set("anyOf", variants)
	}
	s.setLimits(t.limits())
	return s
}

// setMembers makes s the schema of an object with these fields and, before them, a
// tag of one value, unless that is "".
func (s *schemaWriter) setMembers(tag, value string, fields []Field) {
	properties := &schemaWriter{values: map[string]string{}}
	required := []string{}
	if tag != "" {
		constant := &schemaWriter{values: map[string]string{}}
		constant.set("const", value)
		properties.set(tag, constant.json())
		required = append(required, tag)
	}
	for _, f := range fields {
		properties.set(f.Label(), f.JSONSchema())
		if !f.Optional {
			required = append(required, f.Label())
		}
	}
	s.set("type", "object")
	s.set("properties", properties.json())
	s.set("required", required)
	s.set("additionalProperties", false)
}
