package chattemplate

import (
	"slices"
	"strconv"
	"strings"
)

// watch sees what a rendering does with strings that have placeholders in them, and
// notes what contents would make it go another way. It changes nothing. Whatever can
// look into a string reports here, and what is not known to be harmless is noted as
// inspecting. Nil watches nothing.
//
// Such strings stay whole: an operation that could cut a placeholder is inspecting. So
// a string depends on contents if it has a placeholder, and only then.
type watch struct {
	inspected string // what did, the first
	rules     map[int]rule
	dates     map[string]string // that were asked for, by format
	budget    int               // values that may still be looked at
}

// maxLooks bounds what [watch.look] goes through: lists within lists can be many.
const maxLooks = 1 << 20

func (w *watch) inspect(what string) {
	if w.inspected == "" {
		w.inspected = what
	}
}

// require adds to what a content has to be.
func (w *watch) require(i int, more rule) {
	r := w.rules[i]
	r.filled, r.trimmed = r.filled || more.filled, r.trimmed || more.trimmed
	for _, part := range more.without {
		if !slices.Contains(r.without, part) {
			r.without = append(r.without, part)
		}
	}
	w.rules[i] = r
}

// sees reports whether a value is a string with contents.
func (w *watch) sees(v value) bool {
	if w == nil {
		return false
	}
	s, ok := text(v)
	return ok && strings.Contains(s, placeholderOpen) && placeholders.MatchString(s)
}

// look reports whether there are contents in any of the values, however deep.
func (w *watch) look(values ...value) bool {
	return w != nil && slices.ContainsFunc(values, w.looksInto)
}

func (w *watch) looksInto(v value) bool {
	if w.budget--; w.budget < 0 {
		return true
	}
	switch v := v.(type) {
	case list:
		return w.look(v...)
	case tuple:
		return w.look(v...)
	case *dict:
		return w.look(v.values...) // no key has contents: see key
	case *view:
		return w.look(v.of)
	case *generator, *namespace, *macro, *loop, *function: // they may hold anything
		return true
	}
	return w.sees(v)
}

// opened is told of a string whose characters are looked at.
func (w *watch) opened(what string, v value) {
	if w.sees(v) {
		w.inspect(what)
	}
}

// key is told of a key that something is found by.
func (w *watch) key(key value) {
	if w.look(key) {
		w.inspect("a content as a key")
	}
}

// date is told of a date that is asked for.
func (w *watch) date(format, date string) {
	if w == nil {
		return
	}
	w.opened("strftime_now of a content", format)
	w.dates[format] = date
}

// truth is told of a string in a condition.
func (w *watch) truth(v value) {
	if !w.sees(v) {
		return
	}
	s, _ := text(v)
	if placeholders.ReplaceAllString(s, "") == "" {
		w.require(message(s), rule{filled: true})
	}
}

// message is the one that the first placeholder of a string stands for.
func message(s string) int {
	i, err := strconv.Atoi(placeholders.FindStringSubmatch(s)[1])
	if err != nil {
		return -1 // none has so many
	}
	return i
}

// equal is told of two strings that are compared.
func (w *watch) equal(a, b value) {
	if w.sees(b) {
		a, b = b, a
	}
	switch {
	case !w.sees(a):
	case b == value(""):
		w.truth(a)
	default:
		w.absent("==", a, b)
	}
}

// absent is told of a string in which a part is looked for, and not found.
func (w *watch) absent(what string, v, part value) {
	if !w.look(v, part) {
		return
	}
	s, _ := text(v)
	p, _ := text(part)
	if p == "" || strings.Contains(s, p) || w.sees(part) || placeholders.FindString(s) != s {
		w.inspect(what)
		return
	}
	w.require(message(s), rule{without: []string{p}})
}

// stripped is told of a string whose ends are cut, from before to after. A content
// there must have nothing to cut, and be there lest what is behind it is cut too.
func (w *watch) stripped(before, after, chars string, left, right bool) {
	if !w.sees(before) {
		return
	}
	if strings.TrimFunc(chars, isSpace) != "" {
		w.inspect("strip of " + quote(chars))
		return
	}
	all := placeholders.FindAllString(after, -1)
	more := rule{trimmed: true, filled: all[0] != after}
	if left && strings.HasPrefix(after, all[0]) {
		w.require(message(all[0]), more)
	}
	if last := all[len(all)-1]; right && strings.HasSuffix(after, last) {
		w.require(message(last), more)
	}
}

// operate is told of an operator between two values.
func (w *watch) operate(op string, a, b value) {
	_, left := a.(markup)
	_, right := b.(markup)
	if (op != "+" || left || right) && w.look(a, b) {
		w.inspect("the operator " + op)
	}
}

// filter is told of a filter. Those that are passed over see contents through what
// else reports here, if at all.
func (w *watch) filter(name string, v value, a *args) {
	if w == nil {
		return
	}
	switch name {
	case "default", "d":
		return
	case "trim", "string", "first", "last", "list", "reverse", "items", "map", "select", "reject", "selectattr", "rejectattr":
		v = nil
	case "length", "count":
		if !w.sees(v) {
			return
		}
	}
	if w.look(v) || w.look(a.positional...) || w.look(a.named...) {
		w.inspect("the filter " + name)
	}
}

// test is told of a test, as filter is of a filter.
func (w *watch) test(name string, v value, a *args) {
	if w == nil {
		return
	}
	switch name {
	case "defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string", "mapping", "sequence", "iterable", "callable", "escaped",
		"eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "<", "le", "<=", "gt", "greaterthan", ">", "ge", ">=", "in":
		return
	}
	if w.look(v) || w.look(a.positional...) || w.look(a.named...) {
		w.inspect("the test " + name)
	}
}

// method is told of the call of a method.
func (w *watch) method(name string, v value, a *args) {
	if w == nil {
		return
	}
	more := w.look(a.positional...) || w.look(a.named...)
	switch {
	case more || w.sees(v) && len(a.named) > 0:
		w.inspect("the method " + name)
	case !w.sees(v):
	case name == "strip" || name == "lstrip" || name == "rstrip":
	case len(a.positional) > 0 && slices.Contains([]string{"split", "rsplit", "replace", "startswith", "endswith"}, name):
		w.absent("the method "+name, v, a.positional[0])
	default:
		w.inspect("the method " + name)
	}
}
