package chattemplate

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type stringMethod = func(r *run, v value, a *args) (value, error)

// stringMethods are those of Python's str that templates use. Each gets a string
// or markup. The map is filled at the start, since format looks methods up.
var stringMethods map[string]stringMethod

func init() {
	stringMethods = map[string]stringMethod{
		"capitalize": ofText("capitalize", capitalize),
		"casefold":   ofText("casefold", lower),
		"lower":      ofText("lower", lower),
		"title":      ofText("title", titleWords),
		"upper":      ofText("upper", upper),
		"strip":      stripper("strip", true, true),
		"lstrip":     stripper("lstrip", true, false),
		"rstrip":     stripper("rstrip", false, true),
		"split":      splitter("split", strings.SplitN, splitSpace),
		"rsplit":     splitter("rsplit", splitAtEnd, splitSpaceRight),
		"splitlines": splitLinesMethod,
		"partition":  partition("partition", strings.Index),
		"rpartition": partition("rpartition", strings.LastIndex),
		"startswith": affix("startswith", strings.HasPrefix),
		"endswith":   affix("endswith", strings.HasSuffix),
		"removeprefix": withText("removeprefix", func(_ *run, s, other string) (value, error) {
			return strings.TrimPrefix(s, other), nil
		}),
		"removesuffix": withText("removesuffix", func(_ *run, s, other string) (value, error) {
			return strings.TrimSuffix(s, other), nil
		}),
		"count":   finder("count", countIn),
		"find":    finder("find", func(s, part string) (int, error) { return runeIndex(s, strings.Index(s, part)), nil }),
		"rfind":   finder("rfind", func(s, part string) (int, error) { return runeIndex(s, strings.LastIndex(s, part)), nil }),
		"index":   finder("index", func(s, part string) (int, error) { return found(runeIndex(s, strings.Index(s, part))) }),
		"rindex":  finder("rindex", func(s, part string) (int, error) { return found(runeIndex(s, strings.LastIndex(s, part))) }),
		"replace": replaceMethod,
		"join":    joinMethod,
		"format":  formatMethod,
		"center":  padder("center", '^'),
		"ljust":   padder("ljust", '<'),
		"rjust":   padder("rjust", '>'),
		"zfill":   zfill,
		"isdigit": all("isdigit", unicode.IsDigit),
		"isalpha": all("isalpha", unicode.IsLetter),
		"isalnum": all("isalnum", func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) }),
		"isspace": all("isspace", isSpace),
		"islower": caseMethod("islower", unicode.IsLower),
		"isupper": caseMethod("isupper", unicode.IsUpper),
	}
}

// ofText is a method without arguments that returns a string.
func ofText(name string, f func(string) string) stringMethod {
	return func(r *run, v value, a *args) (value, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		s, _ := text(v)
		if err := r.alloc(2 * len(s)); err != nil {
			return nil, err
		}
		if err := r.step(len(s)); err != nil { // letter by letter
			return nil, err
		}
		return like(v, f(s)), nil
	}
}

// withText is a method with one string as argument.
func withText(name string, f func(r *run, s, other string) (value, error)) stringMethod {
	return func(r *run, v value, a *args) (value, error) {
		b, err := a.bind(name, "other")
		if err != nil {
			return nil, err
		}
		other, err := wantText("the argument of "+name, b[0])
		if err != nil {
			return nil, err
		}
		s, _ := text(v)
		if err := r.read(len(s)); err != nil {
			return nil, err
		}
		return f(r, s, other)
	}
}

func stripper(name string, left, right bool) stringMethod {
	return func(r *run, v value, a *args) (value, error) {
		b, err := a.bind(name, "chars=")
		if err != nil {
			return nil, err
		}
		s, _ := text(v)
		if err := r.alloc(len(s)); err != nil {
			return nil, err
		}
		cut, err := strip(r, s, or(b[0], nil), left, right)
		return like(v, cut), err
	}
}

// splitAtEnd is strings.SplitN from the end.
func splitAtEnd(s, sep string, n int) []string { return splitRight(s, sep, n-1) }

func splitter(name string, at func(s, sep string, n int) []string, atSpace func(s string, limit int) []string) stringMethod {
	return func(r *run, v value, a *args) (value, error) {
		b, err := a.bind(name, "sep=", "maxsplit=")
		if err != nil {
			return nil, err
		}
		limit, err := wantInt("maxsplit", or(b[1], int64(-1)))
		if err != nil {
			return nil, err
		}
		s, _ := text(v)
		limit = max(-1, min(limit, len(s)+1)) // more is the same
		if b[0] = or(b[0], nil); b[0] == nil {
			if err := r.allocTimes(len(s)/2+1, valueSize); err != nil {
				return nil, err
			}
			return texts(v, atSpace(s, limit)), nil
		}
		sep, err := wantText("the separator", b[0])
		if err != nil {
			return nil, err
		}
		if sep == "" {
			return nil, fail("empty separator")
		}
		if err := r.read(len(s)); err != nil {
			return nil, err
		}
		if err := r.allocTimes(strings.Count(s, sep)+1, valueSize); err != nil {
			return nil, err
		}
		if limit < 0 {
			limit = len(s) + 1
		}
		return texts(v, at(s, sep, limit+1)), nil
	}
}

func texts(v value, parts []string) list {
	items := make(list, len(parts))
	for i, part := range parts {
		items[i] = like(v, part)
	}
	return items
}

func splitLinesMethod(r *run, v value, a *args) (value, error) {
	b, err := a.bind("splitlines", "keepends=")
	if err != nil {
		return nil, err
	}
	keep, err := truth(r, or(b[0], false))
	if err != nil {
		return nil, err
	}
	s, _ := text(v)
	if err := r.allocTimes(len(s)+1, valueSize); err != nil {
		return nil, err
	}
	return texts(v, splitLines(s, keep)), nil
}

func partition(name string, index func(s, part string) int) stringMethod {
	return withText(name, func(_ *run, s, sep string) (value, error) {
		if sep == "" {
			return nil, fail("empty separator")
		}
		i := index(s, sep)
		switch {
		case i >= 0:
			return tuple{s[:i], sep, s[i+len(sep):]}, nil
		case name == "partition":
			return tuple{s, "", ""}, nil
		}
		return tuple{"", "", s}, nil
	})
}

// affix is startswith or endswith, of one string or of several.
func affix(name string, has func(s, part string) bool) stringMethod {
	return func(r *run, v value, a *args) (value, error) {
		b, err := a.bind(name, "affix", "start=", "end=")
		if err != nil {
			return nil, err
		}
		part, err := r.window(v, b[1], b[2])
		if err != nil {
			return nil, err
		}
		several, ok := b[0].(tuple)
		if !ok {
			several = tuple{b[0]}
		}
		for _, one := range several {
			s, err := wantText("the argument of "+name, one)
			if err != nil {
				return nil, err
			}
			if has(part, s) {
				return true, r.read(len(s))
			}
		}
		return false, nil
	}
}

// window is the part of a string that a method looks at.
func (r *run) window(v, start, end value) (string, error) {
	start, end = or(start, nil), or(end, nil)
	if start == nil && end == nil {
		s, _ := text(v)
		return s, r.step(1)
	}
	part, err := r.slice(v, start, end, nil)
	s, _ := text(part)
	return s, err
}

// finder is a method that looks for a string.
func finder(name string, f func(s, part string) (int, error)) stringMethod {
	return func(r *run, v value, a *args) (value, error) {
		b, err := a.bind(name, "sub", "start=", "end=")
		if err != nil {
			return nil, err
		}
		if _, missing := b[1].(absent); !missing && name != "count" {
			return nil, fail("%s is known here without bounds only", name)
		}
		part, err := wantText("the argument of "+name, b[0])
		if err != nil {
			return nil, err
		}
		s, err := r.window(v, b[1], b[2])
		if err != nil {
			return nil, err
		}
		if err := r.read(len(s)); err != nil {
			return nil, err
		}
		n, err := f(s, part)
		return int64(n), err
	}
}

func countIn(s, part string) (int, error) {
	if part == "" {
		return utf8.RuneCountInString(s) + 1, nil
	}
	return strings.Count(s, part), nil
}

// runeIndex makes a byte's index a character's.
func runeIndex(s string, i int) int {
	if i < 0 {
		return i
	}
	return utf8.RuneCountInString(s[:i])
}

func found(i int) (int, error) {
	if i < 0 {
		return 0, fail("substring not found")
	}
	return i, nil
}

func replaceMethod(r *run, v value, a *args) (value, error) {
	b, err := a.bind("replace", "old", "new", "count=")
	if err != nil {
		return nil, err
	}
	old, err := wantText("what is replaced", b[0])
	if err != nil {
		return nil, err
	}
	new, err := wantText("what replaces it", b[1])
	if err != nil {
		return nil, err
	}
	limit, err := wantInt("count", or(b[2], int64(-1)))
	if err != nil {
		return nil, err
	}
	s, _ := text(v)
	if _, ok := v.(markup); ok {
		new = escapeHTML(b[1], new)
	}
	replaced, err := r.replace(s, old, new, limit)
	if err != nil {
		return nil, err
	}
	s, _ = text(replaced)
	return like(v, s), nil
}

func joinMethod(r *run, v value, a *args) (value, error) {
	b, err := a.bind("join", "iterable")
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(b[0])
	if err != nil {
		return nil, err
	}
	sep, _ := text(v)
	out := &output{r: r}
	for i, item := range items {
		s, err := wantText("an item that is joined", item)
		if err != nil {
			return nil, err
		}
		if _, ok := v.(markup); ok {
			s = escapeHTML(item, s)
		}
		if i > 0 {
			s = sep + s
		}
		if err := out.write(s); err != nil {
			return nil, err
		}
	}
	return like(v, out.text.String()), nil
}

func padder(name string, align byte) stringMethod {
	return func(r *run, v value, a *args) (value, error) {
		b, err := a.bind(name, "width", "fillchar=")
		if err != nil {
			return nil, err
		}
		width, err := wantInt("width", b[0])
		if err != nil {
			return nil, err
		}
		fill, err := wantText("fillchar", or(b[1], " "))
		if err != nil {
			return nil, err
		}
		if utf8.RuneCountInString(fill) != 1 {
			return nil, fail("fillchar has to be one character")
		}
		s, _ := text(v)
		padded, err := r.pad(s, width, align, fill)
		return like(v, padded), err
	}
}

func zfill(r *run, v value, a *args) (value, error) {
	b, err := a.bind("zfill", "width")
	if err != nil {
		return nil, err
	}
	width, err := wantInt("width", b[0])
	if err != nil {
		return nil, err
	}
	s, _ := text(v)
	sign := signOf(s)
	padded, err := r.pad(s[len(sign):], width-len(sign), '>', "0")
	return like(v, sign+padded), err
}

func all(name string, is func(rune) bool) stringMethod {
	return func(r *run, v value, a *args) (value, error) {
		_, err := a.bind(name)
		if err != nil {
			return nil, err
		}
		s, _ := text(v)
		if err := r.read(len(s)); err != nil {
			return nil, err
		}
		return s != "" && strings.IndexFunc(s, func(c rune) bool { return !is(c) }) < 0, nil
	}
}

func caseMethod(name string, is func(rune) bool) stringMethod {
	return func(r *run, v value, a *args) (value, error) {
		_, err := a.bind(name)
		if err != nil {
			return nil, err
		}
		s, _ := text(v)
		return cased(s, is), r.read(len(s))
	}
}
