package engine

import (
	"cmp"
	"math"
	"slices"
)

// descending orders candidates by logit, the greatest first.
func descending(a, b candidate) int { return cmp.Compare(b.logit, a.logit) }

// collect keeps the tokens with at least the given logit, in no order.
// Impossible tokens are never kept.
func (s *sampler) collect(row []float32, least float32) {
	s.kept = s.kept[:0]
	for i, l := range row {
		if l >= least && l > float32(math.Inf(-1)) {
			s.kept = append(s.kept, candidate{id: Token(i), logit: l})
		}
	}
}

// topK keeps the TopK tokens of the greatest logits, in descending order.
func (s *sampler) topK(row []float32) {
	k := s.s.TopK
	s.kept = s.kept[:0]
	for i, l := range row {
		if l == float32(math.Inf(-1)) {
			continue
		}
		if len(s.kept) < k {
			s.kept = append(s.kept, candidate{id: Token(i), logit: l})
			up(s.kept)
			continue
		}
		if l > s.kept[0].logit {
			s.kept[0] = candidate{id: Token(i), logit: l}
			down(s.kept)
		}
	}
	slices.SortFunc(s.kept, descending)
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

// topP cuts kept, which is in descending order, after the token with which its
// probabilities, over kept, reach p.
func (s *sampler) topP(p float32) {
	sum := float32(0)
	for i := range s.kept {
		c := &s.kept[i]
		c.p = exp32(c.logit - s.kept[0].logit)
		sum += c.p
	}
	s.cut(p, sum)
}

// cut is topP with the probabilities known up to their sum. It reports whether p
// was reached.
func (s *sampler) cut(p, sum float32) bool {
	run := float32(0)
	for i, c := range s.kept {
		if run += c.p / sum; run >= p {
			s.kept = s.kept[:i+1]
			return true
		}
	}
	return false
}

// nucleus keeps the most probable tokens of the row that together reach p, in
// descending order. Sorting is the cost, so it sorts those near the best first,
// and all only if they do not suffice.
func (s *sampler) nucleus(row []float32, best, p float32) {
	total := 0.0
	for _, l := range row {
		total += math.Exp(float64(l - best))
	}
	sum := float32(total)
	for _, reach := range []float32{6, 12, float32(math.Inf(1))} {
		s.collect(row, best-reach)
		slices.SortFunc(s.kept, descending)
		for i := range s.kept {
			s.kept[i].p = exp32(s.kept[i].logit - best)
		}
		if s.cut(p, sum) {
			return
		}
	}
}
