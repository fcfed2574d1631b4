package grammar

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Matcher follows one generation through a grammar. It belongs to one goroutine at
// a time. Allowed does not allocate once the states it passes are known.
type Matcher struct {
	v      *Vocabulary
	state  *state
	steps  []step  // one for each token of the output
	run    []int32 // to be handed out by Forced
	ended  bool    // the model ended its turn
	failed error

	closes  bool // the output must be complete within limit tokens
	limit   int
	limited bool // a token was not allowed for that
}

// step is a token of the output and the state after it.
type step struct {
	token int32
	after *state
}

// Matcher starts a generation with the tokens of a vocabulary.
func (g *Grammar) Matcher(v *Vocabulary) *Matcher {
	m := &Matcher{v: v, state: g.automaton().start}
	m.steps = append(m.steps, step{noToken, m.state})
	m.plan(m.state, nil, m.state.forcedText())
	return m
}

// Clone returns a matcher at the same place. It costs the same wherever that is.
func (m *Matcher) Clone() *Matcher {
	c := *m
	c.steps = slices.Clip(c.steps) // so that neither writes over the other's
	return &c
}

// Forced returns the tokens that must come next, as the model's own tokenizer
// would write them, each run once; nil if the model chooses or the output is
// complete. A last token that what follows could change is left to the model. The
// caller does not change the slice.
func (m *Matcher) Forced() []int32 {
	run := m.run
	m.run = nil
	return run
}

// Allowed reports whether the model may choose the token now.
func (m *Matcher) Allowed(token int32) bool {
	if len(m.run) > 0 || m.Done() {
		return false
	}
	next, text, v := m.try(token)
	if v != reject && !m.inTime(next, len(text)) {
		m.limited = true
		return false
	}
	return v != reject
}

// Mask sets the bit of each token that Allowed allows: token t is bit t%64 of word
// t/64. The bits are clear before, and as many as the vocabulary has tokens, rounded
// up to 64.
func (m *Matcher) Mask(bits []uint64) {
	if len(m.run) > 0 || m.Done() {
		return
	}
	mask := m.state.maskFor(m.v)
	copy(bits, mask.bits)
	if !m.closes || mask.least < m.limit {
		return
	}
	for token := range int32(m.v.NTokens()) {
		if bits[token/64]>>(token%64)&1 != 0 && !m.Allowed(token) {
			bits[token/64] &^= 1 << (token % 64)
		}
	}
}

// Accept takes the token that the model chose. It returns false if the token is not
// output itself: it ended a value, or what must come now is written with other
// tokens. Then it is dropped, and Forced and Done say how to go on. A token that is
// not allowed changes nothing and returns false too.
func (m *Matcher) Accept(token int32) bool {
	if len(m.run) > 0 || m.Done() {
		return false
	}
	next, text, verdict := m.try(token)
	switch {
	case verdict == reject:
		return false
	case verdict == stop && m.v.IsEnd(token):
		if m.ended = m.state.accepting; !m.ended {
			m.plan(next, nil, next.forcedText())
		}
		return false
	case verdict == stop:
		m.plan(next, text, next.forcedText())
		return false
	}
	f := next.forcedText()
	if f.text == "" {
		m.push(token, next)
		return true
	}
	// The tokens of what has become certain may be others than those of its parts.
	own := m.encode(text, f)
	switch {
	case len(own) > 0 && own[0] == token:
		m.push(token, next)
		m.take(own[1:], nil, next)
		return true
	case len(own) > 0:
		m.take(own, text, next)
		return false
	}
	m.push(token, next)
	return true
}

// Read takes a token of a text that is there already, and reports whether the grammar
// allows it. Nothing is forced until the next Accept.
func (m *Matcher) Read(token int32) bool {
	next, _, verdict := m.try(token)
	if verdict != take {
		return false
	}
	m.run = nil
	m.push(token, next)
	return true
}

// plan goes on to a state behind the end of a value, with what belongs to that and
// what must follow.
func (m *Matcher) plan(next *state, text []byte, f *forced) {
	run := m.encode(text, f)
	if len(run) == 0 && len(text) > 0 { // no token is certain: the value is written as it is
		if run, m.failed = m.v.Encode(string(text)); m.failed != nil {
			return
		}
	}
	m.take(run, text, next)
}

// take appends tokens that must come to the output: a text and what follows it in
// the state that is behind it.
func (m *Matcher) take(run []int32, text []byte, behind *state) {
	m.run = run
	s, left := m.state, len(text)
	for _, t := range run {
		for _, b := range m.v.Piece(t) {
			if left == 0 {
				s = behind
			}
			s = s.step(b)
			left--
		}
		if left == 0 {
			s = behind
		}
		m.push(t, s)
	}
	if len(text) == 0 && len(run) == 0 {
		m.state = behind
		m.steps[len(m.steps)-1].after = behind
	}
}

func (m *Matcher) push(token int32, after *state) {
	m.steps = append(m.steps, step{token, after})
	m.state = after
}

// window is how many tokens before a text can change its own.
const window = 4

// encode returns the tokens of text and of what must follow it, as the model's
// tokenizer writes them behind the output so far, as far as nothing that comes later
// can change them. It is nil if the tokenizer would write the output otherwise, or
// something else than the text.
func (m *Matcher) encode(text []byte, f *forced) []int32 {
	if len(text)+len(f.text) == 0 {
		return nil
	}
	for before := m.steps[max(1, len(m.steps)-window):]; ; before = before[1:] {
		if run := m.encodeBehind(before, text, f); run != nil || len(before) <= 1 {
			return run
		}
	}
}

// encodeBehind is encode behind some tokens.
func (m *Matcher) encodeBehind(before []step, text []byte, f *forced) []int32 {
	var whole []byte
	for _, s := range before {
		whole = append(whole, m.v.Piece(s.token)...)
	}
	stable := len(whole) + len(text) + f.stable(m.v)
	whole = append(append(whole, text...), f.text...)
	if !utf8.Valid(whole) {
		return nil
	}
	tokens, err := m.v.Encode(string(whole))
	if err != nil {
		return nil
	}
	at := 0
	for i, t := range tokens {
		piece := m.v.Piece(t)
		switch {
		case i < len(before) && t != before[i].token, !bytes.HasPrefix(whole[at:], piece):
			return nil
		case at+len(piece) > stable:
			return tokens[min(i, len(before)):i]
		}
		at += len(piece)
	}
	if at < len(whole) || len(tokens) < len(before) {
		return nil
	}
	return tokens[len(before):]
}

// Rollback takes the last n tokens of the output back, forced ones included.
func (m *Matcher) Rollback(n int) {
	m.steps = m.steps[:max(1, len(m.steps)-n)]
	m.state = m.steps[len(m.steps)-1].after
	m.run, m.ended = nil, false
}

// Done reports whether the output is complete and nothing can be added, or it
// cannot be completed: see Err.
func (m *Matcher) Done() bool {
	return m.ended || len(m.run) == 0 && m.state.final() || m.Err() != nil
}

// MayEnd reports whether the output so far is complete.
func (m *Matcher) MayEnd() bool { return m.state.accepting }

// Err is why the output ends early: the vocabulary could not encode a text, or the
// grammar is too complex.
func (m *Matcher) Err() error {
	if m.failed != nil {
		return m.failed
	}
	return m.state.err
}

type verdict int

const (
	reject verdict = iota
	take           // the token's bytes are output
	stop           // the token ends a value; what belongs to the value is in the text
)

// try follows a token's bytes without moving the matcher.
func (m *Matcher) try(token int32) (next *state, text []byte, v verdict) {
	s := m.state
	if m.v.IsEnd(token) {
		switch {
		case s.accepting:
			return s, nil, stop
		case s.ends:
			return s.stepEnd(), nil, stop
		}
		return s, nil, reject
	}
	piece := m.v.Piece(token)
	if len(piece) == 0 || m.v.IsControl(token) {
		return s, nil, reject
	}
	var end *state // at the last byte that can end the value
	at := 0
	for i, b := range piece {
		if s.ends && s.stops.Has(b) && utf8.Valid(piece[:i]) { // what belongs to the value is encoded as a text
			end, at = s, i
		}
		if s = s.step(b); !s.isDead() {
			continue
		}
		if end != nil {
			return end.stepEnd(), piece[:at], stop
		}
		return s, nil, reject
	}
	return s, piece, take
}
