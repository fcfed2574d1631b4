package grammar

import (
	"bytes"
	"errors"
	"strings"
	"sync"
)

// toy is a vocabulary of all single bytes, some longer pieces, two end tokens
// (one of which spells text), a control token and one without bytes.
type toy struct {
	pieces [][]byte
	once   sync.Once
	v      *Vocabulary
}

// prepared is the vocabulary as a matcher needs it.
func (v *toy) prepared() *Vocabulary {
	v.once.Do(func() { v.v = NewVocabulary(v) })
	return v.v
}

const (
	endToken     = 256 + iota // no text
	endText                   // spells "<end>"
	controlToken              // spells "<control>"
	emptyToken
	firstLonger
)

var toyPieces = []string{
	"\nstars:", " negative", " positive", "negative", "stars", "  ", "   ", ".\n", "\n\n", " \n", "\r\n",
	" very", " good", "very", "ve", "ry", " tr", "ue", "true", "fal", "se\n", " 4", "12", "00", "4\n", "7.5", ".5\n", " apples",
	"34,", " po", "sitive", "é", "世", "\xa9\n", "\xe4\xb8", "\x96 ", " I", " loved it", "\u00a0", "\u3000", "é\n", "日本\nx",
}

func newToy() *toy {
	v := &toy{}
	for b := range 256 {
		v.pieces = append(v.pieces, []byte{byte(b)})
	}
	v.pieces = append(v.pieces, nil, []byte("<end>"), []byte("<control>"), nil)
	for _, p := range toyPieces {
		v.pieces = append(v.pieces, []byte(p))
	}
	return v
}

func (v *toy) NTokens() int           { return len(v.pieces) }
func (v *toy) Piece(t int32) []byte   { return v.pieces[t] }
func (v *toy) IsEnd(t int32) bool     { return t == endToken || t == endText }
func (v *toy) IsControl(t int32) bool { return t == controlToken || t == endToken || t == endText }

// Encode takes the longest piece that fits.
func (v *toy) Encode(text string) ([]int32, error) {
	if strings.Contains(text, "\x00") {
		return nil, errors.New("NUL in the text")
	}
	var tokens []int32
	for text != "" {
		best := int32(text[0])
		for t := int32(firstLonger); t < int32(len(v.pieces)); t++ {
			if p := v.pieces[t]; len(p) > len(v.pieces[best]) && strings.HasPrefix(text, string(p)) {
				best = t
			}
		}
		tokens = append(tokens, best)
		text = text[len(v.pieces[best]):]
	}
	return tokens, nil
}

// token finds a token by its piece.
func (v *toy) token(piece string) int32 {
	switch piece {
	case "<eos>":
		return endToken
	case "<end>":
		return endText
	case "<control>":
		return controlToken
	case "<empty>":
		return emptyToken
	}
	for t, p := range v.pieces {
		if bytes.Equal(p, []byte(piece)) {
			return int32(t)
		}
	}
	panic("the toy vocabulary has no piece " + piece)
}
