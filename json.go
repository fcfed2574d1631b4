package cria

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// marshalCompact writes JSON on one line without escaping <, > and &, which
// would only cost a model tokens.
func marshalCompact(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// maxJSONDepth bounds the nesting that is looked at in a reply: the parsers
// recurse, and a stack overflow cannot be recovered from.
const maxJSONDepth = 64

// parseJSON reads one JSON value. Objects and lists are read as a model may write
// them, see [jsonReader]. Numbers become json.Number.
func parseJSON(text string) (any, error) {
	r := &jsonReader{text: text}
	if r.skip(); !r.at('{') && !r.at('[') {
		return parseStrict(text)
	}
	v, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.skip(); !r.atEnd() {
		return nil, r.errorf("text after the value")
	}
	return v, nil
}

// parseStrict reads JSON as it should be.
func parseStrict(text string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return v, nil
}

// jsonObject is an object that stands in a text.
type jsonObject struct {
	start, end int
	text       string // from start to end
	value      map[string]any
	cut        bool     // the text ends before it does
	cutOff     []string // the keys of the value that it then ends in
}

// findObjects returns the outermost objects of a text, prose or a code fence around
// them. Of one that cannot be read nothing is taken: what stands deeper in it may mean
// something else.
func findObjects(text string) []jsonObject {
	var found []jsonObject
	for start := 0; ; {
		i := strings.IndexByte(text[start:], '{')
		if i < 0 {
			return found
		}
		start += i
		r := &jsonReader{text: text, pos: start}
		v, err := r.value()
		switch {
		case err == nil:
			found = append(found, jsonObject{start, r.pos, text[start:r.pos], v.(map[string]any), r.cut, r.cutOff})
			start = r.pos
		case r.members:
			end := balancedEnd(text[start:])
			if end < 0 {
				return found
			}
			start += end
		default: // a brace of the prose
			start = max(start+1, r.pos)
		}
	}
}

// balancedEnd returns the length of the balanced object that text begins with,
// or -1. Braces inside strings do not count.
func balancedEnd(text string) int {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{':
			if depth++; depth > maxJSONDepth {
				return -1
			}
		case c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
