package cria

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
)

// Scorer is an [LM] that can say how probable each of some replies is, without
// generating one. An output with a closed set of values is then scored: the reply is
// the most probable value, and [Result.Choice] has the distribution.
type Scorer interface {
	LM

	// Score returns the natural logarithms of the probabilities of replies that
	// follow the request's prefill, each with a space before it; they add up to 1.
	// The error is [errors.ErrUnsupported] if the LM cannot do that after all.
	Score(ctx context.Context, req *Request, replies []string) (*Scores, error)
}

// Scores is what a [Scorer] answers.
type Scores struct {
	Logprobs []float64
	Usage    Usage
}

// Choice is how probable each value of a closed set is.
type Choice struct {
	Values []string  // in declared order
	Probs  []float64 // of each, after calibration; they add up to 1
}

// Best returns the index of the most probable value.
func (c *Choice) Best() int {
	best := 0
	for i, p := range c.Probs {
		if p > c.Probs[best] {
			best = i
		}
	}
	return best
}

// Margin is how much more probable the best value is than the second.
func (c *Choice) Margin() float64 {
	sorted := slices.SortedFunc(slices.Values(c.Probs), func(a, b float64) int { return cmp.Compare(b, a) })
	if len(sorted) < 2 {
		return 1
	}
	return sorted[0] - sorted[1]
}

// closedSet returns the values of a field if they are few and known.
func (f Field) closedSet() []string {
	switch {
	case f.Optional:
		return nil
	case f.Type.Kind == KindLiteral:
		return f.Type.Values
	case f.Type.Kind == KindBool:
		return []string{"true", "false"}
	}
	return nil
}

// scores asks the LM for the scores of the values of the only output. It returns
// nil if that is not one of a closed set, the LM does not score, or the choice is to
// be random.
func (p *Predictor) scores(ctx context.Context, scope Scope, req *Request) ([]string, *Scores, error) {
	scorer, ok := scope.LM.(Scorer)
	greedy := req.Sampling == nil || req.Sampling.Temperature == 0 && (req.Sampling.RepeatPenalty == 0 || req.Sampling.RepeatPenalty == 1)
	if !ok || !greedy || len(req.Output) != 1 || req.Output[0].Hole == nil || len(req.Tools) > 0 {
		return nil, nil, nil
	}
	values := req.Output[0].Hole.closedSet()
	if values == nil {
		return nil, nil, nil
	}
	s, err := scorer.Score(ctx, req, values)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil, nil
	}
	return values, s, err
}

// choose makes a prediction of scores.
func (p *Predictor) choose(scope Scope, req *Request, values []string, s *Scores) (*Prediction, error) {
	choice := scope.Calibration.apply(values, s.Logprobs)
	text := req.Prefill + " " + values[choice.Best()]
	prediction, err := p.parse(scope, text, Chunk{Finish: FinishStop, Usage: s.Usage})
	if err != nil {
		return nil, err
	}
	prediction.Choice = choice
	return prediction, nil
}

// softmax returns probabilities that are proportional to the exponentials.
func softmax(logits []float64) []float64 {
	best := slices.Max(logits)
	sum := 0.0
	probs := make([]float64, len(logits))
	for i, l := range logits {
		probs[i] = math.Exp(l - best)
		sum += probs[i]
	}
	for i := range probs {
		probs[i] /= sum
	}
	return probs
}
