package chattemplate

import (
	"math"
	"math/bits"
	"strings"
)

func unary(op string, v value) (value, error) {
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	if n, ok := integer(v); ok {
		switch {
		case op == "+":
			return n, nil
		case n == math.MinInt64:
			return nil, errLarge()
		}
		return -n, nil
	}
	if f, ok := v.(float64); ok {
		if op == "-" {
			f = -f
		}
		return f, nil
	}
	return nil, fail("bad operand type for unary %s: '%s'", op, typeName(v))
}

func errLarge() error { return fail("the number is too large: integers have 64 bits here") }

// operate is the arithmetic of two values, and what + * and % mean for others.
func (r *run) operate(op string, a, b value) (value, error) {
	if err := r.step(1); err != nil {
		return nil, err
	}
	r.watch.operate(op, a, b)
	for _, v := range []value{a, b} {
		// A string formats anything, what is undefined too.
		if _, isText := text(a); op == "%" && isText {
			break
		}
		if u, ok := v.(*undefined); ok {
			return nil, u.err()
		}
	}
	x, isInt := integer(a)
	y, areInts := integer(b)
	if isInt && areInts {
		return intOp(op, x, y)
	}
	if x, ok := float(a); ok {
		if y, ok := float(b); ok {
			return floatOp(op, x, y)
		}
	}
	switch op {
	case "+":
		return r.join(a, b)
	case "*":
		if isInt {
			return r.repeat(b, x)
		}
		if areInts {
			return r.repeat(a, y)
		}
	case "%":
		if s, ok := text(a); ok {
			if err := unmarked(a); err != nil {
				return nil, err
			}
			formatted, err := r.printf(s, b)
			return formatted, err
		}
	}
	return nil, unsupported(op, a, b)
}

func unsupported(op string, a, b value) error {
	return fail("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(a), typeName(b))
}

// join is + of strings, lists and tuples.
func (r *run) join(a, b value) (value, error) {
	if x, ok := text(a); ok {
		y, ok := text(b)
		if !ok {
			return nil, fail(`can only concatenate str (not "%s") to str`, typeName(b))
		}
		_, left := a.(markup)
		if _, right := b.(markup); left || right {
			x, y = escapeHTML(a, x), escapeHTML(b, y)
			a = markup("")
		}
		if err := r.alloc(len(x) + len(y)); err != nil {
			return nil, err
		}
		return like(a, x+y), nil
	}
	switch x := a.(type) {
	case list:
		if y, ok := b.(list); ok {
			items, err := r.joinItems(x, y)
			return list(items), err
		}
	case tuple:
		if y, ok := b.(tuple); ok {
			items, err := r.joinItems(x, y)
			return tuple(items), err
		}
	}
	return nil, unsupported("+", a, b)
}

func (r *run) joinItems(a, b []value) ([]value, error) {
	if err := r.allocTimes(len(a)+len(b), valueSize); err != nil {
		return nil, err
	}
	return append(append(make([]value, 0, len(a)+len(b)), a...), b...), nil
}

// repeat is * of a string, a list or a tuple.
func (r *run) repeat(v value, times int64) (value, error) {
	times = max(0, times)
	n := int(min(times, math.MaxInt32)) // what is more is far beyond the limits
	if s, ok := text(v); ok {
		if err := r.allocTimes(n, len(s)); err != nil {
			return nil, err
		}
		if s == "" {
			return v, nil
		}
		return like(v, strings.Repeat(s, n)), nil
	}
	var items []value
	switch v := v.(type) {
	case list:
		items = v
	case tuple:
		items = v
	default:
		return nil, unsupported("*", v, times)
	}
	if err := r.allocTimes(n, valueSize*len(items)); err != nil {
		return nil, err
	}
	var all []value
	if len(items) > 0 {
		all = make([]value, 0, n*len(items))
		for range n {
			all = append(all, items...)
		}
	}
	if _, ok := v.(tuple); ok {
		return tuple(all), nil
	}
	return list(all), nil
}

func intOp(op string, x, y int64) (value, error) {
	switch op {
	case "+":
		if sum := x + y; (sum > x) == (y > 0) {
			return sum, nil
		}
		return nil, errLarge()
	case "-":
		if diff := x - y; (diff < x) == (y > 0) {
			return diff, nil
		}
		return nil, errLarge()
	case "*":
		return multiply(x, y)
	case "**":
		return power(x, y)
	}
	if y == 0 {
		return nil, fail("division by zero")
	}
	switch op {
	case "/":
		return float64(x) / float64(y), nil
	case "//":
		if x == math.MinInt64 && y == -1 {
			return nil, errLarge()
		}
		q := x / y
		if x%y != 0 && (x < 0) != (y < 0) {
			q--
		}
		return q, nil
	default:
		if y == -1 {
			return int64(0), nil
		}
		m := x % y
		if m != 0 && (m < 0) != (y < 0) {
			m += y
		}
		return m, nil
	}
}

func multiply(x, y int64) (value, error) {
	hi, lo := bits.Mul64(uint64(max(x, -x)), uint64(max(y, -y)))
	if hi != 0 || lo > math.MaxInt64 || x == math.MinInt64 || y == math.MinInt64 {
		return nil, errLarge()
	}
	return x * y, nil
}

func power(x, y int64) (value, error) {
	if y < 0 {
		return floatOp("**", float64(x), float64(y))
	}
	result := value(int64(1))
	for range min(y, 64) {
		var err error
		if result, err = multiply(result.(int64), x); err != nil {
			return nil, err
		}
	}
	if y > 64 && x != 0 && x != 1 { // what is left is -1: others are too large by now
		return 1 - 2*(y%2), nil
	}
	return result, nil
}

func floatOp(op string, x, y float64) (value, error) {
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	case "**":
		if x == 0 && y < 0 {
			return nil, fail("0.0 cannot be raised to a negative power")
		}
		p := math.Pow(x, y)
		if math.IsNaN(p) && !math.IsNaN(x) && !math.IsNaN(y) {
			return nil, fail("the power is not a real number")
		}
		if math.IsInf(p, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
			return nil, errLarge()
		}
		return p, nil
	}
	if y == 0 {
		return nil, fail("float division by zero")
	}
	if op == "/" {
		return x / y, nil
	}
	m := math.Mod(x, y)
	switch {
	case m == 0:
		m = math.Copysign(0, y)
	case (m < 0) != (y < 0):
		m += y
	}
	if op == "%" {
		return m, nil
	}
	q := (x - m) / y
	if q == 0 {
		return math.Copysign(0, x/y), nil
	}
	whole := math.Floor(q)
	if q-whole > 0.5 {
		whole++
	}
	return whole, nil
}
