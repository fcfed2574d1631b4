package engine

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/cria-lm/cria/llama"
)

// Vocab is a model's vocabulary. Everything about single tokens is in tables
// made when the model was loaded; they can be used from any goroutine, also
// after [Engine.Close].
type Vocab struct {
	bytes    []byte   // of all pieces, joined
	ends     []uint32 // where the piece of each token ends in bytes
	flags    []tokenFlags
	specials []Special
	byText   map[string]Token
	bos, eos Token
	addBOS   bool
	anchor   *anchor // of a tokenizer that begins a text with a space; nil otherwise

	counts  [256]uint8 // 1 for each byte that is in the tokens if it is in the text
	longest int        // bytes of the longest piece

	mu  sync.RWMutex
	llm *llama.Vocab // nil after close
	why error        // the error of tokenizing after close
}

type tokenFlags uint8

const (
	flagEOG tokenFlags = 1 << iota
	flagControl
)

// Special is a control token and the text that stands for it in templates.
type Special struct {
	Text  string
	Token Token
}

func newVocab(llm *llama.Vocab) *Vocab {
	n := llm.NTokens()
	v := &Vocab{
		bytes: make([]byte, 0, 8*n), ends: make([]uint32, n), flags: make([]tokenFlags, n),
		byText: map[string]Token{},
		bos:    llm.BOS(), eos: llm.EOS(), addBOS: llm.AddBOS(),
		llm: llm,
	}
	for i := range n {
		t := Token(i)
		start := len(v.bytes)
		v.bytes = llm.TokenToPiece(v.bytes, t, false)
		v.ends[i] = uint32(len(v.bytes))
		if llm.IsEOG(t) {
			v.flags[i] |= flagEOG
		}
		if len(v.bytes) > start {
			continue // tokens with text are not control tokens
		}
		if llm.IsControl(t) {
			v.addSpecial(t, string(llm.TokenToPiece(nil, t, true)))
		}
	}
	slices.SortStableFunc(v.specials, func(a, b Special) int { return len(b.Text) - len(a.Text) })
	v.anchor = newAnchor(llm)
	v.measure()
	return v
}

// measure notes what [Vocab.MinTokens] counts with. Nothing counts with kinds of
// tokenizers that may make one unknown token of any amount of text. A byte that
// is no token itself may be dropped, which happens in real vocabularies: that of
// the default model lacks U+0004 and others. Spaces may be dropped beside tokens
// with an attribute that says so.
func (v *Vocab) measure() {
	if kind := v.llm.Type(); kind != llama.VocabBPE && kind != llama.VocabSPM {
		return
	}
	strips := false
	for i := range v.ends {
		piece := v.Piece(Token(i))
		v.longest = max(v.longest, len(piece))
		if len(piece) == 1 {
			v.counts[piece[0]] = 1
		}
		strips = strips || len(piece) > 0 && v.llm.Attr(Token(i))&(llama.AttrLStrip|llama.AttrRStrip) != 0
	}
	if strips {
		for _, space := range []byte("\t\n\v\f\r ") {
			v.counts[space] = 0
		}
	}
}

func (v *Vocab) addSpecial(t Token, text string) {
	v.flags[t] |= flagControl
	if _, ok := v.byText[text]; ok || text == "" {
		return
	}
	v.byText[text] = t
	v.specials = append(v.specials, Special{text, t})
}

// close makes tokenizing fail, before the model is freed. It waits for calls
// under way.
func (v *Vocab) close(why error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.llm, v.why = nil, why
}

// NTokens returns the number of tokens; ids run from 0.
func (v *Vocab) NTokens() int { return len(v.ends) }

func (v *Vocab) valid(t Token) bool { return t >= 0 && int(t) < len(v.ends) }

// Piece returns the bytes that t stands for: perhaps only a part of a character,
// nothing for control tokens and for ids outside the vocabulary. The bytes are
// the table's: do not change them.
func (v *Vocab) Piece(t Token) []byte {
	if !v.valid(t) {
		return nil
	}
	start := uint32(0)
	if t > 0 {
		start = v.ends[t-1]
	}
	end := v.ends[t]
	return v.bytes[start:end:end]
}

// IsEOG reports whether the model ends its output, or its turn, with t.
func (v *Vocab) IsEOG(t Token) bool { return v.valid(t) && v.flags[t]&flagEOG != 0 }

// IsControl reports whether t stands for something else than text.
func (v *Vocab) IsControl(t Token) bool { return v.valid(t) && v.flags[t]&flagControl != 0 }

// BOS returns the token that begins a text, [llama.NoToken] if there is none.
func (v *Vocab) BOS() Token { return v.bos }

// EOS returns the token that ends a text, [llama.NoToken] if there is none.
func (v *Vocab) EOS() Token { return v.eos }

// AddBOS reports whether the model wants prompts to begin with BOS. [Vocab.Encode]
// does not add it.
func (v *Vocab) AddBOS() bool { return v.addBOS && v.bos != llama.NoToken }

// Special returns the control token that text stands for.
func (v *Vocab) Special(text string) (Token, bool) {
	t, ok := v.byText[text]
	return t, ok
}

// Specials returns the control tokens that have a text, the longest text first,
// so that the first to match at a place is the right one.
func (v *Vocab) Specials() []Special { return slices.Clone(v.specials) }

// Text returns the text of tokens; bytes that are not UTF-8 become U+FFFD.
func (v *Vocab) Text(tokens []Token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.Write(v.Piece(t))
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// maxText bounds a text to tokenize, in bytes: no context holds more.
const maxText = 1 << 28

// Encode returns the tokens of a text that begins something: a prompt, or what
// follows a control token. Nothing is added but the space with which some
// tokenizers begin, and what reads like a control token stays text. The text
// must be valid UTF-8 ([*RequestError]); after [Engine.Close] the error is
// [ErrClosed].
func (v *Vocab) Encode(text string) ([]Token, error) {
	return v.encode(text, func(llm *llama.Vocab) []Token { return tokenize(llm, text) })
}

// EncodeContinuation is [Vocab.Encode] for a text that goes on from other text:
// not even a space is added.
func (v *Vocab) EncodeContinuation(text string) ([]Token, error) {
	return v.encode(text, func(llm *llama.Vocab) []Token {
		if v.anchor == nil {
			return tokenize(llm, text)
		}
		return v.anchor.tokenize(llm, text)
	})
}

// MinTokens returns a lower bound of the number of tokens of a text, for both
// ways to encode it: so many bytes are at least so many of the longest token. It
// takes about a millisecond a megabyte, so that a text which cannot fit in a
// context can be refused before it is tokenized, which would take seconds and
// cannot be cancelled. It is 0 for kinds of tokenizers that may leave out any
// part of a text.
func (v *Vocab) MinTokens(text string) int {
	n := 0
	for i := range len(text) {
		n += int(v.counts[text[i]])
	}
	longest := max(v.longest, 1)
	return (n + longest - 1) / longest
}

func (v *Vocab) encode(text string, f func(*llama.Vocab) []Token) ([]Token, error) {
	if len(text) > maxText {
		return nil, &RequestError{"text", fmt.Sprintf("%d bytes are more than any context holds", len(text))}
	}
	if i := invalidUTF8(text); i >= 0 {
		return nil, &RequestError{"text", fmt.Sprintf("not valid UTF-8 at byte %d", i)}
	}
	if text == "" {
		return nil, nil
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.llm == nil {
		return nil, v.why
	}
	return f(v.llm), nil
}

// tokenize returns the tokens of text without anything special.
func tokenize(llm *llama.Vocab, text string) []Token {
	// With room for most texts, the tokenizer runs once.
	return llm.Tokenize(make([]Token, 0, len(text)/2+8), text, false, false)
}

// invalidUTF8 returns the index of the first byte that is not UTF-8, or -1.
func invalidUTF8(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i, r := range s {
		if _, size := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && size == 1 {
			return i
		}
	}
	return -1
}
