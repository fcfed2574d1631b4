package engine

import (
	"slices"
	"strings"

	"github.com/cria-lm/cria/llama"
)

// anchor tokenizes text that continues other text with a tokenizer that puts a
// space before whatever it is given (SentencePiece): the text is tokenized
// behind a short one, whose tokens are then taken off.
type anchor struct{ before []anchorText }

type anchorText struct {
	text   string
	tokens []Token
}

// newAnchor returns nil if the tokenizer adds no space.
func newAnchor(llm *llama.Vocab) *anchor {
	const probe = "a"
	tokens := llm.Tokenize(nil, probe, false, false)
	var b []byte
	for _, t := range tokens {
		b = llm.TokenToPiece(b, t, false)
	}
	if string(b) == probe || !strings.HasPrefix(string(b), " ") {
		return nil
	}
	a := &anchor{}
	// A line's end seldom merges with what follows; where it does, a letter or a
	// digit does not.
	for _, text := range []string{"\n", "a", "0", "."} {
		a.before = append(a.before, anchorText{text, llm.Tokenize(nil, text, false, false)})
	}
	return a
}

// tokenize returns the tokens of text behind the first anchor that does not
// merge with it; if all do, as the tokenizer gives them.
func (a *anchor) tokenize(llm *llama.Vocab, text string) []Token {
	for _, b := range a.before {
		all := tokenize(llm, b.text+text)
		if n := len(b.tokens); len(all) >= n && slices.Equal(all[:n], b.tokens) {
			return all[n:]
		}
	}
	return tokenize(llm, text)
}
