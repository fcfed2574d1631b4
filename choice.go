package cria

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// Scorer is an [LM] that can say how probable each of some replies is, without
// generating one. If the last output is of a closed set of values, it is then scored,
// after the others were generated: the reply has the most probable value, and
// [Result.Choice] has the distribution.
type Scorer interface {
	LM

	// Score returns the natural logarithms of the probabilities of replies, if the
	// request's prefill goes on with one of them; the probabilities add up to 1.
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

// closedHole is the last hole of a constraint whose value is scored.
type closedHole struct {
	scorer Scorer
	field  string
	values []string
	before Constraint // what is generated first; nil: nothing
	joint  string     // the literal at its end, which is scored with the values
	rest   Constraint // the joint, the hole and what follows it
}

// closedHole returns the last hole of the request's output, nil if its values are not a
// closed set, the LM does not score, or the choice is to be random.
func (s Scope) closedHole(req *Request) *closedHole {
	scorer, ok := s.LM.(Scorer)
	greedy := req.Sampling == nil || req.Sampling.Temperature == 0 && (req.Sampling.RepeatPenalty == 0 || req.Sampling.RepeatPenalty == 1)
	if !ok || !greedy || len(req.Tools) > 0 {
		return nil
	}
	isHole := func(p Part) bool { return p.Hole != nil }
	last := len(req.Output) - 1
	for last >= 0 && !isHole(req.Output[last]) {
		last--
	}
	if last < 0 {
		return nil
	}
	h := &closedHole{scorer: scorer, field: req.Output[last].Hole.Name, values: req.Output[last].Hole.closedSet(), rest: req.Output}
	if h.values == nil {
		return nil
	}
	if slices.ContainsFunc(req.Output[:last], isHole) { // so there is a literal between them
		h.before, h.joint, h.rest = req.Output[:last:last], req.Output[last-1].Literal, req.Output[last-1:]
	}
	return h
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
