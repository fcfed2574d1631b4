package regular

import "slices"

// Classes divides the bytes into classes that need not be told apart: all bytes of
// a class have the same derivative.
type Classes struct {
	Of    [256]uint8 // class of each byte
	First []byte     // the first byte of each class, in order of the bytes
	id    int32
}

// sharedClasses holds each partition once: most languages have one of a few.
type sharedClasses struct {
	byTable  map[[256]uint8]*Classes
	products map[[2]int32]*Classes
	one      *Classes // all bytes alike
}

func newSharedClasses() sharedClasses {
	s := sharedClasses{byTable: map[[256]uint8]*Classes{}, products: map[[2]int32]*Classes{}}
	s.one = s.of(func(byte) int { return 0 })
	return s
}

// of returns the partition that a key of each byte makes.
func (s *sharedClasses) of(key func(byte) int) *Classes {
	var table [256]uint8
	var first []byte
	var keys []int // of the classes, which are few
	last := 0      // most bytes are as the one before
	for b := range 256 {
		k := key(byte(b))
		if b == 0 || keys[last] != k {
			if last = slices.Index(keys, k); last < 0 {
				last = len(keys)
				keys, first = append(keys, k), append(first, byte(b))
			}
		}
		table[b] = uint8(last)
	}
	if c, ok := s.byTable[table]; ok {
		return c
	}
	c := &Classes{Of: table, First: first, id: int32(len(s.byTable))}
	s.byTable[table] = c
	return c
}

// product tells apart what either does.
func (s *sharedClasses) product(a, b *Classes) *Classes {
	switch {
	case a == b || b == s.one:
		return a
	case a == s.one:
		return b
	case a.id > b.id:
		a, b = b, a
	}
	key := [2]int32{a.id, b.id}
	if c, ok := s.products[key]; ok {
		return c
	}
	c := s.of(func(x byte) int { return int(a.Of[x])<<8 | int(b.Of[x]) })
	s.products[key] = c
	return c
}

// Product returns the partition that tells apart what either does.
func (s *Space) Product(a, b *Classes) *Classes { return s.shared.product(a, b) }

// Uniform returns the partition with one class.
func (s *Space) Uniform() *Classes { return s.shared.one }

// Classes returns a partition of the bytes for l: bytes of one class have the same
// derivative.
func (s *Space) Classes(l Lang) *Classes {
	if c := s.nodes[l].classes; c != nil {
		return c
	}
	c := s.computeClasses(l)
	s.nodes[l].classes = c
	return c
}

func (s *Space) computeClasses(l Lang) *Classes {
	n := &s.nodes[l]
	switch n.kind {
	case kindSet:
		set := n.set
		return s.shared.of(func(b byte) int {
			if set.Has(b) {
				return 1
			}
			return 0
		})
	case kindConcat:
		c := s.shared.one
		for ; n.kind == kindConcat; n = &s.nodes[l] { // a loop, as chains may be long
			head := n.a
			c = s.shared.product(c, s.Classes(head))
			if l = s.nodes[l].b; !s.nodes[head].nullable {
				return c
			}
		}
		return s.shared.product(c, s.Classes(l))
	case kindRepeat, kindComplement:
		return s.Classes(n.a)
	case kindUnion, kindIntersection:
		c := s.shared.one
		for _, part := range n.parts {
			c = s.shared.product(c, s.Classes(part))
		}
		return c
	case kindLiteral:
		first := s.textOf(n)[0]
		return s.Classes(s.Set(first, first))
	case kindMultiple:
		return s.shared.of(func(b byte) int {
			switch {
			case b >= '0' && b <= '9':
				return int(b)
			case b == '.':
				return 1
			}
			return 0
		})
	default:
		return s.shared.one
	}
}
