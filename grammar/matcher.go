package grammar

import "unicode/utf8"

// Matcher follows one generation through its template. It belongs to one
// goroutine at a time. Allowed does not allocate.
type Matcher struct {
	t     *Template
	at    int    // the hole being filled, or the number of holes after the last
	rest  string // end of the value before literal at, not handed out yet
	force bool   // rest and literal at are still to be handed out
	state state  // within hole at
	err   error
}

// Forced returns the tokens that must come next, each run once; nil if the
// model chooses or the output is complete. The caller does not change the slice.
func (m *Matcher) Forced() []int32 {
	if !m.force || m.err != nil {
		return nil
	}
	m.force = false
	next := &m.t.literals[m.at]
	if m.rest == "" {
		return next.tokens
	}
	tokens, err := m.t.encode(m.rest + next.text)
	m.err = err
	return tokens
}

// Allowed reports whether the model may choose the token now.
func (m *Matcher) Allowed(token int32) bool {
	_, _, verdict := m.try(token)
	return verdict != reject
}

// Accept takes the token that the model chose. It returns false if the token
// ended the hole and is not output itself: it is dropped, and Forced and Done say how
// to go on. A token that is not allowed changes nothing and returns false too.
func (m *Matcher) Accept(token int32) bool {
	next, rest, verdict := m.try(token)
	switch verdict {
	case reject:
		return false
	case end:
		m.open(m.at+1, string(rest))
		return false
	}
	m.state = next
	value := m.t.holes[m.at].value
	if sure := value.certain(next); sure != "" || value.full(next) {
		m.open(m.at+1, sure)
	}
	return true
}

// Done reports whether the output is complete, or cannot be completed: see Err.
func (m *Matcher) Done() bool {
	return m.err != nil || !m.force && m.at == len(m.t.holes)
}

// Err is why the output ends early: the vocabulary could not encode a text.
func (m *Matcher) Err() error { return m.err }

// open goes on to hole i, behind the end of the value before it and the literal.
func (m *Matcher) open(i int, rest string) {
	m.at, m.rest, m.state = i, rest, state{}
	m.force = rest != "" || m.t.literals[i].text != ""
	if i < len(m.t.holes) {
		m.state = m.t.holes[i].value.start()
	}
}

type verdict int

const (
	reject verdict = iota
	take           // the token's bytes belong to the value
	end            // the token ends the hole; what belongs to the value is in rest
)

// try follows a token's bytes through the hole without moving the matcher.
func (m *Matcher) try(token int32) (next state, rest []byte, v verdict) {
	if m.force || m.Done() {
		return m.state, nil, reject
	}
	h := &m.t.holes[m.at]
	if m.t.vocab.IsEnd(token) {
		if h.mayEnd(m.state) {
			return m.state, nil, end
		}
		return m.state, nil, reject
	}
	if m.t.vocab.IsControl(token) {
		return m.state, nil, reject
	}
	piece := m.t.vocab.Piece(token)
	next = m.state
	for i, b := range piece {
		s, ok := h.step(next, b)
		if ok {
			next = s
			continue
		}
		ends := b == '\n' && h.mayEnd(next) || h.value.endedBy(next, b)
		// The rest is encoded as a text, so it must not begin within a character.
		if ends && utf8.Valid(piece[:i]) {
			return next, piece[:i], end
		}
		return m.state, nil, reject
	}
	if len(piece) == 0 {
		return m.state, nil, reject
	}
	return next, nil, take
}
