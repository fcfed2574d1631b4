package engine

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// Several outputs of one prompt compute it once.
func TestSamples(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 512, BatchSize: smallBatch})
	defer e.Close()
	prompt := story(t, e, 0, 100)
	const n = 5
	seed := uint32(3)
	for name, sampling := range map[string]Sampling{
		"greedy": {}, "sampled": {Temperature: 1.5}, "seeded": {Temperature: 1.5, Seed: &seed},
	} {
		t.Run(name, func(t *testing.T) {
			req := &Request{Prompt: prompt, MaxTokens: 8, Sampling: sampling, Salt: name}
			texts, last := [n]string{}, [n]Chunk{}
			for s, err := range e.Samples(t.Context(), req, n) {
				if err != nil {
					t.Fatal(err)
				}
				texts[s.Index] += s.Text
				last[s.Index] = s.Chunk
			}
			computed, different := 0, map[string]bool{}
			for i, c := range last {
				if c.Finish == "" || c.Usage.CompletionTokens == 0 {
					t.Errorf("output %d ended with %+v", i, c)
				}
				computed += c.Usage.PromptTokens - c.Usage.CachedTokens
				different[texts[i]] = true
			}
			if computed > len(prompt)+n {
				t.Errorf("%d tokens of a prompt of %d were computed", computed, len(prompt))
			}
			if name != "greedy" && len(different) < n-1 {
				t.Errorf("%d different outputs of %d", len(different), n)
			}
		})
	}
}

func TestSamplesBreak(t *testing.T) {
	e := testEngine(t)
	for range e.Samples(t.Context(), &Request{Prompt: []Token{20, 21}, MaxTokens: 100}, 3) {
		break
	}
	var bad *RequestError
	for n, req := range map[int]*Request{0: {}, -1: {}, maxSamples + 1: {}, 2: {Prompt: []Token{20}, MaxTokens: 1, Matcher: &recorder{}}} {
		for _, err := range e.Samples(t.Context(), req, n) {
			if !errors.As(err, &bad) {
				t.Errorf("%d samples: %v", n, err)
			}
		}
	}
	for _, err := range e.Samples(t.Context(), &Request{Prompt: []Token{20}, MaxTokens: 1}, 9) { // the queue takes 8
		if !errors.As(err, &bad) {
			t.Errorf("more than the queue ever holds: %v", err)
		}
	}
}

func TestRequestLogprobs(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "The capital of France is")
	text, pieces, tokens := "", "", 0
	for c, err := range e.Generate(t.Context(), &Request{Prompt: prompt, MaxTokens: 6, Logprobs: true, TopLogprobs: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		text += c.Text
		for _, l := range c.Logprobs {
			pieces += string(l.Text)
			tokens++
			if len(l.Top) != 3 || l.Top[0].Token != l.Token || l.Top[0].Logprob != l.Logprob || string(l.Top[0].Text) != string(l.Text) {
				t.Errorf("a greedy token is not the first of 3: %+v", l)
			}
			if !(l.Logprob < 0) || math.IsInf(float64(l.Logprob), 0) || l.Top[2].Logprob > l.Top[1].Logprob {
				t.Errorf("log probabilities %+v", l)
			}
		}
	}
	if tokens != 6 || pieces != text || !strings.HasPrefix(text, " Paris") {
		t.Errorf("%d tokens, %q, of %q", tokens, pieces, text)
	}
	for c := range e.Generate(t.Context(), &Request{Prompt: prompt, MaxTokens: 2, Logprobs: true}) {
		for _, l := range c.Logprobs {
			if len(l.Top) != 0 || l.Logprob >= 0 {
				t.Errorf("without alternatives: %+v", l)
			}
		}
	}
	var bad *RequestError
	for _, req := range []*Request{{TopLogprobs: 1}, {Logprobs: true, TopLogprobs: -1}, {Logprobs: true, TopLogprobs: MaxTopLogprobs + 1}} {
		req.Prompt, req.MaxTokens = prompt, 1
		if _, _, err := collect(t.Context(), e, req); !errors.As(err, &bad) || bad.Field != "TopLogprobs" {
			t.Errorf("%+v: %v", req, err)
		}
	}
}
