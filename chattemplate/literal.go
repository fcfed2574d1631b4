package chattemplate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// number returns the length of the number at the beginning of s, which begins
// with a digit, and whether it is a float. Behind a dot there are integers only:
// x.1.2 are two subscripts.
func number(s string, behindDot bool) (n int, float bool) {
	if len(s) > 2 && s[0] == '0' && strings.ContainsRune("bBoOxX", rune(s[1])) {
		if n := digits(s[2:], s[1]|0x20); n > 0 {
			return 2 + n, false
		}
	}
	whole := digits(s, 'd')
	if !behindDot {
		end := whole
		if end+1 < len(s) && s[end] == '.' {
			if fraction := digits(s[end+1:], 'd'); fraction > 0 {
				end += 1 + fraction
			}
		}
		if exponent := exponentLength(s[end:]); exponent > 0 {
			end += exponent
		}
		if end > whole {
			return end, true
		}
	}
	if s[0] == '0' { // there are no other numbers with leading zeros
		whole = len(s) - len(strings.TrimLeft(s, "0"))
	}
	return whole, false
}

func exponentLength(s string) int {
	if s == "" || s[0]|0x20 != 'e' {
		return 0
	}
	n := 1
	if len(s) > 1 && (s[1] == '+' || s[1] == '-') {
		n = 2
	}
	if d := digits(s[n:], 'd'); d > 0 {
		return n + d
	}
	return 0
}

// digits counts digits, which single underscores may separate.
func digits(s string, base byte) (n int) {
	is := func(c byte) bool {
		switch base {
		case 'b':
			return c == '0' || c == '1'
		case 'o':
			return c >= '0' && c <= '7'
		case 'x':
			return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
		default:
			return c >= '0' && c <= '9'
		}
	}
	for n < len(s) {
		switch {
		case is(s[n]):
			n++
		case s[n] == '_' && n+1 < len(s) && is(s[n+1]) && (n > 0 || base != 'd'):
			n += 2
		default:
			return n
		}
	}
	return n
}

// stringLength is the length of the string at the beginning of s with its
// quotes, 0 if it has no end.
func stringLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return 0
}

var simpleEscapes = map[byte]string{'\n': "", '\\': `\`, '\'': "'", '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f",
	'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// unescape reads the escapes of a string as Python does; what is not one stays.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		c := after[0]
		size := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		plain, simple := simpleEscapes[c]
		switch {
		case simple:
			b.WriteString(plain)
			after = after[1:]
		case c >= '0' && c <= '7':
			n := 1
			for n < 3 && n < len(after) && after[n] >= '0' && after[n] <= '7' {
				n++
			}
			code, _ := strconv.ParseUint(after[:n], 8, 32)
			b.WriteRune(rune(code))
			after = after[n:]
		case size > 0:
			if len(after) <= size {
				return "", fmt.Errorf(`the escape \%c has too few digits`, c)
			}
			code, err := strconv.ParseUint(after[1:1+size], 16, 32)
			if err != nil || code > utf8.MaxRune || !utf8.ValidRune(rune(code)) {
				return "", fmt.Errorf(`the escape \%s is not a character`, after[:1+size])
			}
			b.WriteRune(rune(code))
			after = after[1+size:]
		case c == 'N':
			return "", errors.New(`characters by name (\N) are not known here; write them as \u and four digits`)
		default:
			b.WriteByte('\\')
		}
		s = after
	}
}

// parseInt reads an integer token.
func parseInt(text string) (int64, error) {
	text = strings.ReplaceAll(text, "_", "")
	if strings.Trim(text, "0") == "" {
		return 0, nil
	}
	return strconv.ParseInt(text, 0, 64)
}
