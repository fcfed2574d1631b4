package regular

import "slices"

// Derive returns what may follow the byte b in the strings of l that begin with it.
func (s *Space) Derive(l Lang, b byte) Lang {
	return s.deriveClass(l, s.Classes(l).Of[b])
}

func (s *Space) deriveClass(l Lang, class uint8) Lang {
	n := &s.nodes[l]
	if n.next == nil {
		n.next = slices.Repeat([]Lang{-1}, len(n.classes.First))
	}
	if next := n.next[class]; next >= 0 {
		return next
	}
	next := s.compute(l, n.classes.First[class])
	s.nodes[l].next[class] = next // n is of no use any more: the nodes may have moved
	return next
}

func (s *Space) compute(l Lang, b byte) Lang {
	n := s.nodes[l]
	switch n.kind {
	case kindSet:
		if n.set.Has(b) {
			return Empty
		}
		return Nothing
	case kindConcat:
		var parts []Lang
		for n.kind == kindConcat { // a loop, as chains may be long
			parts = append(parts, s.concat(s.Derive(n.a, b), n.b))
			l = n.b
			if !s.nodes[n.a].nullable {
				return s.Union(parts...)
			}
			n = s.nodes[l]
		}
		return s.Union(append(parts, s.Derive(l, b))...)
	case kindRepeat:
		return s.concat(s.Derive(n.a, b), s.Repeat(n.a, int(max(n.min-1, 0)), less(n.max)))
	case kindUnion, kindIntersection:
		parts := make([]Lang, len(n.parts))
		for i, part := range n.parts {
			parts[i] = s.Derive(part, b)
		}
		if n.kind == kindUnion {
			return s.Union(parts...)
		}
		return s.Intersection(parts...)
	case kindComplement:
		return s.Complement(s.Derive(n.a, b))
	case kindMultiple:
		next, ok := n.multiple.step(b)
		if !ok {
			return Nothing
		}
		return s.multiple(next)
	case kindLiteral:
		if s.textOf(&n)[0] != b {
			return Nothing
		}
		return s.afterFirst(n)
	default:
		return Nothing
	}
}

func less(max int32) int {
	if max == Unbounded {
		return Unbounded
	}
	return int(max - 1)
}

// Contains reports whether a string is in l.
func (s *Space) Contains(l Lang, text string) bool {
	for i := 0; i < len(text) && l != Nothing; i++ {
		l = s.Derive(l, text[i])
	}
	return s.nodes[l].nullable
}

// maxSearch bounds how many languages are looked at to find out whether one has a
// string, which takes about 50 ms.
const maxSearch = 20_000

// Alive reports whether l has a string. ok is false if that would take too long to
// find out.
func (s *Space) Alive(l Lang) (is, ok bool) {
	n := &s.nodes[l]
	switch {
	case n.life != unknown:
		return n.life == alive, true
	case !n.opaque || n.nullable:
		is, ok = l != Nothing, true
	case n.kind == kindConcat:
		is, ok = true, true
		for is && ok && n.kind == kindConcat {
			tail := n.b
			is, ok = s.Alive(n.a)
			l, n = tail, &s.nodes[tail]
		}
		if is && ok {
			is, ok = s.Alive(l)
		}
		return is, ok
	case n.kind == kindRepeat:
		return s.Alive(n.a)
	case n.kind == kindUnion:
		ok = true
		for _, part := range slices.Clone(n.parts) {
			partIs, partOK := s.Alive(part)
			if partIs && partOK {
				is, ok = true, true
				break
			}
			ok = ok && partOK
		}
	default:
		return s.search(l)
	}
	if ok {
		s.nodes[l].life = dead
		if is {
			s.nodes[l].life = alive
		}
	}
	return is, ok
}

// Continues reports whether l has a string that is not empty; ok as for [Space.Alive].
func (s *Space) Continues(l Lang) (is, ok bool) {
	switch n := &s.nodes[l]; {
	case !n.nullable:
		return s.Alive(l)
	case !n.opaque:
		return l != Empty, true
	}
	return s.Alive(s.Intersection(l, s.Concat(s.Set(0, 0xff), All)))
}

// Shortest returns the length of the shortest string of l, which must be alive.
func (s *Space) Shortest(l Lang) int {
	n := &s.nodes[l]
	if n.length > 0 {
		return n.length - 1
	}
	length := 0
	switch {
	case n.nullable || l == Nothing:
	case n.kind == kindSet:
		length = 1
	case n.kind == kindLiteral:
		length = len(s.textOf(n))
	case n.kind == kindConcat:
		for n.kind == kindConcat {
			tail := n.b
			length += s.Shortest(n.a)
			l, n = tail, &s.nodes[tail]
		}
		return length + s.Shortest(l)
	case n.kind == kindRepeat:
		length = int(n.min) * s.Shortest(n.a)
	case n.kind == kindUnion:
		length = -1
		for _, part := range slices.Clone(n.parts) {
			if is, ok := s.Alive(part); is && ok {
				if short := s.Shortest(part); length < 0 || short < length {
					length = short
				}
			}
		}
	default:
		_, _ = s.search(l)
		return max(s.nodes[l].length-1, 0)
	}
	s.nodes[l].length = length + 1
	return length
}

// longerThanSearch reports whether a search for a string of l is vain, as it would be
// too long.
func (s *Space) longerThanSearch(l Lang) bool {
	most := maxSearch
	if s.searches >= 0 {
		most = min(most, s.searches)
	}
	n := &s.nodes[l]
	return n.kind == kindIntersection && slices.ContainsFunc(n.parts, func(part Lang) bool {
		return !s.nodes[part].opaque && s.Shortest(part) > most
	})
}

// usualWeight is that of the derivatives of one language in most searches.
const usualWeight = 8

// search looks for a string, the shortest first, through the derivatives.
func (s *Space) search(l Lang) (is, ok bool) {
	type step struct {
		lang Lang
		from int
	}
	if s.longerThanSearch(l) {
		return false, false
	}
	steps := []step{{l, -1}}
	seen := map[Lang]bool{l: true}
	for i := 0; i < len(steps); i++ {
		at := steps[i].lang
		if s.nodes[at].nullable {
			for j, length := i, 1; j >= 0; j, length = steps[j].from, length+1 {
				s.nodes[steps[j].lang].life, s.nodes[steps[j].lang].length = alive, length
			}
			return true, true
		}
		if len(steps) > maxSearch || s.searches == 0 {
			return false, false
		}
		weight := s.weight
		for class := range s.Classes(at).First {
			next := s.deriveClass(at, uint8(class))
			if next != Nothing && s.nodes[next].life != dead && !seen[next] {
				seen[next] = true
				steps = append(steps, step{next, i})
			}
		}
		if s.searches > 0 {
			s.searches = max(0, s.searches-max(1, (s.weight-weight)/usualWeight))
		}
	}
	for _, st := range steps {
		s.nodes[st.lang].life = dead
	}
	return false, true
}

// Strings returns the strings of l, if there are no more than most.
func (s *Space) Strings(l Lang, most int) (strings []string, ok bool) {
	type step struct {
		lang Lang
		text string
	}
	steps := []step{{l, ""}}
	for looked := 0; len(steps) > 0; looked++ {
		at := steps[0]
		steps = steps[1:]
		if s.nodes[at.lang].nullable {
			strings = append(strings, at.text)
		}
		if len(strings) > most || looked > maxSearch || len(at.text) > 1024 {
			return nil, false
		}
		for b := range 256 {
			next := s.Derive(at.lang, byte(b))
			if is, decided := s.Alive(next); !decided {
				return nil, false
			} else if is {
				steps = append(steps, step{next, at.text + string([]byte{byte(b)})})
			}
		}
		if len(steps) > most {
			return nil, false // each leads to a string at least
		}
	}
	return strings, true
}
