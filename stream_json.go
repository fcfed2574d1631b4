package cria

import (
	"encoding/json"
	"strings"
)

// jsonStream reads one JSON value from a stream: a string as its text, anything else
// as it is written.
type jsonStream struct {
	begun   bool
	text    bool // the value is a string
	depth   int  // of brackets
	quoted  bool // within a string
	escaped bool // behind a backslash
	held    string
	given   bool // some of a value that is not a string
}

// read takes the next text. It returns what is certain of the value, how many bytes of
// the text it has read, and whether the value is complete: what comes then is not read.
func (r *jsonStream) read(text string) (value string, n int, done bool) {
	first, space := !r.begun, 0
	if first {
		space = len(text) - len(strings.TrimLeft(text, jsonSpace))
	}
	n, done = r.scan(text[space:])
	raw := r.held + text[space:space+n]
	n += space
	r.held = ""
	if !r.text {
		return r.bare(raw, done), n, done
	}
	if first {
		raw = strings.TrimPrefix(raw, `"`)
	}
	if done {
		raw = strings.TrimSuffix(raw, `"`)
	}
	cut := len(raw)
	if !done {
		cut = wholeEscapes(raw)
	}
	r.held = raw[cut:]
	if err := json.Unmarshal([]byte(`"`+raw[:cut]+`"`), &value); err != nil {
		value = raw[:cut]
	}
	return value, n, done
}

// jsonSpace is what may stand between the parts of JSON.
const jsonSpace = " \t\r\n"

// cutJSON cuts a piece of compact JSON, which is no part of a value, from the beginning of
// a text that may have space in it.
func cutJSON(text, literal string) (rest string, ok bool) {
	quoted := false
	for i := range len(literal) {
		if !quoted {
			text = strings.TrimLeft(text, jsonSpace)
		}
		if text == "" || text[0] != literal[i] {
			return "", false
		}
		if literal[i] == '"' {
			quoted = !quoted
		}
		text = text[1:]
	}
	return text, true
}

// bare returns what is certain of a value that is not a string: null is no text.
func (r *jsonStream) bare(raw string, done bool) string {
	const null = "null"
	switch {
	case r.given:
		return raw
	case raw == null:
		return ""
	case !done && strings.HasPrefix(null, raw):
		r.held = raw
		return ""
	}
	r.given = raw != ""
	return raw
}

// scan finds the end of the value.
func (r *jsonStream) scan(text string) (n int, done bool) {
	for i := range len(text) {
		c := text[i]
		begins := !r.begun
		r.begun = true
		switch {
		case r.escaped:
			r.escaped = false
		case r.quoted && c == '\\':
			r.escaped = true
		case c == '"':
			if r.quoted = !r.quoted; begins {
				r.text = true
			}
			if !r.quoted && r.depth == 0 {
				return i + 1, true
			}
		case r.quoted:
		case c == '{' || c == '[':
			r.depth++
		case r.depth == 0 && strings.IndexByte(",}]"+jsonSpace, c) >= 0: // behind a number or a word
			return i, true
		case c == '}' || c == ']':
			if r.depth--; r.depth == 0 {
				return i + 1, true
			}
		}
	}
	return len(text), false
}

// wholeEscapes returns the length of a string's text without an escape at its end that
// may go on: half of a surrogate pair, too.
func wholeEscapes(raw string) int {
	const pair = len(`\ud83d\ude00`)
	for at := max(0, len(raw)-pair+1); at < len(raw); at++ {
		if raw[at] != '\\' || (at-len(strings.TrimRight(raw[:at], `\`)))%2 == 1 {
			continue
		}
		length := 2
		if strings.HasPrefix(raw[at:], `\u`) {
			length = 6
			if high := strings.ToLower(raw[at:min(len(raw), at+4)]); len(high) == 4 && high >= `\ud8` && high < `\udc` {
				length = pair
			}
		}
		if at+length > len(raw) {
			return at
		}
		at += length - 1
	}
	return len(raw)
}
