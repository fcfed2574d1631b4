package cria

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Field is one named, typed input or output of a [Signature]. Copies share the
// pointers in it, which nobody writes after the signature was built.
type Field struct {
	Name  string `json:"name"`            // the key of its values: letters, digits and underscores, not first a digit
	Alias string `json:"alias,omitempty"` // what a model is shown instead of the name, of the same letters; "": the name
	Desc  string `json:"desc,omitempty"`
	Type  Type   `json:"type"`

	// Optional fields may be absent from an input, and an output's value may
	// then be empty or null.
	Optional bool `json:"optional,omitempty"`

	// Constraints on the value, checked when a reply is parsed. Zero: none. Those of
	// the elements of a list or dict stand in their [Type].
	Min     *float64 `json:"min,omitempty"`     // int and float: inclusive
	Max     *float64 `json:"max,omitempty"`     // int and float: inclusive
	MinLen  int      `json:"min_len,omitempty"` // str: Unicode code points; list and dict: elements
	MaxLen  int      `json:"max_len,omitempty"` // as MinLen
	Pattern string   `json:"pattern,omitempty"` // str: RE2 syntax, matches the whole value
	Format  Format   `json:"format,omitempty"`  // str

	// What a model may write as the value instead of what the type says; a reply
	// of one that cannot be held to it is not checked against these.
	Schema json.RawMessage `json:"schema,omitempty"` // Any: JSON Schema of the value, which is JSON
	GBNF   string          `json:"gbnf,omitempty"`   // str: a grammar in llama.cpp's notation, of one line
}

// Label returns the name that a model is shown: the alias, or else the name.
func (f Field) Label() string { return cmp.Or(f.Alias, f.Name) }

// String writes the field in the syntax of string signatures, without its
// constraints.
func (f Field) String() string {
	t := f.Type.String()
	if f.Optional {
		t = "Optional[" + t + "]"
	}
	return f.Name + ": " + t
}

func joinFields(fields []Field) string {
	var parts []string
	for _, f := range fields {
		parts = append(parts, f.String())
	}
	return strings.Join(parts, ", ")
}

var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const fieldNameRule = "letters, digits and underscores, and does not begin with a digit"

// usedNames are names of fields that stand beside each other, in lower case: what a
// model writes is compared without case.
type usedNames struct{ names, labels map[string]bool }

func newUsedNames() usedNames { return usedNames{map[string]bool{}, map[string]bool{}} }

// add reports a name, or a name that a model is shown, that another field has.
func (u usedNames) add(f Field) error {
	name, label := strings.ToLower(f.Name), strings.ToLower(f.Label())
	switch {
	case u.names[name]:
		return errors.New("declared twice")
	case u.labels[label]:
		return fmt.Errorf("a model is shown two fields as %q", f.Label())
	}
	u.names[name], u.labels[label] = true, true
	return nil
}

// validateFields checks the fields of an object, or of one side of a signature. depth
// is that of their types.
func validateFields(fields []Field, used usedNames, depth int) error {
	for i, f := range fields {
		err := f.validate(depth)
		if err == nil {
			err = used.add(f)
		}
		if err != nil {
			return inField(f, at(fmt.Sprintf("[%d]", i), err))
		}
	}
	return nil
}

func (f Field) validate(depth int) error {
	if err := f.Type.validate(depth); err != nil {
		return at(".type", err)
	}
	sized := f.Type.Kind == KindString || f.Type.Kind == KindList || f.Type.Kind == KindDict
	switch {
	case f.Name == "":
		return errors.New("it has no name")
	case !fieldName.MatchString(f.Name):
		return fmt.Errorf("a name is %s: %q", fieldNameRule, f.Name)
	case !fieldName.MatchString(f.Label()):
		return fmt.Errorf("an alias is %s: %q", fieldNameRule, f.Alias)
	case !utf8.ValidString(f.Desc):
		return errors.New("its description is not valid UTF-8")
	case f.MinLen > 0 && f.Type.Kind == KindDict:
		return errors.New("a dict's least length cannot be forced on a model; give only the most, such as len:\"..9\"")
	case (f.MinLen != 0 || f.MaxLen != 0) && !sized:
		return fmt.Errorf("len needs a str, list or dict, not %s", f.Type)
	case f.MinLen < 0 || f.MaxLen < 0 || f.MaxLen > 0 && f.MinLen > f.MaxLen:
		return fmt.Errorf("len %d..%d is not a range", f.MinLen, f.MaxLen)
	case f.GBNF != "" && f.Type.Kind != KindString:
		return fmt.Errorf("GBNF needs a str, not %s", f.Type)
	case f.Schema != nil && f.Type.Kind != KindAny:
		return fmt.Errorf("a JSON Schema needs the type Any, not %s", f.Type)
	case f.Schema != nil && !json.Valid(f.Schema):
		return errors.New("its JSON Schema is not JSON")
	case f.Pattern != "" && f.Type.Pattern != "", f.Format != "" && f.Type.Format != "":
		return errors.New("its type has a pattern or format already")
	}
	settled := f.settled()
	return settled.limits().validate(f.Type)
}

// settled returns the field with what its type says of the whole value among its own
// constraints, where those who write a constraint look for them.
func (f Field) settled() Field {
	t := f.Type.limits()
	if t.min != nil && (f.Min == nil || *f.Min < *t.min) {
		f.Min = t.min
	}
	if t.max != nil && (f.Max == nil || *f.Max > *t.max) {
		f.Max = t.max
	}
	f.Pattern, f.Format = cmp.Or(f.Pattern, t.pattern), cmp.Or(f.Format, t.format)
	f.Type.Min, f.Type.Max, f.Type.Pattern, f.Type.Format = nil, nil, "", ""
	return f
}

// check reports whether a coerced value meets the field's constraints.
func (f *Field) check(value any) error {
	if err := f.limits().check(value); err != nil {
		return err
	}
	if f.MinLen == 0 && f.MaxLen == 0 {
		return nil
	}
	switch v := value.(type) {
	case string:
		return f.checkLen(utf8.RuneCountInString(v), "characters")
	case []any:
		return f.checkLen(len(v), "elements")
	case map[string]any:
		return f.checkLen(len(v), "elements")
	}
	return nil
}

func (f *Field) checkLen(n int, unit string) error {
	if n < f.MinLen {
		return fmt.Errorf("%d %s are fewer than the minimum %d", n, unit, f.MinLen)
	}
	if f.MaxLen > 0 && n > f.MaxLen {
		return fmt.Errorf("%d %s are more than the maximum %d", n, unit, f.MaxLen)
	}
	return nil
}
