package chattemplate

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// value is what an expression has: nil (None), bool, int64, float64, string,
// markup, list, tuple, *dict, *view, span, *generator, *undefined, *namespace,
// *macro, *loop or *function. Nothing of Go's is in one, so a template can reach
// nothing but these.
type value any

type (
	// markup is a string that |safe or |escape has marked as HTML: what is added
	// to it is escaped.
	markup string

	// Lists and tuples are never changed once they are made, so they are shared.
	list  []value
	tuple []value

	// view is what items, keys and values of a dict return.
	view struct {
		of   *dict
		what string // "items", "keys", "values"
	}

	// span is a range.
	span struct{ start, stop, step int64 }

	// generator is what map, select and the like return: it can be read once.
	generator struct{ items []value }

	// namespace is the only value whose parts can be assigned to.
	namespace struct{ attrs *dict }

	// function is a function, or a method with its object.
	function struct {
		name string
		call func(r *run, a *args) (value, error)
	}

	// undefined stands for what is not there. It may be printed, tested and looped
	// over, as if it were empty; everything else is an error.
	undefined struct {
		hint string // the whole message, if set
		of   value  // whose part it would be
		part value  // its name
		top  bool   // a variable: of does not count
	}
)

func (u *undefined) err() error {
	switch name, isName := u.part.(string); {
	case u.hint != "":
		return fail("%s", u.hint)
	case u.top:
		return fail("%s is undefined", brief(name))
	case isName:
		return fail("'%s' has no attribute %s", objectName(u.of), brief(name))
	default:
		part := typeName(u.part)
		if n, ok := integer(u.part); ok {
			part = strconv.FormatInt(n, 10)
		}
		return fail("%s has no element %s", objectName(u.of), part)
	}
}

func variable(name string) *undefined { return &undefined{part: name, top: true} }

// typeName is Python's name of a value's type.
func typeName(v value) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case markup:
		return "Markup"
	case list:
		return "list"
	case tuple:
		return "tuple"
	case *dict:
		return "dict"
	case *view:
		return "dict_" + v.what
	case span:
		return "range"
	case *generator:
		return "generator"
	case *undefined:
		return "Undefined"
	case *namespace:
		return "Namespace"
	case *macro:
		return "Macro"
	case *loop:
		return "LoopContext"
	default:
		return "function"
	}
}

func objectName(v value) string {
	if v == nil {
		return "None"
	}
	return typeName(v) + " object"
}

// text returns a string's text, of markup too.
func text(v value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case markup:
		return string(v), true
	}
	return "", false
}

// like makes a string of the kind that v is.
func like(v value, s string) value {
	if _, ok := v.(markup); ok {
		return markup(s)
	}
	return s
}

// integer returns an int, a bool counting as 0 or 1.
func integer(v value) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// number returns any number as a float.
func float(v value) (float64, bool) {
	if f, ok := v.(float64); ok {
		return f, true
	}
	n, ok := integer(v)
	return float64(n), ok
}

// truth is what a value is in a condition.
func truth(r *run, v value) (bool, error) {
	switch v := v.(type) {
	case nil, *undefined:
		return false, nil
	case bool:
		return v, nil
	case float64:
		return v != 0, nil
	case *loop:
		n, err := v.length(r)
		return n > 0, err
	}
	if n, ok := integer(v); ok {
		return n != 0, nil
	}
	if s, ok := text(v); ok {
		r.watch.truth(v)
		return s != "", nil
	}
	if n, ok := size(v); ok {
		return n > 0, nil
	}
	return true, nil
}

// size is len of what has one, but for a loop.
func size(v value) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case markup:
		return utf8.RuneCountInString(string(v)), true
	case list:
		return len(v), true
	case tuple:
		return len(v), true
	case *dict:
		return v.len(), true
	case *view:
		return v.of.len(), true
	case span:
		return int(v.len()), true
	case *undefined:
		return 0, true
	}
	return 0, false
}

func (s span) len() int64 {
	switch {
	case s.step > 0 && s.start < s.stop:
		return (s.stop-s.start-1)/s.step + 1
	case s.step < 0 && s.start > s.stop:
		return (s.start-s.stop-1)/-s.step + 1
	}
	return 0
}

// iterate returns what a loop over a value yields. A generator is then empty.
func (r *run) iterate(v value) ([]value, error) {
	switch v := v.(type) {
	case list:
		return v, r.step(1)
	case tuple:
		return v, r.step(1)
	case *dict:
		return v.keys, r.step(1)
	case *generator:
		items := v.items
		v.items = nil
		return items, nil
	case *undefined:
		return nil, nil
	case *loop:
		return nil, fail("a loop cannot be looped over")
	}
	n, ok := size(v)
	if !ok {
		return nil, fail("'%s' object is not iterable", typeName(v))
	}
	if err := r.allocTimes(n, valueSize); err != nil {
		return nil, err
	}
	items := make([]value, 0, n)
	switch v := v.(type) {
	case *view:
		for i, key := range v.of.keys {
			switch v.what {
			case "keys":
				items = append(items, key)
			case "values":
				items = append(items, v.of.values[i])
			default:
				items = append(items, tuple{key, v.of.values[i]})
			}
		}
	case span:
		for i, at := 0, v.start; i < n; i, at = i+1, at+v.step {
			items = append(items, at)
		}
	default:
		r.watch.opened("a loop over a content", v)
		s, _ := text(v)
		for _, c := range s {
			items = append(items, like(v, string(c)))
		}
	}
	return items, nil
}

// iterable reports whether iterate can take a value.
func iterable(v value) bool {
	switch v.(type) {
	case *generator, *loop:
		return true
	}
	_, ok := size(v)
	return ok
}

// escapeHTML is what markup does to text that is not marked.
func escapeHTML(v value, s string) string {
	if _, ok := v.(markup); ok {
		return s
	}
	return htmlEscapes.Replace(s)
}

var htmlEscapes = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;")
