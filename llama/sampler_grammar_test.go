package llama_test

import (
	"math"
	"strings"
	"testing"

	"github.com/cria-lm/cria/llama"
)

func TestGrammarSampler(t *testing.T) {
	v := loadModel(t).Vocab()
	s, err := llama.NewGrammarSampler(v, `root ::= "Par" [a-z]+`, "root")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Free()
	paris, rome := v.Tokenize(nil, "Paris", false, false)[0], v.Tokenize(nil, "Rome", false, false)[0]
	wantGrammar(t, s, []llama.Token{paris, rome, v.EOS()}, []bool{true, false, false})
	for _, wrong := range []llama.Token{rome, v.EOS(), -1, llama.Token(v.NTokens())} {
		if err := s.Accept(wrong); err == nil {
			t.Errorf("token %d is accepted", wrong)
		}
	}
	if err := s.Accept(paris); err != nil {
		t.Error(err)
	}
	wantGrammar(t, s, []llama.Token{paris, rome, v.EOS()}, []bool{false, false, true})
	if s.Apply(nil) != nil || s.Apply([]llama.TokenData{{ID: -1}}) == nil {
		t.Error("no candidates are refused, or an unknown one is not")
	}
}

func wantGrammar(t *testing.T, s *llama.GrammarSampler, tokens []llama.Token, want []bool) {
	t.Helper()
	var candidates []llama.TokenData
	for _, token := range tokens {
		candidates = append(candidates, llama.TokenData{ID: token, Logit: 1})
	}
	if err := s.Apply(candidates); err != nil {
		t.Fatal(err)
	}
	for i, c := range candidates {
		if allowed := !math.IsInf(float64(c.Logit), -1); allowed != want[i] {
			t.Errorf("token %d is allowed: %t", c.ID, allowed)
		}
	}
}

func TestGrammarSamplerErrors(t *testing.T) {
	v := loadModel(t).Vocab()
	for _, test := range []struct{ name, grammar, root string }{
		{"empty", "", "root"},
		{"NUL", "root ::= \"a\x00\"", "root"},
		{"NUL in the name", `root ::= "a"`, "root\x00"},
		{"no rule", `root ::= "a"`, "start"},
		{"syntax", `root = "a"`, "root"},
		{"left recursion", `root ::= root "a" | "b"`, "root"},
		{"nested groups", "root ::= " + strings.Repeat("(", 100_000) + `"a"` + strings.Repeat(")", 100_000), "root"},
		{"many rules", `root ::= "a"` + strings.Repeat("\na ::= root", 20_000), "root"},
	} {
		if _, err := llama.NewGrammarSampler(v, test.grammar, test.root); err == nil {
			t.Errorf("%s: no error", test.name)
		}
	}
}
