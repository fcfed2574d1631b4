package chattemplate

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// pad fills a string up to a width in characters: on its right (<), its left (>)
// or both (^).
func (r *run) pad(s string, width int, align byte, fill string) (string, error) {
	missing := width - utf8.RuneCountInString(s)
	if missing <= 0 {
		return s, r.alloc(len(s))
	}
	if err := r.allocTimes(missing, len(fill)); err != nil {
		return "", err
	}
	if err := r.alloc(len(s)); err != nil {
		return "", err
	}
	left := 0
	switch align {
	case '>':
		left = missing
	case '^': // as Python's str.center, which puts the odd one on the left of odd widths
		left = missing/2 + (missing & width & 1)
	case 'm': // as Python's format
		left = missing / 2
	}
	return strings.Repeat(fill, left) + s + strings.Repeat(fill, missing-left), nil
}

// layout is how a value is to be formatted.
type layout struct {
	fill      string
	align     byte // 0: by the kind of value
	sign      byte
	alternate bool
	zero      bool
	comma     byte // , or _
	width     int
	precision int // -1: none
	verb      byte
}

// number reads digits at the beginning of s.
func (l *layout) number(s string) (n int, rest string, err error) {
	rest = strings.TrimLeft(s, "0123456789")
	if len(rest) == len(s) {
		return -1, s, nil
	}
	n, err = strconv.Atoi(s[:len(s)-len(rest)])
	if err != nil || n > 1<<24 {
		return 0, "", fail("the width or precision %s is too large", s[:len(s)-len(rest)])
	}
	return n, rest, nil
}

// unmarked refuses formats that are markup, which would escape what they get.
func unmarked(format value) error {
	if _, ok := format.(markup); ok {
		return fail("a string that |safe or |escape has marked cannot be a format here")
	}
	return nil
}

// printf is Python's % of a string.
func (r *run) printf(format string, with value) (string, error) {
	out := &output{r: r}
	given, isTuple := with.(tuple)
	named, isDict := with.(*dict)
	if !isTuple {
		given = tuple{with}
	}
	used := 0
	for rest := format; ; {
		before, after, found := strings.Cut(rest, "%")
		if err := out.write(before); err != nil {
			return "", err
		}
		if !found {
			break
		}
		if strings.HasPrefix(after, "%") {
			if err := out.write("%"); err != nil {
				return "", err
			}
			rest = after[1:]
			continue
		}
		var v value
		byName := false
		if strings.HasPrefix(after, "(") {
			name, behind, ok := strings.Cut(after[1:], ")")
			if !ok || !isDict {
				return "", fail("format requires a mapping")
			}
			if v, ok, _ = named.get(name); !ok {
				return "", fail("the format's key %s is missing", brief(name))
			}
			after, byName = behind, true
		}
		l, behind, err := printfLayout(after)
		if err != nil {
			return "", err
		}
		if !byName {
			if used >= len(given) {
				return "", fail("not enough arguments for format string")
			}
			v = given[used]
			used++
		}
		text, err := r.printfValue(l, v)
		if err != nil {
			return "", err
		}
		if err := out.write(text); err != nil {
			return "", err
		}
		rest = behind
	}
	if used < len(given) && !isDict {
		return "", fail("not all arguments converted during string formatting")
	}
	return out.text.String(), nil
}

func printfLayout(s string) (l layout, rest string, err error) {
	l = layout{fill: " ", align: '>', precision: -1}
	for ; s != "" && strings.ContainsRune("-+ #0", rune(s[0])); s = s[1:] {
		switch s[0] {
		case '-':
			l.align = '<'
		case '0':
			l.zero = true
		case '#':
			l.alternate = true
		default:
			l.sign = s[0]
		}
	}
	if l.width, s, err = l.number(s); err != nil {
		return l, "", err
	}
	if strings.HasPrefix(s, ".") {
		if l.precision, s, err = l.number(s[1:]); err != nil {
			return l, "", err
		}
		l.precision = max(0, l.precision)
	}
	if s == "" {
		return l, "", fail("incomplete format")
	}
	l.verb = s[0]
	return l, s[1:], nil
}

func (r *run) printfValue(l layout, v value) (string, error) {
	switch l.verb {
	case 's', 'r', 'a':
		s, err := r.str(v)
		if l.verb != 's' {
			out := &output{r: r}
			err = out.repr(v)
			s = out.text.String()
		}
		if err != nil {
			return "", err
		}
		if l.precision >= 0 {
			s = firstRunes(s, l.precision)
		}
		return r.pad(s, l.width, l.align, " ")
	case 'd', 'i', 'u', 'x', 'X', 'o':
		if f, ok := v.(float64); ok && strings.IndexByte("diu", l.verb) >= 0 && f > -1<<63 && f < 1<<63 {
			v = int64(f)
		}
		if strings.IndexByte("iu", l.verb) >= 0 {
			l.verb = 'd'
		}
	case 'f', 'F', 'e', 'E', 'g', 'G':
	default:
		return "", fail("unsupported format character %s", brief(string(rune(l.verb))))
	}
	if l.zero && l.align == '>' {
		l.fill, l.align = "0", '='
	}
	return r.formatNumber(l, v)
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// formatNumber writes a number by its verb: d, x, X, o, b, f, e, g or %.
func (r *run) formatNumber(l layout, v value) (string, error) {
	if u, ok := v.(*undefined); ok {
		return "", u.err()
	}
	digits, negative := "", false
	switch l.verb {
	case 'd', 'x', 'X', 'o', 'b':
		n, ok := integer(v)
		if !ok {
			return "", fail("%%%c format: an integer is required, not %s", l.verb, typeName(v))
		}
		base := map[byte]int{'d': 10, 'x': 16, 'X': 16, 'o': 8, 'b': 2}[l.verb]
		digits, negative = strings.CutPrefix(strconv.FormatInt(n, base), "-")
		if l.verb == 'X' {
			digits = strings.ToUpper(digits)
		}
		if l.precision > len(digits) {
			digits = strings.Repeat("0", min(l.precision, 1000)-len(digits)) + digits
		}
		if l.alternate && l.verb != 'd' {
			digits = "0" + string(rune(l.verb)) + digits
		}
	default:
		f, ok := float(v)
		if !ok {
			return "", fail("%%%c format: a number is required, not %s", l.verb, typeName(v))
		}
		if l.precision > 1000 {
			return "", fail("a precision of %d digits is too much", l.precision)
		}
		digits, negative = strings.CutPrefix(floatDigits(l, f), "-")
	}
	if l.comma != 0 {
		digits = groupDigits(digits, string(rune(l.comma)))
	}
	sign := ""
	switch {
	case negative:
		sign = "-"
	case l.sign == '+' || l.sign == ' ':
		sign = string(rune(l.sign))
	}
	if l.align == '=' {
		padded, err := r.pad(digits, l.width-len(sign), '>', l.fill)
		return sign + padded, err
	}
	return r.pad(sign+digits, l.width, l.align, l.fill)
}

func floatDigits(l layout, f float64) string {
	precision := l.precision
	if precision < 0 {
		precision = 6
	}
	switch l.verb {
	case '%':
		return strconv.FormatFloat(f*100, 'f', precision, 64) + "%"
	case 'f', 'F', 'e', 'E':
		s := strconv.FormatFloat(f, l.verb|0x20, precision, 64)
		if l.verb == 'E' {
			s = strings.ToUpper(s)
		}
		return s
	}
	precision = max(1, precision)
	s := strconv.FormatFloat(f, 'e', precision-1, 64)
	if exponent, err := strconv.Atoi(s[strings.IndexByte(s, 'e')+1:]); err == nil && exponent >= -4 && exponent < precision {
		s = strconv.FormatFloat(f, 'f', precision-1-exponent, 64)
	}
	mantissa, exponent, _ := strings.Cut(s, "e")
	if strings.Contains(mantissa, ".") && !l.alternate {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	if exponent != "" {
		mantissa += "e" + exponent
	}
	if l.verb == 'G' {
		mantissa = strings.ToUpper(mantissa)
	}
	return mantissa
}

// groupDigits separates the thousands.
func groupDigits(s, by string) string {
	end := len(s) - len(strings.TrimLeft(s, "0123456789"))
	for i := end - 3; i > 0; i -= 3 {
		s = s[:i] + by + s[i:]
	}
	return s
}
