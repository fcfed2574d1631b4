package cria

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tailscale/hujson"
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

// parseJSON reads one JSON value as a model may write it: trailing commas and
// comments are let pass. Numbers become json.Number.
func parseJSON(text string) (any, error) {
	if jsonDepth(text) > maxJSONDepth {
		return nil, fmt.Errorf("JSON nested deeper than %d levels", maxJSONDepth)
	}
	std, err := hujson.Standardize([]byte(text))
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(std))
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

// maxJSONDepth bounds the nesting that is looked at in a reply: the parsers
// recurse, and a stack overflow cannot be recovered from.
const maxJSONDepth = 64

// jsonDepth returns how deep brackets nest outside of strings and comments.
func jsonDepth(text string) int {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case strings.HasPrefix(text[i:], "//"):
			i += skipPast(text[i:], "\n")
		case strings.HasPrefix(text[i:], "/*"):
			i += skipPast(text[i:], "*/")
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// skipPast returns the index of the last byte of end in text, or of text.
func skipPast(text, end string) int {
	i := strings.Index(text, end)
	if i < 0 {
		return len(text) - 1
	}
	return i + len(end) - 1
}

// jsonObjects yields the outermost balanced {...} of a text that stands in prose
// or in a code fence, in order.
func jsonObjects(text string) []string {
	var found []string
	for start := 0; start < len(text); {
		i := strings.IndexByte(text[start:], '{')
		if i < 0 {
			break
		}
		start += i
		end := balancedEnd(text[start:])
		if end < 0 {
			start++
			continue
		}
		found = append(found, text[start:start+end])
		start += end
	}
	return found
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
