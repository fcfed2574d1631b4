package chattemplate

import (
	"strings"
	"unicode"
)

type testFunc func(r *run, v value, a *args) (bool, error)

// tests are what may stand behind is. As with filters, two look others up.
var tests map[string]testFunc

func init() {
	tests = map[string]testFunc{
		"defined":     is("defined", func(v value) bool { return !isUndefined(v) }),
		"undefined":   is("undefined", isUndefined),
		"none":        is("none", func(v value) bool { return v == nil }),
		"boolean":     is("boolean", func(v value) bool { _, ok := v.(bool); return ok }),
		"true":        is("true", func(v value) bool { b, ok := v.(bool); return ok && b }),
		"false":       is("false", func(v value) bool { b, ok := v.(bool); return ok && !b }),
		"integer":     is("integer", func(v value) bool { _, ok := v.(int64); return ok }),
		"float":       is("float", func(v value) bool { _, ok := v.(float64); return ok }),
		"number":      is("number", func(v value) bool { _, ok := float(v); return ok }),
		"string":      is("string", func(v value) bool { _, ok := text(v); return ok }),
		"mapping":     is("mapping", func(v value) bool { _, ok := v.(*dict); return ok }),
		"sequence":    is("sequence", isSequence),
		"iterable":    is("iterable", iterable),
		"callable":    is("callable", isCallable),
		"escaped":     is("escaped", func(v value) bool { _, ok := v.(markup); return ok }),
		"filter":      is("filter", func(v value) bool { s, ok := text(v); return ok && filters[s] != nil }),
		"test":        is("test", func(v value) bool { s, ok := text(v); return ok && tests[s] != nil }),
		"odd":         divides(2, 1),
		"even":        divides(2, 0),
		"divisibleby": divisible,
		"lower":       isCase("lower", func(c rune) bool { return unicode.IsLower(c) }),
		"upper":       isCase("upper", func(c rune) bool { return unicode.IsUpper(c) }),
		"sameas":      with("sameas", func(_ *run, a, b value) (bool, error) { return same(a, b), nil }),
		"in":          with("in", func(r *run, v, in value) (bool, error) { return r.contains(in, v) }),
	}
	for op, names := range map[string]string{"==": "eq equalto", "!=": "ne", "<": "lt lessthan", "<=": "le", ">": "gt greaterthan", ">=": "ge"} {
		for _, name := range append(strings.Fields(names), op) {
			tests[name] = with(name, func(r *run, a, b value) (bool, error) { return r.compareBy(op, a, b) })
		}
	}
}

func is(name string, f func(v value) bool) testFunc {
	return func(_ *run, v value, a *args) (bool, error) {
		_, err := a.bind(name)
		return err == nil && f(v), err
	}
}

// with is a test with one argument.
func with(name string, f func(r *run, v, other value) (bool, error)) testFunc {
	return func(r *run, v value, a *args) (bool, error) {
		b, err := a.bind(name, "other")
		if err != nil {
			return false, err
		}
		return f(r, v, b[0])
	}
}

func isUndefined(v value) bool {
	_, ok := v.(*undefined)
	return ok
}

// isSequence is true of what has a length and subscripts.
func isSequence(v value) bool {
	switch v.(type) {
	case *view:
		return false
	}
	_, ok := size(v)
	return ok
}

func isCallable(v value) bool {
	switch v.(type) {
	case *function, *macro, *loop, *undefined:
		return true
	}
	return false
}

func divides(by, rest int64) testFunc {
	return func(r *run, v value, a *args) (bool, error) {
		if _, err := a.bind("odd or even"); err != nil {
			return false, err
		}
		return remainder(r, v, by, rest)
	}
}

func divisible(r *run, v value, a *args) (bool, error) {
	b, err := a.bind("divisibleby", "num")
	if err != nil {
		return false, err
	}
	return remainder(r, v, b[0], int64(0))
}

func remainder(r *run, v, by, rest value) (bool, error) {
	if _, ok := text(v); ok {
		return false, fail("a number is needed, not a string")
	}
	left, err := r.operate("%", v, by)
	if err != nil {
		return false, err
	}
	return r.equal(left, rest)
}

func isCase(name string, is func(rune) bool) testFunc {
	return func(r *run, v value, a *args) (bool, error) {
		if _, err := a.bind(name); err != nil {
			return false, err
		}
		s, err := r.str(v)
		return cased(s, is), err
	}
}
