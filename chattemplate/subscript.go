package chattemplate

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// attribute is v.name: a method or what the value has of itself, then the member
// of a dict.
func (r *run) attribute(v value, name string) (value, error) {
	if err := r.step(1); err != nil {
		return nil, err
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	if own, ok, err := r.own(v, name); ok || err != nil {
		return own, err
	}
	if d, ok := v.(*dict); ok {
		if member, ok, _ := d.get(name); ok {
			return member, nil
		}
	}
	return &undefined{of: v, part: name}, nil
}

// item is v[key]: a member or an element, then what the value has of itself.
func (r *run) item(v, key value) (value, error) {
	if err := r.step(1); err != nil {
		return nil, err
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	r.watch.key(key)
	if found, ok, err := r.element(v, key); ok || err != nil {
		return found, err
	}
	if name, ok := text(key); ok {
		if own, ok, err := r.own(v, name); ok || err != nil {
			return own, err
		}
	}
	return &undefined{of: v, part: key}, nil
}

// element returns a member of a dict, or an element of what has an order.
func (r *run) element(v, key value) (value, bool, error) {
	if d, ok := v.(*dict); ok {
		member, ok, err := d.get(key)
		return member, ok && err == nil, nil
	}
	i, isInt := integer(key)
	if !isInt {
		return nil, false, nil
	}
	switch v := v.(type) {
	case list:
		return at64(v, i)
	case tuple:
		return at64(v, i)
	case span:
		if i < 0 {
			i += v.len()
		}
		if i < 0 || i >= v.len() {
			return nil, false, nil
		}
		return v.start + i*v.step, true, nil
	}
	s, ok := text(v)
	if !ok {
		return nil, false, nil
	}
	r.watch.opened("a character of a content", v)
	c, ok := runeAt(s, i)
	return like(v, c), ok, r.read(len(s))
}

func at64(items []value, i int64) (value, bool, error) {
	if i < 0 {
		i += int64(len(items))
	}
	if i < 0 || i >= int64(len(items)) {
		return nil, false, nil
	}
	return items[i], true, nil
}

// runeAt returns the character at an index, which may count from the end.
func runeAt(s string, i int64) (string, bool) {
	if i < 0 {
		i += int64(utf8.RuneCountInString(s))
	}
	if i < 0 || i >= int64(len(s)) {
		return "", false
	}
	for _, c := range s {
		if i == 0 {
			return string(c), true
		}
		i--
	}
	return "", false
}

// own returns what a value has of itself: its methods, and what there is of a
// loop and of a namespace. What would change a list or a dict is not to be had.
func (r *run) own(v value, name string) (value, bool, error) {
	if strings.HasPrefix(name, "__") {
		return unsafe(v, name), true, nil
	}
	switch v := v.(type) {
	case *dict:
		return method(v, name, dictMethods, dictChanges)
	case list:
		return method(v, name, listMethods, listChanges)
	case tuple:
		return method(v, name, tupleMethods, nil)
	case *namespace:
		member, ok, err := v.attrs.get(name)
		return member, ok, err
	case *loop:
		return v.attr(r, name)
	case *macro:
		if name == "name" {
			return v.def.name, true, nil
		}
	}
	if _, ok := text(v); ok {
		return method(v, name, stringMethods, nil)
	}
	return nil, false, nil
}

func method[T any](v T, name string, methods map[string]func(r *run, v T, a *args) (value, error), changes []string) (value, bool, error) {
	if f, ok := methods[name]; ok {
		return &function{name, func(r *run, a *args) (value, error) {
			r.watch.method(name, v, a)
			return f(r, v, a)
		}}, true, nil
	}
	if slices.Contains(changes, name) {
		return unsafe(v, name), true, nil
	}
	return nil, false, nil
}

// unsafe is what a template gets for what it may not have; using it is an error.
func unsafe(v value, name string) value {
	return &undefined{hint: "access to attribute " + brief(name) + " of '" + typeName(v) + "' object is unsafe."}
}

// slice is v[start:stop:step].
func (r *run) slice(v, start, stop, step value) (value, error) {
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	var items []value
	s, isText := text(v)
	switch v := v.(type) {
	case list:
		items = v
	case tuple:
		items = v
	case span:
		var err error
		if items, err = r.iterate(v); err != nil {
			return nil, err
		}
	default:
		if !isText {
			return unsliced(v), nil
		}
	}
	for _, part := range []value{start, stop, step} {
		if _, ok := integer(part); part != nil && !ok {
			return unsliced(v), nil
		}
	}
	n := len(items)
	if isText {
		r.watch.opened("a slice of a content", v)
		n = utf8.RuneCountInString(s)
	}
	from, count, by, err := sliceBounds(n, start, stop, step)
	if err != nil {
		return nil, err
	}
	if isText {
		cut, err := r.sliceText(s, n, from, count, by)
		return like(v, cut), err
	}
	if err := r.allocTimes(count, valueSize); err != nil {
		return nil, err
	}
	cut := make([]value, count)
	for i := range cut {
		cut[i] = items[from+i*by]
	}
	switch v := v.(type) {
	case tuple:
		return tuple(cut), nil
	case span:
		last := v.start + int64(from+count*by)*v.step
		return span{v.start + int64(from)*v.step, last, v.step * int64(by)}, nil
	}
	return list(cut), nil
}

// unsliced is what a slice is that cannot be made.
func unsliced(v value) value {
	return &undefined{hint: "a slice of '" + objectName(v) + "' is undefined"}
}

func (r *run) sliceText(s string, n, from, count, by int) (string, error) {
	if err := r.alloc(len(s)); err != nil {
		return "", err
	}
	if count == 0 {
		return "", nil
	}
	if by == 1 && n == len(s) {
		return s[from : from+count], nil
	}
	if err := r.allocTimes(n, 4); err != nil {
		return "", err
	}
	runes := []rune(s)
	cut := make([]rune, count)
	for i := range cut {
		cut[i] = runes[from+i*by]
	}
	return string(cut), nil
}

// sliceBounds returns where a slice of n elements begins, how many it has and
// how far they are apart, by Python's rules.
func sliceBounds(n int, start, stop, step value) (from, count, by int, err error) {
	by = 1
	if step != nil {
		if by, err = wantInt("a slice's step", step); err != nil {
			return 0, 0, 0, err
		}
	}
	if by == 0 {
		return 0, 0, 0, fail("slice step cannot be zero")
	}
	by = max(-n-1, min(n+1, by)) // more is the same
	low, high := 0, n
	if by < 0 {
		low, high = -1, n-1
	}
	bound := func(v value, standard int) (int, error) {
		if v == nil {
			return standard, nil
		}
		i, err := wantInt("a slice's bound", v)
		if i < 0 {
			i += n
		}
		return max(low, min(high, i)), err
	}
	first, last := low, high
	if by < 0 {
		first, last = high, low
	}
	if from, err = bound(start, first); err != nil {
		return 0, 0, 0, err
	}
	to, err := bound(stop, last)
	if err != nil {
		return 0, 0, 0, err
	}
	count = int(span{int64(from), int64(to), int64(by)}.len())
	return from, count, by, nil
}
