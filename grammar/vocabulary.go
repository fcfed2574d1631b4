package grammar

import (
	"sync"
	"unicode/utf8"

	"github.com/cria-lm/cria/internal/regular"
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

	once  sync.Once
	parts *plainParts
}

// plainParts is the tokens by how many plain characters they begin with. Almost all
// tokens of a vocabulary have no others, and almost all states of free text allow them,
// or those up to a length.
type plainParts struct {
	upTo     [maxPlain + 1][]uint64 // bits of the tokens of so many plain characters at most, and no others
	longer   []*trie                // longer than those of longerSizes
	controls *trie                  // tokens in which a control character follows the plain ones
	others   *trie                  // tokens in which something else does
}

// maxPlain is the most plain characters of a token that are told apart.
const maxPlain = 24

// longerSizes are lengths for which there is a trie of the longer tokens.
var longerSizes = [...]int{maxPlain, 10, 4, 1}

// longerThan returns a trie with all tokens that have more than n plain characters and
// no others.
func (p *plainParts) longerThan(n int) *trie {
	for i, size := range longerSizes {
		if size <= n {
			return p.longer[i]
		}
	}
	return p.longer[len(p.longer)-1]
}

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
func (v *Vocabulary) Prepare() { v.plain() }

func (v *Vocabulary) plain() *plainParts {
	v.once.Do(func() { v.parts = v.newPlainParts() })
	return v.parts
}

func (v *Vocabulary) newPlainParts() *plainParts {
	p := &plainParts{longer: make([]*trie, len(longerSizes))}
	for i := range p.upTo {
		p.upTo[i] = make([]uint64, v.words)
	}
	var controls, others []int32
	longer := make([][]int32, len(longerSizes))
	for _, token := range v.tokens {
		prefix := newPlainPrefix(v.Piece(token))
		switch {
		case prefix.control:
			controls = append(controls, token)
			continue
		case !prefix.all:
			others = append(others, token)
			continue
		}
		for n := prefix.chars; n <= maxPlain; n++ {
			p.upTo[n][token/64] |= 1 << (token % 64)
		}
		for i, size := range longerSizes {
			if prefix.chars > size {
				longer[i] = append(longer[i], token)
			}
		}
	}
	for i := range longer {
		p.longer[i] = newTrie(longer[i], v.Piece)
	}
	p.controls, p.others = newTrie(controls, v.Piece), newTrie(others, v.Piece)
	return p
}

// plainPrefix is how a piece begins.
type plainPrefix struct {
	chars   int  // plain characters
	all     bool // that is all of it
	control bool // a control character follows them
}

func newPlainPrefix(piece []byte) (p plainPrefix) {
	for len(piece) > 0 {
		r, size := utf8.DecodeRune(piece)
		if r == utf8.RuneError && size == 1 || !regular.IsPlain(r) {
			p.control = r < ' '
			return p
		}
		p.chars++
		piece = piece[size:]
	}
	p.all = true
	return p
}
