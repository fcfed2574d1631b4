package grammar

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// state is how far a hole has been filled. It is copied to look ahead; each
// value uses the part it needs.
type state struct {
	spaces int // before the value
	length int // of the value so far, in bytes

	char    [utf8.UTFMax]byte // line: the character being put together
	partial int               // line: bytes of it

	low, high int // choices: those that are still possible

	digits int  // number: of the part being written
	zero   bool // number: begins with 0, so no more digits before the point
	point  bool
}

// value is the automaton of a hole's value over its bytes.
type value interface {
	start() state
	step(s state, b byte) (state, bool)
	complete(s state) bool        // the value may end here
	full(s state) bool            // it is complete and nothing can be added
	certain(s state) string       // all that is still to come, if there is only one way
	endedBy(s state, b byte) bool // it is complete and b, no line break, ends it
}

// hole is a value with the spaces before it.
type hole struct {
	value    value
	spaces   int // at most
	optional bool
}

func (h *hole) step(s state, b byte) (state, bool) {
	if b == ' ' && s.length == 0 {
		s.spaces++
		return s, s.spaces <= h.spaces
	}
	s, ok := h.value.step(s, b)
	s.length++
	return s, ok
}

func (h *hole) mayEnd(s state) bool {
	return h.value.complete(s) || h.optional && s.length == 0
}

// line is text without line breaks, whose first character is not a space: so
// it is never blank.
type line struct{ maxBytes int }

func (line) start() state { return state{} }

func (l line) step(s state, b byte) (state, bool) {
	if b == '\n' || s.partial == 0 && !l.fits(s, b) {
		return s, false
	}
	s.char[s.partial] = b
	s.partial++
	char := s.char[:s.partial]
	if !utf8.FullRune(char) {
		return s, true
	}
	r, size := utf8.DecodeRune(char)
	if r == utf8.RuneError && size == 1 || s.length < size && unicode.IsSpace(r) {
		return s, false
	}
	s.partial = 0
	return s, true
}

// fits reports whether the character that b begins stays within the limit;
// were it cut there, no token could follow.
func (l line) fits(s state, b byte) bool {
	size := 1
	switch {
	case b >= 0xf0:
		size = 4
	case b >= 0xe0:
		size = 3
	case b >= 0xc0:
		size = 2
	}
	return l.maxBytes == 0 || s.length+size <= l.maxBytes
}

func (line) complete(s state) bool    { return s.length > 0 && s.partial == 0 }
func (l line) full(s state) bool      { return s.length == l.maxBytes && l.complete(s) }
func (line) certain(state) string     { return "" }
func (line) endedBy(state, byte) bool { return false }

// choices is a sorted set of strings: those that share a beginning are next to
// each other, the shortest first.
type choices []string

func (c choices) start() state { return state{high: len(c)} }

func (c choices) step(s state, b byte) (state, bool) {
	s.low = c.search(s, int(b))
	s.high = c.search(s, int(b)+1)
	return s, s.low < s.high
}

// search finds the first possible choice whose next byte is b or more; that of
// a choice that ends here counts as less than any.
func (c choices) search(s state, b int) int {
	low, high := s.low, s.high
	for low < high {
		mid := (low + high) / 2
		if len(c[mid]) == s.length || int(c[mid][s.length]) < b {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

func (c choices) complete(s state) bool { return s.length > 0 && len(c[s.low]) == s.length }
func (c choices) full(s state) bool     { return c.complete(s) && s.high-s.low == 1 }

// certain waits until the model has begun the value, and for whole characters,
// since the rest is encoded as a text.
func (c choices) certain(s state) string {
	if s.length == 0 || s.high-s.low > 1 {
		return ""
	}
	rest := c[s.low][s.length:]
	if !utf8.ValidString(rest) {
		return ""
	}
	return rest
}

func (choices) endedBy(state, byte) bool { return false }

const maxDigits = 15 // before the decimal point

// number is an integer, or has decimals as well.
type number struct{ decimals int }

func (number) start() state { return state{} }

func (n number) step(s state, b byte) (state, bool) {
	switch {
	case b == '-':
		ok := s.length == 0
		return s, ok
	case b == '.':
		ok := n.decimals > 0 && s.digits > 0 && !s.point
		s.point, s.digits = true, 0
		return s, ok
	case b < '0' || b > '9' || s.zero && !s.point || s.digits == n.limit(s):
		return s, false
	}
	s.zero = s.zero || b == '0' && s.digits == 0 && !s.point
	s.digits++
	return s, true
}

func (n number) limit(s state) int {
	if s.point {
		return n.decimals
	}
	return maxDigits
}

func (number) complete(s state) bool { return s.digits > 0 }

func (n number) full(s state) bool {
	if n.decimals > 0 && !s.point {
		return false
	}
	return s.digits == n.limit(s) || s.zero && !s.point
}

func (number) certain(state) string { return "" }

func (n number) endedBy(s state, b byte) bool {
	return n.complete(s) && !strings.ContainsRune("0123456789,\n", rune(b))
}
