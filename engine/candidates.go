package engine

import (
	"cmp"
	"math"
	"slices"
)

// candidate is a token that may be chosen.
type candidate struct {
	id    Token
	logit float32
	p     float32 // probability, not normalized
	rank  float32 // what comes first when only a part is kept
}

// descending orders candidates by logit, the greatest first.
func descending(a, b candidate) int { return cmp.Compare(b.logit, a.logit) }

// filter leaves in kept the tokens that top-k, typical-p, top-p and min-p keep.
// If all are off, it leaves kept and the row alone and reports that any token is
// possible.
func (s *sampler) filter(row []float32) (all bool, err error) {
	all = true
	if k := s.s.TopK; k > 0 && k < len(row) {
		if err := s.topK(row, k); err != nil {
			return false, err
		}
		all = false
	}
	if p := float64(s.s.TypicalP); p > 0 && p < 1 {
		if err := s.typical(row, p, all); err != nil {
			return false, err
		}
		all = false
	}
	if p := float64(s.s.TopP); p > 0 && p < 1 {
		if err := s.topP(row, p, all); err != nil {
			return false, err
		}
		all = false
	}
	if p := float64(s.s.MinP); p > 0 {
		return false, s.minP(row, p, all)
	}
	return all, nil
}

// best returns the greatest logit in kept.
func (s *sampler) best() float32 {
	best := s.kept[0].logit
	for i := range s.kept {
		best = max(best, s.kept[i].logit)
	}
	return best
}

// topK keeps the k tokens of the greatest logits, in no order.
func (s *sampler) topK(row []float32, k int) error {
	kept := s.kept[:0]
	i := 0
	for ; i < len(row) && len(kept) < k; i++ {
		l := row[i]
		if l != l {
			return errNaN(i)
		}
		if l >= -math.MaxFloat32 {
			kept = append(kept, candidate{id: Token(i), logit: l})
			up(kept)
		}
	}
	s.kept = kept
	if len(kept) == 0 {
		return errNoToken
	}
	least := kept[0].logit
	for ; i+8 <= len(row); i += 8 {
		b := (*[8]float32)(row[i:])
		// Written so that NaN is not passed over.
		if b[0] <= least && b[1] <= least && b[2] <= least && b[3] <= least &&
			b[4] <= least && b[5] <= least && b[6] <= least && b[7] <= least {
			continue
		}
		for j, l := range b {
			if l > least {
				kept[0] = candidate{id: Token(i + j), logit: l}
				down(kept)
				least = kept[0].logit
			} else if l != l {
				return errNaN(i + j)
			}
		}
	}
	for ; i < len(row); i++ {
		if l := row[i]; l > least {
			kept[0] = candidate{id: Token(i), logit: l}
			down(kept)
			least = kept[0].logit
		} else if l != l {
			return errNaN(i)
		}
	}
	for i := range kept {
		if math.IsInf(float64(kept[i].logit), 1) {
			return errInfinite(int(kept[i].id))
		}
	}
	return nil
}

// up moves the last element of a heap, least first, to its place.
func up(h []candidate) {
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if h[parent].logit <= h[i].logit {
			return
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
}

// down moves the first element of a heap, least first, to its place.
func down(h []candidate) {
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].logit < h[child].logit {
			child++
		}
		if h[i].logit <= h[child].logit {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// topP keeps the most probable tokens, of the row or of kept, that together
// reach p.
func (s *sampler) topP(row []float32, p float64, all bool) error {
	if all {
		return s.topPOfRow(row, p)
	}
	sum, _ := s.weigh(s.best())
	for i := range s.kept {
		s.kept[i].rank = s.kept[i].logit
	}
	s.kept = s.kept[:heaviest(s.kept, p*sum)]
	return nil
}

// minP keeps the tokens, of the row or of kept, that are at least p times as
// probable as the best.
func (s *sampler) minP(row []float32, p float64, all bool) error {
	reach := float32(math.Log(p))
	if all {
		best, err := argmax(row)
		if err == nil {
			s.collect(row, row[best]+reach)
		}
		return err
	}
	least := s.best() + reach
	s.kept = slices.DeleteFunc(s.kept, func(c candidate) bool { return c.logit < least })
	return nil
}

// typical keeps the tokens, of the row or of kept, whose surprise is nearest to
// the expected one and that together exceed p ([Meister et al.]).
//
// [Meister et al.]: https://arxiv.org/abs/2202.00666
func (s *sampler) typical(row []float32, p float64, all bool) error {
	var best float32
	var sum, moment float64
	if all {
		at, err := argmax(row)
		if err != nil {
			return err
		}
		best = row[at]
		sum, moment = sums(row, best, 1)
	} else {
		best = s.best()
		sum, moment = s.weigh(best)
	}
	// The surprise of a token that is x below the best is x plus a constant.
	expected := moment / sum
	if all {
		// The tokens nearer than reach weigh p and more, as in topP. They come
		// before those further away if reach is also as far from the expected
		// surprise as the best token is.
		reach := max(math.Log(float64(len(row))/((1-p)*sum)), 2*expected)
		s.collect(row, below(best, reach))
		s.weigh(best)
	}
	for i := range s.kept {
		c := &s.kept[i]
		c.rank = -float32(math.Abs(float64(best) - float64(c.logit) - expected))
	}
	s.kept = s.kept[:heaviest(s.kept, math.Nextafter(p*sum, math.Inf(1)))]
	return nil
}

// below returns the logit that is reach below best. It is rounded down: what is
// left out is at least so far below.
func below(best float32, reach float64) float32 {
	return math.Nextafter32(float32(float64(best)-reach), float32(math.Inf(-1)))
}

// weigh sets the probability of each of kept, in relation to a logit of best,
// and returns what sums returns for a row.
func (s *sampler) weigh(best float32) (sum, moment float64) {
	for i := range s.kept {
		c := &s.kept[i]
		x := float64(best) - float64(c.logit)
		e := expNeg(x)
		c.p = float32(e)
		sum += e
		if e > 0 {
			moment += x * e
		}
	}
	return sum, moment
}

// heaviest moves the candidates of the highest ranks that together weigh at
// least target to the front, in no order, and returns their number: all if all
// weigh less. It is a quickselect: sorting would be the most expensive step of a
// choice.
func heaviest(list []candidate, target float64) int {
	start, end, weight := 0, len(list), 0.0 // those before start are in and weigh so much
	for end-start > 16 {
		part := list[start:end]
		above, same, wAbove, wSame := partition(part, pivot(part))
		switch {
		case weight+wAbove >= target:
			end = start + above
		case weight+wAbove+wSame >= target:
			weight += wAbove
			start += above
			for weight < target && start < end {
				weight += float64(list[start].p)
				start++
			}
			return start
		default:
			weight += wAbove + wSame
			start += above + same
		}
	}
	part := list[start:end]
	slices.SortFunc(part, func(a, b candidate) int { return cmp.Compare(b.rank, a.rank) })
	for i := range part {
		if weight += float64(part[i].p); weight >= target {
			return start + i + 1
		}
	}
	return end
}

// pivot returns the median rank of three candidates.
func pivot(list []candidate) float32 {
	a, b, c := list[0].rank, list[len(list)/2].rank, list[len(list)-1].rank
	return max(min(a, b), min(max(a, b), c))
}

// partition puts those ranked above the pivot first and those ranked the same
// next, and returns the numbers and weights of both.
func partition(list []candidate, pivot float32) (above, same int, wAbove, wSame float64) {
	end, i := len(list), 0 // before above: above; before i: same; from end: below
	for i < end {
		c := list[i]
		switch {
		case c.rank > pivot:
			wAbove += float64(c.p)
			list[i], list[above] = list[above], c
			above++
			i++
		case c.rank < pivot:
			end--
			list[i], list[end] = list[end], c
		default:
			wSame += float64(c.p)
			i++
		}
	}
	return above, i - above, wAbove, wSame
}
