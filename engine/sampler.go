package engine

import (
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
)

// sampler chooses the tokens of one request from rows of logits. It works on the
// row in place and puts it back as it was. Itself it is small; the memory that a
// choice takes, which grows with the vocabulary, is shared by all samplers, so
// that a choice does not allocate. Samplers can be used at the same time, one
// only by one goroutine.
type sampler struct {
	s        Sampling
	lastN    int
	bias     []candidate // what is added to the logits of tokens
	offset   float32     // of bands, which fits the rows so far
	random   rand.PCG
	mu       float64 // mirostat's bound of the surprise, in bits
	surprise float64 // of the last sample, in bits
	top      []TokenLogprob
	*scratch // nil between choices
}

// scratch is the memory of a choice.
type scratch struct {
	kept  []candidate
	undo  []candidate // what was changed in the row, oldest first
	bands bands
	tally tally
	runs  []int32
	mask  []uint64 // bits of the tokens that a matcher allows
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// borrow takes scratch memory until giveBack.
func (s *sampler) borrow() { s.scratch = scratches.Get().(*scratch) }

func (s *sampler) giveBack() {
	scratches.Put(s.scratch)
	s.scratch = nil
}

// maxRejections is how many samples a matcher may reject before every token is
// tested: a sample costs a pass over the row, a test 0.1 us.
const maxRejections = 8

var errNoToken = errors.New("engine: the matcher, or the logit bias, allows no token of the vocabulary")

// start prepares for a request.
func (s *sampler) start(o *Sampling, nVocab int) {
	s.s = *o
	s.lastN = o.RepeatLastN
	if s.lastN == 0 {
		s.lastN = DefaultRepeatLastN
	}
	s.bias = s.bias[:0]
	for t, b := range o.LogitBias {
		if t >= 0 && int(t) < nVocab {
			s.bias = append(s.bias, candidate{id: t, logit: b})
		}
	}
	s.offset = defaultOffset
	s.mu = 2 * float64(o.Mirostat.Tau)
	if o.Seed != nil {
		s.random.Seed(uint64(*o.Seed), 0)
	} else {
		s.random.Seed(rand.Uint64(), rand.Uint64())
	}
}

// choose returns the next token. If m is not nil, it is one that m allows:
// tokens that m rejects are taken out and the choice is made again.
func (s *sampler) choose(row []float32, history []Token, m Matcher) (Token, error) {
	s.borrow()
	defer s.giveBack()
	defer s.restore(row)
	s.adjust(row, history)
	t, err := s.sampleAllowed(row, m)
	if err == nil {
		s.learn()
	}
	return t, err
}

func (s *sampler) sampleAllowed(row []float32, m Matcher) (Token, error) {
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
	if s.exclude(row, m) == 0 {
		return 0, errNoToken
	}
	return s.sample(row)
}

// exclude takes out all tokens that a matcher rejects, and returns how many are
// left.
func (s *sampler) exclude(row []float32, m Matcher) (left int) {
	allowed := m.Allowed
	if masker, ok := m.(Masker); ok {
		s.mask = slices.Grow(s.mask[:0], (len(row)+63)/64)[:(len(row)+63)/64]
		clear(s.mask)
		masker.Mask(s.mask)
		allowed = func(t Token) bool { return s.mask[t/64]>>(t%64)&1 != 0 }
	}
	for i, l := range row {
		switch {
		case math.IsInf(float64(l), -1):
		case allowed(Token(i)):
			left++
		default:
			s.set(row, Token(i), float32(math.Inf(-1)))
		}
	}
	return left
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

// sample chooses from the row as it is. Rows that a choice cannot be made from
// are errors: llama.cpp would choose silently.
func (s *sampler) sample(row []float32) (Token, error) {
	if s.s.Temperature == 0 {
		return argmax(row)
	}
	if s.s.Mirostat.Tau > 0 {
		if err := s.mirostat(row); err != nil {
			return 0, err
		}
		return s.draw(), nil
	}
	all, err := s.filter(row)
	if err != nil {
		return 0, err
	}
	if all {
		return s.drawAny(row)
	}
	return s.draw(), nil
}

// draw chooses among kept with the probabilities of their logits over the
// temperature.
func (s *sampler) draw() Token {
	sum := s.heat(s.best())
	return s.pick(s.uniform()*sum, sum)
}

// drawAny is draw with all of the row, and as exact, without exponentiating all
// of it: a token that is far below the best is drawn as if it were just near
// enough to be in kept, and then rejected with the probability that makes up for
// it. Few draws are needed, about [maxFar] at most, because the far tokens weigh
// so little even then.
func (s *sampler) drawAny(row []float32) (Token, error) {
	at, err := argmax(row)
	if err != nil {
		return 0, err
	}
	best := row[at]
	t := float64(s.s.Temperature)
	least := below(best, t*max(4, math.Log(float64(len(row))/maxFar)))
	s.collect(row, least)
	near := s.heat(best)
	// The most probable of the others; the next number, so that no rounding of a
	// low temperature makes it as probable as the best.
	far := float64(math.Nextafter32(least, float32(math.Inf(-1))))
	bound := math.Exp((far - float64(best)) / t)
	for {
		target := s.uniform() * (near + bound*float64(len(row)))
		if target < near {
			return s.pick(target, near), nil
		}
		i, _ := bits.Mul64(s.random.Uint64(), uint64(len(row)))
		l := row[i]
		if l < least && s.uniform() < math.Exp((float64(l)-far)/t) {
			return Token(i), nil
		}
	}
}

// maxFar is what the tokens that drawAny does not exponentiate may weigh at most
// as it draws them, where the best one weighs 1, in vocabularies large enough
// for that to matter.
const maxFar = 128

// heat sets the probability of each of kept at the temperature, in relation to
// a logit of best, and returns their sum.
func (s *sampler) heat(best float32) float64 {
	scale := 1 / float64(s.s.Temperature)
	sum := 0.0
	for i := range s.kept {
		c := &s.kept[i]
		c.p = float32(expNeg((float64(best) - float64(c.logit)) * scale))
		sum += float64(c.p)
	}
	return sum
}

// pick returns the candidate that target falls on; sum is the weight of all.
func (s *sampler) pick(target, sum float64) Token {
	run := 0.0
	var last *candidate
	for i := range s.kept {
		c := &s.kept[i]
		if c.p == 0 {
			continue
		}
		last = c
		if run += float64(c.p); run > target {
			break
		}
	}
	s.surprise = -math.Log2(float64(last.p) / sum)
	return last.id
}

// uniform returns a random number in [0, 1).
func (s *sampler) uniform() float64 { return float64(s.random.Uint64()>>11) / (1 << 53) }
