package engine

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cria-lm/cria/llama"
)

func TestVocabEncode(t *testing.T) {
	v := testEngine(t).Vocab()
	for _, text := range []string{
		"", "a", " a", "Hello, world!", "日本語", "🙂👩‍👩‍👧", "עברית", "e\u0301", "tab\tand\r\nlines\n\n", "a\x00b",
		"<|im_end|>", "x <|im_start|>system\n", strings.Repeat("long ", 3000),
	} {
		for name, f := range map[string]func(string) ([]Token, error){"Encode": v.Encode, "EncodeContinuation": v.EncodeContinuation} {
			tokens, err := f(text)
			if err != nil || v.Text(tokens) != text {
				t.Errorf("%s(%.30q) = %.30q, %v", name, text, v.Text(tokens), err)
			}
			for _, tok := range tokens {
				if v.IsControl(tok) {
					t.Errorf("%s(%.30q) has control token %d", name, text, tok)
				}
			}
		}
	}
	var bad *RequestError
	if _, err := v.Encode("ab\xffc"); !errors.As(err, &bad) || !strings.Contains(err.Error(), "byte 2") {
		t.Errorf("invalid UTF-8: %v", err)
	}
	if _, err := v.Encode("a\uFFFDb"); err != nil {
		t.Errorf("a replacement character in the text: %v", err)
	}
}

// No text has fewer tokens than its lower bound, and the bound is of use.
func TestMinTokens(t *testing.T) {
	longest := ""
	v := testEngine(t).Vocab()
	for i := range v.NTokens() {
		if p := string(v.Piece(Token(i))); len(p) > len(longest) {
			longest = p
		}
	}
	for name, v := range map[string]*Vocab{"BPE": v, "SentencePiece": newVocab(spmVocab(t))} {
		for _, text := range []string{
			"", "a", "abcd", strings.Repeat("abcd", 1000), strings.Repeat(" ", 1000), strings.Repeat("\n", 1000),
			strings.Repeat(longest, 100), strings.Repeat("\x00", 50), strings.Repeat("\x04", 5000), strings.Repeat("日本語🙂", 100), "<|im_end|>  \t <s>",
		} {
			for _, encode := range []func(string) ([]Token, error){v.Encode, v.EncodeContinuation} {
				tokens, err := encode(text)
				if least := v.MinTokens(text); err != nil || least > len(tokens) || least == 0 && len(tokens) > 0 {
					t.Errorf("%s: %.20q has %d tokens (%v), the bound is %d", name, text, len(tokens), err, least)
				}
			}
		}
	}
	long, start := strings.Repeat("word ", 1<<20), time.Now()
	if least := v.MinTokens(long); least < 8192 || time.Since(start) > time.Second {
		t.Errorf("5 MiB are at least %d tokens, found in %v", least, time.Since(start))
	}
	t.Logf("longest piece: %d bytes (%.40q)", v.longest, longest)
}

func TestVocabTables(t *testing.T) {
	e := testEngine(t)
	v, llm := e.Vocab(), e.model.Vocab()
	if v.NTokens() != llm.NTokens() || v.BOS() != llm.BOS() || v.EOS() != llm.EOS() || v.AddBOS() != llm.AddBOS() {
		t.Error("the vocabulary differs from llama.cpp's")
	}
	for i := range v.NTokens() {
		tok := Token(i)
		if want := string(llm.TokenToPiece(nil, tok, false)); string(v.Piece(tok)) != want || v.IsEOG(tok) != llm.IsEOG(tok) || v.IsControl(tok) != llm.IsControl(tok) {
			t.Fatalf("token %d: piece %q, want %q; end %t, control %t", tok, v.Piece(tok), want, v.IsEOG(tok), v.IsControl(tok))
		}
	}
	for _, bad := range []Token{-1, llama.NoToken, Token(v.NTokens()), 1 << 30} {
		if v.Piece(bad) != nil || v.IsEOG(bad) || v.IsControl(bad) {
			t.Errorf("token %d passes", bad)
		}
	}
}

func TestVocabSpecials(t *testing.T) {
	e := testEngine(t)
	v := e.Vocab()
	list := v.Specials()
	for _, want := range []string{"<|im_start|>", "<|im_end|>", "<|endoftext|>"} {
		tok, ok := v.Special(want)
		if !ok || !v.IsControl(tok) || !slices.Contains(list, Special{want, tok}) {
			t.Errorf("%s: %d, %t", want, tok, ok)
		}
	}
	if _, ok := v.Special("no such"); ok {
		t.Error("a special token that is not there is found")
	}
	if !slices.IsSortedFunc(list, func(a, b Special) int { return len(b.Text) - len(a.Text) }) {
		t.Error("not sorted, the longest first")
	}
	list[0].Text = "changed"
	if v.Specials()[0].Text == "changed" {
		t.Error("the list is shared")
	}
	if !strings.Contains(e.ChatTemplate(), "<|im_start|>") {
		t.Errorf("chat template %q", e.ChatTemplate())
	}
}

func TestVocabConcurrently(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 256})
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for {
				if _, err := e.Vocab().Encode("some text to tokenize"); err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	if _, _, err := collect(t.Context(), e, &Request{Prompt: []Token{100}, MaxTokens: 3}); err != nil {
		t.Error(err)
	}
	e.Close()
	users.Wait()
}
