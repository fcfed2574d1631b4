package chattemplate

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEOF tokenKind = iota
	tokenData
	tokenVariableBegin
	tokenVariableEnd
	tokenBlockBegin
	tokenBlockEnd
	tokenName
	tokenString
	tokenInt
	tokenFloat
	tokenOperator
)

type token struct {
	kind tokenKind
	text string // of a string: its value
	line int
}

func (t token) String() string {
	switch t.kind {
	case tokenEOF:
		return "end of template"
	case tokenData:
		return "text"
	case tokenVariableBegin:
		return "{{"
	case tokenVariableEnd:
		return "}}"
	case tokenBlockBegin:
		return "{%"
	case tokenBlockEnd:
		return "%}"
	case tokenString:
		return "a string"
	default:
		return t.text
	}
}

// lexer cuts a template into tokens by the rules of Jinja with trim_blocks and
// lstrip_blocks: the line break behind a block is dropped, and so is the space
// before a block that begins its line.
type lexer struct {
	src       string
	pos, line int
	lineStart bool // what was read last ends a line
	tokens    []token
}

func lex(source string) ([]token, error) {
	if len(source) > maxSource {
		return nil, &LimitError{Of: "bytes of source", Limit: maxSource}
	}
	if !utf8.ValidString(source) {
		return nil, &SyntaxError{Line: 1, Reason: "the template is not valid UTF-8"}
	}
	source = newlines.Replace(source)
	l := &lexer{src: strings.TrimSuffix(source, "\n"), line: 1, lineStart: true}
	for l.pos < len(l.src) {
		if err := l.text(); err != nil {
			return nil, err
		}
	}
	l.emit(tokenEOF, "")
	return l.tokens, nil
}

var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func (l *lexer) emit(kind tokenKind, text string) {
	l.tokens = append(l.tokens, token{kind, text, l.line})
}

func (l *lexer) fail(format string, args ...any) error {
	return &SyntaxError{Line: l.line, Reason: fmt.Sprintf(format, args...)}
}

// take moves on by n bytes and returns them.
func (l *lexer) take(n int) string {
	s := l.src[l.pos : l.pos+n]
	l.pos += n
	l.line += strings.Count(s, "\n")
	l.lineStart = strings.HasSuffix(s, "\n")
	return s
}

// takeSpace moves on behind white space, which counts to what was read before.
func (l *lexer) takeSpace() {
	rest := l.src[l.pos:]
	if n := len(rest) - len(strings.TrimLeftFunc(rest, isSpace)); n > 0 {
		l.take(n)
	}
}

func (l *lexer) rest() string { return l.src[l.pos:] }

// text reads up to the next tag and the tag itself.
func (l *lexer) text() error {
	at := nextTag(l.rest())
	if at < 0 {
		l.emit(tokenData, l.rest())
		l.pos = len(l.src)
		return nil
	}
	tag := l.src[l.pos+at : l.pos+at+2]
	sign := signOf(l.src[l.pos+at+2:])
	l.data(at, sign, tag != "{{")
	if tag == "{%" {
		if n := rawBegin(l.rest()); n > 0 {
			return l.raw(n)
		}
	}
	begin := l.line
	l.take(2 + len(sign))
	switch tag {
	case "{#":
		return l.comment(begin)
	case "{{":
		l.emit(tokenVariableBegin, "")
		return l.tag("}}", tokenVariableEnd)
	default:
		l.emit(tokenBlockBegin, "")
		return l.tag("%}", tokenBlockEnd)
	}
}

// nextTag finds where the next tag begins, -1 if there is none.
func nextTag(s string) int {
	for from := 0; ; {
		i := strings.IndexByte(s[from:], '{')
		if i < 0 || from+i+1 >= len(s) {
			return -1
		}
		from += i
		if c := s[from+1]; c == '%' || c == '{' || c == '#' {
			return from
		}
		from++
	}
}

func signOf(s string) string {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[:1]
	}
	return ""
}

// data emits the n bytes of text before a tag, stripped as the tag wants it.
func (l *lexer) data(n int, sign string, block bool) {
	starting := l.lineStart
	text := l.src[l.pos : l.pos+n]
	switch {
	case sign == "-":
		text = strings.TrimRightFunc(text, isSpace)
	case sign == "" && block:
		line := strings.LastIndexByte(text, '\n') + 1
		if (line > 0 || starting) && strings.TrimLeftFunc(text[line:], isSpace) == "" {
			text = text[:line]
		}
	}
	if text != "" {
		l.emit(tokenData, text)
	}
	l.take(n)
}

// rawBegin returns the length of {% raw %} at the beginning of s, 0 if it is
// something else. The space behind a minus belongs to it.
func rawBegin(s string) int { return tagLength(s, "raw", false) }

// tagLength is the length of a tag that is a name alone.
func tagLength(s, name string, trim bool) int {
	rest := s[2+len(signOf(s[2:])):]
	rest = strings.TrimLeftFunc(rest, isSpace)
	rest, ok := strings.CutPrefix(rest, name)
	if !ok {
		return 0
	}
	rest = strings.TrimLeftFunc(rest, isSpace)
	switch {
	case strings.HasPrefix(rest, "-%}"):
		rest = strings.TrimLeftFunc(rest[3:], isSpace)
	case trim && strings.HasPrefix(rest, "+%}"):
		rest = rest[3:]
	case strings.HasPrefix(rest, "%}"):
		rest = rest[2:]
		if trim {
			rest = strings.TrimPrefix(rest, "\n")
		}
	default:
		return 0
	}
	return len(s) - len(rest)
}

func (l *lexer) raw(begin int) error {
	line := l.line
	l.take(begin)
	for from := 0; ; {
		i := strings.Index(l.rest()[from:], "{%")
		if i < 0 {
			return &SyntaxError{Line: line, Reason: "{% raw %} has no {% endraw %}"}
		}
		from += i
		end := l.rest()[from:]
		if n := tagLength(end, "endraw", true); n > 0 {
			l.data(from, signOf(end[2:]), true)
			l.take(n)
			return nil
		}
		from += 2
	}
}

func (l *lexer) comment(begin int) error {
	end := strings.Index(l.rest(), "#}")
	if end < 0 {
		return &SyntaxError{Line: begin, Reason: "a comment has no end: #} is missing"}
	}
	sign := byte(0)
	if end > 0 {
		sign = l.rest()[end-1]
	}
	l.take(end + 2)
	l.behindEnd(sign, true)
	return nil
}

// behindEnd drops what the end of a tag drops behind it.
func (l *lexer) behindEnd(sign byte, block bool) {
	switch {
	case sign == '-':
		l.takeSpace()
	case sign != '+' && block && strings.HasPrefix(l.rest(), "\n"):
		l.take(1)
	}
}

// tag reads the tokens up to the end of a tag. The end counts only outside of
// brackets.
func (l *lexer) tag(end string, kind tokenKind) error {
	var open []byte
	for {
		l.takeSpace()
		rest := l.rest()
		if rest == "" {
			return nil // the parser says what is missing
		}
		if len(open) == 0 {
			sign := signOf(rest)
			if sign == "+" && kind == tokenVariableEnd {
				sign = ""
			}
			if strings.HasPrefix(rest[len(sign):], end) {
				l.emit(kind, "")
				l.take(len(sign) + len(end))
				l.behindEnd((sign + " ")[0], kind == tokenBlockEnd)
				return nil
			}
		}
		var err error
		if open, err = l.token(open); err != nil {
			return err
		}
	}
}

// token reads one token within a tag.
func (l *lexer) token(open []byte) ([]byte, error) {
	rest := l.rest()
	first, size := utf8.DecodeRuneInString(rest)
	switch {
	case first >= '0' && first <= '9':
		n, float := number(rest, l.pos > 0 && l.src[l.pos-1] == '.')
		kind := tokenInt
		if float {
			kind = tokenFloat
		}
		l.emit(kind, rest[:n])
		l.take(n)
	case first == '_' || unicode.IsLetter(first):
		n := len(rest) - len(strings.TrimLeftFunc(rest, isNamePart))
		l.emit(tokenName, rest[:n])
		l.take(n)
	case first == '"' || first == '\'':
		n := stringLength(rest)
		if n == 0 {
			return nil, l.fail("a string has no end: %c is missing", first)
		}
		text, err := unescape(rest[1 : n-1])
		if err != nil {
			return nil, l.fail("%v", err)
		}
		l.emit(tokenString, text)
		l.take(n)
	default:
		op := operatorOf(rest)
		if op == "" {
			return nil, l.fail("unexpected %q", rest[:size])
		}
		var err error
		if open, err = l.balance(open, op[0]); err != nil {
			return nil, err
		}
		l.emit(tokenOperator, op)
		l.take(len(op))
	}
	return open, nil
}

// balance keeps the brackets that are to be closed.
func (l *lexer) balance(open []byte, op byte) ([]byte, error) {
	switch op {
	case '(':
		return append(open, ')'), nil
	case '[':
		return append(open, ']'), nil
	case '{':
		return append(open, '}'), nil
	case ')', ']', '}':
		if len(open) == 0 {
			return nil, l.fail("unexpected %q", op)
		}
		if last := open[len(open)-1]; last != op {
			return nil, l.fail("unexpected %q, expected %q", op, last)
		}
		return open[:len(open)-1], nil
	}
	return open, nil
}

func isNamePart(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.In(r, unicode.Mn, unicode.Mc, unicode.Pc)
}

// The operators, those of two characters first.
var operators = []string{"//", "**", "==", "!=", ">=", "<=",
	"+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"}

func operatorOf(s string) string {
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}
