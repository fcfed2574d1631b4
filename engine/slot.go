package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/cria-lm/cria/llama"
)

// slot is a request that runs. Slots are reused, so that a token costs no
// allocation.
type slot struct {
	job     *job
	branch  *branch
	filter  textFilter
	sampler sampler
	tokens  []Token // prompt and output: what the memory holds and what is pending
	pending int     // tokens at the end of it that are not decoded yet
	planned int     // tokens of it that the prefix tree knows
	budget  int     // tokens that may still be output
	drops   int     // tokens in a row that the matcher dropped
	started bool    // the first token was sampled: the prompt is computed

	// Of the step under way.
	fed      int         // tokens of it in the batch
	fedAt    time.Time   // when there were some the last time, or it got its place
	row      int         // where in the batch the logits of the last one are, -1: nowhere
	draft    []Token     // guesses of what comes next, in the batch too
	draftRow int         // where
	rows     [][]float32 // the logits behind the last token and behind each guess
	right    int         // guesses that were right, by now
	logits   []float32   // of rows, those behind the last token; nil: none yet

	// Of what the next steps may guess.
	guess  guess
	ahead  int     // how much of it is to be computed
	chance float64 // that so much is right

	// Of the end.
	over   bool
	finish FinishReason
	err    error
}

// begin prepares for a request. Guesses are believed in by the odds.
func (s *slot) begin(j *job, limit, nVocab int, odds guessOdds) {
	s.job, s.branch, s.logits = j, nil, nil
	s.filter.stops = j.req.Stop
	s.filter.held = s.filter.held[:0]
	sampling := j.req.Sampling
	if sampling.Seed != nil {
		seed := *sampling.Seed + uint32(j.index)
		sampling.Seed = &seed
	}
	s.sampler.start(&sampling, nVocab)
	s.tokens = append(s.tokens[:0], j.req.Prompt...)
	s.pending = len(j.req.Prompt)
	s.budget = min(j.req.MaxTokens, limit-len(j.req.Prompt))
	if j.pin || j.score != nil {
		s.budget = 0
	}
	j.reserve(s.budget)
	s.drops, s.started, s.over, s.finish, s.err = 0, false, false, "", nil
	s.draft, s.right = s.draft[:0], 0
	s.guess = guess{odds: odds, begins: j.req.Matcher != nil}
}

// restart makes the slot wait for a place in the cache again.
func (s *slot) restart() {
	s.branch, s.pending, s.logits, s.started = nil, len(s.tokens), nil, false
	s.draft, s.right = s.draft[:0], 0
}

// runs reports whether the slot has a place in the cache and something to do.
func (s *slot) runs() bool { return s.branch != nil && !s.over }

// waits reports whether the slot lets others go on until its reader has caught
// up.
func (s *slot) waits() bool { return s.started && s.job.behind() }

// repeats reports whether the request must give the same output every time. The
// kernels give slightly other logits for other batches, so a seed repeats only
// if its tokens are computed anew and one by one; several samples of one prompt
// share it all the same.
func (s *slot) repeats() bool {
	return s.job.samples <= 1 && s.job.req.Sampling.Seed != nil && s.job.req.Sampling.Temperature != 0
}

// mayShare reports whether the request may use what others have computed.
func (s *slot) mayShare() bool { return !s.repeats() }

// end says how the request ended.
func (s *slot) end(finish FinishReason, err error) { s.over, s.finish, s.err = true, finish, err }

// maxDrops is how many tokens in a row a matcher may drop. Parts of an output
// that are empty are dropped one after the other; a matcher that drops without
// end would hold the slot for ever.
const maxDrops = 1024

// advance goes on until there is something to decode or the request is over: it
// appends what is forced, and chooses a token from the logits. It touches nothing
// but the slot, its job and the logits, so slots advance in parallel.
func (s *slot) advance(v *Vocab) {
	defer func() {
		if r := recover(); r != nil {
			s.job.panic = r
			s.end("", fmt.Errorf("engine: panic in the request's matcher: %v", r))
		}
	}()
	if s.job.pin {
		if s.pending == 0 {
			s.end(FinishStop, nil)
		}
		return
	}
	if s.job.score != nil {
		if s.pending == 0 {
			s.end(FinishStop, s.job.score.read(s.logits))
		}
		return
	}
	m := s.job.req.Matcher
	for !s.over {
		if m != nil {
			switch stopped, err := s.force(v); {
			case err != nil:
				s.end("", err)
				return
			case stopped:
				s.end(FinishStop, nil)
				return
			}
			if m.Done() {
				s.end(doneWith(m))
				return
			}
		}
		if s.budget == 0 {
			s.end(FinishLength, nil)
			return
		}
		if s.pending > 0 {
			s.foresee()
			return
		}
		s.choose(v)
	}
}

// choose samples one token.
func (s *slot) choose(v *Vocab) {
	m := s.job.req.Matcher
	if l, ok := m.(Limiter); ok {
		l.Limit(s.budget)
	}
	t, err := s.sampler.choose(s.logits, s.tokens, m)
	if err != nil {
		s.end("", err)
		return
	}
	s.started = true
	end := v.IsEOG(t)
	if m != nil && !m.Accept(t) {
		if s.drops++; s.drops > maxDrops {
			s.end("", fmt.Errorf("engine: the matcher makes no progress: it dropped %d tokens in a row", s.drops))
		}
		return
	}
	s.drops = 0
	if !end {
		if err := s.tellLogprobs(v, t); err != nil {
			s.end("", err)
			return
		}
	}
	if end || s.output(v, t, false) {
		s.end(FinishStop, nil)
	}
}

// tellLogprobs sends the log probabilities of a token that was chosen from the
// logits, if the request asks for them.
func (s *slot) tellLogprobs(v *Vocab, t Token) error {
	if !s.job.req.Logprobs {
		return nil
	}
	l, err := s.sampler.logprobs(s.logits, t, s.job.req.TopLogprobs)
	if err != nil {
		return err
	}
	l.Text, l.Top = v.Piece(t), slices.Clone(l.Top)
	for i := range l.Top {
		l.Top[i].Text = v.Piece(l.Top[i].Token)
	}
	s.job.writeLogprob(l)
	return nil
}

func doneWith(m Matcher) (FinishReason, error) {
	if err := m.Err(); err != nil {
		return "", &MatcherError{err}
	}
	if l, ok := m.(Limiter); ok && l.Limited() {
		return FinishLength, nil
	}
	return FinishStop, nil
}

// force appends what the matcher forces, as far as the budget goes. It reports
// whether a stop text has appeared.
func (s *slot) force(v *Vocab) (stopped bool, err error) {
	for s.budget > 0 {
		run := s.job.req.Matcher.Forced()
		if len(run) == 0 {
			return false, nil
		}
		for _, t := range run[:min(len(run), s.budget)] {
			if !v.valid(t) {
				return false, fmt.Errorf("engine: the matcher forces token %d, which is not in the vocabulary of %d", t, v.NTokens())
			}
			if s.output(v, t, true) {
				return true, nil
			}
		}
	}
	return false, nil
}

// output appends a token to the output, which was forced or chosen. It reports whether
// that completes a stop text.
func (s *slot) output(v *Vocab, t Token, forced bool) (stopped bool) {
	s.tokens = append(s.tokens, t)
	s.budget--
	s.settle(t, forced)
	s.job.usage.CompletionTokens++
	text, stopped := s.filter.push(v.Piece(t))
	s.job.write(text, s.job.usage)
	return stopped
}

// settle takes a token of the output: if it was guessed, it is computed, and so
// are the logits behind it.
func (s *slot) settle(t Token, forced bool) {
	if s.pending == 0 && s.right < len(s.draft) && s.draft[s.right] == t {
		s.right++
		s.logits = s.rows[s.right]
		s.job.usage.GuessedTokens++
	} else {
		s.pending++
	}
	s.guess.settle(t, forced)
}

// foresee guesses what comes after what is pending, for the next step.
func (s *slot) foresee() {
	s.guess.tokens = nil
	if s.started && !s.repeats() && s.budget > 1 {
		s.guess.make(s.tokens, s.budget-1, s.job.req.Matcher)
	}
}

// feed puts up to n pending tokens into the batch and asks for logits behind the
// last pending one.
func (s *slot) feed(b *llama.Batch, n int) {
	from := len(s.tokens) - s.pending
	s.fed, s.row = min(n, s.pending), -1
	for i, t := range s.tokens[from : from+s.fed] {
		last := i == s.pending-1
		if last {
			s.row = b.Len()
		}
		b.Add(t, llama.Pos(from+i), s.branch.seq, last)
	}
}

// fedWhole reports whether all that is pending is in the batch.
func (s *slot) fedWhole() bool { return s.fed > 0 && s.fed == s.pending }

// feedDraft puts n guesses into the batch, behind all that is pending.
func (s *slot) feedDraft(b *llama.Batch, n int) {
	s.draftRow = b.Len()
	s.draft = append(s.draft[:0], s.guess.tokens[:n]...)
	for i, t := range s.draft {
		b.Add(t, llama.Pos(len(s.tokens)+i), s.branch.seq, true)
	}
}

// read takes the logits that the batch has computed for the slot.
func (s *slot) read(logits func(row int) []float32) error {
	s.rows = append(s.rows[:0], logits(s.row))
	for i := range s.draft {
		s.rows = append(s.rows, logits(s.draftRow+i))
	}
	for _, row := range s.rows {
		if row == nil {
			return errNoLogits
		}
	}
	s.logits = s.rows[0]
	return nil
}
