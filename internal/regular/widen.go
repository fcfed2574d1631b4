package regular

// wide is what [Space.Widen] is asked for.
type wide struct {
	l Lang
	n int
}

// Widen returns a language that has the same beginnings as l of up to n bytes, but no
// counts that they cannot exhaust: where n times something or more may come first, any
// number may. The shortest strings stay as long as they are.
//
// Intersections and complements stay as they are, as what is alive of them depends on
// all of their strings.
func (s *Space) Widen(l Lang, n int) Lang {
	if known, ok := s.wide[wide{l, n}]; ok {
		return known
	}
	result := l
	switch node := s.nodes[l]; node.kind {
	case kindRepeat:
		if int(node.max) >= n {
			result = s.Repeat(node.a, int(node.min), Unbounded)
		}
	case kindConcat:
		result = s.concat(s.Widen(node.a, n), node.b)
	case kindUnion:
		parts := make([]Lang, len(node.parts))
		for i, part := range node.parts {
			parts[i] = s.Widen(part, n)
		}
		result = s.Union(parts...)
	}
	s.wide[wide{l, n}] = result
	return result
}
