package regular

import (
	"unicode/utf8"
)

const (
	surrogateMin = 0xd800
	surrogateMax = 0xdfff
)

// Runes returns the characters of ranges (pairs of first and last), as UTF-8.
// Surrogates, which UTF-8 does not have, are left out.
func (s *Space) Runes(ranges ...rune) Lang {
	var parts []Lang
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := ranges[i], min(ranges[i+1], utf8.MaxRune)
		if lo < surrogateMin && hi > surrogateMax {
			parts = s.runes(parts, lo, surrogateMin-1)
			parts = s.runes(parts, surrogateMax+1, hi)
			continue
		}
		if lo >= surrogateMin && lo <= surrogateMax {
			lo = surrogateMax + 1
		}
		if hi >= surrogateMin && hi <= surrogateMax {
			hi = surrogateMin - 1
		}
		parts = s.runes(parts, lo, hi)
	}
	return s.Union(parts...)
}

// runes appends the sequences of byte ranges whose strings are the characters
// between lo and hi, none of them a surrogate.
func (s *Space) runes(parts []Lang, lo, hi rune) []Lang {
	if lo > hi {
		return parts
	}
	// Split where the number of bytes changes.
	for _, last := range []rune{0x7f, 0x7ff, 0xffff} {
		if lo <= last && hi > last {
			return s.runes(s.runes(parts, lo, last), last+1, hi)
		}
	}
	// Split until each byte but the first may be anything, or is the same.
	for shift := 6; shift <= 18; shift += 6 {
		block := rune(1)<<shift - 1
		if lo&^block == hi&^block || lo <= 0x7f {
			continue
		}
		if lo&block != 0 {
			return s.runes(s.runes(parts, lo, lo|block), (lo|block)+1, hi)
		}
		if hi&block != block {
			return s.runes(s.runes(parts, lo, hi&^block-1), hi&^block, hi)
		}
	}
	var a, b [utf8.UTFMax]byte
	n := utf8.EncodeRune(a[:], lo)
	utf8.EncodeRune(b[:], hi)
	l := Empty
	for i := n - 1; i >= 0; i-- {
		l = s.concat(s.Set(a[i], b[i]), l)
	}
	return append(parts, l)
}

// AnyChar returns all characters.
func (s *Space) AnyChar() Lang {
	if s.anyChar == Nothing {
		s.anyChar = s.Runes(0, utf8.MaxRune)
	}
	return s.anyChar
}
