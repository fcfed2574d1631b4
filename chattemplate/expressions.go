package chattemplate

import "fmt"

func evalAll(r *run, s *scope, all []expr) ([]value, error) {
	if err := r.allocTimes(len(all), valueSize); err != nil {
		return nil, err
	}
	values := make([]value, len(all))
	for i, e := range all {
		v, err := e.eval(r, s)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

func (e *constExpr) eval(r *run, _ *scope) (value, error) { return e.value, r.step(1) }

func (e *nameExpr) eval(r *run, s *scope) (value, error) {
	if v, ok := s.get(e.name); ok {
		return v, r.step(1)
	}
	if f, ok := globals[e.name]; ok {
		return f, r.step(1)
	}
	return variable(e.name), r.step(1)
}

func (e *listExpr) eval(r *run, s *scope) (value, error) {
	items, err := evalAll(r, s, e.items)
	return list(items), err
}

func (e *tupleExpr) eval(r *run, s *scope) (value, error) {
	items, err := evalAll(r, s, e.items)
	return tuple(items), err
}

func (e *dictExpr) eval(r *run, s *scope) (value, error) {
	if err := r.allocTimes(len(e.keys), 4*valueSize); err != nil {
		return nil, at(err, e.line)
	}
	d := newDict()
	for i := range e.keys {
		key, err := e.keys[i].eval(r, s)
		if err != nil {
			return nil, err
		}
		r.watch.key(key)
		v, err := e.values[i].eval(r, s)
		if err != nil {
			return nil, err
		}
		if err := d.set(key, v); err != nil {
			return nil, at(err, e.line)
		}
	}
	return d, nil
}

func (e *attrExpr) eval(r *run, s *scope) (value, error) {
	of, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	v, err := r.attribute(of, e.name)
	return v, at(err, e.line)
}

func (e *itemExpr) eval(r *run, s *scope) (value, error) {
	of, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	key, err := e.key.eval(r, s)
	if err != nil {
		return nil, err
	}
	v, err := r.item(of, key)
	return v, at(err, e.line)
}

func (e *sliceExpr) eval(r *run, s *scope) (value, error) {
	of, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	var parts [3]value
	for i, part := range []expr{e.start, e.stop, e.step} {
		if part == nil {
			continue
		}
		if parts[i], err = part.eval(r, s); err != nil {
			return nil, err
		}
	}
	v, err := r.slice(of, parts[0], parts[1], parts[2])
	return v, at(err, e.line)
}

func (e *unaryExpr) eval(r *run, s *scope) (value, error) {
	of, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	v, err := unary(e.op, of)
	return v, at(err, e.line)
}

func (e *binaryExpr) eval(r *run, s *scope) (value, error) {
	left, err := e.left.eval(r, s)
	if err != nil {
		return nil, err
	}
	right, err := e.right.eval(r, s)
	if err != nil {
		return nil, err
	}
	v, err := r.operate(e.op, left, right)
	return v, at(err, e.line)
}

func (e *concatExpr) eval(r *run, s *scope) (value, error) {
	parts, err := evalAll(r, s, e.parts)
	if err != nil {
		return nil, err
	}
	out := &output{r: r}
	for _, part := range parts {
		if err := out.print(part); err != nil {
			return nil, at(err, e.line)
		}
	}
	return out.text.String(), nil
}

func (e *compareExpr) eval(r *run, s *scope) (value, error) {
	left, err := e.first.eval(r, s)
	if err != nil {
		return nil, err
	}
	for i, op := range e.ops {
		right, err := e.rest[i].eval(r, s)
		if err != nil {
			return nil, err
		}
		ok, err := r.compareBy(op, left, right)
		if !ok || err != nil {
			return false, at(err, e.line)
		}
		left = right
	}
	return true, nil
}

func (r *run) compareBy(op string, left, right value) (ok bool, err error) {
	switch op {
	case "==":
		return r.equal(left, right)
	case "!=":
		ok, err = r.equal(left, right)
		return !ok, err
	case "in":
		return r.contains(right, left)
	case "notin":
		ok, err = r.contains(right, left)
		return !ok, err
	}
	if isNaN(left) || isNaN(right) {
		return false, nil
	}
	c, err := r.compare(op, left, right)
	switch op {
	case "<":
		ok = c < 0
	case "<=":
		ok = c <= 0
	case ">":
		ok = c > 0
	default:
		ok = c >= 0
	}
	return ok && err == nil, err
}

func isNaN(v value) bool {
	f, ok := v.(float64)
	return ok && f != f
}

func (e *notExpr) eval(r *run, s *scope) (value, error) {
	ok, err := test(r, s, e.of)
	return !ok, err
}

// test evaluates a condition.
func test(r *run, s *scope, e expr) (bool, error) {
	v, err := e.eval(r, s)
	if err != nil {
		return false, err
	}
	return truth(r, v)
}

func (e *andExpr) eval(r *run, s *scope) (value, error) {
	return shortcut(r, s, e.left, e.right, false)
}

func (e *orExpr) eval(r *run, s *scope) (value, error) { return shortcut(r, s, e.left, e.right, true) }

// shortcut returns the left value if its truth decides.
func shortcut(r *run, s *scope, left, right expr, decides bool) (value, error) {
	v, err := left.eval(r, s)
	if err != nil {
		return nil, err
	}
	if ok, err := truth(r, v); err != nil || ok == decides {
		return v, err
	}
	return right.eval(r, s)
}

func (e *ifExpr) eval(r *run, s *scope) (value, error) {
	ok, err := test(r, s, e.test)
	switch {
	case err != nil:
		return nil, err
	case ok:
		return e.yes.eval(r, s)
	case e.no != nil:
		return e.no.eval(r, s)
	}
	return &undefined{hint: fmt.Sprintf("the inline if-expression on line %d evaluated to false and no else section was defined.", e.line)}, nil
}

func (e *callExpr) eval(r *run, s *scope) (value, error) {
	of, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	a, err := e.args.eval(r, s)
	if err != nil {
		return nil, at(err, e.line)
	}
	v, err := r.call(of, a)
	return v, at(err, e.line)
}

// call calls what can be called.
func (r *run) call(of value, a *args) (value, error) {
	if err := r.step(1); err != nil {
		return nil, err
	}
	switch of := of.(type) {
	case *function:
		return of.call(r, a)
	case *macro:
		return of.call(r, a)
	case *loop:
		return of.stmt.recurse(r, of, a)
	case *undefined:
		return nil, of.err()
	}
	return nil, fail("'%s' object is not callable", typeName(of))
}

func (e *filterExpr) eval(r *run, s *scope) (value, error) {
	of, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	return e.filter.apply(r, s, of)
}

func (f *filterCall) apply(r *run, s *scope, v value) (value, error) {
	a, err := f.args.eval(r, s)
	if err != nil {
		return nil, at(err, f.line)
	}
	v, err = r.filter(f.name, v, a)
	return v, at(err, f.line)
}

func (r *run) filter(name string, v value, a *args) (value, error) {
	f := filters[name]
	if f == nil {
		return nil, fail("there is no filter %s", name)
	}
	if err := r.step(1); err != nil {
		return nil, err
	}
	r.watch.filter(name, v, a)
	return f(r, v, a)
}

func (e *testExpr) eval(r *run, s *scope) (value, error) {
	of, err := e.of.eval(r, s)
	if err != nil {
		return nil, err
	}
	a, err := e.args.eval(r, s)
	if err != nil {
		return nil, at(err, e.line)
	}
	ok, err := r.test(e.name, of, a)
	return ok, at(err, e.line)
}

func (r *run) test(name string, v value, a *args) (bool, error) {
	t := tests[name]
	if t == nil {
		return false, fail("there is no test %s", name)
	}
	if err := r.step(1); err != nil {
		return false, err
	}
	r.watch.test(name, v, a)
	return t(r, v, a)
}
