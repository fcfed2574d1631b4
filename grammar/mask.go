package grammar

import (
	"slices"

	"github.com/cria-lm/cria/internal/regular"
)

// mask is the tokens that may come in a state.
type mask struct {
	of     *Vocabulary
	bits   []uint64
	least  int // the most bytes that an output needs at least after one of the tokens
	lexeme int // the most bytes that a lexeme needs at least there
}

// maskFor returns the mask of a state, which is computed once.
func (s *state) maskFor(v *Vocabulary) *mask { return s.findMask(v, true) }

// findMask returns the mask of a state. One that is asked for as that of a similar state
// is not made of a similar one's again: two states could be each other's.
func (s *state) findMask(v *Vocabulary, bySimilar bool) *mask {
	if m := s.mask.Load(); m != nil && m.of == v {
		return m
	}
	m := s.newMask(v, bySimilar)
	if s.ends {
		m.least = max(m.least, s.stepEnd().least)
	}
	if s.accepting || s.ends {
		for _, token := range v.ends {
			m.bits[token/64] |= 1 << (token % 64)
		}
	}
	if s.a.keepsMask(8 * len(m.bits)) {
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

// newMask finds the tokens with text, in the cheapest way there is.
func (s *state) newMask(v *Vocabulary, bySimilar bool) *mask {
	w := newWalker(v)
	defer w.release()
	alphabets := v.alphabets()
	switch {
	case w.widened(s, false, bySimilar):
	case w.run(alphabets[0], s):
	case s.ends && w.stopped(s):
	case w.widened(s, true, bySimilar):
	case bySimilar && w.similar(s):
	case slices.ContainsFunc(alphabets[1:], func(a *alphabet) bool { return w.run(a, s) }):
	default:
		w.walk(v.all, place{s, s.a.dead})
	}
	m := w.mask
	return &m
}

// begin copies a mask, but for the tokens that end the model's turn.
func (w *walker) begin(m *mask) {
	copy(w.bits, m.bits)
	for _, token := range m.of.ends {
		w.bits[token/64] &^= 1 << (token % 64)
	}
	w.least, w.lexeme = m.least, m.lexeme
}

// lexemeSpare is how many bytes a lexeme may need at least behind a token where its
// intersections are widened.
const lexemeSpare = 16

// widened takes the mask of a state that counts less: it is the same for many, and only
// the longest tokens need be looked at anew. It returns false if there is no such state.
//
// If the counts of intersections are left out as well (all), a token might be allowed
// only because of a text that is longer than they say. It is not if no lexeme needs more
// than lexemeSpare bytes behind any token: then there is a text within the counts.
func (w *walker) widened(s *state, all, bySimilar bool) bool {
	for _, long := range w.of.long {
		n := long.than
		if all {
			n += lexemeSpare
		} else if n < minCount {
			break
		}
		wide := s.widen(n, all)
		if wide == s {
			continue
		}
		m := wide.findMask(w.of, bySimilar)
		if all && m.lexeme > lexemeSpare {
			return false
		}
		w.begin(m)
		w.walk(long.tokens, place{s, wide})
		return true
	}
	return false
}

// widen returns a state that allows the same texts of up to n bytes, and is the same for
// many states that count what is still to come.
func (s *state) widen(n int, all bool) *state {
	a := s.a
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(s.configs) == 0 {
		return s
	}
	c := &collector{a: a, accepting: s.accepting, configs: slices.Clone(s.configs)}
	for i := range c.configs {
		if c.configs[i].end == nil {
			c.configs[i].lang = a.b.space.Widen(c.configs[i].lang, n, all)
		}
	}
	return a.intern(c)
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

// stopped takes all tokens but those that begin with what cannot end the value, if
// those are few.
func (w *walker) stopped(s *state) bool {
	all := w.of.all
	var stops regular.Bytes // that do nothing else
	weight := 0
	for b, n := range w.of.weights {
		if s.stopsAt(byte(b)) && s.step(byte(b)).isDead() {
			stops = stops.Union(regular.Range(byte(b), byte(b)))
			weight += n
		}
	}
	if 2*weight < len(all.nodes) {
		return false
	}
	copy(w.bits, w.of.text)
	for i := 0; i < len(all.nodes); i = int(all.nodes[i].next) {
		if !stops.Has(all.nodes[i].b) {
			all.clearAll(i, w.bits)
		}
	}
	w.walkBut(all, place{s, s.a.dead}, stops)
	return true
}

// similar takes the mask of a similar state, if there is one.
func (w *walker) similar(s *state) bool {
	like := s.similar(w.of)
	if like == nil {
		return false
	}
	w.begin(like.findMask(w.of, false))
	w.walk(w.of.all, place{s, like})
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
