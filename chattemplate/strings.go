package chattemplate

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// isSpace is Python's str.isspace of a character.
func isSpace(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Python maps whole strings: one character may become several.
func upper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

func lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

// titleRune is the form of a character that begins a word.
func titleRune(c rune) string {
	if t := unicode.ToTitle(c); t != c {
		return string(t)
	}
	s := []rune(upper(string(c)))
	if len(s) < 2 {
		return string(s)
	}
	return string(s[:1]) + lower(string(s[1:]))
}

func capitalize(s string) string {
	c, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return ""
	}
	return titleRune(c) + lower(s[n:])
}

// titleWords is Python's str.title: a word is a run of letters that have cases.
func titleWords(s string) string {
	var b strings.Builder
	within := false
	for _, c := range s {
		if within {
			b.WriteString(lower(string(c)))
		} else {
			b.WriteString(titleRune(c))
		}
		within = isCased(c)
	}
	return b.String()
}

func isCased(c rune) bool { return unicode.IsUpper(c) || unicode.IsLower(c) || unicode.IsTitle(c) }

// titleFilter is Jinja's filter: words begin behind white space, hyphens and
// opening brackets.
func titleFilter(s string) string {
	var b strings.Builder
	begin := 0
	separates := func(c rune) bool { return isSpace(c) || strings.ContainsRune("-({[<", c) }
	flush := func(word string) {
		if word != "" {
			_, n := utf8.DecodeRuneInString(word)
			b.WriteString(upper(word[:n]) + lower(word[n:]))
		}
	}
	for i, c := range s {
		if separates(c) {
			flush(s[begin:i])
			b.WriteRune(c)
			begin = i + utf8.RuneLen(c)
		}
	}
	flush(s[begin:])
	return b.String()
}

// cased reports whether a string has letters with cases, and all of them are of
// the one that is asked for.
func cased(s string, is func(rune) bool) bool {
	some := false
	for _, c := range s {
		if isCased(c) {
			if !is(c) {
				return false
			}
			some = true
		}
	}
	return some
}

// isLineEnd is what Python's splitlines splits at, but for \r\n.
func isLineEnd(c rune) bool {
	switch c {
	case '\n', '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}

func splitLines(s string, keep bool) (lines []string) {
	for s != "" {
		i := strings.IndexFunc(s, isLineEnd)
		if i < 0 {
			return append(lines, s)
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		if keep {
			lines = append(lines, s[:i+n])
		} else {
			lines = append(lines, s[:i])
		}
		s = s[i+n:]
	}
	return lines
}

// splitSpace is split without a separator, at most limit times; a negative limit
// is none.
func splitSpace(s string, limit int) (parts []string) {
	s = strings.TrimLeftFunc(s, isSpace)
	for s != "" {
		i := strings.IndexFunc(s, isSpace)
		if limit == 0 || i < 0 {
			return append(parts, s) // with the space at its other end
		}
		parts = append(parts, s[:i])
		s = strings.TrimLeftFunc(s[i:], isSpace)
		limit--
	}
	return parts
}

// splitSpaceRight is splitSpace from the end.
func splitSpaceRight(s string, limit int) (parts []string) {
	s = strings.TrimRightFunc(s, isSpace)
	for s != "" {
		i := strings.LastIndexFunc(s, isSpace)
		if limit == 0 || i < 0 {
			parts = append(parts, s)
			break
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		parts = append(parts, s[i+n:])
		s = strings.TrimRightFunc(s[:i], isSpace)
		limit--
	}
	slices.Reverse(parts)
	return parts
}

// splitRight is split from the end, at most limit times.
func splitRight(s, sep string, limit int) (parts []string) {
	for ; limit != 0; limit-- {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		parts = append(parts, s[i+len(sep):])
		s = s[:i]
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	return parts
}
