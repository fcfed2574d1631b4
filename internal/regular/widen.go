package regular

// wide is what [Space.Widen] is asked for.
type wide struct {
	l   Lang
	n   int
	all bool
}

// Widen returns a language with all strings of l and none of up to n bytes besides: where
// n times something or more may come, any number may. The shortest strings stay as long
// as they are.
//
// If the counts of intersections are not meant (all is false), what begins strings of
// both is the same too, up to n bytes. In an intersection a beginning may be alive only
// because of a longer string.
func (s *Space) Widen(l Lang, n int, all bool) Lang {
	if known, ok := s.wide[wide{l, n, all}]; ok {
		return known
	}
	result := l
	switch node := s.nodes[l]; node.kind {
	case kindRepeat:
		if int(node.max) >= n {
			result = s.Repeat(node.a, int(node.min), Unbounded)
		}
	case kindConcat:
		result = s.concat(s.Widen(node.a, n, all), node.b)
	case kindUnion:
		result = s.Union(s.widenParts(node.parts, n, all)...)
	case kindIntersection:
		if all {
			result = s.Intersection(s.widenParts(node.parts, n, all)...)
		}
	}
	s.wide[wide{l, n, all}] = result
	return result
}

func (s *Space) widenParts(parts []Lang, n int, all bool) []Lang {
	result := make([]Lang, len(parts))
	for i, part := range parts {
		result[i] = s.Widen(part, n, all)
	}
	return result
}
