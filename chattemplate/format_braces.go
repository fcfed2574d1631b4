package chattemplate

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// formatMethod is Python's str.format.
func formatMethod(r *run, v value, a *args) (value, error) {
	if err := unmarked(v); err != nil {
		return nil, err
	}
	s, _ := text(v)
	out := &output{r: r}
	next := 0
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		if err := out.write(s[:i]); err != nil {
			return nil, err
		}
		if s = s[i:]; s == "" {
			break
		}
		if len(s) > 1 && s[1] == s[0] {
			if err := out.write(s[:1]); err != nil {
				return nil, err
			}
			s = s[2:]
			continue
		}
		end := strings.IndexByte(s, '}')
		if s[0] == '}' || end < 0 {
			return nil, fail("Single '%c' encountered in format string", s[0])
		}
		field, err := r.formatField(s[1:end], a, &next)
		if err != nil {
			return nil, err
		}
		if err := out.write(field); err != nil {
			return nil, err
		}
		s = s[end+1:]
	}
	return out.text.String(), nil
}

// formatField writes one {name!conversion:layout}.
func (r *run) formatField(field string, a *args, next *int) (string, error) {
	field, spec, _ := strings.Cut(field, ":")
	name, conversion, _ := strings.Cut(field, "!")
	if strings.ContainsAny(name+spec, "{[") {
		return "", fail("the format field %s is not known here: use names and attributes only", brief(name))
	}
	v, err := r.formatArgument(name, a, next)
	if err != nil {
		return "", err
	}
	switch conversion {
	case "":
	case "s":
		if v, err = r.str(v); err != nil {
			return "", err
		}
	case "r":
		out := &output{r: r}
		if err := out.repr(v); err != nil {
			return "", err
		}
		v = out.text.String()
	default:
		return "", fail("Unknown conversion specifier %s", conversion)
	}
	return r.formatSpec(spec, v)
}

// formatArgument finds what a field names: nothing for the next argument, a
// number or a name, and attributes of it.
func (r *run) formatArgument(name string, a *args, next *int) (value, error) {
	first, path, hasPath := strings.Cut(name, ".")
	if first == "" {
		if *next < 0 {
			return nil, fail("cannot switch from manual field specification to automatic field numbering")
		}
		first = strconv.Itoa(*next)
		*next++
	} else if _, err := strconv.Atoi(first); err == nil {
		if *next > 0 {
			return nil, fail("cannot switch from automatic field numbering to manual field specification")
		}
		*next = -1
	}
	var v value
	if i, err := strconv.Atoi(first); err == nil {
		if i < 0 || i >= len(a.positional) {
			return nil, fail("Replacement index %d out of range for positional args tuple", i)
		}
		v = a.positional[i]
	} else {
		copied := *a
		found, ok := copied.take(first)
		if !ok {
			return nil, fail("the format's name %s is not given", brief(first))
		}
		v = found
	}
	if hasPath {
		for part := range strings.SplitSeq(path, ".") {
			var err error
			if v, err = r.attribute(v, part); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// formatSpec is Python's format of one value.
func (r *run) formatSpec(spec string, v value) (string, error) {
	if spec == "" {
		return r.str(v)
	}
	l, err := parseSpec(spec)
	if err != nil {
		return "", err
	}
	_, isFloat := v.(float64)
	_, isInt := integer(v)
	if s, ok := text(v); ok {
		if l.verb != 0 && l.verb != 's' || l.align == '=' || l.sign != 0 || l.comma != 0 {
			return "", fail("the format %s is not for strings", brief(spec))
		}
		if l.precision >= 0 {
			s = firstRunes(s, l.precision)
		}
		if l.align == 0 {
			l.align = '<'
		}
		return r.pad(s, l.width, l.align, l.fill)
	}
	if !isFloat && !isInt {
		return "", fail("a %s has no format %s", typeName(v), brief(spec))
	}
	if l.verb == 0 && isFloat && l.precision < 0 {
		return "", fail("the format %s of a float needs a type, such as f", brief(spec))
	}
	switch {
	case l.verb == 0 && isInt:
		l.verb = 'd'
	case l.verb == 0:
		return "", fail("the format %s of a float needs a type, such as f", brief(spec))
	case strings.IndexByte("dxXobfFeEgG%", l.verb) < 0:
		return "", fail("Unknown format code '%c' for a number", l.verb)
	}
	if l.align == 0 {
		l.align = '>'
	}
	return r.formatNumber(l, v)
}

func parseSpec(spec string) (layout, error) {
	l := layout{fill: " ", precision: -1}
	s := spec
	aligns := map[byte]byte{'<': '<', '>': '>', '^': 'm', '=': '='}
	if _, n := utf8.DecodeRuneInString(s); len(s) > n && aligns[s[n]] != 0 {
		l.fill, l.align, s = s[:n], aligns[s[n]], s[n+1:]
	} else if aligns[s[0]] != 0 {
		l.align, s = aligns[s[0]], s[1:]
	}
	if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
		l.sign, s = s[0], s[1:]
	}
	if strings.HasPrefix(s, "#") {
		l.alternate, s = true, s[1:]
	}
	if strings.HasPrefix(s, "0") && l.align == 0 {
		l.fill, l.align = "0", '='
	}
	var err error
	if l.width, s, err = l.number(s); err != nil {
		return l, err
	}
	if s != "" && (s[0] == ',' || s[0] == '_') {
		l.comma, s = s[0], s[1:]
	}
	if strings.HasPrefix(s, ".") {
		if l.precision, s, err = l.number(s[1:]); err != nil {
			return l, err
		}
		if l.precision < 0 {
			return l, fail("Format specifier missing precision")
		}
	}
	if s != "" {
		l.verb, s = s[0], s[1:]
	}
	if s != "" {
		return l, fail("Invalid format specifier %s", brief(spec))
	}
	return l, nil
}
