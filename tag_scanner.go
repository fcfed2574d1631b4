package cria

import (
	"regexp"
	"strings"
)

// anyTag matches what may be a tag, as models write it. The groups are the slash of a
// closing tag, the name, and the slash of one without content.
var anyTag = regexp.MustCompile(`<(/?)[ \t]*([A-Za-z_][\w-]*)(?:\s+[\w:-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>/]+))*\s*(/?)>`)

// tagScanner finds the values between tags.
type tagScanner struct {
	nested bool // an output may stand in another's value, which ends there
}

// tag is one of an output.
type tag struct {
	start, end int
	field      string
	written    string // the name as it is written
	closes     bool
	empty      bool // it has no content: <name/>
}

// findTags returns the tags of the outputs in a text.
func findTags(outputs []Field, content string) (tags []tag) {
	for _, at := range anyTag.FindAllStringSubmatchIndex(content, -1) {
		written := content[at[4]:at[5]]
		for _, f := range outputs {
			if sameName(written, f.Label()) {
				tags = append(tags, tag{at[0], at[1], f.Name, written, at[2] < at[3], at[6] < at[7]})
			}
		}
	}
	return tags
}

// read takes time in proportion to the text: what was looked at to find where a value
// ends is not looked at again.
func (s tagScanner) read(outputs []Field, content string) reading {
	r := reading{form: OutputTags}
	tags := findTags(outputs, content)
	closing := map[string]int{} // the last closing tag, by name as it is written and by field
	for i, t := range tags {
		if t.closes {
			closing[t.written], closing["/"+t.field] = i, i
		}
	}
	rest, before := 0, "" // where the text goes on behind a value, and whose that is
	for i := 0; i < len(tags); {
		t := tags[i]
		switch {
		case t.closes: // nothing that is open
			i++
			continue
		case t.begunAgain(tags[i+1:], content):
			r.note(t.field, CoercedExtra)
			i, rest = i+1, t.end
			continue
		}
		if strings.TrimSpace(content[rest:t.start]) != "" {
			r.note(t.field, CoercedExtra)
		}
		end, closed := s.end(tags, i, closing)
		r.last, i, rest, before = "", end, len(content), t.field
		valueEnd := len(content)
		switch {
		case closed:
			valueEnd, rest = tags[end].start, tags[end].end
			i++
		case end < len(tags):
			valueEnd, rest = tags[end].start, tags[end].start
		default:
			r.last = t.field
		}
		r.set(t.field, strings.TrimSpace(content[t.end:max(t.end, valueEnd)]))
	}
	if before != "" && strings.TrimSpace(content[rest:]) != "" {
		r.note(before, CoercedExtra)
	}
	return r
}

// begunAgain reports whether nothing stands between a tag and the next, which is the same:
// a turn may be opened with a tag, and the model write it all the same.
func (t tag) begunAgain(next []tag, content string) bool {
	return !t.empty && len(next) > 0 && next[0].field == t.field && !next[0].closes && strings.TrimSpace(content[t.end:next[0].start]) == ""
}

// end returns which tag ends the value behind the opening tag i, len(tags) if the text
// does, and whether that closes it. A closing tag that is written as the opening one
// comes before others: a value may have such.
func (s tagScanner) end(tags []tag, i int, closing map[string]int) (at int, closed bool) {
	t := tags[i]
	if t.empty {
		return i, true
	}
	exact, closable := closing[t.written] > i, closing["/"+t.field] > i
	for at = i + 1; at < len(tags); at++ {
		u := tags[at]
		switch {
		case u.closes && u.field == t.field && (!exact || u.written == t.written):
			return at, true
		case (s.nested || !closable) && !u.closes && u.field != t.field:
			return at, false
		}
	}
	return at, false
}
