package grammar

import "unicode/utf8"

// CloseOnLimit makes the matcher bring its output to an end before a number of tokens
// is used up that [Matcher.Limit] gives: it allows no token after which there would be
// no time for that. If there never was, it does nothing.
func (m *Matcher) CloseOnLimit() { m.closes = true }

// Limit says how many tokens may still come. It counts for the next choice.
func (m *Matcher) Limit(tokens int) { m.limit = tokens }

// Limited reports whether a token was not allowed because of the limit.
func (m *Matcher) Limited() bool { return m.limited }

// inTime reports whether the output can be completed within the limit when a token, n
// bytes of which count, has led to a state. What is spared for surprises may only be
// used on the shortest way.
func (m *Matcher) inTime(next *state, n int) bool {
	if !m.closes || !m.state.fits(m.v, m.limit, 0) {
		return true
	}
	spare := spareTokens
	if next.least == m.state.least-n {
		spare = 0
	}
	return next.fits(m.v, m.limit-min(n, 1), spare)
}

// fits reports whether an output can be completed from a state within some tokens.
// A byte is a token at most; else the tokens of the shortest end are counted, and some
// to spare.
func (s *state) fits(v *Vocabulary, tokens, spare int) bool {
	if s.least <= tokens {
		return true
	}
	c := s.closing.Load()
	if c == nil || c.of != v {
		c = &closing{v, s.countClosing(v)}
		s.closing.Store(c)
	}
	return c.tokens+spare <= tokens
}

// closing is how many tokens the shortest way to the end has.
type closing struct {
	of     *Vocabulary
	tokens int
}

// spareTokens is for an end that is written with other tokens behind what is there.
const spareTokens = 2

func (s *state) countClosing(v *Vocabulary) int {
	var text []byte
	for at := s; !at.accepting; {
		var next *state
		var b byte
		for _, first := range at.classes.First {
			if to := at.step(first); !to.isDead() && (next == nil || to.least < next.least) {
				next, b = to, first
			}
		}
		if next == nil || next.least >= at.least {
			return tooLong
		}
		text, at = append(text, b), next
	}
	partial := 0 // the rest of a character that was begun
	for partial < len(text) && !utf8.RuneStart(text[partial]) {
		partial++
	}
	tokens, err := v.Encode(string(text[partial:]))
	if err != nil {
		return len(text)
	}
	return partial + len(tokens)
}
