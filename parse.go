package cria

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// reading is what was found in a reply.
type reading struct {
	form   OutputFormat // how the reply is written; "" if in no format
	found  foundValues
	last   string                    // the field that the reply ends in; "" if it ends in none
	object *jsonObject               // where it was found, if that is JSON
	notes  map[string][]CoercionKind // by field
}

// foundValues are what a reply has for fields: texts, or values of [parseJSON]. There are
// few, and a map would cost more than all that is done with them.
type foundValues []foundValue

type foundValue struct {
	field string
	value any
}

func (v foundValues) of(field string) (value any, ok bool) {
	for i := range v {
		if v[i].field == field {
			return v[i].value, true
		}
	}
	return nil, false
}

// set replaces the value of a field, or adds it.
func (v *foundValues) set(field string, value any) {
	for i := range *v {
		if (*v)[i].field == field {
			(*v)[i].value = value
			return
		}
	}
	*v = append(*v, foundValue{field, value})
}

func (r *reading) note(field string, kind CoercionKind) {
	if r.notes == nil {
		r.notes = map[string][]CoercionKind{}
	}
	if !slices.Contains(r.notes[field], kind) {
		r.notes[field] = append(r.notes[field], kind)
	}
}

// parse reads a reply. If the signature has one output, and the notation finds nothing,
// the whole reply is its value.
func parse(n notation, sig *Signature, reply Message) (Reading, error) {
	if reply.Role != RoleAssistant {
		return Reading{Values: Example{}}, fmt.Errorf("parsing a reply: the message is from the %s, not the assistant", reply.Role)
	}
	r := n.read(sig.outputs, reply.Content)
	all := coercer{}
	switch text := all.withoutFence(reply.Content); {
	case len(r.found) == 0 && len(sig.outputs) == 1 && text != "":
		name := sig.outputs[0].Name
		r = reading{found: foundValues{{name, text}}, last: name}
		all.note(CoercedWhole)
	case r.object != nil:
		all = r.object.coercions(reply.Content)
	default:
		all = nil
	}
	all.noteIf(r.form != "" && r.form != n.form(), CoercedFormat)
	values, coercions, err := r.convert(sig.outputs, all, reply.Content)
	return Reading{Values: values, Coercions: coercions, CutOff: r.cutOff(sig.outputs)}, err
}

// cutOff is [Reading.CutOff]: models that are not constrained write outputs in any
// order, and those that are not there would have followed. A number or a list that was
// cut off reads like a shorter one; text may be cut.
func (r *reading) cutOff(outputs []Field) string {
	last := ""
	for i := range outputs {
		f := &outputs[i]
		if _, ok := r.found.of(f.Name); !ok {
			return f.Name
		}
		if f.Name == r.last && f.Type.Kind != KindString {
			last = f.Name
		}
	}
	return last
}

// most is the reading of some that finds the most fields, the first of equals.
func most(readings ...reading) (best reading) {
	for _, r := range readings {
		if len(r.found) > len(best.found) {
			best = r
		}
	}
	return best
}

// ownObject reports whether the lines of a reply have an object as the value of a field
// that takes one: its members are not outputs then, even if one is named like the field.
// The first object must not stand before the lines, which may be its members otherwise.
func ownObject(outputs []Field, content string, objects []jsonObject, lines reading) bool {
	if len(objects) == 0 || readLines(outputs, content[:objects[0].start]).last == "" {
		return false
	}
	return slices.ContainsFunc(outputs, func(f Field) bool {
		switch f.Type.Kind {
		case KindObject, KindUnion, KindDict, KindAny, KindJSON:
		default:
			return false
		}
		text, ok := lines.found.of(f.Name)
		if !ok {
			return false
		}
		v, err := coerce(&f, text)
		_, isObject := v.(map[string]any)
		if data, isJSON := v.(json.RawMessage); isJSON {
			isObject = data[0] == '{'
		}
		return err == nil && isObject
	})
}

// onlyJSON returns the fields of the object that has them all, if no "name: value" line
// has a value besides: in an object over several lines, keys without quotes look like
// such lines. The turn may have been opened with "name:", and the model have gone on in
// JSON, but then nothing else.
func onlyJSON(outputs []Field, content string, objects []jsonObject) (reading, bool) {
	for _, o := range objects {
		r := readObject(outputs, o)
		if !hasRequired(outputs, r.found) {
			continue
		}
		before, after := fenceStart.ReplaceAllString(content[:o.start], ""), strings.Trim(content[o.end:], "` \t\r\n")
		lines := readLines(outputs, before).found
		for _, line := range lines {
			if line.value != "" {
				return reading{}, false
			}
		}
		return r, after == "" || len(lines) == 0 && len(readLines(outputs, after).found) == 0
	}
	return reading{}, false
}

var fenceStart = regexp.MustCompile("```\\w*\\s*$")

func hasRequired(outputs []Field, found foundValues) bool {
	for i := range outputs {
		if _, ok := found.of(outputs[i].Name); !ok && !outputs[i].Optional {
			return false
		}
	}
	return len(found) > 0
}

// convert coerces what was found to the fields' types and gathers all errors. All values
// have the coercions in all besides their own.
func (r *reading) convert(outputs []Field, all []CoercionKind, raw string) (Example, []Coercion, error) {
	values := Example{}
	var coercions []Coercion
	var errs []*FieldError
	for i := range outputs {
		f := &outputs[i]
		text, ok := r.found.of(f.Name)
		if !ok && f.Optional {
			continue
		}
		c := coercer{}
		v, err := any(nil), error(ErrMissing)
		if ok && (text != "" || f.Optional) {
			c.noteAll(all)
			c.noteAll(r.notes[f.Name])
			v, err = c.field(f, text)
		}
		if err != nil {
			e := &FieldError{Field: f.Name, Err: err}
			if ok {
				e.Text = fmt.Sprint(text)
			}
			errs = append(errs, e)
			continue
		}
		if v != nil {
			values[f.Name] = v
		}
		for _, kind := range c {
			coercions = append(coercions, Coercion{f.Name, kind})
		}
	}
	if len(errs) > 0 {
		return values, coercions, &ParseError{Fields: errs, Partial: values, Raw: raw}
	}
	return values, coercions, nil
}

// readLines reads "name: value" lines. A value runs to the next such line; of a
// repeated field the first value that is not empty counts; text before the first line
// does not, nor does the marker of a value that begins with it anew.
func readLines(outputs []Field, content string) reading {
	r := reading{form: OutputLines, found: make(foundValues, 0, len(outputs))}
	content = strings.ReplaceAll(content, "\r\n", "\n")
	value := 0 // where it begins
	for begin := 0; begin < len(content); {
		line, _, _ := strings.Cut(content[begin:], "\n")
		end := begin + len(line)
		if f, rest := fieldLine(outputs, line); f != nil {
			before := strings.TrimSpace(content[value:begin])
			opens := r.last == "" && before == ""
			if r.last == "" && !opens {
				r.note(f.Name, CoercedExtra)
			}
			r.set(r.last, before)
			first := withoutMarker(outputs, f, rest, opens)
			if len(first) < len(rest) {
				r.note(f.Name, CoercedExtra)
			}
			r.last, value = f.Name, end-len(first)
		}
		begin = end + 1
	}
	r.set(r.last, strings.TrimSpace(content[value:]))
	return r
}

// set notes the value of a field, "" being none: of a repeated one the first that is not
// empty counts.
func (r *reading) set(field, value string) {
	if field == "" {
		return
	}
	first, _ := r.found.of(field)
	if text, _ := first.(string); text == "" {
		r.found.set(field, value)
	} else if value != "" {
		r.note(field, CoercedExtra)
	}
}

// withoutMarker removes a second marker of the same field, as in "answer: answer: Paris",
// from where its value begins. Text may begin so ("title: Title: the movie") and keeps
// it, if it fits the field; but a model that repeats the very marker that opens the
// reply, or emphasizes it, has begun anew.
func withoutMarker(outputs []Field, f *Field, value string, opens bool) string {
	again, rest := fieldLine(outputs, value)
	if again != f {
		return value
	}
	text, isText := strings.TrimSpace(value), false
	switch f.Type.Kind {
	case KindString, KindLiteral, KindAny:
		_, err := coerce(f, text)
		isText = err == nil
	}
	plain := f.Type.Kind != KindLiteral && f.Pattern == "" && f.GBNF == ""
	anew := strings.HasPrefix(text, f.Label()+":") || strings.HasPrefix(text, "**")
	if isText && !(opens && plain && anew) {
		return value
	}
	return rest
}

// fieldLine returns the field whose name and a colon a line begins with, and the rest of
// the line; nil if there is none. Case does not count and Markdown emphasis around the
// name is let pass.
func fieldLine(outputs []Field, line string) (f *Field, rest string) {
	head, rest, ok := strings.Cut(line, ":")
	if !ok {
		return nil, ""
	}
	emphasized := strings.HasPrefix(strings.TrimSpace(head), "**")
	head = strings.Trim(head, " \t*#")
	for i := range outputs {
		if sameName(head, outputs[i].Label()) {
			if emphasized {
				rest = strings.TrimPrefix(rest, "**")
			}
			return &outputs[i], rest
		}
	}
	return nil, ""
}

// fullest reads the object that has the most output fields.
func fullest(outputs []Field, objects []jsonObject) reading {
	var best reading
	for _, o := range objects {
		if r := readObject(outputs, o); len(r.found) > len(best.found) {
			best = r
		}
	}
	return best
}

// readObject returns the output fields of an object; keys compare without case.
// Models wrap their answer in one more object at times, so a value that is an object
// is looked into as well.
func readObject(outputs []Field, o jsonObject) reading {
	r := reading{form: OutputJSON, object: &o, found: pick(outputs, o.kept(outputs, ""))}
	for name, inner := range o.value {
		if _, ok := inner.(map[string]any); ok && len(o.value) == 1 {
			if found := pick(outputs, o.kept(outputs, name)); len(found) > len(r.found) {
				r.found = found
			}
		}
	}
	for _, key := range o.cutOff {
		for _, f := range outputs {
			if r.last == "" && sameName(key, f.Label()) {
				r.last = f.Name
			}
		}
	}
	for _, f := range outputs {
		value, _ := r.found.of(f.Name)
		if text, ok := value.(string); ok && text != "" {
			switch f.Type.Kind {
			case KindInt, KindFloat:
				r.note(f.Name, CoercedNumber)
			case KindBool:
				r.note(f.Name, CoercedWord)
			}
		}
	}
	return r
}

func pick(outputs []Field, object map[string]any) (found foundValues) {
	for _, f := range outputs {
		v, ok := lookupFold(object, f.Label())
		if text, isText := v.(string); isText && (f.Type.Kind == KindAny || f.Type.Kind == KindJSON) {
			data, err := marshalCompact(text) // a text alone may be empty for want of a value, or be read as JSON
			if err == nil {
				v = string(data)
			}
		}
		if ok {
			found.set(f.Name, v)
		}
	}
	return found
}

// stripFence removes a code fence around the whole text.
func stripFence(text string) string {
	text = strings.TrimSpace(text)
	inner, ok := strings.CutPrefix(text, "```")
	if !ok {
		return text
	}
	inner, ok = strings.CutSuffix(inner, "```")
	if !ok {
		return text
	}
	if _, body, multiline := strings.Cut(inner, "\n"); multiline { // the fence's language tag
		return body
	}
	return inner
}
