package llama

import (
	"math"
	"unsafe"
)

// NoToken is what a vocabulary gives for a special token it does not have.
const NoToken Token = -1

// VocabType is llama_vocab_type: the kind of tokenizer.
type VocabType int32

// The kinds of tokenizers.
const (
	VocabNone   VocabType = iota // no vocabulary
	VocabSPM                     // SentencePiece BPE with byte fallback
	VocabBPE                     // byte-level BPE
	VocabWPM                     // WordPiece
	VocabUGM                     // unigram
	VocabRWKV                    // greedy
	VocabPLaMo2                  // Aho-Corasick
	VocabTest
)

// TokenAttr is a set of llama_token_attr bits; 0 is undefined.
type TokenAttr int32

// The attributes of a token.
const (
	AttrUnknown TokenAttr = 1 << iota
	AttrUnused
	AttrNormal
	AttrControl
	AttrUserDefined
	AttrByte
	AttrNormalized
	AttrLStrip
	AttrRStrip
	AttrSingleWord
)

// Vocab is a model's vocabulary. It lives as long as its [Model] and may be used
// from any goroutine.
type Vocab struct {
	m     *Model
	h     uintptr
	n     int
	kind  VocabType
	lacks bool // a token that the tokenizer adds
}

func newVocab(m *Model, h uintptr) *Vocab {
	v := &Vocab{
		m: m, h: h,
		n:    int(int32(call1(c.vocabNTokens, h))),
		kind: VocabType(int32(call1(c.vocabType, h))),
	}
	v.lacks = v.lacksSpecial()
	return v
}

// lacksSpecial says whether the tokenizer would add a token that there is not.
func (v *Vocab) lacksSpecial() bool {
	switch v.kind {
	case VocabSPM, VocabBPE, VocabUGM:
		return v.AddBOS() && v.BOS() == NoToken || v.AddEOS() && v.EOS() == NoToken
	case VocabWPM:
		return v.BOS() == NoToken || v.SEP() == NoToken
	}
	return false
}

func (v *Vocab) handle() uintptr {
	if v.m.h == 0 {
		panic("llama: Vocab used after its Model was freed")
	}
	return v.h
}

// NTokens returns the number of tokens; ids run from 0.
func (v *Vocab) NTokens() int { return v.n }

// Type returns the kind of tokenizer.
func (v *Vocab) Type() VocabType { return v.kind }

// Valid reports whether t is a token of the vocabulary.
func (v *Vocab) Valid(t Token) bool { return t >= 0 && int(t) < v.n }

// Text returns the token as the vocabulary spells it, with the tokenizer's
// marks for spaces and bytes; "" if t is not valid.
func (v *Vocab) Text(t Token) string {
	if !v.Valid(t) {
		return ""
	}
	return goString(call2(c.vocabText, v.handle(), uintptr(t)))
}

// Attr returns the token's attributes, 0 if t is not valid.
func (v *Vocab) Attr(t Token) TokenAttr {
	if !v.Valid(t) {
		return 0
	}
	return TokenAttr(int32(call2(c.vocabAttr, v.handle(), uintptr(t))))
}

// IsEOG reports whether t ends a generation (end of text, turn or message). It
// does not allocate.
func (v *Vocab) IsEOG(t Token) bool {
	return v.Valid(t) && cBool(call2(c.vocabIsEOG, v.handle(), uintptr(t)))
}

// IsControl reports whether t has no text of its own.
func (v *Vocab) IsControl(t Token) bool {
	return v.Valid(t) && cBool(call2(c.vocabIsControl, v.handle(), uintptr(t)))
}

// BOS returns the token that begins a text, or [NoToken].
func (v *Vocab) BOS() Token { return v.token(c.vocabBOS) }

// EOS returns the token that ends a text, or [NoToken].
func (v *Vocab) EOS() Token { return v.token(c.vocabEOS) }

// EOT returns the token that ends a turn, or [NoToken].
func (v *Vocab) EOT() Token { return v.token(c.vocabEOT) }

// NL returns the token of a line's end, or [NoToken].
func (v *Vocab) NL() Token { return v.token(c.vocabNL) }

// PAD returns the padding token, or [NoToken].
func (v *Vocab) PAD() Token { return v.token(c.vocabPAD) }

// SEP returns the separator token, or [NoToken].
func (v *Vocab) SEP() Token { return v.token(c.vocabSEP) }

func (v *Vocab) token(fn uintptr) Token { return Token(call1(fn, v.handle())) }

// AddBOS reports whether the model wants BOS before a text.
func (v *Vocab) AddBOS() bool { return cBool(call1(c.vocabAddBOS, v.handle())) }

// AddEOS reports whether the model wants EOS behind a text.
func (v *Vocab) AddEOS() bool { return cBool(call1(c.vocabAddEOS, v.handle())) }

// CanAddSpecial reports whether the vocabulary has the tokens that the tokenizer
// adds to a text. If not, [Vocab.Tokenize] can only be asked not to.
func (v *Vocab) CanAddSpecial() bool { return !v.lacks }

// noText stands for the data of an empty string, which has none.
var noText byte

// Tokenize appends the tokens of text to dst. With addSpecial, BOS and EOS are
// added where the model wants them; with parseSpecial, text that spells a
// special token becomes that token. Text should be valid UTF-8: some tokenizers
// end the process otherwise. A model without a vocabulary, tokens to add that it
// does not have ([Vocab.CanAddSpecial]), and text of 2 GiB or more give no tokens.
//
// It does not allocate in Go if dst has room.
func (v *Vocab) Tokenize(dst []Token, text string, addSpecial, parseSpecial bool) []Token {
	if v.kind == VocabNone || addSpecial && v.lacks || len(text) > math.MaxInt32 {
		return dst
	}
	h := v.handle()
	data := unsafe.StringData(text)
	if len(text) == 0 {
		data = &noText
	}
	for {
		room := dst[len(dst):cap(dst)]
		n := int32(call7(c.tokenize, h,
			uintptr(unsafe.Pointer(data)), uintptr(len(text)),
			uintptr(unsafe.Pointer(unsafe.SliceData(room))), uintptr(min(len(room), math.MaxInt32)),
			boolWord(addSpecial), boolWord(parseSpecial)))
		if n >= 0 {
			return dst[:len(dst)+int(n)]
		}
		if n == math.MinInt32 {
			return dst
		}
		grown := make([]Token, len(dst), len(dst)+int(-n))
		copy(grown, dst)
		dst = grown
	}
}

// TokenToPiece appends the bytes of t to dst: not always whole UTF-8, as a
// character may be spread over tokens. Control tokens give their text with
// special and nothing without. A t that is not valid gives nothing.
//
// It does not allocate in Go if dst has room.
func (v *Vocab) TokenToPiece(dst []byte, t Token, special bool) []byte {
	if !v.Valid(t) || v.kind == VocabNone {
		return dst
	}
	h := v.handle()
	for {
		room := dst[len(dst):cap(dst)]
		n := int32(call7(c.tokenToPiece, h, uintptr(t),
			uintptr(unsafe.Pointer(unsafe.SliceData(room))), uintptr(min(len(room), math.MaxInt32)),
			0, boolWord(special), 0))
		if n >= 0 {
			return dst[:len(dst)+int(n)]
		}
		grown := make([]byte, len(dst), max(len(dst)+int(-n), 2*cap(dst)))
		copy(grown, dst)
		dst = grown
	}
}

// Detokenize appends the text of tokens to dst as llama.cpp joins them, with
// the model's rules about leading spaces. With removeSpecial, BOS and EOS at the
// ends are left out; with unparseSpecial, special tokens are spelled. If any
// token is not valid, dst is returned as it was.
func (v *Vocab) Detokenize(dst []byte, tokens []Token, removeSpecial, unparseSpecial bool) []byte {
	for _, t := range tokens {
		if !v.Valid(t) {
			return dst
		}
	}
	if len(tokens) == 0 || v.kind == VocabNone {
		return dst
	}
	h := v.handle()
	for {
		room := dst[len(dst):cap(dst)]
		n := int32(call7(c.detokenize, h,
			uintptr(unsafe.Pointer(&tokens[0])), uintptr(len(tokens)),
			uintptr(unsafe.Pointer(unsafe.SliceData(room))), uintptr(min(len(room), math.MaxInt32)),
			boolWord(removeSpecial), boolWord(unparseSpecial)))
		if n >= 0 {
			return dst[:len(dst)+int(n)]
		}
		grown := make([]byte, len(dst), len(dst)+int(-n))
		copy(grown, dst)
		dst = grown
	}
}
