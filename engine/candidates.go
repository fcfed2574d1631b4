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
// If all are off, it leaves kept alone and reports that any token is possible.
func (s *sampler) filter(row []float32, best float32) (all bool) {
	all = true
	if k := s.s.TopK; k > 0 && k < len(row) {
		s.topK(row, k)
		all = false
	}
	if p := float64(s.s.TypicalP); p > 0 && p < 1 {
		s.typical(row, best, p, all)
		all = false
	}
	if p := float64(s.s.TopP); p > 0 && p < 1 {
		s.topP(row, best, p, all)
		all = false
	}
	if s.s.MinP == 0 {
		return all
	}
	// A token's probability is MinP of the best one's where its logit is this.
	if all {
		s.collect(row, best+float32(math.Log(float64(s.s.MinP))))
		return false
	}
	least := s.best() + float32(math.Log(float64(s.s.MinP)))
	s.kept = slices.DeleteFunc(s.kept, func(c candidate) bool { return c.logit < least })
	return false
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
func (s *sampler) topK(row []float32, k int) {
	kept := s.kept[:0]
	i := 0
	for ; i < len(row) && len(kept) < k; i++ {
		if l := row[i]; l >= -math.MaxFloat32 {
			kept = append(kept, candidate{id: Token(i), logit: l})
			up(kept)
		}
	}
	s.kept = kept
	if len(kept) < k {
		return
	}
	least := kept[0].logit
	for ; i+8 <= len(row); i += 8 {
		b := (*[8]float32)(row[i:])
		if b[0] <= least && b[1] <= least && b[2] <= least && b[3] <= least &&
			b[4] <= least && b[5] <= least && b[6] <= least && b[7] <= least {
			continue
		}
		for j, l := range b {
			if l > least {
				kept[0] = candidate{id: Token(i + j), logit: l}
				down(kept)
				least = kept[0].logit
			}
		}
	}
	for ; i < len(row); i++ {
		if l := row[i]; l > least {
			kept[0] = candidate{id: Token(i), logit: l}
			down(kept)
			least = kept[0].logit
		}
	}
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
func (s *sampler) topP(row []float32, best float32, p float64, all bool) {
	if !all {
		sum, _ := s.weigh(s.best())
		s.rankByLogit()
		s.kept = s.kept[:heaviest(s.kept, p*sum)]
		return
	}
	// Nearly always few tokens suffice. If not, these do: what is further than
	// reach below the best weighs at most 1-p of the sum, in all.
	sum, _ := sums(row, best, 1)
	for _, reach := range [...]float64{6, math.Log(float64(len(row)) / ((1 - p) * sum)), math.Inf(1)} {
		s.collect(row, below(best, reach))
		if near, _ := s.weigh(best); near >= p*sum {
			break
		}
	}
	s.rankByLogit()
	s.kept = s.kept[:heaviest(s.kept, p*sum)]
}

// typical keeps the tokens, of the row or of kept, whose surprise is nearest to
// the expected one and that together exceed p ([Meister et al.]).
//
// [Meister et al.]: https://arxiv.org/abs/2202.00666
func (s *sampler) typical(row []float32, best float32, p float64, all bool) {
	var sum, moment float64
	if all {
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

func (s *sampler) rankByLogit() {
	for i := range s.kept {
		s.kept[i].rank = s.kept[i].logit
	}
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
