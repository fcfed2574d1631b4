package chattemplate

import (
	"slices"
	"strings"
)

type filter func(r *run, v value, a *args) (value, error)

// filters are those of Jinja that chat templates use. The map is filled at the
// start, since the filter map calls others by name.
var filters map[string]filter

func init() {
	filters = map[string]filter{
		"abs":         plain("abs", func(_ *run, v value) (value, error) { return absolute(v) }),
		"attr":        attr,
		"batch":       batch,
		"capitalize":  onText("capitalize", capitalize),
		"center":      center,
		"count":       plain("count", length),
		"d":           standard,
		"default":     standard,
		"dictsort":    dictSort,
		"e":           plain("e", escape),
		"escape":      plain("escape", escape),
		"first":       plain("first", first),
		"float":       toFloat,
		"format":      formatFilter,
		"indent":      indent,
		"int":         toInt,
		"items":       plain("items", items),
		"join":        join,
		"last":        plain("last", last),
		"length":      plain("length", length),
		"list":        plain("list", toList),
		"lower":       onText("lower", lower),
		"map":         mapFilter,
		"max":         func(r *run, v value, a *args) (value, error) { return extreme(r, "max", v, a) },
		"min":         func(r *run, v value, a *args) (value, error) { return extreme(r, "min", v, a) },
		"reject":      func(r *run, v value, a *args) (value, error) { return choose(r, v, a, false, false) },
		"rejectattr":  func(r *run, v value, a *args) (value, error) { return choose(r, v, a, true, false) },
		"replace":     replace,
		"reverse":     plain("reverse", reversed),
		"round":       round,
		"safe":        plain("safe", safe),
		"select":      func(r *run, v value, a *args) (value, error) { return choose(r, v, a, false, true) },
		"selectattr":  func(r *run, v value, a *args) (value, error) { return choose(r, v, a, true, true) },
		"sort":        sortFilter,
		"string":      onText("string", func(s string) string { return s }),
		"sum":         sum,
		"title":       onText("title", titleFilter),
		"tojson":      tojson,
		"trim":        trim,
		"truncate":    truncate,
		"unique":      unique,
		"upper":       onText("upper", upper),
		"wordcount":   plain("wordcount", wordCount),
		"forceescape": plain("forceescape", func(r *run, v value) (value, error) { s, err := r.str(v); return escapeText(r, s, err) }),
	}
}

// plain is a filter without arguments.
func plain(name string, f func(r *run, v value) (value, error)) filter {
	return func(r *run, v value, a *args) (value, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		return f(r, v)
	}
}

// soft returns the text of a value and makes strings like it.
func (r *run) soft(v value) (string, func(string) (value, error), error) {
	s, err := r.str(v)
	if err == nil {
		err = r.alloc(len(s))
	}
	return s, func(s string) (value, error) { return like(v, s), r.alloc(len(s)) }, err
}

// onText is a filter of the text of any value.
func onText(name string, f func(string) string) filter {
	return plain(name, func(r *run, v value) (value, error) {
		s, kind, err := r.soft(v)
		if err != nil {
			return nil, err
		}
		if err := r.step(len(s)); err != nil { // letter by letter
			return nil, err
		}
		return kind(f(s))
	})
}

func attr(r *run, v value, a *args) (value, error) {
	b, err := a.bind("attr", "name")
	if err != nil {
		return nil, err
	}
	name, err := wantText("the name of an attribute", b[0])
	if err != nil {
		return nil, err
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	if own, ok, err := r.own(v, name); ok || err != nil {
		return own, err
	}
	return &undefined{of: v, part: name}, nil
}

func length(r *run, v value) (value, error) {
	if l, ok := v.(*loop); ok {
		n, err := l.length(r)
		return int64(n), err
	}
	n, ok := size(v)
	if !ok {
		return nil, fail("object of type '%s' has no len()", typeName(v))
	}
	if s, ok := text(v); ok {
		return int64(n), r.read(len(s))
	}
	return int64(n), nil
}

func standard(r *run, v value, a *args) (value, error) {
	b, err := a.bind("default", "default_value=", "boolean=")
	if err != nil {
		return nil, err
	}
	missing := false
	if _, missing = v.(*undefined); !missing {
		falsy, err := truth(r, or(b[1], false))
		if err != nil {
			return nil, err
		}
		ok, err := truth(r, v)
		if err != nil {
			return nil, err
		}
		missing = falsy && !ok
	}
	if missing {
		return or(b[0], ""), nil
	}
	return v, nil
}

func escape(r *run, v value) (value, error) {
	if _, ok := v.(markup); ok {
		return v, nil
	}
	s, err := r.str(v)
	return escapeText(r, s, err)
}

func escapeText(r *run, s string, err error) (value, error) {
	if err != nil {
		return nil, err
	}
	if err := r.allocTimes(len(s), 5); err != nil {
		return nil, err
	}
	return markup(htmlEscapes.Replace(s)), nil
}

func safe(r *run, v value) (value, error) {
	s, err := r.str(v)
	return markup(s), err
}

func join(r *run, v value, a *args) (value, error) {
	b, err := a.bind("join", "d=", "attribute=")
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	get, err := r.getter(or(b[1], nil), nil)
	if err != nil {
		return nil, err
	}
	separator, err := r.str(or(b[0], ""))
	if err != nil {
		return nil, err
	}
	out := &output{r: r}
	for i, item := range items {
		if i > 0 {
			if err := out.write(separator); err != nil {
				return nil, err
			}
		}
		if item, err = get(item); err != nil {
			return nil, err
		}
		if err := out.print(item); err != nil {
			return nil, err
		}
	}
	return out.text.String(), nil
}

func replace(r *run, v value, a *args) (value, error) {
	b, err := a.bind("replace", "old", "new", "count=")
	if err != nil {
		return nil, err
	}
	var parts [3]string
	for i, part := range []value{v, b[0], b[1]} {
		if parts[i], err = r.str(part); err != nil {
			return nil, err
		}
	}
	limit := -1
	if count := or(b[2], nil); count != nil {
		if limit, err = wantInt("count", count); err != nil {
			return nil, err
		}
	}
	return r.replace(parts[0], parts[1], parts[2], limit)
}

// replace is Python's: no limit if it is negative.
func (r *run) replace(s, old, new string, limit int) (value, error) {
	if err := r.alloc(len(s)); err != nil {
		return nil, err
	}
	n := strings.Count(s, old)
	if limit >= 0 {
		n = min(n, limit)
	}
	if err := r.allocTimes(n, len(new)); err != nil {
		return nil, err
	}
	return strings.Replace(s, old, new, n), nil
}

func trim(r *run, v value, a *args) (value, error) {
	b, err := a.bind("trim", "chars=")
	if err != nil {
		return nil, err
	}
	s, kind, err := r.soft(v)
	if err != nil {
		return nil, err
	}
	cut, err := strip(r, s, or(b[0], nil), true, true)
	if err != nil {
		return nil, err
	}
	return kind(cut)
}

// strip removes characters from the ends, white space if chars is None.
func strip(r *run, s string, chars value, left, right bool) (string, error) {
	within, set, whole := isSpace, "", s
	if chars != nil {
		var err error
		if set, err = wantText("the characters to strip", chars); err != nil {
			return "", err
		}
		if err := r.read(min(len(s)*len(set), 1<<40)); err != nil { // each may be compared with each
			return "", err
		}
		within = func(c rune) bool { return strings.ContainsRune(set, c) }
	}
	if left {
		s = strings.TrimLeftFunc(s, within)
	}
	if right {
		s = strings.TrimRightFunc(s, within)
	}
	r.watch.stripped(whole, s, set, left, right)
	return s, nil
}

func indent(r *run, v value, a *args) (value, error) {
	b, err := a.bind("indent", "width=", "first=", "blank=")
	if err != nil {
		return nil, err
	}
	s, err := wantText("what is indented", v)
	if err != nil {
		return nil, err
	}
	by, ok := text(or(b[0], int64(4)))
	if !ok {
		n, err := wantInt("width", or(b[0], int64(4)))
		if err != nil {
			return nil, err
		}
		if err := r.alloc(max(0, n)); err != nil {
			return nil, err
		}
		by = strings.Repeat(" ", max(0, n))
	}
	first, err := truth(r, or(b[1], false))
	if err != nil {
		return nil, err
	}
	blank, err := truth(r, or(b[2], false))
	if err != nil {
		return nil, err
	}
	if err := r.alloc(len(s)); err != nil {
		return nil, err
	}
	out := &output{r: r}
	for i, line := range splitLines(s+"\n", false) {
		if i > 0 {
			line = "\n" + line
			if blank || line != "\n" {
				line = "\n" + by + line[1:]
			}
		} else if first {
			line = by + line
		}
		if err := out.write(line); err != nil {
			return nil, err
		}
	}
	return like(v, out.text.String()), nil
}

func center(r *run, v value, a *args) (value, error) {
	b, err := a.bind("center", "width=")
	if err != nil {
		return nil, err
	}
	s, kind, err := r.soft(v)
	if err != nil {
		return nil, err
	}
	width, err := wantInt("width", or(b[0], int64(80)))
	if err != nil {
		return nil, err
	}
	padded, err := r.pad(s, width, '^', " ")
	if err != nil {
		return nil, err
	}
	return kind(padded)
}

func truncate(r *run, v value, a *args) (value, error) {
	b, err := a.bind("truncate", "length=", "killwords=", "end=", "leeway=")
	if err != nil {
		return nil, err
	}
	s, err := wantText("what is truncated", v)
	if err != nil {
		return nil, err
	}
	n, err := wantInt("length", or(b[0], int64(255)))
	if err != nil {
		return nil, err
	}
	killWords, err := truth(r, or(b[1], false))
	if err != nil {
		return nil, err
	}
	end, err := wantText("end", or(b[2], "..."))
	if err != nil {
		return nil, err
	}
	leeway, err := wantInt("leeway", or(b[3], int64(5)))
	if err != nil {
		return nil, err
	}
	if err := r.allocTimes(len(s), 4); err != nil {
		return nil, err
	}
	runes, tail := []rune(s), len([]rune(end))
	switch {
	case n < tail || leeway < 0:
		return nil, fail("length has to be at least %d and leeway not negative", tail)
	case len(runes)-leeway <= n:
		return v, nil
	}
	cut := string(runes[:n-tail])
	if i := strings.LastIndex(cut, " "); !killWords && i >= 0 {
		cut = cut[:i]
	}
	return like(v, cut+end), nil
}

func wordCount(r *run, v value) (value, error) {
	s, err := r.str(v)
	n := strings.FieldsFunc(s, func(c rune) bool { return !isNamePart(c) })
	return int64(len(n)), err
}

func formatFilter(r *run, v value, a *args) (value, error) {
	if err := unmarked(v); err != nil {
		return nil, err
	}
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	var with value = tuple(slices.Clone(a.positional))
	if len(a.names) > 0 {
		if len(a.positional) > 0 {
			return nil, fail("can't handle positional and keyword arguments at the same time")
		}
		if with, err = makeDict(r, a); err != nil {
			return nil, err
		}
	}
	formatted, err := r.printf(s, with)
	return formatted, err
}
