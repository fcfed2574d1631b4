package chattemplate

// loop is a running for loop: the variable loop of its body. Items are tested
// when they are reached, and one ahead if the body asks for what comes next.
type loop struct {
	stmt  *forStmt
	scope *scope // around the loop
	depth int    // of recursion, from 0

	items []value // not looked at yet
	total int     // -1: not known
	ahead []value // looked at, not reached

	index0          int
	current, before value
	changed         tuple // what loop.changed was given last, nil before
}

func newLoop(stmt *forStmt, s *scope, items []value, depth int) *loop {
	l := &loop{stmt: stmt, scope: s, depth: depth, items: items, total: -1, index0: -1}
	if stmt.test == nil {
		l.total = len(items)
	}
	return l
}

// pull returns the next item that passes the test.
func (l *loop) pull(r *run) (item value, ok bool, err error) {
	for len(l.items) > 0 {
		if err := r.step(1); err != nil {
			return nil, false, err
		}
		item, l.items = l.items[0], l.items[1:]
		if l.stmt.test == nil {
			return item, true, nil
		}
		s := l.scope.inner()
		if err := s.assign(r, l.stmt.to, item); err != nil {
			return nil, false, at(err, l.stmt.line)
		}
		v, err := l.stmt.test.eval(r, s)
		if err != nil {
			return nil, false, err
		}
		if ok, err := truth(r, v); ok || err != nil {
			return item, ok, err
		}
	}
	return nil, false, nil
}

// peek makes sure that one item is ahead, if there is one.
func (l *loop) peek(r *run) (ok bool, err error) {
	if len(l.ahead) == 0 {
		item, ok, err := l.pull(r)
		if !ok || err != nil {
			return false, err
		}
		l.ahead = []value{item}
	}
	return true, nil
}

// next moves on to the next item.
func (l *loop) next(r *run) (ok bool, err error) {
	if ok, err := l.peek(r); !ok || err != nil {
		return false, err
	}
	l.before, l.current, l.ahead = l.current, l.ahead[0], l.ahead[1:]
	l.index0++
	return true, nil
}

func (l *loop) length(r *run) (int, error) {
	if l.total >= 0 {
		return l.total, nil
	}
	for {
		item, ok, err := l.pull(r)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		if err := r.alloc(valueSize); err != nil {
			return 0, err
		}
		l.ahead = append(l.ahead, item)
	}
	l.total = l.index0 + 1 + len(l.ahead)
	return l.total, nil
}

// attr returns what a body may ask of its loop.
func (l *loop) attr(r *run, name string) (v value, ok bool, err error) {
	integer := func(n int) (value, bool, error) { return int64(n), true, nil }
	switch name {
	case "index":
		return integer(l.index0 + 1)
	case "index0":
		return integer(l.index0)
	case "depth":
		return integer(l.depth + 1)
	case "depth0":
		return integer(l.depth)
	case "first":
		return l.index0 == 0, true, nil
	case "last":
		more, err := l.peek(r)
		return !more, true, err
	case "length", "revindex", "revindex0":
		n, err := l.length(r)
		switch name {
		case "revindex":
			n -= l.index0
		case "revindex0":
			n -= l.index0 + 1
		}
		return int64(n), true, err
	case "previtem":
		if l.index0 == 0 {
			return &undefined{hint: "there is no previous item"}, true, nil
		}
		return l.before, true, nil
	case "nextitem":
		if more, err := l.peek(r); !more || err != nil {
			return &undefined{hint: "there is no next item"}, true, err
		}
		return l.ahead[0], true, nil
	case "cycle":
		return &function{name, l.cycle}, true, nil
	case "changed":
		return &function{name, l.change}, true, nil
	}
	return nil, false, nil
}

func (l *loop) cycle(_ *run, a *args) (value, error) {
	if len(a.names) > 0 || len(a.positional) == 0 {
		return nil, fail("no items for cycling given")
	}
	return a.positional[l.index0%len(a.positional)], nil
}

func (l *loop) change(r *run, a *args) (value, error) {
	if l.changed != nil {
		if ok, err := r.equalItems(l.changed, a.positional); ok || err != nil {
			return false, err
		}
	}
	l.changed = append(tuple{}, a.positional...)
	return true, nil
}
