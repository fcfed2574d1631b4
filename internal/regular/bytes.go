package regular

import "math/bits"

// Bytes is a set of bytes: byte b is bit b%64 of word b/64.
type Bytes [4]uint64

// Range returns the bytes from lo to hi.
func Range(lo, hi byte) Bytes {
	var set Bytes
	for b := int(lo); b <= int(hi); b++ {
		set[b/64] |= 1 << (b % 64)
	}
	return set
}

// Has reports whether b is in the set.
func (s Bytes) Has(b byte) bool { return s[b/64]>>(b%64)&1 != 0 }

// Union returns the bytes of both.
func (s Bytes) Union(t Bytes) Bytes { return Bytes{s[0] | t[0], s[1] | t[1], s[2] | t[2], s[3] | t[3]} }

// Intersection returns the bytes that are in both.
func (s Bytes) Intersection(t Bytes) Bytes {
	return Bytes{s[0] & t[0], s[1] & t[1], s[2] & t[2], s[3] & t[3]}
}

// Complement returns the bytes that are not in it.
func (s Bytes) Complement() Bytes { return Bytes{^s[0], ^s[1], ^s[2], ^s[3]} }

// Len returns the number of bytes in it.
func (s Bytes) Len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// first returns the least byte of a set that is not empty.
func (s Bytes) first() byte {
	i := 0
	for s[i] == 0 {
		i++
	}
	return byte(64*i + bits.TrailingZeros64(s[i]))
}
