package engine

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// candidate is a token that may be chosen.
type candidate struct {
	id    Token
	logit float32
	p     float32
}

// sampler chooses tokens from rows of logits. It works on the row in place and
// puts it back as it was; its scratch memory is reused, so that a choice does
// not allocate.
type sampler struct {
	s      Sampling
	lastN  int
	random rand.PCG
	kept   []candidate
	undo   []candidate // what was changed in the row, oldest first
	seen   []uint32    // per token, the last penalty round that met it
	round  uint32
}

// maxRejections is how many samples a matcher may reject before every token is
// tested: a sample costs a pass over the row, a test 0.1 us.
const maxRejections = 8

var errNoToken = errors.New("engine: the matcher allows no token of the vocabulary")

// start prepares for a request.
func (s *sampler) start(o *Sampling, nVocab int) {
	s.s = *o
	s.lastN = o.RepeatLastN
	if s.lastN == 0 {
		s.lastN = DefaultRepeatLastN
	}
	if len(s.seen) != nVocab {
		s.seen, s.round = make([]uint32, nVocab), 0
	}
	if o.Seed != nil {
		s.random.Seed(uint64(*o.Seed), 0)
	} else {
		s.random.Seed(rand.Uint64(), rand.Uint64())
	}
}

// choose returns the next token. If m is not nil, it is one that m allows:
// tokens that m rejects are taken out and the choice is made again.
func (s *sampler) choose(row []float32, history []Token, m Matcher) (Token, error) {
	defer s.restore(row)
	s.penalize(row, history)
	for range maxRejections {
		t, err := s.sample(row)
		if err != nil {
			return 0, err
		}
		if m == nil || m.Allowed(t) {
			return t, nil
		}
		s.set(row, t, float32(math.Inf(-1)))
	}
	left := 0
	for i, l := range row {
		if math.IsInf(float64(l), -1) {
			continue
		}
		if m.Allowed(Token(i)) {
			left++
			continue
		}
		s.set(row, Token(i), float32(math.Inf(-1)))
	}
	if left == 0 {
		return 0, errNoToken
	}
	return s.sample(row)
}

// set changes a logit until restore.
func (s *sampler) set(row []float32, t Token, logit float32) {
	s.undo = append(s.undo, candidate{id: t, logit: row[t]})
	row[t] = logit
}

func (s *sampler) restore(row []float32) {
	for _, u := range slices.Backward(s.undo) {
		row[u.id] = u.logit
	}
	s.undo = s.undo[:0]
}

// penalize applies the repeat penalty to the tokens of recent history, each
// once.
func (s *sampler) penalize(row []float32, history []Token) {
	penalty := s.s.RepeatPenalty
	if penalty == 0 || penalty == 1 {
		return
	}
	if s.round++; s.round == 0 {
		clear(s.seen)
		s.round = 1
	}
	for _, t := range history[max(0, len(history)-s.lastN):] {
		if s.seen[t] == s.round {
			continue
		}
		s.seen[t] = s.round
		l := row[t]
		if l > 0 {
			l /= penalty
		} else {
			l *= penalty
		}
		s.set(row, t, l)
	}
}

// sample chooses from the row as it is.
func (s *sampler) sample(row []float32) (Token, error) {
	best, err := argmax(row)
	if err != nil || s.s.Temperature == 0 {
		return best, err
	}
	s.filter(row, row[best])
	return s.draw(), nil
}

// filter leaves in kept the tokens that top-k, top-p and min-p keep.
func (s *sampler) filter(row []float32, best float32) {
	topP := s.s.TopP
	if topP == 0 {
		topP = 1
	}
	// A token's probability is MinP of the best one's where its logit is this.
	// The logarithm of 0 is minus infinity: then nothing is below.
	least := best + float32(math.Log(float64(s.s.MinP)))
	switch {
	case s.s.TopK > 0 && s.s.TopK < len(row):
		s.topK(row)
		if topP < 1 {
			s.topP(topP)
		}
	case topP < 1:
		s.nucleus(row, best, topP)
	default:
		s.collect(row, least)
		return
	}
	s.kept = slices.DeleteFunc(s.kept, func(c candidate) bool { return c.logit < least })
}

// draw chooses among kept with the probabilities of their logits over the
// temperature.
func (s *sampler) draw() Token {
	best := s.kept[0].logit
	for _, c := range s.kept {
		best = max(best, c.logit)
	}
	sum := 0.0
	for i := range s.kept {
		c := &s.kept[i]
		c.p = exp32((c.logit - best) / s.s.Temperature)
		sum += float64(c.p)
	}
	// The random number is in [0, 1): a token of probability 0 is not reached.
	target := sum * (float64(s.random.Uint64()>>11) / (1 << 53))
	run := 0.0
	last := s.kept[0].id
	for _, c := range s.kept {
		if c.p == 0 {
			continue
		}
		last = c.id
		if run += float64(c.p); run > target {
			break
		}
	}
	return last
}

// argmax returns the token of the greatest logit, the first of equals. Rows that
// a choice cannot be made from are errors: llama.cpp would pick one silently.
func argmax(row []float32) (Token, error) {
	best, at := float32(math.Inf(-1)), -1
	for i, l := range row {
		if l > best {
			best, at = l, i
		} else if l != l {
			return 0, fmt.Errorf("engine: the model computed NaN for token %d", i)
		}
	}
	if at < 0 {
		return 0, errNoToken
	}
	if math.IsInf(float64(best), 1) {
		return 0, fmt.Errorf("engine: the model computed an infinite logit for token %d", at)
	}
	return Token(at), nil
}

func exp32(x float32) float32 { return float32(math.Exp(float64(x))) }
