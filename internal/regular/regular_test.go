package regular

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
	"unicode/utf8"
)

func match(t testing.TB, s *Space, expr string) Lang {
	t.Helper()
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Match(re, s.Runes)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Go's regexp package is the oracle: on random texts of few characters both say
// the same, also of intersections, unions and complements.
func TestAgainstRegexp(t *testing.T) {
	exprs := []string{
		"", "a", "abc", "a*", "(a*)*", "(a|b)*abb", "a{2,4}", "(ab|ba){0,3}", "a?b?c?", "[a-c]+", "[^a]", ".*b.*", "(a{2,3}b?){1,2}",
		"(?i)aB", "é+|a", "[à-ü]b", "a(b|)c", "(a|ab)(c|bcd)", "((a*b)*c)*", "x*", "^a|b$", "^(a|^b)c*$", "[\\x{80}-\\x{10ffff}]*", "a{0,1000}",
	}
	random := rand.New(rand.NewPCG(1, 2))
	s := NewSpace()
	for i, a := range exprs {
		b := exprs[(i*7+3)%len(exprs)]
		reA, reB := regexp.MustCompile("^(?:"+a+")$"), regexp.MustCompile("^(?:"+b+")$")
		la, lb := match(t, s, a), match(t, s, b)
		both, either, not := s.Intersection(la, lb), s.Union(la, lb), s.Complement(la)
		found := false
		for range 2000 {
			text := randomText(random, []rune("aabbcéx")[:3+random.IntN(5)])
			inA, inB := reA.MatchString(text), reB.MatchString(text)
			found = found || inA && inB
			for _, c := range []struct {
				name string
				l    Lang
				want bool
			}{{a, la, inA}, {b, lb, inB}, {"both", both, inA && inB}, {"either", either, inA || inB}, {"not", not, !inA}} {
				if got := s.Contains(c.l, text); got != c.want {
					t.Fatalf("%q and %q: %s contains %q: %t, want %t", a, b, c.name, text, got, c.want)
				}
			}
		}
		if alive, ok := s.Alive(both); !ok || found && !alive {
			t.Errorf("%q and %q have a string in common, but the intersection is dead (decided: %t)", a, b, ok)
		}
	}
}

func randomText(random *rand.Rand, from []rune) string {
	var b strings.Builder
	for range random.IntN(8) {
		b.WriteRune(from[random.IntN(len(from))])
	}
	return b.String()
}

func TestSearch(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, expr := range []string{"a", "^a", "a$", "^a$", "^a|b$", "(^a|b)c", "^", "$", "a(b|c$)", "(?:^|b)c(?:$|a)", "[^b]c"} {
		s := NewSpace()
		re, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.Search(re, s.Runes)
		if err != nil {
			t.Fatal(err)
		}
		oracle := regexp.MustCompile(expr)
		for range 500 {
			text := randomText(random, []rune("abc"))
			if got, want := s.Contains(l, text), oracle.MatchString(text); got != want {
				t.Errorf("%q in %q: %t, want %t", expr, text, got, want)
			}
		}
	}
}

func TestUnsupportedPatterns(t *testing.T) {
	for _, expr := range []string{`\bword`, "(?m)^a", "a^b", "a$b", "(a^)*"} {
		re, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		s := NewSpace()
		if _, err := s.Match(re, s.Runes); err == nil {
			t.Errorf("%s: no error", expr)
		}
	}
}

func TestRunes(t *testing.T) {
	s := NewSpace()
	random := rand.New(rand.NewPCG(5, 6))
	any := s.AnyChar()
	for range 200 {
		lo := rune(random.IntN(1 << (1 + random.IntN(20))))
		hi := lo + rune(random.IntN(1<<(1+random.IntN(20))))
		l := s.Runes(lo, hi)
		for range 200 {
			r := rune(random.IntN(utf8.MaxRune))
			if random.IntN(2) == 0 {
				r = lo + rune(random.IntN(3)) - 1
			}
			if random.IntN(2) == 0 {
				r = hi + rune(random.IntN(3)) - 1
			}
			if !utf8.ValidRune(r) {
				continue
			}
			if got, want := s.Contains(l, string(r)), r >= lo && r <= hi; got != want {
				t.Fatalf("%x in %x-%x: %t", r, lo, hi, got)
			}
			if !s.Contains(any, string(r)) {
				t.Fatalf("%x is no character", r)
			}
		}
	}
	for _, text := range []string{"", "\xff", "\xc0\x80", "\xed\xa0\x80", "ab", "\xf4\x90\x80\x80"} {
		if s.Contains(any, text) {
			t.Errorf("%q is a character", text)
		}
	}
}

func TestLiterals(t *testing.T) {
	s := NewSpace()
	var texts []string
	for i := range 10_000 {
		texts = append(texts, fmt.Sprintf("value %d", i*i))
	}
	l := s.Literals(append(texts, "", "value"))
	for _, text := range append(texts, "", "value") {
		if !s.Contains(l, text) {
			t.Fatalf("%q is missing", text)
		}
	}
	for _, text := range []string{"value ", "value 2", "v", "value 11"} {
		if s.Contains(l, text) {
			t.Errorf("%q is in", text)
		}
	}
}

// A long literal is one language, and its ends are made when they are read.
func TestLongLiteral(t *testing.T) {
	text := strings.Repeat("abcdefg", 40_000)
	s := NewSpace()
	before := s.Size()
	l := s.Concat(s.Literal(text), s.Set('x', 'y'))
	if n := s.Size() - before; n > 3 {
		t.Errorf("%d languages", n)
	}
	if !s.Contains(l, text+"x") || s.Contains(l, text) || s.Contains(l, text[1:]+"x") || s.Contains(l, text[:len(text)-1]+"fx") {
		t.Error("wrong")
	}
	if got := s.Shortest(l); got != len(text)+1 {
		t.Errorf("the shortest is %d long", got)
	}
}

func TestMultiples(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, tt := range []struct {
		divisor uint64
		places  int
	}{{1, 0}, {2, 0}, {7, 0}, {12, 0}, {1, 2}, {25, 2}, {15, 1}, {MaxDivisor, 0}} {
		s := NewSpace()
		l := s.Multiples(tt.divisor, tt.places)
		for range 500 {
			text := fmt.Sprint(random.IntN(1000) * int(tt.divisor))
			if random.IntN(2) == 0 {
				text = fmt.Sprintf("%d.%d", random.IntN(100), random.IntN(1000))
			}
			_, decimals, point := strings.Cut(text, ".")
			value, _ := new(big.Rat).SetString(text)
			divisor := new(big.Rat).SetFrac(new(big.Int).SetUint64(tt.divisor), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(tt.places)), nil))
			want := new(big.Rat).Quo(value, divisor).IsInt() && (!point || len(decimals) <= tt.places)
			if got := s.Contains(l, text); got != want {
				t.Errorf("%s is a multiple of %s: %t, want %t", text, divisor, got, want)
			}
		}
	}
}

func TestAlive(t *testing.T) {
	s := NewSpace()
	digits := s.Repeat(s.Set('0', '9'), 1, Unbounded)
	short := s.Repeat(s.AnyChar(), 0, 3)
	for name, tt := range map[string]struct {
		l        Lang
		want     bool
		shortest int
	}{
		"nothing":              {Nothing, false, 0},
		"empty":                {Empty, true, 0},
		"short digits":         {s.Intersection(digits, short), true, 1},
		"digits and no digits": {s.Intersection(digits, s.Complement(digits)), false, 0},
		"too long":             {s.Intersection(s.Literal("abcd"), short), false, 0},
		"in a row":             {s.Concat(digits, s.Intersection(s.Literal("abcd"), short)), false, 0},
		"repeated none":        {s.Repeat(s.Intersection(s.Literal("abcd"), short), 0, 4), true, 0},
		"repeated":             {s.Repeat(s.Literals([]string{"abc", "de"}), 3, 4), true, 6},
		"multiple":             {s.Intersection(s.Multiples(7, 0), s.Literals([]string{"8", "9", "14"})), true, 2},
		"no multiple":          {s.Intersection(s.Multiples(7, 0), s.Literals([]string{"8", "9", "15"})), false, 0},
		"long":                 {s.Intersection(match(t, s, ".*foo.*"), s.Repeat(s.AnyChar(), 500, 1000)), true, 500},
	} {
		if got, ok := s.Alive(tt.l); got != tt.want || !ok {
			t.Errorf("%s: alive %t (decided: %t), want %t", name, got, ok, tt.want)
		}
		if got := s.Shortest(tt.l); tt.want && got != tt.shortest {
			t.Errorf("%s: the shortest is %d long, want %d", name, got, tt.shortest)
		}
	}
}

// Counters cost what is read of them.
func TestLargeCounts(t *testing.T) {
	s := NewSpace()
	l := s.Repeat(s.Repeat(s.AnyChar(), 2, 1_000_000_000), 0, 1_000_000_000)
	if !s.Contains(l, strings.Repeat("x", 100)) || s.Contains(l, "x") {
		t.Error("wrong")
	}
	if s.Size() > 20_000 {
		t.Errorf("%d languages", s.Size())
	}
}
