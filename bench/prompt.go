package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/cria-lm/cria/engine"
)

// words makes prompts: of real words, each of them one token, so that both
// sides can be given the same text or the same tokens.
type words struct {
	vocab  *engine.Vocab
	tokens []engine.Token
}

const fewestWords = 500 // of a vocabulary that prompts can be made of

func newWords(v *engine.Vocab) (*words, error) {
	w := &words{vocab: v}
	for t := range engine.Token(v.NTokens()) {
		piece := string(v.Piece(t))
		if v.IsControl(t) || !isWord(piece) {
			continue
		}
		// A tokenizer may have another way to write the word.
		if back, err := v.EncodeContinuation(piece); err == nil && slices.Equal(back, []engine.Token{t}) {
			w.tokens = append(w.tokens, t)
		}
	}
	if len(w.tokens) < fewestWords {
		return nil, fmt.Errorf("the model's vocabulary has %d English words that are one token; prompts need %d", len(w.tokens), fewestWords)
	}
	return w, nil
}

// isWord reports a space with at least three small letters behind it.
func isWord(piece string) bool {
	word, ok := strings.CutPrefix(piece, " ")
	return ok && len(word) >= 3 && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") == ""
}

// prompt returns n tokens, always the same for the same seed and model. The
// model's BOS is among them if it wants one.
func (w *words) prompt(seed uint64, n int) []engine.Token {
	tokens := make([]engine.Token, 0, n)
	if w.vocab.AddBOS() && n > 1 {
		tokens = append(tokens, w.vocab.BOS())
	}
	return append(tokens, w.more(seed, n-len(tokens))...)
}

// more returns n tokens that go on from others.
func (w *words) more(seed uint64, n int) []engine.Token {
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)) // any constant: the golden ratio
	tokens := make([]engine.Token, n)
	for i := range tokens {
		tokens[i] = w.tokens[r.IntN(len(w.tokens))]
	}
	return tokens
}

// text returns n words as a text that the tokenizer gives back as n tokens, a
// BOS not counted.
func (w *words) text(seed uint64, n int) (string, error) {
	tokens := w.more(seed, n)
	text := w.vocab.Text(tokens)
	// Some tokenizers begin a text with a space of their own.
	for _, text := range []string{text, strings.TrimPrefix(text, " ")} {
		if back, err := w.vocab.Encode(text); err == nil && slices.Equal(back, tokens) {
			return text, nil
		}
	}
	return "", fmt.Errorf("the model's tokenizer does not give back the %d words that a text was made of", n)
}

// seed keeps the prompts of figures, runs and clients apart.
func seed(figure, run, client int) uint64 {
	return uint64(figure)<<40 | uint64(run+1)<<16 | uint64(client)
}
