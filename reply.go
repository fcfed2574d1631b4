package cria

import (
	"fmt"
	"strings"
)

// convert coerces what was found to the fields' types and gathers all errors.
func convert(outputs []Field, found map[string]any, raw string) (Example, error) {
	values := Example{}
	var errs []*FieldError
	for _, f := range outputs {
		text, ok := found[f.Name]
		if !ok && f.Optional {
			continue
		}
		v, err := any(nil), error(ErrMissing)
		if ok && (text != "" || f.Optional) {
			v, err = coerce(f, text)
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
	}
	if len(errs) > 0 {
		return values, &ParseError{Fields: errs, Partial: values, Raw: raw}
	}
	return values, nil
}

// wrapsJSON reports whether the one output's value is a JSON object with that
// output in it: the turn was opened with "name:" and the model went on in JSON.
func wrapsJSON(outputs []Field, found map[string]any) bool {
	if len(outputs) != 1 {
		return false
	}
	value, _ := found[outputs[0].Name].(string)
	value = strings.TrimSpace(stripFence(value))
	if !strings.HasPrefix(value, "{") || balancedEnd(value) != len(value) {
		return false
	}
	return len(readJSON(outputs, value)) == 1
}

// readLines reads "name: value" lines. A value runs to the next such line; of a
// repeated field the first value that is not empty counts; text before the first one
// does not. It finds nothing if the only value is a JSON object that has it.
func readLines(outputs []Field, content string) map[string]any {
	found := map[string]any{}
	var name string
	var value []string
	flush := func() {
		if first, _ := found[name].(string); name != "" && first == "" {
			found[name] = strings.TrimSpace(strings.Join(value, "\n"))
		}
		value = nil
	}
	for line := range strings.Lines(content) {
		line = strings.TrimRight(line, "\r\n")
		if field, rest, ok := fieldLine(outputs, line); ok {
			flush()
			if again, after, ok := fieldLine(outputs, rest); ok && again == field {
				rest = after // "answer: answer: ..."
			}
			name, value = field, []string{rest}
			continue
		}
		value = append(value, line)
	}
	flush()
	if wrapsJSON(outputs, found) {
		return nil
	}
	return found
}

// fieldLine splits a line that begins with a field's name and a colon. Case does
// not count and Markdown emphasis around the name is let pass.
func fieldLine(outputs []Field, line string) (field, rest string, ok bool) {
	head, rest, ok := strings.Cut(line, ":")
	if !ok {
		return "", "", false
	}
	emphasized := strings.HasPrefix(strings.TrimSpace(head), "**")
	head = strings.Trim(head, " \t*#")
	for _, f := range outputs {
		if sameName(head, f.Name) {
			if emphasized {
				rest = strings.TrimPrefix(rest, "**")
			}
			return f.Name, rest, true
		}
	}
	return "", "", false
}

// readJSON reads the object in the content that has the most output
// fields; keys compare without case. Models wrap their answer in one more object
// at times, so a value that is an object is looked into as well.
func readJSON(outputs []Field, content string) map[string]any {
	var best map[string]any
	for _, text := range jsonObjects(content) {
		v, err := parseJSON(text)
		if err != nil {
			continue
		}
		object := v.(map[string]any)
		candidates := []map[string]any{object}
		for _, inner := range object {
			if m, ok := inner.(map[string]any); ok && len(object) == 1 {
				candidates = append(candidates, m)
			}
		}
		for _, c := range candidates {
			if found := pick(outputs, c); len(found) > len(best) {
				best = found
			}
		}
	}
	return best
}

func pick(outputs []Field, object map[string]any) map[string]any {
	found := map[string]any{}
	for _, f := range outputs {
		if v, ok := lookupFold(object, f.Name); ok {
			found[f.Name] = v
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
