package cria

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is the basic kind of a [Type].
type Kind string

// The kinds of value that a field can hold, named as in DSPy's string
// signatures.
const (
	KindString  Kind = "str"
	KindInt     Kind = "int"
	KindFloat   Kind = "float"
	KindBool    Kind = "bool"
	KindList    Kind = "list"
	KindDict    Kind = "dict"    // string keys
	KindLiteral Kind = "Literal" // a closed set of strings
	KindObject  Kind = "object"  // named fields: a nested Go struct
	KindAny     Kind = "Any"     // any JSON value

	KindDateTime Kind = "datetime"  // a time.Time, written in RFC 3339: 2026-01-31T15:04:05Z
	KindDate     Kind = "date"      // a time.Time at midnight UTC, written 2026-01-31
	KindDuration Kind = "timedelta" // a time.Duration, written 1h30m; see [DurationPattern]
	KindUnion    Kind = "Union"     // one of several objects, told apart by a member
)

// Type says what values a [Field] can hold. The zero value is not valid; see
// [Type.Kind] for what each kind needs besides.
type Type struct {
	Kind     Kind      `json:"kind"`
	Elem     *Type     `json:"elem,omitempty"`     // list: the elements; dict: the values
	Values   []string  `json:"values,omitempty"`   // Literal: the closed set, in declared order
	Fields   []Field   `json:"fields,omitempty"`   // object
	Tag      string    `json:"tag,omitempty"`      // Union: the member that names the variant
	Variants []Variant `json:"variants,omitempty"` // Union
	Min      *float64  `json:"min,omitempty"`      // int: what a Go type of fewer bits can hold; nil: no limit
	Max      *float64  `json:"max,omitempty"`      // as Min
}

// String writes the type in the syntax of string signatures, which objects and
// unions have none in.
func (t Type) String() string {
	switch t.Kind {
	case KindList:
		return "list[" + t.elem() + "]"
	case KindDict:
		return "dict[str, " + t.elem() + "]"
	case KindLiteral:
		quoted := make([]string, len(t.Values))
		for i, v := range t.Values {
			quoted[i] = quoteLiteral(v)
		}
		return "Literal[" + strings.Join(quoted, ", ") + "]"
	case KindObject:
		return "{" + joinFields(t.Fields) + "}"
	case KindUnion:
		return joinVariants(t.Tag, t.Variants)
	default:
		return string(t.Kind)
	}
}

// unlikeJSON reports whether encoding/json writes Go values of the type, or of parts of
// it, otherwise than they are written here.
func (t Type) unlikeJSON() bool {
	switch t.Kind {
	case KindDateTime, KindDate, KindDuration, KindUnion:
		return true
	}
	return t.Elem != nil && t.Elem.unlikeJSON() ||
		slices.ContainsFunc(t.Fields, func(f Field) bool { return f.Type.unlikeJSON() })
}

func (t Type) elem() string {
	if t.Elem == nil {
		return "?"
	}
	return t.Elem.String()
}

// quoteLiteral quotes one value of a Literal so that [ParseSignature] reads it
// back.
func quoteLiteral(v string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\t", `\t`).Replace(v) + "'"
}

func (t Type) validate() error {
	switch t.Kind {
	case KindString, KindInt, KindFloat, KindBool, KindAny, KindDateTime, KindDate, KindDuration:
		return nil
	case KindList, KindDict:
		if t.Elem == nil {
			return fmt.Errorf("a %s needs the type of its elements", t.Kind)
		}
		return t.Elem.validate()
	case KindLiteral:
		return validateValues(t.Values)
	case KindObject:
		return validateFields(t.Fields)
	case KindUnion:
		return validateVariants(t.Tag, t.Variants)
	default:
		return fmt.Errorf("unknown kind %q", t.Kind)
	}
}

// validateValues checks a closed set. Values stand on one line of a reply, and
// the tolerant parser compares them without case, so they must differ in more
// than that.
func validateValues(values []string) error {
	if len(values) == 0 {
		return fmt.Errorf("a closed set needs at least one value")
	}
	seen := map[string]string{}
	for _, v := range values {
		key := strings.ToLower(v)
		switch other, dup := seen[key]; {
		case key == "":
			return fmt.Errorf("a value of a closed set is empty")
		case strings.ContainsAny(v, "\r\n") || v != strings.TrimSpace(v):
			return fmt.Errorf("the value %q of a closed set is not one line without space at its ends", v)
		case dup:
			return fmt.Errorf("the values %q and %q of a closed set differ only in case", other, v)
		}
		seen[key] = v
	}
	return nil
}
