package chattemplate

// macro is a macro with the names around it, or the body of a call block.
type macro struct {
	def   *macroDef
	scope *scope
}

func (st *macroStmt) exec(r *run, s *scope, _ *output) (signal, error) {
	s.set(st.name, &macro{st.def, s})
	return goOn, r.alloc(valueSize)
}

func (st *callStmt) exec(r *run, s *scope, out *output) (signal, error) {
	of, err := st.call.of.eval(r, s)
	if err != nil {
		return goOn, err
	}
	a, err := st.call.args.eval(r, s)
	if err != nil {
		return goOn, at(err, st.line)
	}
	if _, twice := a.take("caller"); twice {
		return goOn, at(fail("the argument caller is what the call block gives"), st.line)
	}
	a.names, a.named = append(a.names, "caller"), append(a.named, &macro{st.def, s})
	v, err := r.call(of, a)
	if err == nil {
		err = out.print(v)
	}
	return goOn, at(err, st.line)
}

// call runs the body of a macro and returns its text.
func (m *macro) call(r *run, a *args) (value, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	s, err := m.bind(r, a)
	if err != nil {
		return nil, err
	}
	out := &output{r: r}
	_, err = execAll(r, s, out, m.def.body)
	return out.text.String(), at(err, m.def.line)
}

// bind gives the parameters their values. A default may use the parameters
// before it.
func (m *macro) bind(r *run, given *args) (*scope, error) {
	def, a := m.def, *given
	s := m.scope.inner()
	what := "the macro " + def.name
	if def.name == "" {
		what = "caller"
	}
	explicitCaller := false
	for i, name := range def.params {
		explicitCaller = explicitCaller || name == "caller"
		if i < len(a.positional) {
			s.set(name, a.positional[i])
			continue
		}
		if v, ok := a.take(name); ok {
			s.set(name, v)
			continue
		}
		from := i - (len(def.params) - len(def.defaults))
		if from < 0 {
			s.set(name, &undefined{hint: "parameter " + quote(name) + " was not provided"})
			continue
		}
		v, err := def.defaults[from].eval(r, s)
		if err != nil {
			return nil, err
		}
		s.set(name, v)
	}
	if def.caller && !explicitCaller {
		caller, ok := a.take("caller")
		if !ok {
			caller = &undefined{hint: "No caller defined"}
		}
		s.set("caller", caller)
	}
	if def.kwargs {
		more := newDict()
		for i, name := range a.names {
			if err := more.set(name, a.named[i]); err != nil {
				return nil, err
			}
		}
		s.set("kwargs", more)
	} else if len(a.names) > 0 {
		return nil, fail("%s takes no keyword argument %s", what, quote(a.names[0]))
	}
	extra := a.positional[min(len(def.params), len(a.positional)):]
	if def.varargs {
		s.set("varargs", tuple(extra))
	} else if len(extra) > 0 {
		return nil, fail("%s takes not more than %d argument(s)", what, len(def.params))
	}
	return s, r.allocTimes(len(def.params)+2, valueSize)
}
