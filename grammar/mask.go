package grammar

// mask is the tokens that may come in a state.
type mask struct {
	of    *Vocabulary
	bits  []uint64
	least int // the most bytes that an output needs at least after one of the tokens
}

// maskFor returns the mask of a state, which is computed once.
func (s *state) maskFor(v *Vocabulary) *mask {
	if m := s.mask.Load(); m != nil && m.of == v {
		return m
	}
	bits := make([]uint64, v.words)
	m := &mask{v, bits, s.fill(v, bits)}
	if s.ends {
		m.least = max(m.least, s.stepEnd().least)
	}
	if s.accepting || s.ends {
		for _, token := range v.ends {
			bits[token/64] |= 1 << (token % 64)
		}
	}
	if s.a.keepsMask(8 * len(bits)) {
		s.mask.Store(m)
	}
	return m
}

func (a *automaton) keepsMask(size int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.masks+size > maxMasks {
		a.full.Store(true)
		return false
	}
	a.masks += size
	return true
}

// fill sets the bits of the tokens with text, and returns the most bytes that an output
// needs at least after one of them. Tokens of plain characters that certainly may come
// are taken at once.
func (s *state) fill(v *Vocabulary, bits []uint64) (least int) {
	run := s.plainRun()
	if run.chars == 0 {
		return v.all.walk(s, bits)
	}
	p := v.plain()
	copy(bits, p.upTo[run.chars])
	least = max(run.least, p.others.walk(s, bits))
	if run.controls {
		least = max(least, p.controls.walk(s, bits))
	}
	if run.goesOn {
		least = max(least, p.longerThan(run.chars).walk(s, bits))
	}
	return least
}

// plainRun is what may come of plain characters.
type plainRun struct {
	chars    int  // so many may come, whichever they are; at most maxPlain
	goesOn   bool // some of them may be followed by another
	controls bool // a control character may come before, between or behind them
	least    int  // the most bytes that an output needs at least after some of them
}

func (s *state) plainRun() (all plainRun) {
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	for _, c := range s.configs {
		if c.end != nil {
			all.controls = all.controls || c.end.stops.Has('\n')
			continue
		}
		run := s.a.plainRun(c)
		all.controls = all.controls || run.controls
		all.goesOn = all.goesOn || run.goesOn
		if run.chars > all.chars {
			all.chars, all.least = run.chars, run.least
		}
	}
	return all
}

func (a *automaton) plainRun(c config) (run plainRun) {
	space := a.b.space
	for l := c.lang; ; {
		next, same := space.AfterPlain(l)
		is, ok := space.Alive(next)
		run.controls = run.controls || !same || !ok || space.AllowsControl(l)
		if !same || !is || !ok {
			// What the lexeme cannot go on with may begin what follows it.
			run.goesOn = !same || !ok || space.Nullable(l)
			return run
		}
		run.least = max(run.least, space.Shortest(next)+c.rest.shortest())
		if run.chars++; next == l {
			run.chars = maxPlain
		}
		if run.chars == maxPlain {
			run.goesOn = true
			return run
		}
		run.goesOn = run.goesOn || space.Nullable(l)
		l = next
	}
}
