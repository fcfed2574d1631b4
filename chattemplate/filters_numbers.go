package chattemplate

import (
	"math"
	"strconv"
	"strings"
)

func absolute(v value) (value, error) {
	if n, ok := integer(v); ok {
		if n < 0 {
			return unary("-", n)
		}
		return n, nil
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fail("bad operand type for abs(): '%s'", typeName(v))
}

// parseFloat reads what Python's float reads.
func parseFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, isSpace)
	if strings.ContainsAny(s, "xXpP") || strings.Contains(s, "__") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || math.IsInf(f, 0)
}

// parseInteger reads what Python's int reads. Integers that do not fit are an
// error, others that are none are not.
func parseInteger(s string, base int) (n int64, ok bool, err error) {
	s = strings.TrimFunc(s, isSpace)
	if strings.Contains(s, "__") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") {
		return 0, false, nil
	}
	s = strings.ReplaceAll(s, "_", "")
	if prefix := map[int]string{2: "0b", 8: "0o", 16: "0x"}[base]; prefix != "" {
		sign := ""
		if s != "" && (s[0] == '-' || s[0] == '+') {
			sign = s[:1]
		}
		if rest := s[len(sign):]; len(rest) > 2 && strings.EqualFold(rest[:2], prefix) {
			s = sign + rest[2:]
		}
	}
	n, err = strconv.ParseInt(s, base, 64)
	if numError, isNum := err.(*strconv.NumError); isNum && numError.Err == strconv.ErrRange {
		return 0, false, errLarge()
	}
	return n, err == nil, nil
}

func toInt(_ *run, v value, a *args) (value, error) {
	b, err := a.bind("int", "default=", "base=")
	if err != nil {
		return nil, err
	}
	base, err := wantInt("base", or(b[1], int64(10)))
	if err != nil {
		return nil, err
	}
	if base != 0 && (base < 2 || base > 36) {
		return nil, fail("base has to be 0 or 2 to 36, not %d", base)
	}
	if n, ok := integer(v); ok {
		return n, nil
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	f, isFloat := v.(float64)
	if s, ok := text(v); ok {
		n, ok, err := parseInteger(s, base)
		if ok || err != nil {
			return n, err
		}
		f, isFloat = parseFloat(s)
	}
	switch {
	case !isFloat || math.IsNaN(f) || math.IsInf(f, 0):
		return or(b[0], int64(0)), nil
	case math.Abs(f) >= 1<<63:
		return nil, errLarge()
	}
	return int64(f), nil
}

func toFloat(_ *run, v value, a *args) (value, error) {
	b, err := a.bind("float", "default=")
	if err != nil {
		return nil, err
	}
	if f, ok := float(v); ok {
		return f, nil
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	if s, ok := text(v); ok {
		if f, ok := parseFloat(s); ok {
			return f, nil
		}
	}
	return or(b[0], 0.0), nil
}

// round is Python's round, which prefers even digits, or math.ceil and floor,
// which return integers.
func round(_ *run, v value, a *args) (value, error) {
	b, err := a.bind("round", "precision=", "method=")
	if err != nil {
		return nil, err
	}
	precision, err := wantInt("precision", or(b[0], int64(0)))
	if err != nil {
		return nil, err
	}
	method, err := wantText("method", or(b[1], "common"))
	if err != nil {
		return nil, err
	}
	f, ok := float(v)
	if !ok {
		return nil, fail("type %s doesn't define __round__ method", typeName(v))
	}
	if precision > 300 || precision < -300 {
		return nil, fail("a precision of %d digits is too much", precision)
	}
	switch method {
	case "common":
		if n, isInt := integer(v); isInt {
			if precision < 0 {
				return nil, fail("integers cannot be rounded to tens here")
			}
			return n, nil
		}
		if precision < 0 {
			scale := math.Pow(10, float64(-precision))
			return math.RoundToEven(f/scale) * scale, nil
		}
		rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', precision, 64), 64)
		if err != nil {
			return nil, fail("%v cannot be rounded", f)
		}
		return rounded, nil
	case "ceil", "floor":
		scale := math.Pow(10, float64(precision))
		towards := math.Floor
		if method == "ceil" {
			towards = math.Ceil
		}
		return towards(f*scale) / scale, nil
	}
	return nil, fail("method must be common, ceil or floor")
}

func sum(r *run, v value, a *args) (value, error) {
	b, err := a.bind("sum", "attribute=", "start=")
	if err != nil {
		return nil, err
	}
	get, err := r.getter(or(b[0], nil), nil)
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	total := or(b[1], int64(0))
	if _, ok := text(total); ok {
		return nil, fail("sum() can't sum strings")
	}
	for _, item := range items {
		if item, err = get(item); err != nil {
			return nil, err
		}
		if total, err = r.operate("+", total, item); err != nil {
			return nil, err
		}
	}
	return total, nil
}
