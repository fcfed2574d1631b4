package grammar

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/cria-lm/cria/internal/regular"
)

// char is characters as [quote] writes them: the alphabet of strings.
func (c *schemaCompiler) char(ranges ...rune) regular.Lang {
	var plain []rune
	var parts []regular.Lang
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		for r := lo; r <= min(hi, '\\'); r++ {
			if r == '"' || r == '\\' || r < ' ' {
				parts = append(parts, c.space.Literal(escape(r)))
			}
		}
		for _, plainRange := range [][2]rune{{' ', '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, utf8.MaxRune}} {
			if from, to := max(lo, plainRange[0]), min(hi, plainRange[1]); from <= to {
				plain = append(plain, from, to)
			}
		}
	}
	return c.space.Union(append(parts, c.space.Runes(plain...))...)
}

// anyText is what may stand between quotes if nothing is said about the text, with
// all of JSON's escapes but halves of surrogate pairs.
func (b *builder) anyText() regular.Lang {
	if b.free == regular.Nothing {
		b.free = b.makeText()
	}
	return b.free
}

func (b *builder) makeText() regular.Lang {
	s := b.space
	hex := s.Bytes(regular.Range('0', '9').Union(regular.Range('a', 'f')).Union(regular.Range('A', 'F')))
	d, D := s.Literal("d"), s.Literal("D")
	notD := s.Bytes(regular.Range('0', '9').Union(regular.Range('a', 'c')).Union(regular.Range('e', 'f')).
		Union(regular.Range('A', 'C')).Union(regular.Range('E', 'F')))
	u := s.Literal(`\u`)
	unit := s.Union(
		s.Concat(u, notD, hex, hex, hex),
		s.Concat(u, s.Union(d, D), s.Set('0', '7'), hex, hex))
	high := s.Concat(u, s.Union(d, D), s.Bytes(regular.Range('8', '9').Union(regular.Range('a', 'b')).Union(regular.Range('A', 'B'))), hex, hex)
	low := s.Concat(u, s.Union(d, D), s.Bytes(regular.Range('c', 'f').Union(regular.Range('C', 'F'))), hex, hex)
	var simple regular.Bytes
	for _, e := range []byte(`"\/bfnrt`) {
		simple = simple.Union(regular.Range(e, e))
	}
	char := s.Union(
		s.Runes(' ', '"'-1, '"'+1, '\\'-1, '\\'+1, utf8.MaxRune),
		s.Concat(s.Literal(`\`), s.Bytes(simple)),
		unit, s.Concat(high, low))
	return s.Repeat(char, 0, regular.Unbounded)
}

// fromECMA writes a regular expression of ECMA-262, the kind that JSON Schema uses,
// in RE2's syntax, where they differ: the dot (which is read with DotNL), spaces, and
// characters by their code or as control characters.
func fromECMA(expr string) string {
	const (
		spaces = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
		dot    = `[^\n\r\x{2028}\x{2029}]`
	)
	var b strings.Builder
	class := false // within [...]
	for i := 0; i < len(expr); i++ {
		at := expr[i]
		switch {
		case at == '\\' && i+1 < len(expr):
			i++
			switch next := expr[i]; {
			case next == 's' && class:
				b.WriteString(spaces)
			case next == 's':
				b.WriteString("[" + spaces + "]")
			case next == 'S' && !class:
				b.WriteString("[^" + spaces + "]")
			case next == 'u' && i+4 < len(expr) && isHex(expr[i+1:i+5]):
				b.WriteString(`\x{` + expr[i+1:i+5] + `}`)
				i += 4
			case next == 'u' && i+1 < len(expr) && expr[i+1] == '{':
				b.WriteString(`\x`)
			case next == 'c' && i+1 < len(expr):
				i++
				b.WriteString(`\x{` + string("0123456789abcdef"[expr[i]%32/16]) + string("0123456789abcdef"[expr[i]%16]) + `}`)
			case next == '/':
				b.WriteByte('/')
			default:
				b.WriteByte('\\')
				b.WriteByte(next)
			}
		case at == '[' && !class:
			class = true
			b.WriteByte(at)
		case at == '[':
			b.WriteString(`\[`) // RE2 would look for a class like [:alpha:]
		case at == ']' && class:
			class = false
			b.WriteByte(at)
		case at == '.' && !class:
			b.WriteString(dot)
		default:
			b.WriteByte(at)
		}
	}
	return b.String()
}

func isHex(text string) bool {
	return strings.Trim(text, "0123456789abcdefABCDEF") == ""
}

// Formats, after the RFCs that draft 2020-12 names (section 7.3). They are narrow:
// what is rare (quoted local parts of addresses, leap seconds, parts of nanoseconds) is
// left out, so that nothing is allowed that a validator refuses and nothing goes on
// without end.
var formats = map[string]string{
	"date":      dateFormat,
	"time":      timeFormat,
	"date-time": `(?:` + dateFormat + `)T(?:` + timeFormat + `)`,
	"duration": `P(?:\d{1,9}W|(?:\d{1,9}Y(?:\d{1,9}M(?:\d{1,9}D)?)?|\d{1,9}M(?:\d{1,9}D)?|\d{1,9}D)(?:T(?:\d{1,9}H(?:\d{1,9}M(?:\d{1,9}S)?)?|\d{1,9}M(?:\d{1,9}S)?|\d{1,9}S))?` +
		`|T(?:\d{1,9}H(?:\d{1,9}M(?:\d{1,9}S)?)?|\d{1,9}M(?:\d{1,9}S)?|\d{1,9}S))`,
	"email":    `[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+)*@` + hostFormat(46), // at most 254 characters
	"hostname": hostFormat(63),
	"ipv4":     ipv4Format,
	"ipv6": `(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|(?:[0-9a-fA-F]{1,4}:){1,7}:|(?:[0-9a-fA-F]{1,4}:){1,6}:[0-9a-fA-F]{1,4}` +
		`|(?:[0-9a-fA-F]{1,4}:){1,5}(?::[0-9a-fA-F]{1,4}){1,2}|(?:[0-9a-fA-F]{1,4}:){1,4}(?::[0-9a-fA-F]{1,4}){1,3}` +
		`|(?:[0-9a-fA-F]{1,4}:){1,3}(?::[0-9a-fA-F]{1,4}){1,4}|(?:[0-9a-fA-F]{1,4}:){1,2}(?::[0-9a-fA-F]{1,4}){1,5}` +
		`|[0-9a-fA-F]{1,4}:(?::[0-9a-fA-F]{1,4}){1,6}|:(?:(?::[0-9a-fA-F]{1,4}){1,7}|:)`,
	"uri":  `[A-Za-z][A-Za-z0-9+.-]*:(?://` + authorityFormat + `(?:/` + pathFormat + `*)*|/?(?:` + pathFormat + `+(?:/` + pathFormat + `*)*)?)(?:\?(?:` + pathFormat + `|[/?])*)?(?:#(?:` + pathFormat + `|[/?])*)?`,
	"uuid": `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`,
}

const (
	dateFormat = `\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))` +
		`|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29`
	timeFormat      = `(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`
	ipv4Format      = `(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`
	authorityFormat = `(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*(?::\d{1,5})?`
	pathFormat      = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})`
)

// hostFormat is up to 4 labels of at most so many characters.
func hostFormat(most int) string {
	label := fmt.Sprintf(`[A-Za-z0-9](?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9]?[A-Za-z0-9-]{0,%d}[A-Za-z0-9])?`, most-4)
	return `(?:` + label + `)(?:\.` + label + `){0,3}`
}

// format returns the texts of a format.
func (c *schemaCompiler) format(name string) (regular.Lang, bool) {
	if l, ok := c.formats[name]; ok {
		return l, true
	}
	l, ok := c.b.format(name, c.char)
	c.formats[name] = l
	return l, ok
}

func (b *builder) format(name string, alphabet regular.Alphabet) (regular.Lang, bool) {
	expr, ok := formats[name]
	if !ok {
		return regular.Nothing, false
	}
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		panic(err) // the expressions are constants, and tested
	}
	l, err := b.space.Match(re, alphabet)
	if err != nil {
		panic(err)
	}
	switch char := alphabet(0, utf8.MaxRune); name {
	case "hostname": // RFC 1123, section 2.1
		l = b.space.Intersection(l, b.space.Repeat(char, 1, 253))
	case "email": // RFC 5321, section 4.5.3.1.1
		local := b.space.Repeat(alphabet(0, '@'-1, '@'+1, utf8.MaxRune), 1, 64)
		l = b.space.Intersection(l, b.space.Concat(local, alphabet('@', '@'), b.space.Repeat(char, 1, regular.Unbounded)))
	}
	return l, true
}
