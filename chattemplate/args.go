package chattemplate

import "slices"

// args are the arguments of a call.
type args struct {
	positional []value
	names      []string // of named
	named      []value
}

// absent is the value of a parameter that a call does not give.
type absent struct{}

// bind orders arguments by the parameters of what is called; one whose name ends
// in = may be left out.
func (a *args) bind(what string, params ...string) ([]value, error) {
	if len(a.positional) > len(params) {
		return nil, fail("%s takes at most %d arguments, not %d", what, len(params), len(a.positional))
	}
	bound := make([]value, len(params))
	for i := range bound {
		bound[i] = absent{}
	}
	copy(bound, a.positional)
	for i, name := range a.names {
		at := slices.IndexFunc(params, func(p string) bool { return p == name || p == name+"=" })
		if at < 0 {
			return nil, fail("%s has no argument %s", what, name)
		}
		if at < len(a.positional) {
			return nil, fail("%s got two values for the argument %s", what, name)
		}
		bound[at] = a.named[i]
	}
	for i, p := range params {
		if _, missing := bound[i].(absent); missing && p[len(p)-1] != '=' {
			return nil, fail("%s needs the argument %s", what, p)
		}
	}
	return bound, nil
}

// or returns a bound argument, or what it is where it was left out.
func or(v, standard value) value {
	if _, missing := v.(absent); missing {
		return standard
	}
	return v
}

// wantInt returns a bound argument that is an integer.
func wantInt(what string, v value) (int, error) {
	if n, ok := integer(v); ok && int64(int(n)) == n {
		return int(n), nil
	}
	if u, ok := v.(*undefined); ok {
		return 0, u.err()
	}
	return 0, fail("%s has to be an integer, not %s", what, typeName(v))
}

// wantText returns a bound argument that is a string.
func wantText(what string, v value) (string, error) {
	if s, ok := text(v); ok {
		return s, nil
	}
	if u, ok := v.(*undefined); ok {
		return "", u.err()
	}
	return "", fail("%s has to be a string, not %s", what, typeName(v))
}

// eval evaluates the arguments of a call.
func (a *arguments) eval(r *run, s *scope) (*args, error) {
	done := &args{names: a.names}
	var err error
	if done.positional, err = evalAll(r, s, a.positional); err != nil {
		return nil, err
	}
	if done.named, err = evalAll(r, s, a.named); err != nil {
		return nil, err
	}
	if a.star != nil {
		v, err := a.star.eval(r, s)
		if err != nil {
			return nil, err
		}
		more, err := r.iterate(v)
		if err != nil {
			return nil, err
		}
		done.positional = append(slices.Clip(done.positional), more...)
	}
	if a.starStar != nil {
		v, err := a.starStar.eval(r, s)
		if err != nil {
			return nil, err
		}
		if err := done.addNamed(r, v); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// addNamed adds the members of a dict as named arguments.
func (a *args) addNamed(r *run, v value) error {
	d, ok := v.(*dict)
	if !ok {
		return fail("what stands behind ** has to be a dict, not %s", typeName(v))
	}
	if d.len() > maxArguments {
		return &LimitError{Of: "arguments of a call", Limit: maxArguments}
	}
	if err := r.allocTimes(d.len(), 2*valueSize); err != nil {
		return err
	}
	a.names, a.named = slices.Clip(a.names), slices.Clip(a.named)
	for i, key := range d.keys {
		name, ok := text(key)
		if !ok {
			return fail("the names of arguments have to be strings, not %s", typeName(key))
		}
		if slices.Contains(a.names, name) {
			return fail("the argument %s is there twice", name)
		}
		a.names, a.named = append(a.names, name), append(a.named, d.values[i])
	}
	return nil
}

// take removes a named argument.
func (a *args) take(name string) (value, bool) {
	i := slices.Index(a.names, name)
	if i < 0 {
		return nil, false
	}
	v := a.named[i]
	a.names = slices.Delete(slices.Clone(a.names), i, i+1)
	a.named = slices.Delete(slices.Clone(a.named), i, i+1)
	return v, true
}
