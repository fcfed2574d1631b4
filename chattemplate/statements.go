package chattemplate

// execAll runs statements up to the first that jumps.
func execAll(r *run, s *scope, out *output, body []stmt) (signal, error) {
	for _, st := range body {
		if err := r.step(1); err != nil {
			return goOn, err
		}
		if sig, err := st.exec(r, s, out); sig != goOn || err != nil {
			return sig, err
		}
	}
	return goOn, nil
}

// capture runs statements for their text. As the body of a block has its own
// names, what it sets is forgotten.
func capture(r *run, s *scope, body []stmt) (string, signal, error) {
	out := &output{r: r}
	sig, err := execAll(r, s.inner(), out, body)
	return out.text.String(), sig, err
}

func (st *textStmt) exec(_ *run, _ *scope, out *output) (signal, error) {
	return goOn, out.write(st.text)
}

// print writes a value.
func (o *output) print(v value) error {
	if s, ok := text(v); ok {
		return o.write(s)
	}
	if _, ok := v.(*undefined); ok {
		return nil
	}
	return o.repr(v)
}

func (st *printStmt) exec(r *run, s *scope, out *output) (signal, error) {
	v, err := st.of.eval(r, s)
	if err == nil {
		err = out.print(v)
	}
	return goOn, at(err, st.line)
}

func (st *setStmt) exec(r *run, s *scope, _ *output) (signal, error) {
	v, err := st.of.eval(r, s)
	if err == nil {
		err = s.assign(r, st.to, v)
	}
	return goOn, at(err, st.line)
}

func (st *setBlockStmt) exec(r *run, s *scope, _ *output) (signal, error) {
	text, sig, err := capture(r, s, st.body)
	if sig != goOn || err != nil {
		return sig, err
	}
	v, err := applyAll(r, s, st.filters, text)
	if err == nil {
		err = s.assign(r, st.to, v)
	}
	return goOn, at(err, st.line)
}

func applyAll(r *run, s *scope, filters []filterCall, v value) (value, error) {
	for i := range filters {
		var err error
		if v, err = filters[i].apply(r, s, v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (st *ifStmt) exec(r *run, s *scope, out *output) (signal, error) {
	for _, b := range st.branches {
		ok, err := test(r, s, b.test)
		if err != nil {
			return goOn, at(err, b.line)
		}
		if ok {
			return execAll(r, s, out, b.body)
		}
	}
	return execAll(r, s, out, st.other)
}

func (st *forStmt) exec(r *run, s *scope, out *output) (signal, error) {
	v, err := st.over.eval(r, s)
	if err != nil {
		return goOn, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return goOn, at(err, st.line)
	}
	return st.run(r, out, newLoop(st, s, items, 0))
}

// run runs the body for each item. As in Jinja, the else part is for a loop of
// which no round came to its end.
func (st *forStmt) run(r *run, out *output, l *loop) (signal, error) {
	finished := false
	for {
		ok, err := l.next(r)
		if err != nil {
			return goOn, at(err, st.line)
		}
		if !ok {
			break
		}
		s := l.scope.inner()
		if err := s.assign(r, st.to, l.current); err != nil {
			return goOn, at(err, st.line)
		}
		s.set("loop", l)
		sig, err := execAll(r, s, out, st.body)
		if err != nil {
			return goOn, err
		}
		if sig == breakLoop {
			break
		}
		finished = finished || sig == goOn
	}
	if finished {
		return goOn, nil
	}
	return execAll(r, l.scope.inner(), out, st.other)
}

// recurse is a call of the loop in its own body: {{ loop(children) }}.
func (st *forStmt) recurse(r *run, l *loop, a *args) (value, error) {
	if !st.recursive {
		return nil, fail("the loop is not recursive: write {%% for ... recursive %%} to call it")
	}
	over, err := a.bind("loop", "iterable")
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(over[0])
	if err != nil {
		return nil, err
	}
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	out := &output{r: r}
	_, err = st.run(r, out, newLoop(st, l.scope, items, l.depth+1))
	return out.text.String(), err
}

func (st *withStmt) exec(r *run, s *scope, out *output) (signal, error) {
	values, err := evalAll(r, s, st.values)
	if err != nil {
		return goOn, at(err, st.line)
	}
	inner := s.inner()
	for i, v := range values {
		if err := inner.assign(r, st.targets[i], v); err != nil {
			return goOn, at(err, st.line)
		}
	}
	return execAll(r, inner, out, st.body)
}

func (st *filterStmt) exec(r *run, s *scope, out *output) (signal, error) {
	text, sig, err := capture(r, s, st.body)
	if sig != goOn || err != nil {
		return sig, err
	}
	v, err := applyAll(r, s, st.filters, text)
	if err == nil {
		err = out.print(v)
	}
	return goOn, at(err, st.line)
}

func (st *scopeStmt) exec(r *run, s *scope, out *output) (signal, error) {
	return execAll(r, s.inner(), out, st.body)
}

func (st *jumpStmt) exec(*run, *scope, *output) (signal, error) { return st.signal, nil }
