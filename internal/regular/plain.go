package regular

// Plain characters are all but control characters below the space, the double quote
// and the backslash: those that no usual format gives a meaning within a text.
// plainChars is their byte sequences, as ranges.
var plainChars = [][][2]byte{
	{{' ', '!'}}, {{'#', '['}}, {{']', 0x7f}},
	{{0xc2, 0xdf}, {0x80, 0xbf}},
	{{0xe0, 0xe0}, {0xa0, 0xbf}, {0x80, 0xbf}},
	{{0xe1, 0xec}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xed, 0xed}, {0x80, 0x9f}, {0x80, 0xbf}},
	{{0xee, 0xef}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xf0, 0xf0}, {0x90, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xf1, 0xf3}, {0x80, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xf4, 0xf4}, {0x80, 0x8f}, {0x80, 0xbf}, {0x80, 0xbf}},
}

// IsPlain reports whether a character is plain.
func IsPlain(r rune) bool { return r >= ' ' && r != '"' && r != '\\' }

// afterPlain is what [Space.AfterPlain] found out.
type afterPlain struct {
	next Lang
	same bool
}

// AfterPlain returns what may follow a plain character in l, if that is the same
// whichever character it is; Nothing, if none may come.
func (s *Space) AfterPlain(l Lang) (next Lang, same bool) {
	if known, ok := s.plain[l]; ok {
		return known.next, known.same
	}
	next, same = s.computePlain(l)
	s.plain[l] = afterPlain{next, same}
	return next, same
}

func (s *Space) computePlain(l Lang) (Lang, bool) {
	n := s.nodes[l]
	switch n.kind {
	case kindConcat:
		next, same := s.AfterPlain(n.a)
		if !same {
			return Nothing, false
		}
		next = s.concat(next, n.b)
		if !s.nodes[n.a].nullable {
			return next, true
		}
		after, same := s.AfterPlain(n.b)
		return s.Union(next, after), same
	case kindRepeat:
		next, same := s.AfterPlain(n.a)
		return s.concat(next, s.Repeat(n.a, int(max(n.min-1, 0)), less(n.max))), same
	case kindComplement:
		next, same := s.AfterPlain(n.a)
		return s.Complement(next), same
	case kindUnion, kindIntersection:
		parts := make([]Lang, len(n.parts))
		for i, part := range n.parts {
			next, same := s.AfterPlain(part)
			if !same { // though that of all may be
				return s.tryPlain(l)
			}
			parts[i] = next
		}
		if n.kind == kindUnion {
			return s.Union(parts...), true
		}
		return s.Intersection(parts...), true
	default:
		return s.tryPlain(l)
	}
}

// tryPlain derives by all plain characters.
func (s *Space) tryPlain(l Lang) (next Lang, same bool) {
	first := true
	for _, sequence := range plainChars {
		langs := []Lang{l}
		for _, r := range sequence {
			var after []Lang
			for _, at := range langs {
				c := s.Classes(at)
				var tried [256]bool
				for b := int(r[0]); b <= int(r[1]); b++ {
					if class := c.Of[b]; !tried[class] {
						tried[class] = true
						after = append(after, s.deriveClass(at, class))
					}
				}
			}
			langs = normalize(after)
			if len(langs) > 4 {
				return Nothing, false
			}
		}
		if len(langs) != 1 || !first && langs[0] != next {
			return Nothing, false
		}
		next, first = langs[0], false
	}
	return next, true
}
