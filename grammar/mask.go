package grammar

import "slices"

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

// fill sets the bits of the tokens with text. The largest slice that certainly may
// come is taken as a whole.
func (s *state) fill(v *Vocabulary, bits []uint64) (least int) {
	slices := v.slices()
	room, least := s.safeRun(slices[0].chars)
	for i := range slices {
		if slice := &slices[i]; slice.chars <= room {
			copy(bits, slice.bits)
			return max(least, slice.rest.walk(s, bits))
		}
	}
	return v.all.walk(s, bits)
}

// safeRun returns how many safe characters may come at least, whichever they are,
// up to a limit, and the most bytes that an output needs at least after some of them.
func (s *state) safeRun(limit int) (chars, least int) {
	level := []*state{s}
	seen := map[*state]bool{s: true}
	for n := range limit {
		var next []*state
		for _, at := range level {
			after := at.afterSafe()
			if after == nil {
				return n, least
			}
			for _, a := range after {
				if !seen[a] {
					seen[a] = true
					least = max(least, a.least)
					next = append(next, a)
				}
			}
		}
		if len(next) == 0 {
			break
		}
		level = next
	}
	return limit, least
}

// afterSafe returns the states that follow one safe character, nil if one of them
// must not come.
func (s *state) afterSafe() []*state {
	if after := s.safe.Load(); after != nil {
		return *after
	}
	var after []*state
	for _, sequence := range safeBytes {
		states := []*state{s}
		for _, r := range sequence {
			if states = afterRange(states, r); states == nil {
				after = nil
				break
			}
		}
		if states == nil {
			after = nil
			break
		}
		for _, at := range states {
			if !slices.Contains(after, at) {
				after = append(after, at)
			}
		}
	}
	s.safe.Store(&after)
	return after
}

// afterRange returns the states that follow a byte of a range, nil if one of the
// bytes must not come.
func afterRange(states []*state, r [2]byte) []*state {
	var after []*state
	for _, s := range states {
		var tried [256]bool
		for b := int(r[0]); b <= int(r[1]); b++ {
			class := s.classes.Of[b]
			if tried[class] {
				continue
			}
			tried[class] = true
			next := s.step(byte(b))
			if next.isDead() {
				return nil
			}
			if !slices.Contains(after, next) {
				after = append(after, next)
			}
		}
	}
	return after
}
