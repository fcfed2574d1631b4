package engine

import "fmt"

// Sampler chooses tokens from rows of logits as an [Engine] does, for programs
// that run the model themselves. One goroutine may use it at a time, any number
// of goroutines one each.
type Sampler struct {
	sampler sampler
	nVocab  int
}

// NewSampler returns a sampler for rows of nVocab tokens. It copies what it needs
// of o. An unusable field is a [RequestError].
func NewSampler(o Sampling, nVocab int) (*Sampler, error) {
	if err := o.check(nVocab); err != nil {
		return nil, err
	}
	s := &Sampler{nVocab: nVocab}
	s.sampler.start(&o, nVocab)
	return s, nil
}

// Choose returns the next token, without allocating. The history is the tokens
// so far, prompt included, for penalties and DRY. The row is changed meanwhile
// and put back. A row of another length, with NaN, with a logit of plus infinity
// or without a possible token is an error.
func (s *Sampler) Choose(row []float32, history []Token) (Token, error) {
	if len(row) != s.nVocab {
		return 0, fmt.Errorf("engine: a row of %d logits for a vocabulary of %d", len(row), s.nVocab)
	}
	for i, t := range history {
		if t < 0 || int(t) >= s.nVocab {
			return 0, fmt.Errorf("engine: history[%d]: token %d is not in the vocabulary of %d", i, t, s.nVocab)
		}
	}
	return s.sampler.choose(row, history, nil)
}
