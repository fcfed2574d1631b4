package chattemplate

import (
	"slices"
	"strconv"
	"strings"
)

// getter returns a function that gets an attribute, such as "function.name" or
// 0, of each item; None is the item itself. What is not there becomes the default
// if that is not nil.
func (r *run) getter(attribute, standard value) (func(value) (value, error), error) {
	var path []value
	switch name := attribute.(type) {
	case nil:
	case string, markup:
		s, _ := text(name)
		for part := range strings.SplitSeq(s, ".") {
			if n, err := strconv.ParseInt(part, 10, 64); err == nil && part[0] != '-' && part[0] != '+' {
				path = append(path, n)
			} else {
				path = append(path, part)
			}
		}
	case int64:
		path = []value{name}
	default:
		return nil, fail("an attribute has to be a string or an integer, not %s", typeName(attribute))
	}
	return func(v value) (value, error) {
		for _, part := range path {
			var err error
			if v, err = r.item(v, part); err != nil {
				return nil, err
			}
			if _, missing := v.(*undefined); missing && standard != nil {
				v = standard
			}
		}
		return v, r.step(1)
	}, nil
}

// foldCase makes a getter ignore the case of strings, unless it is to be
// sensitive.
func foldCase(r *run, sensitive value, get func(value) (value, error)) (func(value) (value, error), error) {
	ok, err := truth(r, or(sensitive, false))
	if ok || err != nil {
		return get, err
	}
	return func(v value) (value, error) {
		v, err := get(v)
		if s, ok := text(v); ok && err == nil {
			return lower(s), r.alloc(len(s))
		}
		return v, err
	}, nil
}

func items(r *run, v value) (value, error) {
	if _, ok := v.(*undefined); ok {
		return &generator{}, nil
	}
	d, ok := v.(*dict)
	if !ok {
		return nil, fail("Can only get item pairs from a mapping.")
	}
	all, err := r.iterate(&view{d, "items"})
	return &generator{all}, err
}

func dictSort(r *run, v value, a *args) (value, error) {
	b, err := a.bind("dictsort", "case_sensitive=", "by=", "reverse=")
	if err != nil {
		return nil, err
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	d, ok := v.(*dict)
	if !ok {
		return nil, fail("dictsort needs a dict, not %s", typeName(v))
	}
	by, _ := text(or(b[1], "key"))
	at, ok := map[string]int64{"key": 0, "value": 1}[by]
	if !ok {
		return nil, fail(`You can only sort by either "key" or "value"`)
	}
	get, err := r.getter(at, nil)
	if err != nil {
		return nil, err
	}
	if get, err = foldCase(r, b[0], get); err != nil {
		return nil, err
	}
	reverse, err := truth(r, or(b[2], false))
	if err != nil {
		return nil, err
	}
	pairs, err := r.iterate(&view{d, "items"})
	if err != nil {
		return nil, err
	}
	return r.sorted(pairs, reverse, get)
}

func sortFilter(r *run, v value, a *args) (value, error) {
	b, err := a.bind("sort", "reverse=", "case_sensitive=", "attribute=")
	if err != nil {
		return nil, err
	}
	get, err := r.keys(or(b[2], nil), b[1])
	if err != nil {
		return nil, err
	}
	reverse, err := truth(r, or(b[0], false))
	if err != nil {
		return nil, err
	}
	all, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	return r.sorted(all, reverse, get)
}

// keys returns a function that gets several attributes, named with commas
// between them.
func (r *run) keys(attribute, sensitive value) (func(value) (value, error), error) {
	names := []value{attribute}
	if s, ok := text(attribute); ok {
		names = nil
		for name := range strings.SplitSeq(s, ",") {
			names = append(names, name)
		}
	}
	getters := make([]func(value) (value, error), len(names))
	for i, name := range names {
		get, err := r.getter(name, nil)
		if err != nil {
			return nil, err
		}
		if getters[i], err = foldCase(r, sensitive, get); err != nil {
			return nil, err
		}
	}
	return func(v value) (value, error) {
		key := make(list, len(getters))
		for i, get := range getters {
			var err error
			if key[i], err = get(v); err != nil {
				return nil, err
			}
		}
		return key, r.allocTimes(len(key), valueSize)
	}, nil
}

// keyed returns the items of a list and what gets the keys by which a filter of this name
// compares them.
func (r *run) keyed(filter string, v value, a *args) ([]value, func(value) (value, error), error) {
	b, err := a.bind(filter, "case_sensitive=", "attribute=")
	if err != nil {
		return nil, nil, err
	}
	get, err := r.getter(or(b[1], nil), nil)
	if err != nil {
		return nil, nil, err
	}
	if get, err = foldCase(r, b[0], get); err != nil {
		return nil, nil, err
	}
	all, err := r.iterate(v)
	return all, get, err
}

func unique(r *run, v value, a *args) (value, error) {
	all, get, err := r.keyed("unique", v, a)
	if err != nil {
		return nil, err
	}
	if err := r.allocTimes(len(all), 4*valueSize); err != nil {
		return nil, err
	}
	seen, kept := newDict(), []value(nil)
	for _, item := range all {
		key, err := get(item)
		if err != nil {
			return nil, err
		}
		if _, ok, err := seen.get(key); ok || err != nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		if err := seen.set(key, nil); err != nil {
			return nil, err
		}
		kept = append(kept, item)
	}
	return &generator{kept}, nil
}

func extreme(r *run, which string, v value, a *args) (value, error) {
	all, get, err := r.keyed(which, v, a)
	if err != nil {
		return nil, err
	}
	var best, bestKey value = &undefined{hint: "No aggregated item, sequence was empty."}, nil
	for i, item := range all {
		key, err := get(item)
		if err != nil {
			return nil, err
		}
		better := i == 0
		if !better {
			c, err := r.compare("<", key, bestKey)
			if err != nil {
				return nil, err
			}
			better = which == "min" && c < 0 || which == "max" && c > 0
		}
		if better {
			best, bestKey = item, key
		}
	}
	return best, nil
}

func first(r *run, v value) (value, error) {
	if g, ok := v.(*generator); ok && len(g.items) > 0 { // it goes on behind the first
		item := g.items[0]
		g.items = g.items[1:]
		return item, nil
	}
	all, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return &undefined{hint: "No first item, sequence was empty."}, nil
	}
	return all[0], nil
}

func last(r *run, v value) (value, error) {
	all, err := r.backwards(v)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return &undefined{hint: "No last item, sequence was empty."}, nil
	}
	return all[0], nil
}

// backwards returns the items of what Python can go through from its end.
func (r *run) backwards(v value) ([]value, error) {
	if _, ok := v.(*generator); ok {
		return nil, fail("'generator' object is not reversible")
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.err()
	}
	all, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if err := r.allocTimes(len(all), valueSize); err != nil {
		return nil, err
	}
	all = slices.Clone(all)
	slices.Reverse(all)
	return all, nil
}

func reversed(r *run, v value) (value, error) {
	if _, ok := text(v); ok {
		return r.slice(v, nil, nil, int64(-1))
	}
	if g, ok := v.(*generator); ok {
		all, err := r.iterate(g)
		if err != nil {
			return nil, err
		}
		all = slices.Clone(all)
		slices.Reverse(all)
		return list(all), r.allocTimes(len(all), valueSize)
	}
	all, err := r.backwards(v)
	return &generator{all}, err
}

func toList(r *run, v value) (value, error) {
	all, err := r.iterate(v)
	return list(all), err
}

func batch(r *run, v value, a *args) (value, error) {
	b, err := a.bind("batch", "linecount", "fill_with=")
	if err != nil {
		return nil, err
	}
	n, err := wantInt("linecount", b[0])
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, fail("linecount has to be at least 1, not %d", n)
	}
	all, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if err := r.allocTimes(len(all), 2*valueSize); err != nil {
		return nil, err
	}
	fill := or(b[1], nil)
	var rows []value
	for row := range slices.Chunk(all, n) {
		if fill != nil && len(row) < n {
			if err := r.allocTimes(n, valueSize); err != nil {
				return nil, err
			}
			row = append(slices.Clip(row), slices.Repeat([]value{fill}, n-len(row))...)
		}
		rows = append(rows, list(row))
	}
	return &generator{rows}, nil
}

// each is iterate for map and select, which take nothing for what is false, None
// for one.
func (r *run) each(v value) ([]value, error) {
	if ok, err := truth(r, v); !ok || err != nil {
		return nil, err
	}
	return r.iterate(v)
}

// mapFilter is map: an attribute of each item, or a filter on it.
func mapFilter(r *run, v value, a *args) (value, error) {
	var each func(value) (value, error)
	if len(a.positional) == 0 {
		b, err := a.bind("map", "attribute", "default=")
		if err != nil {
			return nil, err
		}
		if each, err = r.getter(b[0], or(b[1], nil)); err != nil {
			return nil, err
		}
	} else {
		name, err := wantText("the name of a filter", a.positional[0])
		if err != nil {
			return nil, err
		}
		rest := &args{a.positional[1:], a.names, a.named}
		each = func(item value) (value, error) { return r.filter(name, item, rest) }
	}
	all, err := r.each(v)
	if err != nil {
		return nil, err
	}
	if err := r.allocTimes(len(all), valueSize); err != nil {
		return nil, err
	}
	mapped := make([]value, len(all))
	for i, item := range all {
		if mapped[i], err = each(item); err != nil {
			return nil, err
		}
	}
	return &generator{mapped}, nil
}

// choose is select, reject and the two that test an attribute of each item.
func choose(r *run, v value, a *args, ofAttribute, keep bool) (value, error) {
	rest := a.positional
	get := func(item value) (value, error) { return item, nil }
	if ofAttribute {
		if len(rest) == 0 {
			return nil, fail("Missing parameter for attribute name")
		}
		var err error
		if get, err = r.getter(rest[0], nil); err != nil {
			return nil, err
		}
		rest = rest[1:]
	}
	passes := func(item value) (bool, error) { return truth(r, item) }
	if len(rest) > 0 {
		name, err := wantText("the name of a test", rest[0])
		if err != nil {
			return nil, err
		}
		more := &args{rest[1:], a.names, a.named}
		passes = func(item value) (bool, error) { return r.test(name, item, more) }
	}
	all, err := r.each(v)
	if err != nil {
		return nil, err
	}
	var kept []value
	for _, item := range all {
		part, err := get(item)
		if err != nil {
			return nil, err
		}
		ok, err := passes(part)
		if err != nil {
			return nil, err
		}
		if ok == keep {
			kept = append(kept, item)
		}
	}
	return &generator{kept}, r.allocTimes(len(kept), valueSize)
}
