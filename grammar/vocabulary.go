package grammar

import (
	"sync"
	"unicode/utf8"
)

// Tokenizer is what must be known of a model's tokens. Its methods are called by
// many goroutines at once; Piece, IsEnd and IsControl for every candidate token, so
// they should be table look-ups.
type Tokenizer interface {
	// NTokens is the number of tokens; ids run from 0.
	NTokens() int
	// Piece is the bytes that a token stands for, perhaps only a part of a
	// character. They are not changed by either side.
	Piece(token int32) []byte
	// IsEnd reports whether the model ends its turn with this token.
	IsEnd(token int32) bool
	// IsControl reports whether the token stands for something else than text.
	IsControl(token int32) bool
	// Encode is the model's own tokenization of a text (valid UTF-8) that goes
	// on from another: nothing is added before it, and what reads like a
	// special token stays text.
	Encode(text string) ([]int32, error)
}

// Vocabulary is a model's tokens, prepared for masks. It is made once for a model
// and does not change; any number of goroutines may use it.
type Vocabulary struct {
	Tokenizer
	ends   []int32 // tokens that end the model's turn
	tokens []int32 // those with text, sorted by it
	all    *trie
	words  int // of a mask

	once sync.Once
	made []slice
}

// slice is a part of the vocabulary that can be allowed at once: the tokens that
// are so many characters at most, all of them safe. Almost all tokens of a
// vocabulary are in it, and almost all states of free text allow it.
type slice struct {
	chars int
	bits  []uint64
	rest  *trie // all other tokens
}

// sliceChars are the sizes of the slices. Texts with a length limit have states in
// which the longer ones do not fit.
var sliceChars = [...]int{1 << 30, 16, 6, 2}

// NewVocabulary prepares the tokens of a model, which takes about 20 ms for 49,152 of
// them and 100 ms for 262,144; as much again when the first mask is made.
func NewVocabulary(t Tokenizer) *Vocabulary {
	n := t.NTokens()
	v := &Vocabulary{Tokenizer: t, words: (n + 63) / 64}
	for token := range int32(n) {
		switch {
		case t.IsEnd(token):
			v.ends = append(v.ends, token)
		case len(t.Piece(token)) > 0 && !t.IsControl(token):
			v.tokens = append(v.tokens, token)
		}
	}
	sortByPiece(v.tokens, t.Piece)
	v.all = newTrie(v.tokens, t.Piece)
	return v
}

// Prepare does now what the first mask would wait for.
func (v *Vocabulary) Prepare() { v.slices() }

// slices returns the slices, the most characters first.
func (v *Vocabulary) slices() []slice {
	v.once.Do(v.slice)
	return v.made
}

func (v *Vocabulary) slice() {
	tokens := v.tokens
	chars := make([]int, len(tokens))
	longest := 0
	for i, token := range tokens {
		chars[i] = safeChars(v.Piece(token))
		longest = max(longest, chars[i])
	}
	for _, size := range sliceChars {
		s := slice{chars: min(size, longest), bits: make([]uint64, v.words)}
		var rest []int32
		for i, token := range tokens {
			if chars[i] < 0 || chars[i] > size {
				rest = append(rest, token)
			} else {
				s.bits[token/64] |= 1 << (token % 64)
			}
		}
		s.rest = newTrie(rest, v.Piece)
		v.made = append(v.made, s)
	}
}

// safeChars is the number of characters of a piece if all of them are safe, or -1.
// Safe is what no usual format gives a meaning within a text: neither a control
// character nor a quote or a backslash.
func safeChars(piece []byte) int {
	if !utf8.Valid(piece) {
		return -1
	}
	n := 0
	for _, r := range string(piece) {
		if r < ' ' || r == '"' || r == '\\' {
			return -1
		}
		n++
	}
	return n
}

// safeBytes are the byte sequences of safe characters, as ranges.
var safeBytes = [][][2]byte{
	{{' ', '!'}}, {{'#', '['}}, {{']', 0x7f}},
	{{0xc2, 0xdf}, {0x80, 0xbf}},
	{{0xe0, 0xe0}, {0xa0, 0xbf}, {0x80, 0xbf}},
	{{0xe1, 0xec}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xed, 0xed}, {0x80, 0x9f}, {0x80, 0xbf}},
	{{0xee, 0xef}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xf0, 0xf0}, {0x90, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xf1, 0xf3}, {0x80, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}},
	{{0xf4, 0xf4}, {0x80, 0x8f}, {0x80, 0xbf}, {0x80, 0xbf}},
}
