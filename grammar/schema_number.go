package grammar

import (
	"strconv"
	"strings"

	"github.com/cria-lm/cria/internal/regular"
)

// decimals returns the integers and the numbers, as [decimal] writes them: without
// exponents, leading zeros, zeros that end the decimals, and a minus before a zero.
func (b *builder) decimals() (whole, all regular.Lang) {
	s := b.space
	digit, minus := s.Set('0', '9'), s.Literal("-")
	natural := s.Concat(s.Set('1', '9'), s.Repeat(digit, 0, regular.Unbounded))
	zero := s.Literal("0")
	fraction := s.Concat(s.Literal("."), s.Repeat(digit, 0, regular.Unbounded), s.Set('1', '9'))
	whole = s.Union(zero, s.Concat(s.Optional(minus), natural))
	return whole, s.Union(whole, s.Concat(s.Optional(minus), s.Union(zero, natural), fraction))
}

// anyNumber is a number as JSON allows it, with an exponent of two digits at most: few
// readers have numbers of more ([RFC 8259, section 6]), and some fail on them.
//
// [RFC 8259, section 6]: https://www.rfc-editor.org/rfc/rfc8259#section-6
func (b *builder) anyNumber() regular.Lang {
	s := b.space
	digit := s.Set('0', '9')
	return s.Concat(b.anyInteger(),
		s.Optional(s.Concat(s.Literal("."), s.Repeat(digit, 1, regular.Unbounded))),
		s.Optional(s.Concat(s.Union(s.Literal("e"), s.Literal("E")), s.Optional(s.Union(s.Literal("+"), s.Literal("-"))), s.Repeat(digit, 1, 2))))
}

// anyInteger is an integer as JSON allows it, without an exponent.
func (b *builder) anyInteger() regular.Lang {
	s := b.space
	return s.Concat(s.Optional(s.Literal("-")),
		s.Union(s.Literal("0"), s.Concat(s.Set('1', '9'), s.Repeat(s.Set('0', '9'), 0, regular.Unbounded))))
}

// atLeast returns the numbers that are not less than a decimal, or more than it.
func (b *builder) atLeast(bound string, more bool) regular.Lang {
	s := b.space
	_, numbers := b.decimals()
	positive := s.Intersection(numbers, s.Concat(s.Set('0', '9'), regular.All))
	if size, negative := strings.CutPrefix(bound, "-"); negative {
		// -x is at least -size if x is not more than size.
		sizes := s.Difference(positive, b.sizeAtLeast(size, !more))
		return s.Union(positive, s.Intersection(numbers, s.Concat(s.Literal("-"), sizes)))
	}
	return s.Intersection(positive, b.sizeAtLeast(bound, more))
}

// sizeAtLeast is atLeast for numbers without sign. Beside those it has texts that
// are no numbers.
func (b *builder) sizeAtLeast(bound string, more bool) regular.Lang {
	s := b.space
	whole, fraction, _ := strings.Cut(bound, ".")
	digit := s.Set('0', '9')
	digits := s.Repeat(digit, 0, regular.Unbounded)
	decimals := s.Optional(s.Concat(s.Literal("."), digits))

	parts := []regular.Lang{ // more digits before the point
		s.Concat(s.Set('1', '9'), s.Repeat(digit, len(whole), regular.Unbounded), decimals),
	}
	for i := range len(whole) { // as many, and the first that differs is larger
		if whole[i] < '9' {
			parts = append(parts, s.Concat(s.Literal(whole[:i]), s.Set(whole[i]+1, '9'), s.Repeat(digit, len(whole)-i-1, len(whole)-i-1), decimals))
		}
	}
	for i := range len(fraction) { // or it is a decimal
		if fraction[i] < '9' {
			parts = append(parts, s.Concat(s.Literal(whole+"."+fraction[:i]), s.Set(fraction[i]+1, '9'), digits))
		}
	}
	switch {
	case !more && fraction == "":
		parts = append(parts, s.Concat(s.Literal(whole), decimals))
	case !more:
		parts = append(parts, s.Concat(s.Literal(bound), digits))
	case fraction == "":
		parts = append(parts, s.Concat(s.Literal(whole+"."), s.Repeat(digit, 1, regular.Unbounded)))
	default:
		parts = append(parts, s.Concat(s.Literal(bound), s.Repeat(digit, 1, regular.Unbounded)))
	}
	return s.Union(parts...)
}

// between returns the numbers of a range; nil is no limit.
func (b *builder) between(min, max *float64) regular.Lang {
	_, l := b.decimals()
	if min != nil {
		l = b.space.Intersection(l, b.atLeast(mustDecimal(*min), false))
	}
	if max != nil {
		l = b.space.Difference(l, b.atLeast(mustDecimal(*max), true))
	}
	return l
}

// mustDecimal writes a number that is not infinite.
func mustDecimal(v float64) string {
	text, err := decimal(strconv.FormatFloat(v, 'e', -1, 64))
	if err != nil {
		panic(err) // its exponent is small
	}
	return text
}
