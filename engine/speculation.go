package engine

// Speculation guesses the next tokens of a request and computes them along with
// the one that is certain: a batch of several tokens costs less than as many
// single ones. A guess is what followed the last tokens where they stood before,
// in the prompt or the output, so it needs no second model, and pays where the
// output repeats its input. Each position's token is chosen as ever; guesses
// that agree with the choices have been computed already. So the output is the
// same as without, also when sampling ("[prompt lookup decoding]").
//
// [prompt lookup decoding]: https://github.com/apoorvumang/prompt-lookup-decoding

const (
	maxDraft = 15 // tokens guessed at once
	minMatch = 2  // tokens that must have stood before
	maxMatch = 9  // more are not looked for
	// minGain is how much faster a batch must be expected to be: what is expected
	// is not certain.
	minGain = 1.05
)

// guess is what may come next in a request's output.
type guess struct {
	tokens  []Token
	certain []bool // of each of them, whether nothing else may come there
	begins  bool   // what comes before the guess was forced
	match   int    // how many tokens before it are as they were
	odds    guessOdds

	tokenBuffer   [maxDraft]Token
	certainBuffer [maxDraft]bool
}

// guessOdds is the odds of guesses by class: by how many tokens before them are as they
// were, and last of the tokens behind forced ones. What is forced is the same everywhere,
// the values between are not.
type guessOdds [5]odds

// odds is how often guesses were right, of so many.
type odds struct {
	right, all float32
	seen       float32 // of one request
}

// priorOdds is believed of guesses as if so many had been seen: the longer the
// match, the more.
var priorOdds = guessOdds{{0.8, 3, 0}, {2, 3, 0}, {4.8, 6, 0}, {8.1, 9, 0}, {0.6, 3, 0}}

// forget is how many guesses the odds look back on.
const forget = 16

func (o *odds) learn(right bool) {
	if o.all >= forget {
		o.right *= 1 - 1.0/forget
		o.all--
	}
	o.all++
	o.seen++
	if right {
		o.right++
	}
}

// remembered is as how many guesses those of earlier requests count.
const remembered = 8

// remember learns from a request that is over: others will be like it.
func (all *guessOdds) remember(request *guessOdds) {
	for i, r := range request {
		share := r.seen / (r.seen + remembered)
		chance := (1-share)*all[i].right/all[i].all + share*r.right/r.all
		if r.seen > 0 {
			all[i] = odds{right: chance * remembered, all: remembered}
		}
	}
}

func (o odds) chance() float64 { return float64(o.right / o.all) }

// chance is that of token i of the guess, if those before it are right.
func (g *guess) chance(i int) float64 {
	if g.certain[i] {
		return 1
	}
	return g.of(i).chance()
}

// of returns the odds of token i of the guess, if those before it are right: then
// they match, too.
func (g *guess) of(i int) *odds {
	if i == 0 && g.begins || i > 0 && g.certain[i-1] {
		return &g.odds[4]
	}
	switch match := g.match + i; {
	case match <= 2:
		return &g.odds[0]
	case match <= 4:
		return &g.odds[1]
	case match <= 8:
		return &g.odds[2]
	}
	return &g.odds[3]
}

// make guesses what follows tokens, at most limit: what followed the longest
// match of their end, the latest of equals, and that again where it reaches the
// end itself.
func (g *guess) make(tokens []Token, limit int, m Matcher) {
	g.tokens, g.match = g.tokenBuffer[:0], minMatch-1
	from := -1
	end := len(tokens) - 1
	for i := end - 1; i >= 0 && g.match < maxMatch; i-- {
		if tokens[i] != tokens[end] {
			continue
		}
		n := 1
		for n < maxMatch && i-n >= 0 && tokens[i-n] == tokens[end-n] {
			n++
		}
		if n > g.match {
			g.match, from = n, i+1
		}
	}
	for i := 0; from >= 0 && i < min(limit, maxDraft); i++ {
		if from+i <= end {
			g.tokens = append(g.tokens, tokens[from+i])
		} else {
			g.tokens = append(g.tokens, g.tokens[from+i-end-1])
		}
	}
	g.certain = g.certainBuffer[:len(g.tokens)]
	clear(g.certain)
	if guide, ok := m.(Guide); ok && len(g.tokens) > 0 {
		g.tokens = g.tokens[:guide.Guide(g.tokens, g.certain)]
	}
}

// settle compares the guess with what has come.
func (g *guess) settle(t Token, forced bool) {
	if len(g.tokens) > 0 {
		right := g.tokens[0] == t
		if !forced && !g.certain[0] {
			g.of(0).learn(right)
		}
		if right {
			g.tokens, g.certain = g.tokens[1:], g.certain[1:]
			g.match++
		} else {
			g.tokens = nil
		}
	}
	g.begins = forced
}

// trusted is how many batches without guesses must have been measured.
const trusted = 3

// remeasured is how many batches may have guesses before one must not.
const remeasured = 128

// speculate adds guesses of generating slots to the batch, as far as that is
// expected to pay.
func (e *Engine) speculate(slots []*slot) {
	s := &e.sched
	base := e.batch.Len()
	if !s.speculate || !s.forgets || base == 0 || base > maxRows || s.costs.steps[base].n < trusted {
		return
	}
	// What a step without guesses costs may have changed since the last one.
	if s.guessed++; s.guessed%remeasured == 0 {
		return
	}
	for _, slot := range slots {
		slot.ahead, slot.chance = 0, 1
	}
	// The likeliest are added one by one; as many stay as give the best rate.
	expected, best := float64(base), 0
	bestRate := minGain * expected / float64(s.costs.step(base))
	s.order = s.order[:0]
	for n := base + 1; n <= min(maxRows, e.batch.Cap()); n++ {
		next := likeliest(slots)
		if next == nil {
			break
		}
		next.chance *= next.guess.chance(next.ahead)
		next.ahead++
		expected += next.chance
		s.order = append(s.order, next)
		if cost := s.costs.step(n); cost > 0 && expected/float64(cost) > bestRate {
			best, bestRate = n-base, expected/float64(cost)
		}
	}
	if best > 0 {
		best = min(s.costs.untried(base+best)-base, len(s.order))
	}
	for _, slot := range s.order[best:] {
		slot.ahead--
	}
	for _, slot := range slots {
		slot.feedDraft(e.batch, slot.ahead)
	}
}

// likeliest returns the slot whose next guess is most probably right, nil if
// there is none.
func likeliest(slots []*slot) (best *slot) {
	most := 0.0
	for _, slot := range slots {
		if !slot.fedWhole() || slot.ahead >= len(slot.guess.tokens) {
			continue
		}
		if c := slot.chance * slot.guess.chance(slot.ahead); c > most {
			best, most = slot, c
		}
	}
	return best
}
