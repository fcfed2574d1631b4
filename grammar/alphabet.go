package grammar

import (
	"unicode/utf8"

	"github.com/cria-lm/cria/internal/regular"
)

// alphabet is a set of characters that states often do not tell apart, with the tokens
// of a vocabulary by how many of them they begin with. Where a state allows so many of
// them, whichever they are, all tokens of them are allowed at once; and tokens with
// something else behind them need only be looked at from there, those that go on alike
// together.
type alphabet struct {
	characters
	upTo [maxRun + 1][]uint64 // bits of the tokens of so many characters at most, and no others
	rest [maxRun + 1]*trie    // what follows so many characters in the others
	far  *trie                // tokens that begin with more than maxRun characters
	skip regular.Bytes        // first bytes of tokens that are in rest[0] but have such characters
}

// maxRun is the most characters of a token that are told apart.
const maxRun = 24

// characters are what alphabets are of.
type characters struct {
	ascii regular.Bytes
	plain bool // all of [regular.IsPlain] instead, of which ascii has the single bytes
}

// usual are the alphabets that are tried, in this order.
var usual = []characters{
	{ascii: plainASCII(), plain: true},
	{ascii: regular.Range('a', 'z').Union(regular.Range('A', 'Z')).Union(regular.Range('0', '9'))},
	{ascii: regular.Range('a', 'z')},
}

func plainASCII() (set regular.Bytes) {
	for b := range byte(utf8.RuneSelf) {
		if regular.IsPlain(rune(b)) {
			set = set.Union(regular.Range(b, b))
		}
	}
	return set
}

// has returns the length of the character that a text begins with, 0 if it is another.
func (c characters) has(text []byte) int {
	switch {
	case len(text) == 0:
		return 0
	case text[0] < utf8.RuneSelf || !c.plain:
		if c.ascii.Has(text[0]) {
			return 1
		}
		return 0
	}
	if r, size := utf8.DecodeRune(text); r != utf8.RuneError || size > 1 {
		return size
	}
	return 0
}

// run returns how many of the characters a piece begins with, and their bytes.
func (c characters) run(piece []byte) (n, size int) {
	for {
		more := c.has(piece[size:])
		if more == 0 {
			return n, size
		}
		n, size = n+1, size+more
	}
}

// newAlphabet sorts tokens, which are in the order of their pieces.
func newAlphabet(c characters, v *Vocabulary) *alphabet {
	a := &alphabet{characters: c}
	for i := range a.upTo {
		a.upTo[i] = make([]uint64, v.words)
	}
	var rest [maxRun + 1][]int32
	var far []int32
	sizes := map[int32]int{}
	for _, token := range v.tokens {
		piece := v.Piece(token)
		n, size := c.run(piece)
		switch {
		case n > maxRun:
			far = append(far, token)
		case size < len(piece):
			rest[n] = append(rest[n], token)
			sizes[token] = size
		default:
			a.upTo[n][token/64] |= 1 << (token % 64)
		}
	}
	for n := 1; n <= maxRun; n++ {
		for i, word := range a.upTo[n-1] {
			a.upTo[n][i] |= word
		}
	}
	behind := func(token int32) []byte { return v.Piece(token)[sizes[token]:] }
	for n, tokens := range rest {
		if n == 0 && !c.plain { // nearly all tokens: those are in a trie already
			a.rest[0], a.skip = v.all, c.ascii
			continue
		}
		sortByPiece(tokens, behind)
		a.rest[n] = newTrie(tokens, behind)
	}
	a.far = newTrie(far, v.Piece)
	return a
}

// after returns the states after 0, 1, 2 and more characters of the alphabet, up to the
// last that has one or to maxRun. There are none if it matters which they are.
func (c characters) after(s *state) (states []*state) {
	states = append(states, s)
	for len(states) <= maxRun {
		at := states[len(states)-1]
		next := c.next(at)
		if next == nil {
			return nil
		}
		if next.isDead() {
			return states
		}
		states = append(states, next)
		for next == at && len(states) <= maxRun {
			states = append(states, next)
		}
	}
	return states
}

// next returns the state after a character, nil if it matters which one.
func (c characters) next(s *state) *state {
	if s.ends && s.stops.Intersection(c.ascii) != (regular.Bytes{}) {
		return nil
	}
	if c.plain && !s.plainAlike() {
		return nil
	}
	var next *state
	for b := range byte(utf8.RuneSelf) {
		if !c.ascii.Has(b) {
			continue
		}
		switch after := s.step(b); {
		case next == nil:
			next = after
		case after != next:
			return nil
		}
		if c.plain { // then it does not matter, as was said
			break
		}
	}
	return next
}

// plainAlike reports whether the state after a plain character is the same, whichever
// it is. As lexemes are of whole characters, it is enough that this is so of each.
func (s *state) plainAlike() bool {
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	for _, c := range s.configs {
		if c.end != nil {
			continue
		}
		if _, same := s.a.b.space.AfterPlain(c.lang); !same {
			return false
		}
	}
	return true
}
