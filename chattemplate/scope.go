package chattemplate

// scope holds the names of a block. What a block sets is its own; what it reads
// may be of the blocks around it.
type scope struct {
	vars   map[string]value
	parent *scope
}

func (s *scope) get(name string) (value, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

func (s *scope) set(name string, v value) {
	if s.vars == nil {
		s.vars = map[string]value{}
	}
	s.vars[name] = v
}

func (s *scope) inner() *scope { return &scope{parent: s} }

// assign gives a value to a target.
func (s *scope) assign(r *run, to target, v value) error {
	switch {
	case to.tuple:
		items, err := r.iterate(v)
		if err != nil {
			return err
		}
		if len(items) != len(to.parts) {
			return fail("%d values cannot be unpacked to %d names", len(items), len(to.parts))
		}
		for i, part := range to.parts {
			if err := s.assign(r, part, items[i]); err != nil {
				return err
			}
		}
		return nil
	case to.attr != "":
		of, _ := s.get(to.name)
		ns, ok := of.(*namespace)
		if !ok {
			return fail("cannot assign attribute on non-namespace object")
		}
		if err := r.alloc(valueSize); err != nil {
			return err
		}
		return ns.attrs.set(to.attr, v)
	default:
		s.set(to.name, v)
		return r.alloc(valueSize)
	}
}
