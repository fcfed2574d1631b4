package cria

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CheckInputs reports, as an *[InputError], every input that is missing,
// unknown, of another type than its field's, or outside its constraints.
func (s *Signature) CheckInputs(ex Example) error {
	var errs []error
	known := 0
	for i := range s.inputs {
		f := &s.inputs[i]
		value, ok := ex[f.Name]
		if !ok && !f.Optional && f.Type.Kind != KindHistory {
			errs = append(errs, fmt.Errorf("input %q is missing", f.Name))
		}
		if !ok {
			continue
		}
		known++
		var err error
		switch f.Type.Kind {
		case KindHistory:
			err = s.checkHistory(value)
		case KindImage:
			err = f.checkImage(value)
		default:
			err = f.checkInput(value)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("input %q: %w", f.Name, err))
		}
	}
	if known < len(ex) {
		errs = append(errs, s.unknownInputs(ex)...)
	}
	if len(errs) > 0 {
		return &InputError{Errs: errs}
	}
	return nil
}

func (s *Signature) unknownInputs(ex Example) (errs []error) {
	for _, name := range ex.Keys() {
		if !slices.ContainsFunc(s.inputs, func(f Field) bool { return f.Name == name }) {
			errs = append(errs, fmt.Errorf("unknown input %q (the signature is %q)", name, s))
		}
	}
	return errs
}

func (f *Field) checkInput(value any) error {
	switch {
	case f.Type.Kind == KindAny || value == nil && f.Optional:
		return nil
	case value == nil:
		return fmt.Errorf("want %s, got null", f.Type)
	case f.Type.Kind == KindString || f.Type.Kind == KindLiteral:
		text, err := f.Text(value)
		if err == nil {
			err = f.Type.checkLiteral(text)
		}
		if err != nil {
			return err
		}
		return f.check(text)
	}
	data, err := f.JSON(value)
	if err != nil {
		return err
	}
	parsed, err := parseJSON(string(data))
	if err != nil {
		return err
	}
	exact, err := exactly(&f.Type, parsed)
	if err != nil {
		return err
	}
	return f.check(exact)
}

// checkLiteral reports a text that is not in a closed set.
func (t *Type) checkLiteral(text string) error {
	if t.Kind == KindLiteral && !slices.Contains(t.Values, text) {
		return fmt.Errorf("want one of %s, got %s", strings.Join(t.Values, ", "), abbreviate(text, 40))
	}
	return nil
}

// exactly checks that a value of [parseJSON] is of a type. Unlike [coerceType],
// which reads what a model writes, it converts nothing but numbers.
func exactly(t *Type, value any) (any, error) {
	v, err := exactKind(t, value)
	if err != nil {
		return nil, err
	}
	return v, t.limits().check(v)
}

func exactKind(t *Type, value any) (any, error) {
	n, isNumber := value.(json.Number)
	switch v := value.(type) {
	case nil: // a nil slice or map within a Go value
		if t.Kind == KindList || t.Kind == KindDict {
			return v, nil
		}
	case bool:
		if t.Kind == KindBool {
			return v, nil
		}
	case string:
		if t.Kind == KindString || t.Kind == KindLiteral && slices.Contains(t.Values, v) {
			return v, nil
		}
		if check, ok := writtenAs[t.Kind]; ok {
			if !check(v) {
				return nil, wantText(t.Kind, v)
			}
			return v, nil
		}
	case []any:
		if t.Kind == KindList {
			for i, item := range v {
				if _, err := exactly(t.Elem, item); err != nil {
					return nil, fmt.Errorf("element %d: %w", i+1, err)
				}
			}
			return v, nil
		}
	case map[string]any:
		if t.Kind == KindDict {
			for k, item := range v {
				if _, err := exactly(t.Elem, item); err != nil {
					return nil, fmt.Errorf("%s: %w", k, err)
				}
			}
			return v, nil
		}
		if t.Kind == KindObject {
			return v, exactObject(t.Fields, v)
		}
		if t.Kind == KindUnion {
			variant, err := t.variantOf(v)
			if err != nil {
				return nil, err
			}
			return v, exactObject(variant.Fields, v)
		}
	}
	switch {
	case t.isAny():
		return value, nil
	case t.Kind == KindInt && isNumber:
		if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
			return i, nil
		}
	case t.Kind == KindFloat && isNumber:
		if f, err := n.Float64(); err == nil {
			return f, nil
		}
	}
	data, err := marshalCompact(value)
	return nil, errors.Join(err, fmt.Errorf("want %s, got %s", t, abbreviate(string(data), 40)))
}

// writtenAs says of the kinds that are a text in JSON what is one exactly.
var writtenAs = map[Kind]func(string) bool{
	KindDateTime: formats[FormatDateTime],
	KindDate:     formats[FormatDate],
	KindDuration: func(s string) bool { _, err := time.ParseDuration(s); return err == nil },
}

func exactObject(fields []Field, object map[string]any) error {
	for i := range fields {
		f := &fields[i]
		value, ok := object[f.Name]
		if (!ok || value == nil) && f.Optional {
			continue
		}
		v, err := exactly(&f.Type, value)
		if err == nil {
			err = f.check(v)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}
