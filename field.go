package cria

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Field is one named, typed input or output of a [Signature]. Copies share the
// pointers in it, which nobody writes after the signature was built.
type Field struct {
	Name string `json:"name"` // letters, digits and underscores, not first a digit
	Desc string `json:"desc,omitempty"`
	Type Type   `json:"type"`

	// Optional fields may be absent from an input, and an output's value may
	// then be empty or null.
	Optional bool `json:"optional,omitempty"`

	// Constraints on the value, checked when a reply is parsed. Zero: none.
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

func validateFields(fields []Field) error {
	seen := map[string]bool{}
	for _, f := range fields {
		if err := f.validate(); err != nil {
			return fmt.Errorf("field %q: %w", f.Name, err)
		}
		// Markers in a reply are found without regard to case.
		if key := strings.ToLower(f.Name); seen[key] {
			return fmt.Errorf("field %q: declared twice", f.Name)
		} else {
			seen[key] = true
		}
	}
	return nil
}

func (f Field) validate() error {
	if err := f.Type.validate(); err != nil {
		return err
	}
	numeric := f.Type.Kind == KindInt || f.Type.Kind == KindFloat
	sized := f.Type.Kind == KindString || f.Type.Kind == KindList || f.Type.Kind == KindDict
	switch {
	case !fieldName.MatchString(f.Name):
		return fmt.Errorf("a name is letters, digits and underscores, and does not begin with a digit")
	case !utf8.ValidString(f.Desc):
		return fmt.Errorf("its description is not valid UTF-8")
	case (f.Min != nil || f.Max != nil) && !numeric:
		return fmt.Errorf("min and max need a number, not %s", f.Type)
	case f.Min != nil && !finite(*f.Min) || f.Max != nil && !finite(*f.Max):
		return fmt.Errorf("min or max is not a number")
	case f.Min != nil && f.Max != nil && *f.Min > *f.Max:
		return fmt.Errorf("min %v is greater than max %v", *f.Min, *f.Max)
	case f.Type.Kind == KindInt && f.Min != nil && f.Max != nil && math.Ceil(*f.Min) > math.Floor(*f.Max):
		return fmt.Errorf("there is no whole number from %v to %v", *f.Min, *f.Max)
	case f.MinLen > 0 && f.Type.Kind == KindDict:
		return fmt.Errorf("a dict's least length cannot be forced on a model; give only the most, such as len:\"..9\"")
	case (f.MinLen != 0 || f.MaxLen != 0) && !sized:
		return fmt.Errorf("len needs a str, list or dict, not %s", f.Type)
	case f.MinLen < 0 || f.MaxLen < 0 || f.MaxLen > 0 && f.MinLen > f.MaxLen:
		return fmt.Errorf("len %d..%d is not a range", f.MinLen, f.MaxLen)
	case (f.Pattern != "" || f.Format != "" || f.GBNF != "") && f.Type.Kind != KindString:
		return fmt.Errorf("pattern, format and GBNF need a str, not %s", f.Type)
	case f.Schema != nil && f.Type.Kind != KindAny:
		return fmt.Errorf("a JSON Schema needs the type Any, not %s", f.Type)
	case f.Schema != nil && !json.Valid(f.Schema):
		return fmt.Errorf("its JSON Schema is not JSON")
	}
	if f.Format != "" {
		if _, ok := formats[f.Format]; !ok {
			return fmt.Errorf("unknown format %q; there are %s", f.Format, formatNames())
		}
	}
	if f.Pattern != "" {
		if _, err := regexp.Compile(f.Pattern); err != nil {
			return fmt.Errorf("pattern: %w", err)
		}
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// check reports whether a coerced value meets the field's constraints.
func (f Field) check(value any) error {
	switch v := value.(type) {
	case int64:
		return f.checkRange(float64(v))
	case float64:
		return f.checkRange(v)
	case string:
		if err := f.checkLen(utf8.RuneCountInString(v), "characters"); err != nil {
			return err
		}
		if f.Pattern != "" && !regexp.MustCompile(`^(?:`+f.Pattern+`)$`).MatchString(v) {
			return fmt.Errorf("%q does not match the pattern %s", v, f.Pattern)
		}
		if f.Format != "" {
			return f.Format.check(v)
		}
	case []any:
		return f.checkLen(len(v), "elements")
	case map[string]any:
		return f.checkLen(len(v), "elements")
	}
	return nil
}

func (f Field) checkRange(v float64) error {
	if f.Min != nil && v < *f.Min {
		return fmt.Errorf("%v is less than the minimum %v", v, *f.Min)
	}
	if f.Max != nil && v > *f.Max {
		return fmt.Errorf("%v is greater than the maximum %v", v, *f.Max)
	}
	return nil
}

func (f Field) checkLen(n int, unit string) error {
	if n < f.MinLen {
		return fmt.Errorf("%d %s are fewer than the minimum %d", n, unit, f.MinLen)
	}
	if f.MaxLen > 0 && n > f.MaxLen {
		return fmt.Errorf("%d %s are more than the maximum %d", n, unit, f.MaxLen)
	}
	return nil
}
