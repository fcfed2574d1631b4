package cria

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// coerce turns what a reply has for a field into a value of its type: raw is a
// string taken from lines of text, or a value that [parseJSON] returned. It is
// tolerant where the meaning is clear (case, quotes, "1,000", "yes") and an
// error where it would have to guess.
func coerce(f Field, raw any) (any, error) {
	raw = asWritten(f.Type, raw)
	if isNull(raw) && f.Optional {
		return nil, nil
	}
	v, err := coerceType(f.Type, raw)
	if err != nil {
		return nil, err
	}
	return v, f.check(v)
}

func isNull(raw any) bool {
	s, ok := raw.(string)
	if w, isJSON := raw.(writtenJSON); isJSON {
		s, ok = string(w), true
	}
	return raw == nil || ok && (s == "" || strings.EqualFold(s, "null") || strings.EqualFold(s, "none"))
}

// coerceType reads a value that may stand anywhere: in a list, as a member.
func coerceType(t Type, raw any) (any, error) {
	v, err := coerceKind(t, raw)
	if err != nil {
		return nil, err
	}
	return v, t.limits().check(v)
}

func coerceKind(t Type, raw any) (any, error) {
	if w, ok := raw.(writtenJSON); ok && t.Kind != KindJSON {
		var err error
		if raw, err = w.opened(t); err != nil {
			return nil, err
		}
	}
	if raw == nil && t.Kind != KindAny && t.Kind != KindJSON {
		return nil, ErrMissing
	}
	switch t.Kind {
	case KindString:
		return coerceString(raw)
	case KindInt:
		return coerceInt(raw)
	case KindFloat:
		return coerceFloat(raw)
	case KindBool:
		return coerceBool(raw)
	case KindLiteral:
		return coerceLiteral(t.Values, raw)
	case KindList:
		return coerceList(*t.Elem, raw)
	case KindDateTime, KindDate:
		return coerceTime(t.Kind, raw)
	case KindDuration:
		return coerceDuration(raw)
	case KindDict, KindObject, KindUnion:
		return coerceObject(t, raw)
	case KindJSON:
		return coerceJSON(raw)
	default:
		return coerceAny(raw)
	}
}

func coerceString(raw any) (any, error) {
	if s, ok := raw.(string); ok {
		return s, nil
	}
	data, err := marshalCompact(raw)
	return string(data), err
}

// number matches a number with optional thousands separators.
var number = regexp.MustCompile(`[-+]?(?:\d{1,3}(?:[,_]\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?`)

// findNumber returns the only number in a reply such as "42", "1,000", "about
// 42 apples" or "$3.50"; with none or several there is nothing to choose by.
func findNumber(raw any) (string, error) {
	var text string
	switch v := raw.(type) {
	case json.Number:
		return v.String(), nil
	case string:
		text = v
	default:
		return "", fmt.Errorf("want a number, got %s", abbreviate(fmt.Sprint(raw), 40))
	}
	if plain := strings.TrimSpace(text); isDigits(strings.TrimPrefix(plain, "-")) {
		return plain, nil // most are so, and a search takes far longer
	}
	var found []string
	for _, m := range number.FindAllString(text, -1) {
		if strings.ContainsAny(m, "0123456789") {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("want one number, got %s", abbreviate(text, 40))
	}
	return withoutSeparators.Replace(found[0]), nil
}

var withoutSeparators = strings.NewReplacer(",", "", "_", "")

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func coerceInt(raw any) (any, error) {
	s, err := findNumber(raw)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	// Beyond 2^53 a float64 no longer tells neighbouring integers apart.
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return nil, fmt.Errorf("want a whole number of at most 64 bits, got %s", s)
	}
	return int64(f), nil
}

func coerceFloat(raw any) (any, error) {
	s, err := findNumber(raw)
	if err != nil {
		return nil, err
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, fmt.Errorf("want a number, got %s", s)
	}
	return f, nil
}

func coerceBool(raw any) (any, error) {
	if b, ok := raw.(bool); ok {
		return b, nil
	}
	switch strings.ToLower(bare(fmt.Sprint(raw))) {
	case "true", "yes", "1":
		return true, nil
	case "false", "no", "0":
		return false, nil
	}
	return nil, fmt.Errorf("want true or false, got %s", abbreviate(fmt.Sprint(raw), 40))
}

// bare strips the quotes, emphasis and final punctuation that models put around
// a one-word answer.
func bare(s string) string { return strings.Trim(s, " \t\r\n'\"`*.!") }

// coerceLiteral takes the value that is written, or else the only one that is but for
// case, or but for what models put around it: values may differ in that alone.
func coerceLiteral(values []string, raw any) (any, error) {
	text := fmt.Sprint(raw)
	trimmed := strings.TrimSpace(text)
	quoted := strings.Trim(trimmed, "'\"`")
	word := bare(text)
	for _, same := range []func(v string) bool{
		func(v string) bool { return v == trimmed },
		func(v string) bool { return strings.EqualFold(v, trimmed) },
		func(v string) bool { return strings.EqualFold(v, quoted) },
		func(v string) bool { return word != "" && strings.EqualFold(bare(v), word) },
	} {
		i := slices.IndexFunc(values, same)
		if i >= 0 && !slices.ContainsFunc(values[i+1:], same) {
			return values[i], nil
		}
	}
	return nil, fmt.Errorf("want one of %s, got %s", strings.Join(values, ", "), abbreviate(text, 40))
}

// bullet matches what stands before an item of a written list.
var bullet = regexp.MustCompile(`^\s*(?:[-*•]|\d+[.)])\s+`)

func coerceList(elem Type, raw any) (any, error) {
	items, ok := raw.([]any)
	if s, isText := raw.(string); isText {
		items, ok = splitList(s, elem.Kind == KindInt || elem.Kind == KindFloat)
	}
	if !ok {
		return nil, fmt.Errorf("want a list, got %s", abbreviate(fmt.Sprint(raw), 40))
	}
	list := make([]any, len(items))
	for i, item := range items {
		v, err := coerceType(elem, item)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i+1, err)
		}
		list[i] = v
	}
	return list, nil
}

var (
	numbersAndCommas = regexp.MustCompile(`\d+(?:,\d+)*`)
	thousands        = regexp.MustCompile(`^\d{1,3}(?:,\d{3})+$`)
)

// splitList reads a list written as JSON, as one item a line, or with commas,
// perhaps in brackets. A bracket that is not closed is no list, and neither is "1,000",
// which may be one number or two: where numbers have commas, a space parts them too.
func splitList(text string, numbers bool) (items []any, ok bool) {
	text = strings.TrimSpace(stripFence(text))
	if v, err := parseJSON(text); err == nil {
		if list, ok := v.([]any); ok {
			return list, true
		}
	}
	if inner, bracketed := strings.CutPrefix(text, "["); bracketed {
		if text, ok = strings.CutSuffix(inner, "]"); !ok {
			return nil, false
		}
	}
	sep := ","
	if strings.Contains(text, "\n") {
		sep = "\n"
	} else if numbers && slices.ContainsFunc(numbersAndCommas.FindAllString(text, -1), thousands.MatchString) {
		if sep = ", "; !strings.Contains(text, sep) {
			return nil, false
		}
	}
	items = []any{}
	for item := range strings.SplitSeq(text, sep) {
		if item = strings.TrimSpace(bullet.ReplaceAllString(item, "")); item != "" {
			items = append(items, strings.Trim(item, `'"`))
		}
	}
	return items, true
}

// coerceObject reads a dict, whose values are all of one type, or an object or a
// union, whose fields have types of their own.
func coerceObject(t Type, raw any) (any, error) {
	m, ok := raw.(map[string]any)
	if s, isText := raw.(string); isText {
		for _, object := range jsonObjects(s) {
			if v, err := parseJSON(object); err == nil {
				m, ok = v.(map[string]any)
				break
			}
		}
	}
	if !ok {
		return nil, fmt.Errorf("want a JSON object, got %s", abbreviate(fmt.Sprint(raw), 40))
	}
	switch t.Kind {
	case KindObject:
		return coerceFields(t.Fields, m)
	case KindUnion:
		return coerceUnion(t, m)
	}
	out := make(map[string]any, len(m))
	for k, item := range m {
		v, err := coerceType(*t.Elem, item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		out[k] = v
	}
	return out, nil
}

func coerceFields(fields []Field, m map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(m))
	for _, f := range fields {
		item, ok := lookupFold(m, f.Label())
		if !ok && f.Optional {
			continue
		}
		v, err := coerce(f, item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Label(), err)
		}
		out[f.Name] = v
	}
	return out, nil
}

// coerceAny takes JSON as what it says and anything else as a string.
func coerceAny(raw any) (any, error) {
	s, ok := raw.(string)
	if !ok {
		return plain(raw)
	}
	v, err := parseJSON(strings.TrimSpace(stripFence(s)))
	if err != nil {
		return s, nil
	}
	return plain(v)
}

// plain replaces json.Number, which only parsing needs, by int64 or float64.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, errors.New("a number does not fit 64 bits")
		}
		return f, nil
	case []any:
		for i := range v {
			item, err := plain(v[i])
			if err != nil {
				return nil, err
			}
			v[i] = item
		}
	case map[string]any:
		for k := range v {
			item, err := plain(v[k])
			if err != nil {
				return nil, err
			}
			v[k] = item
		}
	}
	return v, nil
}

// lookupFold finds a key without regard to case, an exact match first.
func lookupFold(m map[string]any, name string) (any, bool) {
	if v, ok := m[name]; ok {
		return v, true
	}
	for k, v := range m {
		if sameName(k, name) {
			return v, true
		}
	}
	return nil, false
}

// sameName compares the name of a field as a model writes it: case does not
// count, and a space or a hyphen may stand for an underscore.
func sameName(written, name string) bool {
	if written = strings.TrimSpace(written); written == name {
		return true
	}
	written = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return '_'
		}
		return r
	}, written)
	return strings.EqualFold(written, name)
}
