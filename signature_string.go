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
// date, timedelta, Any, JSON, list[T], dict[str, T], Literal['a', "b"], and
// Optional[T], Union[T, None], T | None or None | T of a whole field; for inputs also
// History and Image. list and dict alone have values of any type. Python's modules may
// stand before types: typing.List[str], dspy.Image.
//
// Some types are read as one of these, with less said of the values: tuple[T, ...], set[T],
// frozenset[T] and Sequence[T] are a list[T], in which values may repeat, and Mapping[str,
// T] is a dict[str, T]. The values of a Literal are text, those of Literal[1, 2] too; None
// among them makes the field optional.
//
// A mistake, or a type of Python or DSPy that there is not, gives a *[SyntaxError] that
// points at it and says what to write instead.
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

func (p *signatureParser) errorf(msg string) error { return p.errorAt(p.pos, msg) }

func (p *signatureParser) errorAt(pos int, msg string) error {
	return &SyntaxError{Signature: p.text, Offset: pos, Msg: msg}
}

func (p *signatureParser) space() { p.pos = p.skipSpace(p.pos) }

// skipSpace returns the offset of what follows the space at pos.
func (p *signatureParser) skipSpace(pos int) int {
	rest := p.text[pos:]
	return pos + len(rest) - len(strings.TrimLeft(rest, " \t\r\n"))
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

// typ reads a type; optional reports whether it may be None.
func (p *signatureParser) typ(depth int) (t Type, optional bool, err error) {
	if t, optional, err = p.part(depth); err != nil {
		return t, optional, err
	}
	for p.take("|") {
		start := p.skipSpace(p.pos)
		other, none, err := p.part(depth)
		if err == nil {
			t, err = p.either(t, other, start)
		}
		if err != nil {
			return t, false, err
		}
		optional = optional || none
	}
	return t, optional, p.checkType(t)
}

// checkType reports that there was None only.
func (p *signatureParser) checkType(t Type) error {
	if p.space(); t.Kind == "" {
		return p.errorf("want a type beside None")
	}
	return nil
}

// either returns the one of two types that is not None; other begins at start.
func (p *signatureParser) either(t, other Type, start int) (Type, error) {
	switch {
	case other.Kind == "":
		return t, nil
	case t.Kind == "":
		return other, nil
	default:
		return t, p.errorAt(start, "only None may stand beside a type: use one that has all the values (float, str, Any), or an optional field for each")
	}
}

// part reads one type between bars; that of None alone has no kind.
func (p *signatureParser) part(depth int) (t Type, optional bool, err error) {
	start := p.skipSpace(p.pos)
	if depth >= maxTypeDepth {
		return t, false, p.errorAt(start, "the type is nested too deeply")
	}
	switch name := p.typeName(); name {
	case "str", "int", "float", "bool", "datetime", "date", "timedelta":
		t.Kind = Kind(name)
	case "Any", "any", "object":
		t.Kind = KindAny
	case "History", "Image":
		t.Kind = Kind(name)
	case "JSON":
		t.Kind = KindJSON
	case "list", "List", "Sequence", "set", "Set", "frozenset", "FrozenSet":
		t, err = p.list(depth)
	case "tuple", "Tuple":
		t, err = p.tuple(depth)
	case "dict", "Dict", "Mapping":
		t, err = p.dict(depth)
	case "Literal":
		t, optional, err = p.literal()
	case "None", "NoneType":
		optional = true
	case "Optional":
		t, _, err = p.bracketed(depth)
		optional = true
	case "Union":
		t, optional, err = p.union(depth)
	case "":
		err = p.errorAt(start, "want a type")
	default:
		err = p.errorAt(start, unknownType(name))
	}
	return t, optional, err
}

// bracketed reads "[T]".
func (p *signatureParser) bracketed(depth int) (t Type, optional bool, err error) {
	if !p.take("[") {
		return t, false, p.errorf("want \"[\" and a type")
	}
	if t, optional, err = p.typ(depth + 1); err == nil && !p.take("]") {
		err = p.errorf("want \"]\"")
	}
	return t, optional, err
}

// union reads "[T, None]", in any order.
func (p *signatureParser) union(depth int) (t Type, optional bool, err error) {
	if !p.take("[") {
		return t, false, p.errorf("want \"[\" and types")
	}
	for {
		start := p.skipSpace(p.pos)
		part, none, err := p.part(depth + 1)
		if err == nil {
			t, err = p.either(t, part, start)
		}
		if err != nil {
			return t, false, err
		}
		optional = optional || none
		if p.take("]") {
			break
		}
		if !p.take(",") {
			return t, false, p.errorf("want a comma or \"]\"")
		}
	}
	return t, optional, p.checkType(t)
}

func (p *signatureParser) list(depth int) (Type, error) {
	if !p.take("[") {
		return Type{Kind: KindList, Elem: &Type{Kind: KindAny}}, nil
	}
	elem, err := p.lastElem(depth)
	return Type{Kind: KindList, Elem: elem}, err
}

// tuple reads "[T, ...]". One of a number of elements, which may differ, is no list.
func (p *signatureParser) tuple(depth int) (Type, error) {
	if !p.take("[") {
		return Type{Kind: KindList, Elem: &Type{Kind: KindAny}}, nil
	}
	start := p.skipSpace(p.pos)
	elem, err := p.elem(depth)
	if err == nil && !(p.take(",") && p.take("...") && p.take("]")) {
		err = p.errorAt(start, "want tuple[T, ...], any number of elements of one type: use a field for each element instead")
	}
	return Type{Kind: KindList, Elem: elem}, err
}

func (p *signatureParser) dict(depth int) (Type, error) {
	if !p.take("[") {
		return Type{Kind: KindDict, Elem: &Type{Kind: KindAny}}, nil
	}
	start := p.skipSpace(p.pos)
	if p.word() != "str" {
		return Type{}, p.errorAt(start, "the keys of a dict are str, as in JSON: use dict[str, T]")
	}
	if !p.take(",") {
		return Type{}, p.errorf("want \", \" and the type of the values")
	}
	elem, err := p.lastElem(depth)
	return Type{Kind: KindDict, Elem: elem}, err
}

// lastElem reads the type of elements and the closing bracket.
func (p *signatureParser) lastElem(depth int) (*Type, error) {
	elem, err := p.elem(depth)
	if err == nil && !p.take("]") {
		err = p.errorf("want \"]\"")
	}
	return elem, err
}

// elem reads the type of elements, which may not be None.
func (p *signatureParser) elem(depth int) (*Type, error) {
	start := p.skipSpace(p.pos)
	t, optional, err := p.typ(depth + 1)
	switch {
	case err != nil:
		return nil, err
	case optional:
		return nil, p.errorAt(start, "an optional type cannot stand inside another type: leave such values out, or use Any, which may be null")
	case t.Kind == KindHistory || t.Kind == KindImage:
		return nil, p.errorAt(start, string(t.Kind)+" is an input of its own, not part of another type: use a field for each")
	}
	return &t, nil
}

// literal reads "['a', 'b']". Values without quotes (words, numbers, True) are taken
// as strings too, but for None, which makes it optional.
func (p *signatureParser) literal() (t Type, optional bool, err error) {
	if !p.take("[") {
		return t, false, p.errorf("want \"[\" and the allowed values")
	}
	start := p.pos
	var values []string
	for {
		at := p.skipSpace(p.pos)
		v, err := p.literalValue()
		switch {
		case err != nil:
			return t, false, err
		case v == "None" && p.text[at] == 'N':
			optional = true
		default:
			values = append(values, v)
		}
		if p.take("]") {
			break
		}
		if !p.take(",") {
			return t, false, p.errorf("want a comma or \"]\"")
		}
	}
	if err := validateValues(values); err != nil {
		return t, false, p.errorAt(start, err.Error())
	}
	return Type{Kind: KindLiteral, Values: values}, optional, nil
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
