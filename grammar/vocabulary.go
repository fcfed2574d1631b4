package grammar

import (
	"sync"
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
	ends   []int32  // tokens that end the model's turn
	tokens []int32  // those with text, sorted by it
	text   []uint64 // their bits
	all    *trie
	words  int // of a mask

	weights [256]int // nodes of all below each first byte
	long    []longTokens

	once  sync.Once
	parts []*alphabet
}

// longTokens are those of more than some bytes.
type longTokens struct {
	than   int
	tokens *trie
}

// longSizes are lengths that few tokens exceed, besides that of the longest. Below
// minCount it is better to take what alphabets know.
var longSizes = []int{48, minCount, 24, 16}

const minCount = 32

// NewVocabulary prepares the tokens of a model, which takes about 25 ms for 49,152 of
// them and 150 ms for 262,144; as much again when the first mask is made.
func NewVocabulary(t Tokenizer) *Vocabulary {
	n := t.NTokens()
	v := &Vocabulary{Tokenizer: t, words: (n + 63) / 64}
	v.text = make([]uint64, v.words)
	for token := range int32(n) {
		switch {
		case t.IsEnd(token):
			v.ends = append(v.ends, token)
		case len(t.Piece(token)) > 0 && !t.IsControl(token):
			v.tokens = append(v.tokens, token)
			v.text[token/64] |= 1 << (token % 64)
		}
	}
	sortByPiece(v.tokens, t.Piece)
	v.all = newTrie(v.tokens, t.Piece)
	for _, size := range append([]int{v.all.deepest}, longSizes...) {
		var tokens []int32
		for _, token := range v.tokens {
			if len(t.Piece(token)) > size {
				tokens = append(tokens, token)
			}
		}
		v.long = append(v.long, longTokens{size, newTrie(tokens, t.Piece)})
	}
	for i := 0; i < len(v.all.nodes); i = int(v.all.nodes[i].next) {
		v.weights[v.all.nodes[i].b] = int(v.all.nodes[i].next) - i
	}
	return v
}

// Prepare does now what the first mask would wait for.
func (v *Vocabulary) Prepare() { v.alphabets() }

func (v *Vocabulary) alphabets() []*alphabet {
	v.once.Do(func() {
		for _, c := range usual {
			v.parts = append(v.parts, newAlphabet(c, v))
		}
	})
	return v.parts
}
