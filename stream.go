package cria

import (
	"slices"
	"strings"
	"unicode"
)

// fieldSplitter cuts a stream of text into the fields of a constraint. Where a
// literal follows a hole, text that may be its beginning is held back until it
// is certain.
type fieldSplitter struct {
	parts   Constraint
	pending string
	opening string      // how the turn begins, which a model may repeat; "" once that is settled
	json    bool        // what comes is between values of JSON
	started bool        // the current hole has yielded text
	space   string      // of the current hole, held back: it does not count at the end
	value   *jsonStream // of the current hole, if its value is JSON
}

// newFieldSplitter is for a turn that begins with opening and goes on as c says. Free text
// is that of the only output, if there is one only.
func newFieldSplitter(opening string, c Constraint, outputs []Field) *fieldSplitter {
	if len(c) == 0 {
		c = Constraint{{Hole: &Field{}}}
		if len(outputs) == 1 {
			c[0].Hole = &outputs[0]
		}
	}
	s := &fieldSplitter{parts: c}
	if first := c[0]; first.Hole != nil && first.As != AsJSON && !first.Hole.mayBegin(opening) {
		s.opening = strings.TrimSpace(opening)
	}
	return s
}

// mayBegin reports whether a value of the field can begin with a text by its declaration:
// it is then read as the value's own.
func (f Field) mayBegin(text string) bool {
	ofValue := func(v string) bool { return strings.HasPrefix(v, text) }
	return f.Pattern != "" || f.GBNF != "" || slices.ContainsFunc(f.Type.Values, ofValue)
}

// add takes the next text and returns the deltas that are certain.
func (s *fieldSplitter) add(text string) []Delta[Example] {
	s.pending += text
	if s.opening != "" && !s.opened() {
		return nil
	}
	var deltas []Delta[Example]
	for len(s.parts) > 0 {
		part := s.parts[0]
		if part.Hole == nil {
			rest, ok := s.cut(part.Literal)
			if !ok {
				break
			}
			s.pending, s.parts = rest, s.parts[1:]
			continue
		}
		s.json = part.As == AsJSON
		value, done := s.next(part)
		deltas = s.emit(deltas, part, value, done)
		if !done {
			break
		}
		s.parts, s.started, s.space, s.value = s.parts[1:], false, "", nil
	}
	return deltas
}

// opened takes the opening away if the model repeats it, and reports whether that is
// certain.
func (s *fieldSplitter) opened() bool {
	text := strings.TrimLeftFunc(s.pending, unicode.IsSpace)
	rest, again := strings.CutPrefix(text, s.opening)
	switch {
	case again:
		s.pending = rest
	case strings.HasPrefix(s.opening, text):
		return false
	}
	s.opening = ""
	return true
}

// cut takes a literal from the beginning of what is pending. That of JSON may be written
// with space, and behind other text if it is the reply's first.
func (s *fieldSplitter) cut(literal string) (rest string, ok bool) {
	first := !s.json
	if isJSON := s.json || len(s.parts) > 1 && s.parts[1].As == AsJSON; !isJSON || literal == "" {
		return strings.CutPrefix(s.pending, literal)
	}
	text := s.pending
	if at := strings.IndexByte(text, literal[0]); first && at > 0 {
		text = text[at:]
	}
	return cutJSON(text, literal)
}

// next takes what is certain of the value of a hole, and reports whether that is all.
func (s *fieldSplitter) next(part Part) (value string, done bool) {
	if part.As == AsJSON {
		if s.value == nil {
			s.value = &jsonStream{}
		}
		var n int
		value, n, done = s.value.read(s.pending)
		s.pending = s.pending[n:]
		return value, done
	}
	next := ""
	if len(s.parts) > 1 {
		next = s.parts[1].Literal
	}
	value = s.pending
	if next != "" {
		if value, _, done = strings.Cut(s.pending, next); !done {
			value = s.pending[:len(s.pending)-overlap(s.pending, next)]
		}
	}
	s.pending = s.pending[len(value):]
	return value, done
}

// end returns what was held back, and the end of the last field.
func (s *fieldSplitter) end() []Delta[Example] {
	if len(s.parts) == 0 || s.parts[0].Hole == nil {
		return nil
	}
	return s.emit(nil, s.parts[0], s.pending, true)
}

// emit adds a delta if there is something to say. Except in JSON, space at the ends is
// not part of the value.
func (s *fieldSplitter) emit(deltas []Delta[Example], part Part, text string, done bool) []Delta[Example] {
	if part.As != AsJSON {
		if !s.started {
			text = strings.TrimLeftFunc(text, unicode.IsSpace)
		}
		text = s.space + text
		end := len(strings.TrimRightFunc(text, unicode.IsSpace))
		text, s.space = text[:end], text[end:]
	}
	s.started = s.started || text != ""
	if text == "" && !done {
		return deltas
	}
	return append(deltas, Delta[Example]{Field: part.Hole.Name, Text: text, Done: done})
}

// overlap returns the length of the longest end of text that literal begins
// with.
func overlap(text, literal string) int {
	for n := min(len(text), len(literal)-1); n > 0; n-- {
		if strings.HasSuffix(text, literal[:n]) {
			return n
		}
	}
	return 0
}
