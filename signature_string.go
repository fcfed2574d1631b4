package cria

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// ParseSignature reads DSPy's string syntax: names with optional types on both
// sides of an arrow, such as
//
//	question, context: list[str] -> answer, confidence: float
//
// A field without a type is a str. The types are str, int, float, bool, datetime,
// date, timedelta, Any, list[T], dict[str, T], Literal['a', 'b'], Optional[T] and
// T | None. A mistake gives a *[SyntaxError] that points at it.
func ParseSignature(s string) (*Signature, error) {
	p := &signatureParser{text: s}
	inputs, err := p.fields("->")
	if err != nil {
		return nil, err
	}
	if !p.take("->") {
		return nil, p.errorf("want \"->\" between inputs and outputs")
	}
	outputs, err := p.fields("")
	if err != nil {
		return nil, err
	}
	if len(outputs) == 0 {
		return nil, p.errorf("want an output field after \"->\"")
	}
	return NewSignature("", inputs, outputs)
}

// signatureParser reads a string signature from left to right.
type signatureParser struct {
	text string
	pos  int
	seen []string // names of the fields so far, in lower case
}

// maxTypeDepth bounds the nesting of types, so that hostile text cannot exhaust
// the stack.
const maxTypeDepth = 32

func (p *signatureParser) errorf(msg string) error { return p.errorAt(p.pos, msg) }

func (p *signatureParser) errorAt(pos int, msg string) error {
	return &SyntaxError{Signature: p.text, Offset: pos, Msg: msg}
}

func (p *signatureParser) space() {
	rest := p.text[p.pos:]
	p.pos += len(rest) - len(strings.TrimLeft(rest, " \t\r\n"))
}

// take consumes token if it comes next.
func (p *signatureParser) take(token string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.pos:], token) {
		return false
	}
	p.pos += len(token)
	return true
}

// word consumes an identifier and returns it; "" if none comes next.
func (p *signatureParser) word() string {
	p.space()
	start := p.pos
	for p.pos < len(p.text) && isWordByte(p.text[p.pos]) {
		p.pos++
	}
	return p.text[start:p.pos]
}

func isWordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// fields reads a list of fields up to the end, which "" says is that of the
// text. An empty list is allowed.
func (p *signatureParser) fields(end string) ([]Field, error) {
	var fields []Field
	for {
		p.space()
		if len(fields) == 0 && p.atEnd(end) {
			return nil, nil
		}
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
		if p.take(",") {
			continue
		}
		if p.space(); p.atEnd(end) || p.pos == len(p.text) {
			return fields, nil
		}
		return nil, p.errorf("want a comma, a type after a colon, or the end of the fields")
	}
}

func (p *signatureParser) atEnd(end string) bool {
	if end == "" {
		return p.pos == len(p.text)
	}
	return strings.HasPrefix(p.text[p.pos:], end)
}

func (p *signatureParser) field() (Field, error) {
	p.space()
	start := p.pos
	name := p.word()
	switch key := strings.ToLower(name); {
	case name == "":
		return Field{}, p.errorf("want the name of a field: letters, digits and underscores")
	case !fieldName.MatchString(name):
		return Field{}, p.errorAt(start, "the name of a field does not begin with a digit")
	case slices.Contains(p.seen, key):
		return Field{}, p.errorAt(start, "the field is declared twice")
	default:
		p.seen = append(p.seen, key)
	}
	if !p.take(":") {
		return Field{Name: name, Type: Type{Kind: KindString}}, nil
	}
	t, optional, err := p.typ(0)
	return Field{Name: name, Type: t, Optional: optional}, err
}

// typ reads a type; optional reports whether it was Optional[T] or T | None.
func (p *signatureParser) typ(depth int) (t Type, optional bool, err error) {
	p.space()
	start := p.pos
	if depth > maxTypeDepth {
		return t, false, p.errorf("the type is nested too deeply")
	}
	name := p.word()
	if (name == "typing" || name == "datetime") && p.take(".") { // Python's modules
		name = p.word()
	}
	switch name {
	case "str", "int", "float", "bool", "datetime", "date", "timedelta":
		t.Kind = Kind(name)
	case "Any", "any", "object":
		t.Kind = KindAny
	case "list", "List":
		t, err = p.list(depth)
	case "dict", "Dict":
		t, err = p.dict(depth)
	case "Literal":
		t, err = p.literal()
	case "Optional":
		optional = true
		t, err = p.bracketed(depth)
	case "":
		err = p.errorf("want a type")
	default:
		err = p.errorAt(start, "unknown type; the types are str, int, float, bool, datetime, date, timedelta, Any, list[T], dict[str, T], Literal['a', 'b'] and Optional[T]")
	}
	if err == nil && p.take("|") {
		if optional = true; p.word() != "None" {
			err = p.errorf("only None may follow \"|\": unions of types are not part of the syntax")
		}
	}
	return t, optional, err
}

// bracketed reads "[T]".
func (p *signatureParser) bracketed(depth int) (Type, error) {
	if !p.take("[") {
		return Type{}, p.errorf("want \"[\" and a type")
	}
	start := p.pos
	t, optional, err := p.typ(depth + 1)
	switch {
	case err != nil:
		return t, err
	case optional:
		return t, p.errorAt(start, "an optional type cannot stand inside another type")
	case !p.take("]"):
		return t, p.errorf("want \"]\"")
	}
	return t, nil
}

func (p *signatureParser) list(depth int) (Type, error) {
	if p.space(); !strings.HasPrefix(p.text[p.pos:], "[") {
		return Type{Kind: KindList, Elem: &Type{Kind: KindAny}}, nil
	}
	elem, err := p.bracketed(depth)
	return Type{Kind: KindList, Elem: &elem}, err
}

func (p *signatureParser) dict(depth int) (Type, error) {
	if !p.take("[") {
		return Type{Kind: KindDict, Elem: &Type{Kind: KindAny}}, nil
	}
	p.space()
	start := p.pos
	if p.word() != "str" {
		return Type{}, p.errorAt(start, "the keys of a dict are str")
	}
	if !p.take(",") {
		return Type{}, p.errorf("want \", \" and the type of the values")
	}
	elem, optional, err := p.typ(depth + 1)
	switch {
	case err != nil:
		return Type{}, err
	case optional:
		return Type{}, p.errorAt(start, "an optional type cannot stand inside another type")
	case !p.take("]"):
		return Type{}, p.errorf("want \"]\"")
	}
	return Type{Kind: KindDict, Elem: &elem}, nil
}

// literal reads "['a', 'b']". Values without quotes (words, numbers) are taken
// as strings too.
func (p *signatureParser) literal() (Type, error) {
	if !p.take("[") {
		return Type{}, p.errorf("want \"[\" and the allowed values")
	}
	start := p.pos
	var values []string
	for {
		v, err := p.literalValue()
		if err != nil {
			return Type{}, err
		}
		values = append(values, v)
		if p.take("]") {
			break
		}
		if !p.take(",") {
			return Type{}, p.errorf("want a comma or \"]\"")
		}
	}
	if err := validateValues(values); err != nil {
		return Type{}, p.errorAt(start, err.Error())
	}
	return Type{Kind: KindLiteral, Values: values}, nil
}

func (p *signatureParser) literalValue() (string, error) {
	p.space()
	if p.pos == len(p.text) {
		return "", p.errorf("want a value")
	}
	quote := p.text[p.pos]
	if quote != '\'' && quote != '"' {
		start := p.pos
		end := strings.IndexAny(p.text[p.pos:], ",]'\"")
		if end <= 0 {
			return "", p.errorf("want a value")
		}
		p.pos += end
		return strings.TrimSpace(p.text[start:p.pos]), nil
	}
	start := p.pos
	p.pos++
	var v strings.Builder
	for p.pos < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.text[p.pos:])
		p.pos += size
		switch {
		case r == rune(quote):
			return v.String(), nil
		case r == '\\' && p.pos < len(p.text):
			r, size = utf8.DecodeRuneInString(p.text[p.pos:])
			p.pos += size
			v.WriteString(unescape(r))
		default:
			v.WriteRune(r)
		}
	}
	return "", p.errorAt(start, "the quote is not closed")
}

func unescape(r rune) string {
	switch r {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	default:
		return string(r)
	}
}
