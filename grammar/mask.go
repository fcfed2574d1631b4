package grammar

import "slices"

// mask is the tokens that may come in a state.
type mask struct {
	of    *Vocabulary
	bits  []uint64
	least int // the most bytes that an output needs at least after one of the tokens
}

// maskFor returns the mask of a state, which is computed once.
func (s *state) maskFor(v *Vocabulary) *mask { return s.findMask(v, true) }

// findMask returns the mask of a state. It may be made of that of a similar one only if
// it is not asked for as a similar one's itself, which ends nowhere.
func (s *state) findMask(v *Vocabulary, bySimilar bool) *mask {
	if m := s.mask.Load(); m != nil && m.of == v {
		return m
	}
	bits := make([]uint64, v.words)
	m := &mask{v, bits, s.fill(v, bits, bySimilar)}
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
// needs at least after one of them.
func (s *state) fill(v *Vocabulary, bits []uint64, bySimilar bool) (least int) {
	w := newWalker(bits)
	defer w.release()
	for _, long := range v.long {
		if wide := s.widen(long.than); wide != s {
			w.begin(wide.findMask(v, bySimilar))
			w.walk(long.tokens, place{s, wide})
			return w.least
		}
	}
	alphabets := v.alphabets()
	if w.run(alphabets[0], s) {
		return w.least
	}
	if bySimilar {
		if like := s.similar(v); like != nil {
			w.begin(like.findMask(v, false))
			w.walk(v.all, place{s, like})
			return w.least
		}
	}
	for _, a := range alphabets[1:] {
		if w.run(a, s) {
			return w.least
		}
	}
	w.walk(v.all, place{s, s.a.dead})
	return w.least
}

// widen returns a state that allows the same texts of up to n bytes, and is the same for
// many states that count what is still to come.
func (s *state) widen(n int) *state {
	a := s.a
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(s.configs) == 0 {
		return s
	}
	c := &collector{a: a, accepting: s.accepting, configs: slices.Clone(s.configs)}
	for i := range c.configs {
		if c.configs[i].end == nil {
			c.configs[i].lang = a.b.space.Widen(c.configs[i].lang, n)
		}
	}
	return a.intern(c)
}

// begin copies a mask, but for the tokens that end the model's turn.
func (w *walker) begin(m *mask) {
	copy(w.bits, m.bits)
	for _, token := range m.of.ends {
		w.bits[token/64] &^= 1 << (token % 64)
	}
	w.least = m.least
}

// run sets the bits of the tokens that may come, if the state allows characters of an
// alphabet, whichever they are.
func (w *walker) run(a *alphabet, s *state) bool {
	states := a.after(s)
	if len(states) < 2 {
		return false
	}
	dead := s.a.dead
	copy(w.bits, a.upTo[len(states)-1])
	w.walkBut(a.rest[0], place{s, dead}, a.skip)
	for n, s := range states[1:] {
		w.walk(a.rest[n+1], place{s, dead})
	}
	if len(states) > maxRun {
		w.walk(a.far, place{s, dead})
	}
	return true
}

// similar returns a state to which most tokens lead that lead this one to it, so that
// its mask is almost the same; nil, if there is none.
func (s *state) similar(v *Vocabulary) *state {
	weight := make([]int, len(s.classes.First))
	heaviest := uint8(0)
	for b, n := range v.weights {
		class := s.classes.Of[b]
		if weight[class] += n; weight[class] > weight[heaviest] {
			heaviest = class
		}
	}
	like := s.step(s.classes.First[heaviest])
	if like == s || like.isDead() {
		return nil
	}
	alike := 0
	for b, n := range v.weights {
		if s.step(byte(b)) == like.step(byte(b)) {
			alike += n
		}
	}
	if 2*alike < len(v.all.nodes) {
		return nil
	}
	return like
}
