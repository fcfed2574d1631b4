package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// value is a JSON value. Objects keep the order of their members; of a name that
// stands there twice the last value counts, as elsewhere in Go.
type value struct {
	kind    valueKind
	text    string // string, or number as it is written
	truth   bool
	items   []*value
	names   []string
	members map[string]*value
}

type valueKind uint8

const (
	valueNull valueKind = iota
	valueBool
	valueNumber
	valueString
	valueArray
	valueObject
)

// maxNesting bounds how deep JSON may be nested.
const maxNesting = 500

// parseJSON reads one value.
func parseJSON(data []byte) (*value, error) { return (&jsonParser{data: data}).parse() }

// jsonParser reads a value.
type jsonParser struct {
	data []byte
	dec  *json.Decoder
	path []string // to where it is, for errors

	strict bool // names that stand twice and halves of surrogate pairs are errors
}

func (p *jsonParser) parse() (*value, error) {
	if !utf8.Valid(p.data) {
		return nil, errors.New("it is not valid UTF-8")
	}
	p.dec = json.NewDecoder(bytes.NewReader(p.data))
	p.dec.UseNumber()
	v, err := p.value()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return v, nil
}

func (p *jsonParser) errorf(format string, args ...any) error {
	path := ""
	for _, name := range p.path {
		path += "/" + escapePointer(name)
	}
	return fmt.Errorf("%s: %w", cmpPath(abbreviate(path)), fmt.Errorf(format, args...))
}

// abbreviate leaves out the middle of a text that is too long for a message.
func abbreviate(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most/2], "") + "…" + strings.ToValidUTF8(text[len(text)-most/2:], "")
}

// token reads a token, and makes sure that a string has no half of a surrogate pair:
// the decoder puts another character in its place.
func (p *jsonParser) token() (json.Token, error) {
	start := p.dec.InputOffset()
	token, err := p.dec.Token()
	if text, ok := token.(string); ok && p.strict && strings.ContainsRune(text, utf8.RuneError) {
		if half := halfSurrogate(p.data[start:p.dec.InputOffset()]); half != "" {
			return nil, p.errorf("%s is half of a character", half)
		}
	}
	return token, err
}

// halfSurrogate returns the first escape in JSON that is half of a surrogate pair
// without the other, "" if there is none.
func halfSurrogate(text []byte) string {
	unit := func(at int) rune {
		if at+6 > len(text) || text[at] != '\\' || text[at+1] != 'u' {
			return -1
		}
		n, err := strconv.ParseUint(string(text[at+2:at+6]), 16, 16)
		if err != nil {
			return -1
		}
		return rune(n)
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		switch r := unit(i); {
		case utf16.IsSurrogate(r) && utf16.DecodeRune(r, unit(i+6)) == utf8.RuneError:
			return string(text[i : i+6])
		case utf16.IsSurrogate(r):
			i += 6 + 5
		default:
			i++ // what is escaped
		}
	}
	return ""
}

func (p *jsonParser) value() (*value, error) {
	if len(p.path) > maxNesting {
		return nil, p.errorf("nested deeper than %d", maxNesting)
	}
	token, err := p.token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case nil:
		return &value{kind: valueNull}, nil
	case bool:
		return &value{kind: valueBool, truth: t}, nil
	case json.Number:
		return &value{kind: valueNumber, text: t.String()}, nil
	case string:
		return &value{kind: valueString, text: t}, nil
	}
	v := &value{kind: valueArray}
	if token == json.Delim('{') {
		v.kind, v.members = valueObject, map[string]*value{}
	}
	for p.dec.More() {
		name := strconv.Itoa(len(v.items))
		if v.kind == valueObject {
			token, err := p.token()
			if err != nil {
				return nil, err
			}
			name = token.(string) // the decoder allows nothing else
		}
		p.path = append(p.path, name)
		if p.strict && v.members[name] != nil {
			return nil, p.errorf("it stands there twice")
		}
		item, err := p.value()
		if err != nil {
			return nil, err
		}
		p.path = p.path[:len(p.path)-1]
		if v.kind == valueArray {
			v.items = append(v.items, item)
			continue
		}
		if v.members[name] == nil {
			v.names = append(v.names, name)
		}
		v.members[name] = item
	}
	_, err = p.dec.Token()
	return v, err
}

// maxPlaces bounds the decimals of numbers that are written out.
const maxPlaces = 400

// decimal writes a number without an exponent, in the one way that has no digit too
// many: -0.50e1 is -5.
func decimal(number string) (string, error) {
	if _, exponent, ok := strings.Cut(strings.ToLower(number), "e"); ok && len(strings.TrimLeft(exponent, "+-0")) > 3 {
		return "", fmt.Errorf("the exponent of %s is too large", number)
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return "", fmt.Errorf("%s is not a number", number)
	}
	places := 0
	d := new(big.Int).Set(r.Denom())
	for ; d.Cmp(big.NewInt(1)) > 0 && places < maxPlaces; places++ {
		d.Quo(d, new(big.Int).GCD(nil, nil, d, big.NewInt(10)))
	}
	text := r.FloatString(places)
	if d.Cmp(big.NewInt(1)) > 0 || len(text) > 2*maxPlaces {
		return "", fmt.Errorf("%.40s has too many digits", number)
	}
	return text, nil
}

// compact writes a value without spaces, and strings and numbers in one way only:
// see [quote] and [decimal].
func (v *value) compact(b *strings.Builder) error {
	switch v.kind {
	case valueNull:
		b.WriteString("null")
	case valueBool:
		fmt.Fprint(b, v.truth)
	case valueNumber:
		text, err := decimal(v.text)
		if err != nil {
			return err
		}
		b.WriteString(text)
	case valueString:
		b.WriteString(quote(v.text))
	case valueArray:
		b.WriteByte('[')
		for i, item := range v.items {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := item.compact(b); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case valueObject:
		b.WriteByte('{')
		for i, name := range v.names {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quote(name))
			b.WriteByte(':')
			if err := v.members[name].compact(b); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	}
	return nil
}

// quote writes a string with no more escapes than JSON needs.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		if r == '"' || r == '\\' || r < ' ' {
			b.WriteString(escape(r))
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// escape is a character that JSON does not allow in a string as it is.
func escape(r rune) string {
	switch r {
	case '"', '\\':
		return `\` + string(r)
	case '\b':
		return `\b`
	case '\f':
		return `\f`
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	default:
		return fmt.Sprintf(`\u%04x`, r)
	}
}
