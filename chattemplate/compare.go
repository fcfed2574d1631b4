package chattemplate

import (
	"cmp"
	"slices"
	"strings"
)

// equal is ==.
func (r *run) equal(a, b value) (bool, error) {
	if err := r.enter(); err != nil {
		return false, err
	}
	defer r.leave()
	if x, ok := text(a); ok {
		y, ok := text(b)
		if !ok {
			return false, nil
		}
		r.watch.equal(a, b)
		if len(x) != len(y) {
			return false, nil
		}
		return x == y, r.read(len(x))
	}
	if x, ok := a.(float64); ok {
		y, ok := float(b)
		return ok && x == y, nil
	}
	if x, ok := integer(a); ok {
		if y, ok := b.(float64); ok {
			return float64(x) == y, nil
		}
		y, ok := integer(b)
		return ok && x == y, nil
	}
	switch a := a.(type) {
	case nil:
		return b == nil, nil
	case *undefined:
		_, ok := b.(*undefined)
		return ok, nil
	case list:
		b, ok := b.(list)
		if !ok {
			return false, nil
		}
		return r.equalItems(a, b)
	case tuple:
		b, ok := b.(tuple)
		if !ok {
			return false, nil
		}
		return r.equalItems(a, b)
	case *dict:
		b, ok := b.(*dict)
		if !ok {
			return false, nil
		}
		return r.equalDicts(a, b)
	case span:
		b, ok := b.(span)
		return ok && a == b, nil
	default: // the rest are pointers
		return same(a, b), nil
	}
}

func (r *run) equalItems(a, b []value) (bool, error) {
	if len(a) != len(b) {
		return false, nil
	}
	for i := range a {
		if ok, err := r.equal(a[i], b[i]); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (r *run) equalDicts(a, b *dict) (bool, error) {
	if a == b {
		return true, nil
	}
	if a.len() != b.len() {
		return false, nil
	}
	for i, key := range a.keys {
		other, ok, err := b.get(key)
		if !ok || err != nil {
			return false, err
		}
		if ok, err := r.equal(a.values[i], other); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// same is Python's is, as far as values here have an identity.
func same(a, b value) bool {
	switch a.(type) {
	case list, tuple:
		return false
	}
	switch b.(type) {
	case list, tuple:
		return false
	}
	return a == b
}

// compare orders two values: numbers, strings, and lists or tuples of them.
func (r *run) compare(op string, a, b value) (int, error) {
	if err := r.enter(); err != nil {
		return 0, err
	}
	defer r.leave()
	for _, v := range []value{a, b} {
		if u, ok := v.(*undefined); ok {
			return 0, u.err()
		}
	}
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return cmp.Compare(x, y), nil
		}
	}
	if x, ok := float(a); ok {
		if y, ok := float(b); ok {
			return cmp.Compare(x, y), nil
		}
	}
	if x, ok := text(a); ok {
		if y, ok := text(b); ok {
			r.watch.opened("the operator "+op, a)
			r.watch.opened("the operator "+op, b)
			return strings.Compare(x, y), r.read(min(len(x), len(y)))
		}
	}
	x, y := []value(nil), []value(nil)
	switch a := a.(type) {
	case list:
		b, ok := b.(list)
		if !ok {
			return 0, uncomparable(op, a, b)
		}
		x, y = a, b
	case tuple:
		b, ok := b.(tuple)
		if !ok {
			return 0, uncomparable(op, a, b)
		}
		x, y = a, b
	default:
		return 0, uncomparable(op, a, b)
	}
	for i := range min(len(x), len(y)) {
		if ok, err := r.equal(x[i], y[i]); err != nil {
			return 0, err
		} else if !ok {
			return r.compare(op, x[i], y[i])
		}
	}
	return cmp.Compare(len(x), len(y)), nil
}

func uncomparable(op string, a, b value) error {
	return fail("'%s' not supported between instances of '%s' and '%s'", op, typeName(a), typeName(b))
}

// contains is in.
func (r *run) contains(in, v value) (bool, error) {
	if s, ok := text(in); ok {
		part, ok := text(v)
		if !ok {
			return false, fail("'in <string>' requires string as left operand, not %s", typeName(v))
		}
		r.watch.absent("the operator in", in, v)
		return strings.Contains(s, part), r.read(len(s))
	}
	switch in := in.(type) {
	case *dict:
		r.watch.key(v)
		_, ok, err := in.get(v)
		return ok, err
	case *generator: // reads no further than it must
		for len(in.items) > 0 {
			item := in.items[0]
			in.items = in.items[1:]
			if ok, err := r.equal(item, v); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
	if !iterable(in) {
		return false, fail("argument of type '%s' is not iterable", typeName(in))
	}
	items, err := r.iterate(in)
	if err != nil {
		return false, err
	}
	for _, item := range items {
		if ok, err := r.equal(item, v); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// sorted returns the items in the order of their keys, equal ones in the order
// they had.
func (r *run) sorted(items []value, reverse bool, key func(value) (value, error)) (list, error) {
	type keyed struct{ key, item value }
	if err := r.allocTimes(len(items), 3*valueSize); err != nil {
		return nil, err
	}
	all := make([]keyed, len(items))
	for i, item := range items {
		k, err := key(item)
		if err != nil {
			return nil, err
		}
		all[i] = keyed{k, item}
	}
	var failed error
	slices.SortStableFunc(all, func(a, b keyed) int {
		if failed != nil {
			return 0
		}
		c, err := r.compare("<", a.key, b.key)
		failed = err
		if reverse {
			c = -c
		}
		return c
	})
	result := make(list, len(all))
	for i := range all {
		result[i] = all[i].item
	}
	return result, failed
}
