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
func coerce(f *Field, raw any) (any, error) { return (*coercer)(nil).field(f, raw) }

func coerceType(t *Type, raw any) (any, error) { return (*coercer)(nil).value(t, raw) }

func (c *coercer) field(f *Field, raw any) (any, error) {
	raw = asWritten(&f.Type, raw)
	if isNull(raw) && f.Optional {
		c.noteIf(raw != nil && raw != "", CoercedNull)
		return nil, nil
	}
	v, err := c.value(&f.Type, raw)
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

// value reads a value that may stand anywhere: in a list, as a member.
func (c *coercer) value(t *Type, raw any) (any, error) {
	v, err := c.kind(t, raw)
	if err != nil {
		return nil, err
	}
	return v, t.limits().check(v)
}

func (c *coercer) kind(t *Type, raw any) (any, error) {
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
		return c.text(raw)
	case KindInt:
		return c.int(raw)
	case KindFloat:
		return c.float(raw)
	case KindBool:
		return c.bool(raw)
	case KindLiteral:
		return c.literal(t.Values, raw)
	case KindList:
		return c.list(t.Elem, raw)
	case KindDateTime, KindDate:
		v, err := coerceTime(t.Kind, raw)
		return c.asWritten(t, v, err, raw)
	case KindDuration:
		v, err := coerceDuration(raw)
		return c.asWritten(t, v, err, raw)
	case KindDict, KindObject, KindUnion:
		return c.object(t, raw)
	case KindJSON:
		return coerceJSON(raw)
	default:
		return c.any(raw)
	}
}

// asWritten notes a time or a duration that JSON has in another form.
func (c *coercer) asWritten(t *Type, v any, err error, raw any) (any, error) {
	if text, ok := raw.(string); ok && err == nil && c != nil {
		c.noteIf(!writtenAs[t.Kind](strings.TrimSpace(text)), CoercedTime)
	}
	return v, err
}

func (c *coercer) text(raw any) (any, error) {
	if s, ok := raw.(string); ok {
		return s, nil
	}
	c.note(CoercedText)
	data, err := marshalCompact(raw)
	return string(data), err
}

// number matches a number with optional thousands separators.
var number = regexp.MustCompile(`[-+]?(?:\d{1,3}(?:[,_]\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?`)

// number returns the only number in a reply such as "42", "1,000", "about
// 42 apples" or "$3.50"; with none or several there is nothing to choose by.
func (c *coercer) number(raw any) (string, error) {
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
	c.noteIf(found[0] != strings.TrimSpace(text) || strings.ContainsAny(found[0], ",_"), CoercedNumber)
	return withoutSeparators.Replace(found[0]), nil
}

var withoutSeparators = strings.NewReplacer(",", "", "_", "")

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func (c *coercer) int(raw any) (any, error) {
	s, err := c.number(raw)
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
	c.note(CoercedNumber)
	return int64(f), nil
}

func (c *coercer) float(raw any) (any, error) {
	s, err := c.number(raw)
	if err != nil {
		return nil, err
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, fmt.Errorf("want a number, got %s", s)
	}
	return f, nil
}

func (c *coercer) bool(raw any) (any, error) {
	if b, ok := raw.(bool); ok {
		return b, nil
	}
	word := strings.TrimSpace(fmt.Sprint(raw))
	switch lower := strings.ToLower(bare(word)); lower {
	case "true", "false":
		c.noteIf(bare(word) != word, CoercedTrim)
		c.noteIf(bare(word) != lower, CoercedCase)
		return lower == "true", nil
	case "yes", "1", "no", "0":
		c.note(CoercedWord)
		return lower == "yes" || lower == "1", nil
	}
	return nil, fmt.Errorf("want true or false, got %s", abbreviate(fmt.Sprint(raw), 40))
}

// bare strips the quotes, emphasis and final punctuation that models put around
// a one-word answer.
func bare(s string) string { return strings.Trim(s, " \t\r\n'\"`*.!") }

// literal takes the value that is written, or else the only one that is but for
// case, or but for what models put around it: values may differ in that alone.
func (c *coercer) literal(values []string, raw any) (any, error) {
	text := fmt.Sprint(raw)
	trimmed := strings.TrimSpace(text)
	quoted := strings.Trim(trimmed, "'\"`")
	word := bare(text)
	for i, same := range []func(v string) bool{
		func(v string) bool { return v == trimmed },
		func(v string) bool { return strings.EqualFold(v, trimmed) },
		func(v string) bool { return strings.EqualFold(v, quoted) },
		func(v string) bool { return word != "" && strings.EqualFold(bare(v), word) },
	} {
		at := slices.IndexFunc(values, same)
		if at >= 0 && !slices.ContainsFunc(values[at+1:], same) {
			c.noteIf(i > 1, CoercedTrim)
			c.noteIf(i > 0 && !strings.Contains(trimmed, bare(values[at])), CoercedCase)
			return values[at], nil
		}
	}
	return nil, fmt.Errorf("want one of %s, got %s", strings.Join(values, ", "), abbreviate(text, 40))
}

// bullet matches what stands before an item of a written list.
var bullet = regexp.MustCompile(`^\s*(?:[-*•]|\d+[.)])\s+`)

func (c *coercer) list(elem *Type, raw any) (any, error) {
	items, ok := raw.([]any)
	if s, isText := raw.(string); isText {
		items, ok = c.splitList(s, elem.Kind == KindInt || elem.Kind == KindFloat)
	}
	if !ok {
		return nil, fmt.Errorf("want a list, got %s", abbreviate(fmt.Sprint(raw), 40))
	}
	list := make([]any, len(items))
	for i, item := range items {
		v, err := c.value(elem, item)
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
func (c *coercer) splitList(text string, numbers bool) (items []any, ok bool) {
	text = c.withoutFence(text)
	if v, err := parseJSON(text); err == nil {
		if list, ok := v.([]any); ok {
			c.noteIf(!json.Valid([]byte(text)), CoercedJSON)
			return list, true
		}
	}
	c.note(CoercedList)
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

// object reads a dict, whose values are all of one type, or an object or a
// union, whose fields have types of their own.
func (c *coercer) object(t *Type, raw any) (any, error) {
	m, ok := raw.(map[string]any)
	if s, isText := raw.(string); isText {
		if found := findObjects(s); len(found) > 0 {
			m, ok = found[0].value, true
			c.noteAll(found[0].coercions(s))
		}
	}
	if !ok {
		return nil, fmt.Errorf("want a JSON object, got %s", abbreviate(fmt.Sprint(raw), 40))
	}
	switch t.Kind {
	case KindObject:
		return c.fields(t.Fields, m)
	case KindUnion:
		return c.union(t, m)
	}
	out := make(map[string]any, len(m))
	for k, item := range m {
		v, err := c.value(t.Elem, item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		out[k] = v
	}
	return out, nil
}

func (c *coercer) fields(fields []Field, m map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(m))
	for i := range fields {
		f := &fields[i]
		item, ok := lookupFold(m, f.Label())
		if !ok && f.Optional {
			continue
		}
		if _, exact := m[f.Name]; ok && !exact {
			c.note(CoercedCase)
		}
		v, err := c.field(f, item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Label(), err)
		}
		out[f.Name] = v
	}
	return out, nil
}

// any takes JSON as what it says and anything else as a string.
func (c *coercer) any(raw any) (any, error) {
	s, ok := raw.(string)
	if !ok {
		return plain(raw)
	}
	inner := new(coercer)
	text := inner.withoutFence(s)
	v, err := parseJSON(text)
	if err != nil {
		return s, nil
	}
	inner.noteIf(!json.Valid([]byte(text)), CoercedJSON)
	c.noteAll(*inner)
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
