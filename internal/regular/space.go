package regular

import (
	"encoding/binary"
	"slices"
)

// Lang is a language of a [Space]. Equal languages of one space are often, but not
// always, the same Lang: what the rules of the algebra make equal is.
type Lang int32

const (
	Nothing Lang = iota // no string at all
	Empty               // the empty string only
	All                 // every string of bytes
)

// Unbounded is the max of a [Space.Repeat] without one.
const Unbounded = -1

type kind uint8

const (
	kindNothing kind = iota
	kindEmpty
	kindSet
	kindConcat
	kindRepeat
	kindUnion
	kindIntersection
	kindComplement
	kindMultiple
	kindLiteral // two bytes or more
)

// node is the structure of a language.
type node struct {
	kind     kind
	nullable bool   // the empty string is in it
	opaque   bool   // it may have no string though it is not Nothing
	a, b     Lang   // concatenation; repeat and complement: a
	parts    []Lang // union, intersection: sorted, different
	set      Bytes
	min, max int32 // literal: a is the text, of which the language is the end from byte min
	multiple multiple

	classes *Classes // nil until asked for
	next    []Lang   // by class; -1 until asked for
	life    life
	length  int // of the shortest string, plus 1; 0 until asked for
}

type life uint8

const (
	unknown life = iota
	alive
	dead
)

// Space holds languages. It belongs to one goroutine at a time. Languages are kept
// until the space goes.
type Space struct {
	nodes  []node
	byKey  map[string]Lang
	key    []byte // scratch
	shared sharedClasses

	texts   []string // of literals
	textIDs map[string]Lang

	anyChar Lang // Nothing until asked for
	plain   map[Lang]afterPlain
	wide    map[wide]Lang

	weight   int // of the languages made, by their size
	searches int // languages that searches may still look at; -1: no limit for all together
}

// NewSpace returns a space with the constant languages only.
func NewSpace() *Space {
	s := &Space{byKey: map[string]Lang{}, textIDs: map[string]Lang{}, plain: map[Lang]afterPlain{}, wide: map[wide]Lang{}, shared: newSharedClasses(), searches: -1}
	s.nodes = append(s.nodes,
		node{kind: kindNothing, life: dead},
		node{kind: kindEmpty, nullable: true, life: alive},
		node{kind: kindComplement, a: Nothing, nullable: true, life: alive})
	return s
}

// LimitSearch bounds how many languages [Space.Alive] may look at from now on, in all
// calls together, as each bounds only its own; -1 is no limit. One whose derivatives
// are many or large counts as several.
func (s *Space) LimitSearch(n int) { s.searches = n }

// Size returns the number of languages in the space.
func (s *Space) Size() int { return len(s.nodes) }

// Nullable reports whether the empty string is in l.
func (s *Space) Nullable(l Lang) bool { return s.nodes[l].nullable }

// intern returns the language with this structure.
func (s *Space) intern(n node) Lang {
	key := append(s.key[:0], byte(n.kind))
	switch n.kind {
	case kindSet:
		for _, w := range n.set {
			key = binary.LittleEndian.AppendUint64(key, w)
		}
	case kindMultiple:
		key = n.multiple.appendKey(key)
	default:
		for _, l := range []Lang{n.a, n.b, Lang(n.min), Lang(n.max)} {
			key = binary.LittleEndian.AppendUint32(key, uint32(l))
		}
		for _, l := range n.parts {
			key = binary.LittleEndian.AppendUint32(key, uint32(l))
		}
	}
	s.key = key
	if l, ok := s.byKey[string(key)]; ok {
		return l
	}
	l := Lang(len(s.nodes))
	s.weight += 1 + len(n.parts)/4
	n.parts = slices.Clone(n.parts)
	s.nodes = append(s.nodes, n)
	s.byKey[string(key)] = l
	return l
}

// Set returns the strings of one byte between lo and hi.
func (s *Space) Set(lo, hi byte) Lang { return s.Bytes(Range(lo, hi)) }

// Bytes returns the strings of one byte of a set.
func (s *Space) Bytes(set Bytes) Lang {
	if set == (Bytes{}) {
		return Nothing
	}
	return s.intern(node{kind: kindSet, set: set})
}

// Literal returns one string. However long it is, it is a single language until it is
// read.
func (s *Space) Literal(text string) Lang {
	switch len(text) {
	case 0:
		return Empty
	case 1:
		return s.Set(text[0], text[0])
	}
	id, ok := s.textIDs[text]
	if !ok {
		id = Lang(len(s.texts))
		s.texts = append(s.texts, text)
		s.textIDs[text] = id
	}
	return s.intern(node{kind: kindLiteral, a: id})
}

// sharedEnd bounds the ends of literals that are one language if they are equal.
// Longer ones are known by the literal they are of, as else each step through a text
// would look at all that is left of it.
const sharedEnd = 64

// afterFirst returns what follows the first byte of a literal.
func (s *Space) afterFirst(n node) Lang {
	n.min++
	if end := s.textOf(&n); len(end) <= sharedEnd {
		return s.Literal(end)
	}
	return s.intern(node{kind: kindLiteral, a: n.a, min: n.min})
}

// textOf returns the string of a literal.
func (s *Space) textOf(n *node) string { return s.texts[n.a][n.min:] }

// Literals returns a set of strings. Common beginnings are shared, so that many
// strings cost no more than one where they differ.
func (s *Space) Literals(texts []string) Lang {
	texts = slices.Compact(slices.Sorted(slices.Values(texts)))
	return s.literals(texts, 0)
}

// literals is the language of the rest of sorted texts from byte at, where all of
// them have the same bytes before.
func (s *Space) literals(texts []string, at int) Lang {
	switch len(texts) {
	case 0:
		return Nothing
	case 1:
		return s.Literal(texts[0][at:])
	}
	var parts []Lang
	if len(texts[0]) == at {
		parts, texts = append(parts, Empty), texts[1:]
	}
	// What all have in common is one run, so that the depth of the recursion is the
	// number of places where they differ.
	if first, last := texts[0], texts[len(texts)-1]; len(parts) == 0 {
		n := at
		for n < len(first) && n < len(last) && first[n] == last[n] {
			n++
		}
		if n > at {
			return s.Concat(s.Literal(first[at:n]), s.literals(texts, n))
		}
	}
	for len(texts) > 0 {
		b := texts[0][at]
		n := 1
		for n < len(texts) && texts[n][at] == b {
			n++
		}
		if n == 1 {
			parts = append(parts, s.Literal(texts[0][at:]))
		} else {
			parts = append(parts, s.Concat(s.Set(b, b), s.literals(texts[:n], at+1)))
		}
		texts = texts[n:]
	}
	return s.Union(parts...)
}

// Concat returns the strings that are one of each language in order.
func (s *Space) Concat(langs ...Lang) Lang {
	result := Empty
	for _, l := range slices.Backward(langs) {
		result = s.concat(l, result)
	}
	return result
}

func (s *Space) concat(a, b Lang) Lang {
	switch {
	case a == Nothing || b == Nothing:
		return Nothing
	case a == Empty:
		return b
	case b == Empty:
		return a
	case a == All && b == All:
		return All
	}
	// Concatenations lean to the right: the first element is where the next byte goes.
	var heads []Lang
	for s.nodes[a].kind == kindConcat {
		heads = append(heads, s.nodes[a].a)
		a = s.nodes[a].b
	}
	b = s.pair(a, b)
	for _, head := range slices.Backward(heads) {
		b = s.pair(head, b)
	}
	return b
}

func (s *Space) pair(a, b Lang) Lang {
	x, y := &s.nodes[a], &s.nodes[b]
	return s.intern(node{kind: kindConcat, a: a, b: b, nullable: x.nullable && y.nullable, opaque: x.opaque || y.opaque})
}

// Repeat returns the strings that are between min and max strings of l; max may be
// [Unbounded].
func (s *Space) Repeat(l Lang, min, max int) Lang {
	n := &s.nodes[l]
	if n.nullable {
		min = 0
	}
	switch {
	case max == 0 || l == Empty:
		return Empty
	case l == Nothing && min == 0:
		return Empty
	case l == Nothing || max != Unbounded && max < min:
		return Nothing
	case min == 1 && max == 1:
		return l
	case l == All:
		return All
	case n.kind == kindRepeat && n.min == 0 && n.max == Unbounded:
		return l
	case max == Unbounded && n.kind == kindRepeat && n.min <= 1 && n.max == Unbounded:
		return s.Repeat(n.a, int(n.min)*min, Unbounded)
	}
	return s.intern(node{kind: kindRepeat, a: l, min: int32(min), max: int32(max), nullable: min == 0, opaque: n.opaque})
}

// Optional returns l and the empty string.
func (s *Space) Optional(l Lang) Lang { return s.Union(Empty, l) }

// Union returns the strings that are in any of the languages.
func (s *Space) Union(langs ...Lang) Lang {
	var set Bytes
	parts := make([]Lang, 0, len(langs))
	var collect func(langs []Lang) bool
	collect = func(langs []Lang) bool {
		for _, l := range langs {
			switch n := &s.nodes[l]; {
			case l == Nothing:
			case l == All:
				return false
			case n.kind == kindSet:
				set = set.Union(n.set)
			case n.kind == kindUnion:
				collect(n.parts)
			default:
				parts = append(parts, l)
			}
		}
		return true
	}
	if !collect(langs) {
		return All
	}
	if set != (Bytes{}) {
		parts = append(parts, s.Bytes(set))
	}
	parts = normalize(parts)
	n := node{kind: kindUnion}
	for _, l := range parts {
		n.opaque = n.opaque || s.nodes[l].opaque
		n.nullable = n.nullable || l != Empty && s.nodes[l].nullable
	}
	if i, ok := slices.BinarySearch(parts, Empty); ok {
		if n.nullable {
			parts = slices.Delete(parts, i, i+1)
		}
		n.nullable = true
	}
	switch len(parts) {
	case 0:
		return Nothing
	case 1:
		return parts[0]
	}
	n.parts = parts
	return s.intern(n)
}

func normalize(parts []Lang) []Lang {
	slices.Sort(parts)
	return slices.Compact(parts)
}

// Intersection returns the strings that are in all of the languages.
func (s *Space) Intersection(langs ...Lang) Lang {
	set, hasSet := Bytes{}, false
	parts := make([]Lang, 0, len(langs))
	var collect func(langs []Lang) bool
	collect = func(langs []Lang) bool {
		for _, l := range langs {
			switch n := &s.nodes[l]; {
			case l == All:
			case l == Nothing:
				return false
			case n.kind == kindSet && !hasSet:
				set, hasSet = n.set, true
			case n.kind == kindSet:
				set = set.Intersection(n.set)
			case n.kind == kindIntersection:
				collect(n.parts) // has no Nothing in it
			default:
				parts = append(parts, l)
			}
		}
		return true
	}
	if !collect(langs) || hasSet && set == (Bytes{}) {
		return Nothing
	}
	if hasSet {
		parts = append(parts, s.Bytes(set))
	}
	parts = normalize(parts)
	n := node{kind: kindIntersection, nullable: true, opaque: true}
	for _, l := range parts {
		n.nullable = n.nullable && s.nodes[l].nullable
		if _, both := slices.BinarySearch(parts, s.complementOf(l)); both {
			return Nothing
		}
	}
	switch {
	case len(parts) == 0:
		return All
	case len(parts) == 1:
		return parts[0]
	case parts[0] == Empty && n.nullable:
		return Empty
	case parts[0] == Empty:
		return Nothing
	}
	n.parts = parts
	return s.intern(n)
}

// complementOf returns what l is the complement of, Nothing if it is none.
func (s *Space) complementOf(l Lang) Lang {
	if s.nodes[l].kind == kindComplement {
		return s.nodes[l].a
	}
	return Nothing
}

// Complement returns the strings of bytes that are not in l, UTF-8 or not.
func (s *Space) Complement(l Lang) Lang {
	if l == Nothing {
		return All
	}
	n := &s.nodes[l]
	if n.kind == kindComplement {
		return n.a
	}
	return s.intern(node{kind: kindComplement, a: l, nullable: !n.nullable, opaque: true})
}

// Difference returns the strings of a that are not in b.
func (s *Space) Difference(a, b Lang) Lang { return s.Intersection(a, s.Complement(b)) }
