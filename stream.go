package cria

import (
	"strings"
	"unicode"
)

// fieldSplitter cuts a stream of text into the fields of a constraint. Where a
// literal follows a hole, text that may be its beginning is held back until it
// is certain.
type fieldSplitter struct {
	parts   Constraint
	pending string
	started bool        // the current hole has yielded text
	space   string      // of the current hole, held back: it does not count at the end
	json    *jsonStream // of the current hole, if its value is JSON
}

func newFieldSplitter(c Constraint) *fieldSplitter {
	if len(c) == 0 {
		c = Constraint{{Hole: &Field{}}}
	}
	return &fieldSplitter{parts: c}
}

// add takes the next text and returns the deltas that are certain.
func (s *fieldSplitter) add(text string) []Delta[Example] {
	s.pending += text
	var deltas []Delta[Example]
	for len(s.parts) > 0 {
		part := s.parts[0]
		if part.Hole == nil {
			rest, ok := strings.CutPrefix(s.pending, part.Literal)
			if !ok {
				break
			}
			s.pending, s.parts = rest, s.parts[1:]
			continue
		}
		value, done := s.value(part)
		deltas = s.emit(deltas, part, value, done)
		if !done {
			break
		}
		s.parts, s.started, s.space, s.json = s.parts[1:], false, "", nil
	}
	return deltas
}

// value takes what is certain of the value of a hole, and reports whether that is all.
func (s *fieldSplitter) value(part Part) (value string, done bool) {
	if part.As == AsJSON {
		if s.json == nil {
			s.json = &jsonStream{}
		}
		var n int
		value, n, done = s.json.read(s.pending)
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
