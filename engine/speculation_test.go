package engine

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// contacts is a prompt whose continuation copies from it.
const contacts = `Message: My name is Maria Gonzalez and I live at 12 Elm Street in Springfield.
Contact: Maria Gonzalez, 12 Elm Street, Springfield

Message: My name is Thomas Okafor and I live at 7 Harbour Road in Rotterdam.
Contact: Thomas Okafor, 7 Harbour Road, Rotterdam

Message: My name is Ingrid Svensson and I live at 31 Station Avenue in Gothenburg.
Contact:`

// cheap makes an engine believe that guesses cost next to nothing.
func cheap(e *Engine) {
	for n := range e.sched.costs.steps {
		e.sched.costs.steps[n] = cost{mean: time.Hour + time.Duration(n), n: 1 << 30}
	}
}

// Guesses do not change what is generated, one request alone or several.
func TestSpeculation(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 512, BatchSize: smallBatch})
	defer e.Close()
	cheap(e)
	prompt := encode(t, e, contacts)
	alone := together(t, e, []*Request{{Prompt: prompt, MaxTokens: 40}})
	checkAll(t, alone, 40)
	usage := alone[0].last.Usage
	if usage.GuessedTokens < 10 {
		t.Errorf("%d of %d tokens were guessed, want at least 10", usage.GuessedTokens, usage.CompletionTokens)
	}
	var requests []*Request
	for i := range 3 {
		requests = append(requests, &Request{Prompt: append(story(t, e, i, 20), prompt...), MaxTokens: 40})
	}
	checkAll(t, together(t, e, requests), 40)

	off := newTestEngine(t, &Options{ContextLength: 512, BatchSize: smallBatch, NoSpeculation: true})
	defer off.Close()
	cheap(off)
	without := together(t, off, []*Request{{Prompt: prompt, MaxTokens: 40}})
	checkAll(t, without, 40)
	if got := without[0].last.Usage.GuessedTokens; got != 0 {
		t.Errorf("%d tokens were guessed though that is switched off", got)
	}
}

// Forced runs, stop texts and the limit end guesses where they end the output.
func TestSpeculationEnds(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 512, BatchSize: smallBatch})
	defer e.Close()
	cheap(e)
	prompt := encode(t, e, contacts)
	text, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 40, Stop: []string{", Goth"}})
	if err != nil || text != " Ingrid Svensson, 31 Station Avenue" || last.Usage.GuessedTokens == 0 {
		t.Errorf("%q, %+v, %v", text, last, err)
	}
	for n := 1; n < 12; n++ {
		_, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: n})
		if err != nil || last.Usage.CompletionTokens != n || last.Finish != FinishLength {
			t.Errorf("limit %d: %+v, %v", n, last, err)
		}
	}
	forced := encode(t, e, " Ingrid Svensson, 31")
	m := &script{runs: [][]Token{forced}, choices: 6}
	text, last, err = collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 40, Matcher: m})
	if err != nil || !strings.HasPrefix(text, " Ingrid Svensson, 31 Station Avenue") {
		t.Errorf("%q, %+v, %v", text, last, err)
	}
}

// A seed repeats, so nothing is guessed for it.
func TestSpeculationNotWithSeed(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 512})
	defer e.Close()
	cheap(e)
	seed := uint32(1)
	_, last, err := collect(t.Context(), e, &Request{Prompt: encode(t, e, contacts), MaxTokens: 20, Sampling: Sampling{Temperature: 0.1, Seed: &seed}})
	if err != nil || last.Usage.GuessedTokens != 0 {
		t.Errorf("%+v, %v", last, err)
	}
}

func TestGuess(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tokens []Token
		limit  int
		want   []Token
		match  int
	}{
		{"nothing stood before", []Token{1, 2, 3, 4}, 9, nil, 1},
		{"one token is too little", []Token{1, 2, 3, 2}, 9, nil, 1},
		{"two, which repeats", []Token{1, 2, 3, 1, 2}, 7, []Token{3, 1, 2, 3, 1, 2, 3}, 2},
		{"one, which repeats", []Token{1, 1, 1}, 4, []Token{1, 1, 1, 1}, 2},
		{"the limit", []Token{1, 2, 3, 1, 2}, 1, []Token{3}, 2},
		{"at most so many", slices.Repeat([]Token{1, 2}, 40), 99, slices.Repeat([]Token{1, 2}, 8)[:maxDraft], maxMatch},
		{"the longer match", []Token{5, 1, 2, 3, 9, 1, 2, 4, 5, 1, 2}, 2, []Token{3, 9}, 3},
		{"the later of equals", []Token{1, 2, 3, 1, 2, 4, 1, 2}, 1, []Token{4}, 2},
		{"one token only", []Token{1}, 9, nil, 1},
	} {
		g := guess{}
		g.make(tt.tokens, tt.limit, nil)
		if !slices.Equal(g.tokens, tt.want) || g.match != tt.match {
			t.Errorf("%s: %v after a match of %d, want %v after %d", tt.name, g.tokens, g.match, tt.want, tt.match)
		}
	}
}

// guide is a matcher that lets guesses pass up to a number of tokens.
type guide struct {
	script
	lets int
}

func (g *guide) Guide(guess []Token, certain []bool) int {
	certain[0] = true
	return min(len(guess), g.lets)
}

// What the matcher would refuse is not guessed, and what it makes certain teaches nothing.
func TestGuidedGuess(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 512, BatchSize: smallBatch})
	defer e.Close()
	for lets, want := range map[int]bool{0: false, maxDraft: true} {
		cheap(e)
		m := &guide{script{choices: 40}, lets}
		_, last, err := collect(t.Context(), e, &Request{Prompt: encode(t, e, contacts), MaxTokens: 40, Matcher: m})
		if err != nil || last.Usage.GuessedTokens > 0 != want {
			t.Errorf("%d tokens of a guess may come: %+v, %v", lets, last.Usage, err)
		}
	}
	g := guess{odds: priorOdds}
	g.make([]Token{1, 2, 3, 1, 2}, 3, &guide{lets: 3})
	g.settle(3, false)
	if g.odds != priorOdds {
		t.Errorf("a certain token was learned from: %v", g.odds)
	}
	if g.of(0) != &g.odds[0] && g.of(0) != &g.odds[1] {
		t.Error("the next is not judged by its match")
	}
	g.settle(9, true)
	if g.tokens != nil || g.of(0) != &g.odds[4] {
		t.Errorf("%v is guessed on after a token that was forced otherwise", g.tokens)
	}
}

// What requests have shown counts for those that come.
func TestOddsRemembered(t *testing.T) {
	all := priorOdds
	for range 3 {
		request := all
		for range 8 {
			request[1].learn(false)
		}
		all.remember(&request)
	}
	if all[1].chance() > 0.3 || all[1].all != remembered || all[1].seen != 0 {
		t.Errorf("after 24 wrong guesses: %+v", all[1])
	}
	if all[0] != priorOdds[0] {
		t.Errorf("what was not seen is %+v", all[0])
	}
}

func TestOddsForget(t *testing.T) {
	o := priorOdds[0]
	for range 100 {
		o.learn(true)
	}
	if o.chance() < 0.95 {
		t.Errorf("chance %v after 100 right guesses", o.chance())
	}
	for range 40 {
		o.learn(false)
	}
	if o.chance() > 0.15 {
		t.Errorf("chance %v after 40 wrong ones", o.chance())
	}
}

func TestCosts(t *testing.T) {
	var c costs
	if c.step(1) != 0 {
		t.Error("a cost of nothing measured")
	}
	c.learn(1, 1, 10*time.Millisecond)
	if got := c.step(4); got != 0 {
		t.Errorf("4 tokens cost %v though only one was measured", got)
	}
	c.learn(100, 1, 400*time.Millisecond) // a prompt: 4 ms a token
	if got := c.step(4); got != 22*time.Millisecond {
		t.Errorf("4 tokens cost %v, want 22ms", got)
	}
	c.learn(5, 5, 20*time.Millisecond)
	if got := c.step(3); got != 15*time.Millisecond {
		t.Errorf("3 tokens cost %v, want 15ms: half of the way", got)
	}
	for n, want := range []int{1, 2, 2, 3, 4, 6, 6} { // 1 and 5 are known
		if got := c.untried(n); n > 0 && got != want {
			t.Errorf("untried at %d: %d, want %d", n, got, want)
		}
	}
	for n := range 4 {
		c.learn(6+n, 6+n, 20*time.Millisecond)
	}
	if got := c.untried(5); got != 5 {
		t.Errorf("untried at 5, when 5 to 9 are known: %d", got)
	}
	if c.learn(5, 5, 40*time.Millisecond); c.step(5) != 30*time.Millisecond {
		t.Errorf("the mean is %v, want 30ms", c.step(5))
	}
}
