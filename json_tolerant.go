package cria

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// jsonReader reads JSON objects and lists as models write them: besides JSON it takes
//
//   - comments and a comma after the last member or element,
//   - texts in single or typographic quotes, and with line breaks in them,
//   - keys without quotes,
//   - True, False and None,
//   - no comma where space or a bracket parts two members or elements,
//   - texts joined with +,
//   - no quote and no brackets where the text ends.
//
// What could mean two things is an error: a quote within a text that is not
// escaped, an unknown escape, words without quotes, numbers that JSON does not have,
// brackets that do not match. JSON itself is read as package encoding/json does, but
// for its depth. It takes time in proportion to the text.
type jsonReader struct {
	text  string
	pos   int
	depth int

	members bool     // a key with its colon was read: this was meant as JSON
	path    []string // the keys of the objects around pos

	cut    bool     // the text ends before the value does
	cutOff []string // the keys of the value that it ends in
}

// errEnd says that the text ends before there is a value.
var errEnd = errors.New("it ends too early")

func (r *jsonReader) errorf(format string, args ...any) error {
	return fmt.Errorf("JSON at byte %d: %w", r.pos, fmt.Errorf(format, args...))
}

func (r *jsonReader) atEnd() bool { return r.pos == len(r.text) }

// at reports whether the text goes on with a byte.
func (r *jsonReader) at(c byte) bool { return !r.atEnd() && r.text[r.pos] == c }

// markCut notes where the text ends too early; what is around it ends there as well.
func (r *jsonReader) markCut() {
	if !r.cut {
		r.cut, r.cutOff = true, slices.Clone(r.path)
	}
}

func (r *jsonReader) value() (any, error) {
	switch {
	case r.atEnd():
		return nil, errEnd
	case r.at('{'):
		return r.object()
	case r.at('['):
		return r.list()
	case r.closing() != "":
		return r.joined()
	default:
		return r.word()
	}
}

func (r *jsonReader) object() (any, error) {
	object := map[string]any{}
	err := r.items('}', func() error {
		key, err := r.key()
		if err != nil {
			return err
		}
		r.members = true
		r.path = append(r.path, key)
		v, err := r.value()
		if err == nil {
			object[key] = v
		}
		r.path = r.path[:len(r.path)-1]
		return err
	})
	return object, err
}

func (r *jsonReader) list() (any, error) {
	list := []any{}
	err := r.items(']', func() error {
		v, err := r.value()
		if err == nil {
			list = append(list, v)
		}
		return err
	})
	return list, err
}

// items reads what stands between brackets. If the text ends there, so do the items;
// an empty pair of brackets must be closed, as nothing is known of it otherwise.
func (r *jsonReader) items(end byte, item func() error) error {
	if r.depth == maxJSONDepth {
		return r.errorf("nested deeper than %d levels", maxJSONDepth)
	}
	r.depth++
	r.pos++
	r.skip()
	for n := 0; !r.at(end); n++ {
		err := item()
		if errors.Is(err, errEnd) {
			r.markCut()
			if n > 0 {
				return nil
			}
		}
		if err != nil {
			return err
		}
		if err := r.separator(end); err != nil {
			return err
		}
		if r.atEnd() {
			r.markCut()
			return nil
		}
	}
	r.pos++
	r.depth--
	return nil
}

// separator moves to the next item, or to the bracket that ends the items.
func (r *jsonReader) separator(end byte) error {
	before := r.pos
	r.skip()
	gap := r.text[before:r.pos]
	switch {
	case r.atEnd() || r.at(end):
	case r.at(','):
		r.pos++
		r.skip()
	case gap == "" && !strings.ContainsRune("}]", rune(r.text[before-1])):
		return r.errorf("want a comma or %q", end)
	case !strings.Contains(gap, "\n") && digits(r.text[before-1:before]) == 1 && digits(r.text[r.pos:]) == 3:
		return r.errorf("two numbers, or one with a space in it")
	}
	return nil
}

// digits counts the digits that a text begins with.
func digits(text string) int {
	return len(text) - len(strings.TrimLeft(text, "0123456789"))
}

// key reads an object's key and the colon behind it.
func (r *jsonReader) key() (string, error) {
	key, quoted, err := r.name()
	if err != nil {
		return "", err
	}
	r.skip()
	switch {
	case r.atEnd() && (quoted || digits(key) == 0): // 1,5 may be one number
		return "", errEnd
	case key == "" && !quoted, !r.at(':'):
		return "", r.errorf("want a key and a colon")
	}
	r.pos++
	r.skip()
	return key, nil
}

func (r *jsonReader) name() (key string, quoted bool, err error) {
	if r.closing() != "" {
		key, err = r.quoted()
		return key, true, err
	}
	rest := r.text[r.pos:]
	end := strings.IndexFunc(rest, func(c rune) bool {
		return c != '_' && c != '-' && c != '$' && !unicode.IsLetter(c) && !unicode.IsDigit(c)
	})
	if end < 0 {
		end = len(rest)
	}
	r.pos += end
	return rest[:end], false, nil
}

// words are the values without quotes that are not numbers, in lower case.
var words = map[string]any{"true": true, "false": false, "null": nil, "none": nil}

// word reads a number or one of words. A number that the text ends with may have been
// meant to go on.
func (r *jsonReader) word() (any, error) {
	rest := r.text[r.pos:]
	end := strings.IndexFunc(rest, func(c rune) bool {
		return c != '+' && c != '-' && c != '.' && c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c)
	})
	if end < 0 {
		end = len(rest)
		r.markCut()
	}
	word := rest[:end]
	v, known := words[strings.ToLower(word)]
	switch {
	case known:
	case word != "" && strings.ContainsRune("-0123456789", rune(word[0])) && json.Valid([]byte(word)):
		v = json.Number(word)
	case r.cut:
		r.pos = len(r.text)
		return nil, errEnd
	default:
		return nil, r.errorf("%s is not a value", abbreviate(word, 20))
	}
	r.pos += end
	return v, nil
}

// closing returns what can close the quote that the text goes on with; "" if that is
// none.
func (r *jsonReader) closing() string {
	c, _ := utf8.DecodeRuneInString(r.text[r.pos:])
	switch c {
	case '"':
		return `"`
	case '\'':
		return "'"
	case '“', '”', '„':
		return "“”„"
	case '‘', '’', '‚':
		return "‘’‚"
	}
	return ""
}

// joined reads a text in quotes, and those that are added to it.
func (r *jsonReader) joined() (any, error) {
	s, err := r.quoted()
	parts := []string{s}
	for err == nil {
		end := r.pos
		if r.skip(); !r.at('+') {
			r.pos = end
			return strings.Join(parts, ""), nil
		}
		r.pos++
		r.skip()
		if r.atEnd() {
			r.markCut()
			break
		}
		if r.closing() == "" {
			return nil, r.errorf("only texts can be joined")
		}
		s, err = r.quoted()
		parts = append(parts, s)
	}
	return strings.Join(parts, ""), err
}

// quoted reads a text in quotes, or up to the end of all.
func (r *jsonReader) quoted() (string, error) {
	closing := r.closing()
	_, size := utf8.DecodeRuneInString(r.text[r.pos:])
	r.pos += size
	start := r.pos
	for !r.atEnd() {
		c, size := utf8.DecodeRuneInString(r.text[r.pos:])
		if strings.ContainsRune(closing, c) && c != utf8.RuneError {
			body := r.text[start:r.pos]
			r.pos += size
			return r.unescape(body)
		}
		if c == '\\' && r.pos+1 < len(r.text) { // what follows closes nothing
			r.pos++
			_, size = utf8.DecodeRuneInString(r.text[r.pos:])
		}
		r.pos += size
	}
	r.markCut()
	body := r.text[start:]
	if strings.ContainsAny(lastChar(body), "}]`") {
		return "", r.errorf("a quote is missing, and what stands at the end may belong to the text or not")
	}
	return r.unescape(body)
}

func lastChar(text string) string {
	text = strings.TrimSpace(text)
	_, size := utf8.DecodeLastRuneInString(text)
	return text[len(text)-size:]
}

// unescape returns what a text between quotes says. At the end of all, an escape that
// was cut off is left out.
func (r *jsonReader) unescape(body string) (string, error) {
	if !strings.Contains(body, `\`) && utf8.ValidString(body) {
		return body, nil
	}
	var b strings.Builder // as JSON
	b.WriteByte('"')
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			b.WriteString(`\"`)
		case c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
		case c != '\\':
			b.WriteByte(c)
		default:
			escape := body[i:min(i+escapeLen(body[i:]), len(body))]
			if r.cut && len(escape) < escapeLen(escape) {
				i = len(body)
				break
			}
			i += len(escape) - 1
			if escape == `\'` {
				escape = "'"
			}
			b.WriteString(escape)
		}
	}
	b.WriteByte('"')
	var s string
	if err := json.Unmarshal([]byte(b.String()), &s); err != nil {
		return "", r.errorf("a text before: %w", err)
	}
	return s, nil
}

// escapeLen returns the length of the escape that a text begins with.
func escapeLen(text string) int {
	if strings.HasPrefix(text, `\u`) {
		return len(`\u0000`)
	}
	return len(`\n`)
}

// skip moves past space and comments.
func (r *jsonReader) skip() {
	for !r.atEnd() {
		rest := r.text[r.pos:]
		switch c, size := utf8.DecodeRuneInString(rest); {
		case strings.HasPrefix(rest, "//"):
			r.pos += skipPast(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			r.pos += skipPast(rest, "*/")
		case unicode.IsSpace(c):
			r.pos += size
		default:
			return
		}
	}
}

// skipPast returns where text goes on behind end.
func skipPast(text, end string) int {
	if i := strings.Index(text, end); i >= 0 {
		return i + len(end)
	}
	return len(text)
}
