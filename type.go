package cria

import (
	"errors"
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
	KindAny     Kind = "Any"     // any JSON value, or text that is none
	KindJSON    Kind = "JSON"    // any JSON value, as its text: a json.RawMessage

	KindDateTime Kind = "datetime"  // a time.Time, written in RFC 3339: 2026-01-31T15:04:05Z
	KindDate     Kind = "date"      // a time.Time at midnight UTC, written 2026-01-31
	KindDuration Kind = "timedelta" // a time.Duration, written 1h30m; see [DurationPattern]
	KindUnion    Kind = "Union"     // one of several objects, told apart by a member

	KindHistory Kind = "History" // a [History]; an input only
	KindImage   Kind = "Image"   // an [Image]; an input only
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

	// Constraints on values of the type wherever they stand, such as in a list. Of the
	// field's own value they may stand in the [Field] instead. Zero: none.
	Min     *float64 `json:"min,omitempty"`     // int and float: inclusive
	Max     *float64 `json:"max,omitempty"`     // int and float: inclusive
	Pattern string   `json:"pattern,omitempty"` // str: RE2 syntax, matches the whole value
	Format  Format   `json:"format,omitempty"`  // str
}

// maxTypeDepth bounds the nesting of types: one may contain itself, and hostile text
// must not exhaust the stack.
const maxTypeDepth = 32

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
// it, otherwise than they are written here, or reads them otherwise.
func (t *Type) unlikeJSON() bool {
	return t.holds(func(t *Type) bool {
		switch t.Kind {
		case KindDateTime, KindDate, KindDuration, KindUnion, KindJSON:
			return true
		}
		return false
	})
}

// isAny reports whether the type says nothing of its values.
func (t Type) isAny() bool { return t.Kind == KindAny || t.Kind == KindJSON }

// holds reports whether some type within t, itself included, is as asked for. Those of
// variants count as well.
func (t *Type) holds(is func(*Type) bool) bool {
	if is(t) || t.Elem != nil && t.Elem.holds(is) || anyHolds(t.Fields, is) {
		return true
	}
	return slices.ContainsFunc(t.Variants, func(v Variant) bool { return anyHolds(v.Fields, is) })
}

func anyHolds(fields []Field, is func(*Type) bool) bool {
	for i := range fields {
		if fields[i].Type.holds(is) {
			return true
		}
	}
	return false
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

// validate checks a type that stands in depth others.
func (t Type) validate(depth int) error {
	if depth >= maxTypeDepth {
		return fmt.Errorf("the type is nested deeper than %d levels, or contains itself", maxTypeDepth)
	}
	var err error
	switch t.Kind {
	case KindString, KindInt, KindFloat, KindBool, KindAny, KindJSON, KindDateTime, KindDate, KindDuration:
	case KindHistory, KindImage:
		if depth > 0 {
			return fmt.Errorf("%s is an input of its own, not part of another type", t.Kind)
		}
	case KindList, KindDict:
		if t.Elem == nil {
			return fmt.Errorf("a %s needs the type of its elements", t.Kind)
		}
		err = at(".elem", t.Elem.validate(depth+1))
	case KindLiteral:
		err = at(".values", validateValues(t.Values))
	case KindObject:
		err = at(".fields", validateFields(t.Fields, newUsedNames(), depth+1))
	case KindUnion:
		err = validateVariants(t.Tag, t.Variants, depth+1)
	case "":
		return errors.New("it has no kind")
	default:
		err = fmt.Errorf("unknown kind %q", t.Kind)
	}
	if err != nil {
		return err
	}
	return t.limits().validate(t)
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
