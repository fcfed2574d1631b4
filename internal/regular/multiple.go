package regular

import (
	"encoding/binary"
	"fmt"
)

// multiple is what may follow in a decimal number without sign that must be a
// multiple of something: its digits so far leave a remainder.
type multiple struct {
	of        uint64 // in units of the last decimal place
	places    int32  // decimals
	remainder uint64 // of the digits so far
	decimals  int32  // read so far; -1 before the point
}

// MaxDivisor bounds the divisor of [Space.Multiples]: there is a language for each
// remainder.
const MaxDivisor = 1 << 31

// Multiples returns the decimal numbers (digits, and perhaps a point and 1 to places
// decimals; leading zeros and none at all are in it) that are multiples of
// divisor / 10^places. The divisor is between 1 and [MaxDivisor].
func (s *Space) Multiples(divisor uint64, places int) Lang {
	if divisor < 1 || divisor > MaxDivisor {
		panic(fmt.Sprintf("regular: the divisor %d is out of range", divisor))
	}
	return s.multiple(multiple{of: divisor, places: int32(places), decimals: -1})
}

func (s *Space) multiple(m multiple) Lang {
	return s.intern(node{kind: kindMultiple, multiple: m, nullable: m.divides(), opaque: true})
}

func (m multiple) appendKey(key []byte) []byte {
	key = binary.LittleEndian.AppendUint64(key, m.of)
	key = binary.LittleEndian.AppendUint64(key, m.remainder)
	key = binary.LittleEndian.AppendUint32(key, uint32(m.places))
	return binary.LittleEndian.AppendUint32(key, uint32(m.decimals))
}

func (m multiple) step(b byte) (multiple, bool) {
	switch {
	case b == '.':
		ok := m.decimals < 0 && m.places > 0
		m.decimals = 0
		return m, ok
	case b < '0' || b > '9' || m.decimals == m.places && m.decimals >= 0:
		return m, false
	}
	m.remainder = (m.remainder*10 + uint64(b-'0')) % m.of
	if m.decimals >= 0 {
		m.decimals++
	}
	return m, true
}

// divides reports whether the number that ends here is a multiple.
func (m multiple) divides() bool {
	r := m.remainder
	for range m.places - max(m.decimals, 0) {
		r = r * 10 % m.of
	}
	return r == 0
}
