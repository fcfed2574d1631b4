package engine

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf8"
)

// DRY ("don't repeat yourself", by p-e-w, as in llama.cpp) makes a token less
// probable the longer the sequence of tokens is that it would repeat:
// Multiplier * Base^(length - AllowedLength) is subtracted from its logit.
type DRY struct {
	// Multiplier scales the penalty; 0 switches DRY off. 0.8 is usual.
	Multiplier float32

	// Base is how the penalty grows. If zero, defaults to [DefaultDRYBase].
	Base float32

	// AllowedLength is the length of a repetition from which on its continuation
	// is penalized. If zero, defaults to [DefaultDRYAllowedLength].
	AllowedLength int

	// LastN is how many tokens back repetitions are looked for, prompt included;
	// 0 is all.
	LastN int

	// Breakers end a repetition; nil: nothing does. See [Vocab.DRYBreakers].
	Breakers *DRYBreakers
}

// Defaults of llama.cpp.
const (
	DefaultDRYBase          = 1.75
	DefaultDRYAllowedLength = 2
)

// DRYBreakers is the texts that no repetition goes across, as tokens. Any number
// of requests can use it at the same time.
type DRYBreakers struct {
	// By first token, what must follow: nothing if the token has it all.
	tails map[Token][][]Token
}

const (
	maxBreaker = 40 // bytes
	maxTail    = 20 // tokens
)

// DRYBreakers returns the breakers for texts, without any those that llama.cpp
// uses by default: line break, colon, quote and asterisk. A text is found in a
// token and where a token ends with its beginning and the tokens of the rest
// follow. It looks at the whole vocabulary, for some milliseconds: keep the
// result.
func (v *Vocab) DRYBreakers(texts ...string) (*DRYBreakers, error) {
	if len(texts) == 0 {
		texts = []string{"\n", ":", `"`, "*"}
	}
	b := &DRYBreakers{tails: map[Token][][]Token{}}
	for i, text := range texts {
		if text == "" || len(text) > maxBreaker || !utf8.ValidString(text) {
			return nil, &RequestError{fmt.Sprintf("texts[%d]", i), fmt.Sprintf("%q is not 1 to %d bytes of valid UTF-8", text, maxBreaker)}
		}
		if err := b.add(v, text); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *DRYBreakers) add(v *Vocab, text string) error {
	rest := make([][]Token, len(text)) // by where it begins
	for i := 1; i < len(text); i++ {
		if !utf8.RuneStart(text[i]) {
			continue // half a character has no tokens of its own
		}
		tokens, err := v.EncodeContinuation(text[i:])
		if err != nil {
			return err
		}
		rest[i] = tokens[:min(len(tokens), maxTail)]
	}
	for t := range Token(v.NTokens()) {
		piece := v.Piece(t)
		if bytes.Contains(piece, []byte(text)) {
			b.tails[t] = append(b.tails[t], nil)
			continue
		}
		for i := 1; i < len(text); i++ {
			if len(rest[i]) > 0 && bytes.HasSuffix(piece, []byte(text[:i])) {
				b.tails[t] = append(b.tails[t], rest[i])
			}
		}
	}
	return nil
}

// single reports whether t alone is a breaker.
func (b *DRYBreakers) single(t Token) bool {
	if b == nil {
		return false
	}
	for _, tail := range b.tails[t] {
		if len(tail) == 0 {
			return true
		}
	}
	return false
}

// limit returns how many tokens at the end of history come after its last
// breaker.
func (b *DRYBreakers) limit(history []Token) int {
	if b == nil {
		return len(history)
	}
	for i := len(history) - 1; i >= 0; i-- {
		after := history[i+1:]
		longest := -1
		for _, tail := range b.tails[history[i]] {
			if len(tail) > longest && hasPrefix(after, tail) {
				longest = len(tail)
			}
		}
		if longest >= 0 {
			return len(after) - longest
		}
	}
	return len(history)
}

func hasPrefix(list, prefix []Token) bool {
	if len(list) < len(prefix) {
		return false
	}
	for i, t := range prefix {
		if list[i] != t {
			return false
		}
	}
	return true
}

// dry makes tokens that would go on with a repetition less probable.
func (s *sampler) dry(row []float32, history []Token) {
	d := s.s.DRY
	if d.Multiplier == 0 {
		return
	}
	if d.AllowedLength == 0 {
		d.AllowedLength = DefaultDRYAllowedLength
	}
	if d.Base == 0 {
		d.Base = DefaultDRYBase
	}
	if d.LastN > 0 {
		history = history[max(0, len(history)-d.LastN):]
	}
	n := len(history)
	if n <= d.AllowedLength {
		return
	}
	limit := d.Breakers.limit(history)
	if limit < d.AllowedLength {
		return
	}
	s.repetitions(history)
	s.tally.reset(n)
	for k := 1; k < n; k++ {
		length := min(s.runs[k], int32(limit))
		if length < int32(d.AllowedLength) {
			continue
		}
		longest := s.tally.at(history[n-k])
		*longest = max(*longest, length)
	}
	for _, i := range s.tally.used {
		seen := s.tally.slots[i]
		if d.Breakers.single(seen.token) {
			continue
		}
		s.set(row, seen.token, row[seen.token]-d.penalty(int(seen.value)))
	}
}

// maxDRYPenalty keeps logits finite: no model's are anywhere near it.
const maxDRYPenalty = 1e30

// penalty is that for the continuation of a repetition of the given length.
func (d *DRY) penalty(length int) float32 {
	grown := math.Pow(float64(d.Base), float64(length-d.AllowedLength))
	return float32(min(float64(d.Multiplier)*grown, maxDRYPenalty))
}

// repetitions sets runs[k], for k of at least 1, to the length of the longest
// end of history that is also an end of history without its last k tokens. It is
// the Z algorithm, backwards, and takes time linear in history: of a stretch
// that is known to be repeated, what was found in the original is looked up.
func (s *sampler) repetitions(history []Token) {
	n := len(history)
	if cap(s.runs) < n {
		s.runs = make([]int32, n, 2*n)
	}
	s.runs = s.runs[:n]
	last := n - 1
	from, to := 0, 0 // the stretch that reaches furthest back
	for k := 1; k < n; k++ {
		length := 0
		if k < to {
			length = min(int(s.runs[k-from]), to-k)
		}
		for k+length < n && history[last-length] == history[last-k-length] {
			length++
		}
		s.runs[k] = int32(length)
		if k+length > to {
			from, to = k, k+length
		}
	}
}
