package engine

import (
	"errors"
	"strings"
	"testing"
)

// script is a matcher that forces and lets choose in turn: runs[i] is forced
// before choice i.
type script struct {
	runs    [][]Token
	choices int                   // how many tokens the model chooses
	allowed func(Token) bool      // nil: all
	accept  func(Token, int) bool // nil: all
	chosen  []Token
	asked   int // runs handed out
	err     error
}

func (s *script) Err() error { return s.err }

func (s *script) Forced() []Token {
	if s.asked > len(s.chosen) || s.asked >= len(s.runs) {
		return nil
	}
	s.asked++
	return s.runs[s.asked-1]
}
func (s *script) Allowed(t Token) bool { return s.allowed == nil || s.allowed(t) }
func (s *script) Accept(t Token) bool {
	s.chosen = append(s.chosen, t)
	return s.accept == nil || s.accept(t, len(s.chosen))
}
func (s *script) Done() bool {
	return len(s.chosen) >= s.choices && (s.asked >= len(s.runs) || s.asked > len(s.chosen))
}

func TestMatcherForced(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "Facts.\n")
	france := encode(t, e, "The capital of France is")
	italy := encode(t, e, "\nThe capital of Italy is")
	m := &script{runs: [][]Token{france, italy}, choices: 2}
	text, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 100, Matcher: m})
	if err != nil || text != "The capital of France is Paris\nThe capital of Italy is Rome" {
		t.Errorf("%q, %v", text, err)
	}
	if want := len(france) + len(italy) + 2; last.Finish != FinishStop || last.Usage.CompletionTokens != want || last.Usage.PromptTokens != len(prompt) {
		t.Errorf("%+v, want %d tokens of output", last, want)
	}

	// Forced tokens count for the limit, and are cut there.
	for n := 1; n < len(france)+2; n++ {
		m := &script{runs: [][]Token{france, italy}, choices: 2}
		text, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: n, Matcher: m})
		if err != nil || last.Finish != FinishLength || last.Usage.CompletionTokens != n || !strings.HasPrefix("The capital of France is Paris", text) {
			t.Errorf("limit %d: %q, %+v, %v", n, text, last, err)
		}
	}
}

// A matcher that cannot go on ends its request with its own error.
func TestMatcherErr(t *testing.T) {
	e := testEngine(t)
	why := errors.New("why")
	_, last, err := collect(t.Context(), e, &Request{Prompt: encode(t, e, "One"), MaxTokens: 5, Matcher: &script{err: why}})
	var matcherErr *MatcherError
	if !errors.Is(err, why) || !errors.As(err, &matcherErr) || last.Finish != "" {
		t.Errorf("%+v, %v, want a MatcherError with its cause", last, err)
	}
}

// Only forced tokens: nothing is sampled, and nothing more decoded.
func TestMatcherForcedOnly(t *testing.T) {
	e := testEngine(t)
	run := encode(t, e, "all of it")
	m := &script{runs: [][]Token{run}}
	text, last, err := collect(t.Context(), e, &Request{Prompt: run[:1], MaxTokens: 100, Matcher: m})
	if err != nil || text != "all of it" || last.Finish != FinishStop || last.Usage.CompletionTokens != len(run) {
		t.Errorf("%q, %+v, %v", text, last, err)
	}
	text, last, err = collect(t.Context(), e, &Request{Prompt: run[:1], MaxTokens: 100, Matcher: &script{}})
	if err != nil || text != "" || last.Finish != FinishStop || last.Usage.CompletionTokens != 0 {
		t.Errorf("nothing at all: %q, %+v, %v", text, last, err)
	}
}

func TestMatcherAllowed(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "The capital of France is")
	rome := encode(t, e, " Rome")[0]
	m := &script{choices: 1, allowed: func(t Token) bool { return t == rome }}
	text, _, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 5, Matcher: m})
	if err != nil || text != " Rome" {
		t.Errorf("%q, %v", text, err)
	}
	m = &script{choices: 1, allowed: func(Token) bool { return false }}
	_, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 5, Matcher: m})
	if err == nil || !strings.Contains(err.Error(), "allows no token") || last.Finish != "" {
		t.Errorf("nothing allowed: %+v, %v", last, err)
	}
}

// A dropped token is neither output nor remembered: what follows is chosen as
// if it had not been.
func TestMatcherDrop(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "The capital of France")
	is := encode(t, e, " is")
	m := &script{
		runs: [][]Token{nil, is}, choices: 2,
		allowed: func(tok Token) bool { return tok > 16 },
		accept:  func(_ Token, n int) bool { return n != 1 },
	}
	m.asked = 1 // nothing is forced before the first choice
	text, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 5, Matcher: m})
	if err != nil || text != " is Paris" || last.Usage.CompletionTokens != 2 {
		t.Errorf("%q, %+v, %v", text, last, err)
	}

	m = &script{choices: 1 << 30, accept: func(Token, int) bool { return false }}
	if _, _, err = collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 5, Matcher: m}); err == nil || !strings.Contains(err.Error(), "no progress") {
		t.Errorf("a matcher that drops everything: %v", err)
	}
}

func TestMatcherEndToken(t *testing.T) {
	e := testEngine(t)
	end, _ := e.Vocab().Special("<|im_end|>")
	onlyEnd := func(tok Token) bool { return tok == end }
	prompt := encode(t, e, "Once upon")

	m := &script{choices: 9, allowed: onlyEnd}
	text, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 5, Matcher: m})
	if err != nil || text != "" || last.Finish != FinishStop || last.Usage.CompletionTokens != 0 {
		t.Errorf("accepted: %q, %+v, %v", text, last, err)
	}

	m = &script{runs: [][]Token{nil, encode(t, e, "!")}, asked: 1, choices: 1, allowed: onlyEnd, accept: func(Token, int) bool { return false }}
	text, last, err = collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 5, Matcher: m})
	if err != nil || text != "!" || last.Finish != FinishStop {
		t.Errorf("dropped: %q, %+v, %v", text, last, err)
	}
}

func TestMatcherMisbehaves(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "Once upon")
	for _, bad := range []Token{-1, Token(e.Vocab().NTokens())} {
		m := &script{runs: [][]Token{{bad}}, choices: 1}
		if _, _, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 5, Matcher: m}); err == nil || !strings.Contains(err.Error(), "forces token") {
			t.Errorf("forced %d: %v", bad, err)
		}
	}
	func() {
		defer func() {
			if r := recover(); r != "matcher" {
				t.Errorf("the matcher's panic arrives as %v", r)
			}
		}()
		m := &script{choices: 1, allowed: func(Token) bool { panic("matcher") }}
		_, _, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 5, Matcher: m})
		t.Errorf("no panic, but %v", err)
	}()
	if text, _, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 1}); err != nil || text == "" {
		t.Errorf("afterwards: %q, %v", text, err)
	}
}

// A stop text may be forced, and ends the output like any other.
func TestMatcherStop(t *testing.T) {
	e := testEngine(t)
	run := encode(t, e, "one. two. three")
	m := &script{runs: [][]Token{run}, choices: 1}
	text, last, err := collect(t.Context(), e, &Request{Prompt: run[:1], MaxTokens: 50, Matcher: m, Stop: []string{". t"}})
	if err != nil || text != "one" || last.Finish != FinishStop {
		t.Errorf("%q, %+v, %v", text, last, err)
	}
}

// masked allows one token, which it says by a mask.
type masked struct {
	script
	only  Token
	masks int
}

func (m *masked) Allowed(t Token) bool { return t == m.only }
func (m *masked) Mask(bits []uint64) {
	m.masks++
	bits[m.only/64] |= 1 << (m.only % 64)
}

// A token that is far from the best is found by the mask, greedily or not.
func TestMatcherMask(t *testing.T) {
	e := testEngine(t)
	for _, only := range []Token{0, 63, 64, 30_000, Token(e.Vocab().NTokens() - 1)} {
		for _, temperature := range []float32{0, 1} {
			m := &masked{script: script{choices: 2}, only: only}
			r := &Request{Prompt: encode(t, e, "The capital of France is"), MaxTokens: 5, Matcher: m, Sampling: Sampling{Temperature: temperature, TopP: 0.9}}
			if _, _, err := collect(t.Context(), e, r); err != nil {
				t.Fatal(err)
			}
			for _, got := range m.chosen {
				if got != only {
					t.Errorf("token %d was chosen, only %d is allowed", got, only)
				}
			}
			if len(m.chosen) == 0 || m.masks == 0 {
				t.Errorf("%d tokens were chosen with %d masks", len(m.chosen), m.masks)
			}
		}
	}
}
