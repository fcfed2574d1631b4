package grammar

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// forced is the text that must come next in a state.
type forced struct {
	text  string
	after *state // that follows it

	mu   sync.Mutex
	of   *Vocabulary
	safe int // bytes of text whose tokens stay the same whatever follows it
}

// maxForced bounds how far is looked ahead at once, in bytes.
const maxForced = 1 << 12

// forcedText returns what must come next, "" if there is a choice. The end of a
// value that is as long as it can be is no choice.
func (s *state) forcedText() *forced {
	if f := s.forced.Load(); f != nil {
		return f
	}
	var b strings.Builder
	at := s
	for b.Len() < maxForced {
		c, next := at.only()
		if next == nil {
			break
		}
		b.WriteByte(c)
		at = next
	}
	f := &forced{text: b.String(), after: at}
	s.forced.Store(f)
	return f
}

// only returns the one byte that may come, if there is one and nothing may end
// before it.
func (s *state) only() (byte, *state) {
	if s.accepting {
		return 0, nil
	}
	var one byte
	var after *state
	for class, first := range s.classes.First {
		next := s.step(first)
		if next.isDead() {
			continue
		}
		if after != nil {
			return 0, nil
		}
		for b := int(first) + 1; b < 256; b++ {
			if s.classes.Of[b] == uint8(class) {
				return 0, nil // the class has another byte
			}
		}
		one, after = first, next
	}
	return one, after
}

// stable returns how many bytes of the text have tokens that no further text
// changes.
func (f *forced) stable(v *Vocabulary) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of != v {
		f.of, f.safe = v, f.computeStable(v)
	}
	return f.safe
}

// maxProbes is how many continuations of a text are tried at each place.
const maxProbes = 24

// computeStable tries the tokens that begin within the text and go on behind it,
// as far as the grammar allows that: such a token may take the place of the last
// ones of the text.
func (f *forced) computeStable(v *Vocabulary) int {
	if f.after.final() {
		return len(f.text)
	}
	tokens, err := v.Encode(f.text)
	if err != nil {
		return 0
	}
	stable := len(f.text)
	for from := max(0, len(f.text)-v.all.deepest+1); from < stable; from++ {
		probes := 0
		v.all.below([]byte(f.text[from:]), v.Piece, func(rest []byte) bool {
			after := f.after.run(rest)
			if after.isDead() {
				return true
			}
			for _, next := range after.continuations() {
				longer, err := v.Encode(f.text + toValid(rest) + next)
				if err != nil {
					stable = 0
					return false
				}
				stable = min(stable, commonBytes(v, tokens, longer))
			}
			probes++
			return probes < maxProbes && stable > from
		})
	}
	return stable
}

// maxContinuations is how many characters are tried behind a text.
const maxContinuations = 6

// continuations returns characters that may come in a state, one of each class of
// bytes, and "" if nothing need come.
func (s *state) continuations() (texts []string) {
	if s.accepting || s.ends {
		texts = append(texts, "")
	}
	tried := map[uint8]bool{}
	for _, b := range []byte("aA0 -\"{[.,:\n") {
		class := s.classes.Of[b]
		if tried[class] || len(texts) == maxContinuations {
			continue
		}
		tried[class] = true
		if !s.step(b).isDead() {
			texts = append(texts, string(b))
		}
	}
	if texts == nil {
		return []string{""}
	}
	return texts
}

// run reads several bytes.
func (s *state) run(text []byte) *state {
	for i := 0; i < len(text) && !s.isDead(); i++ {
		s = s.step(text[i])
	}
	return s
}

// toValid cuts a character off that is not whole.
func toValid(text []byte) string {
	for len(text) > 0 && !utf8.Valid(text) {
		text = text[:len(text)-1]
	}
	return string(text)
}

// commonBytes returns how many bytes the tokens have that both begin with.
func commonBytes(v *Vocabulary, a, b []int32) (n int) {
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		n += len(v.Piece(a[i]))
	}
	return n
}
