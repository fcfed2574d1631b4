package engine

import (
	"math"
	"slices"
)

// TokenLogprob is a token and the natural logarithm of the probability that the
// model gave it: before bias, penalties, filters and temperature, and whether or
// not the matcher allowed it (as in OpenAI's API and, by default, llama-server's).
type TokenLogprob struct {
	Token   Token
	Text    []byte // what the token stands for, perhaps only a part of a character
	Logprob float32

	// Top is the most probable tokens at this place, the most probable first,
	// whether or not Token is one of them.
	Top []TokenLogprob
}

// logprobs returns the log probability of the chosen token and those of the n
// most probable ones, from a row as the model computed it, which choose leaves
// it as. The texts are not set, and Top is overwritten by the next call.
func (s *sampler) logprobs(row []float32, chosen Token, n int) (TokenLogprob, error) {
	s.borrow()
	defer s.giveBack()
	if err := s.topK(row, max(n, 1)); err != nil {
		return TokenLogprob{}, err
	}
	slices.SortFunc(s.kept, descending)
	best := s.kept[0].logit
	sum, _ := sums(row, best, 1)
	whole := float64(best) + math.Log(sum)
	logprob := func(t Token) TokenLogprob {
		return TokenLogprob{Token: t, Logprob: float32(float64(row[t]) - whole)}
	}
	s.top = s.top[:0]
	if n > 0 {
		for _, c := range s.kept {
			s.top = append(s.top, logprob(c.id))
		}
	}
	l := logprob(chosen)
	l.Top = s.top
	return l, nil
}
