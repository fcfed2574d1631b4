package engine

import "math"

// topPOfRow keeps the most probable tokens of the row that together reach p. The
// sum of all tokens decides nothing but where the cut is. So it is only bounded,
// from below and from above, by means of [bands]; what is near the best, down to
// the cut, is exponentiated. Where the bounds leave more than one place for the
// cut, which is rare, all of the row is.
func (s *sampler) topPOfRow(row []float32, p float64) error {
	if ok, err := s.count(row); err != nil {
		return err
	} else if !ok {
		return s.topPByExp(row, p)
	}
	band, below := s.bands.cut(p, len(row))
	s.collect(row, s.bands.edge(band))
	best := s.best()
	near, _ := s.weigh(best)
	below *= math.Exp(s.bands.middle() - float64(best))
	least, most := p*(near+below*bandUnder), p*(near+below*bandOver+float64(len(row))*bandRest)
	// The cut is in the last band, unless the bound made it one too many.
	sure, weight := s.split(s.bands.edge(band + 1))
	if weight >= most {
		sure, weight = 0, 0
	}
	n := sure + heaviest(s.kept[sure:], most-weight)
	if !lastNeeded(s.kept[sure:n], least-weight) {
		sum, _ := sums(row, best, 1)
		n = heaviest(s.kept, p*sum)
	}
	s.kept = s.kept[:n]
	return nil
}

// count counts the row in bands, unless they are of no use for it.
func (s *sampler) count(row []float32) (ok bool, err error) {
	if s.bands.fill(row, s.offset) {
		return true, nil
	}
	best, err := argmax(row)
	if err != nil {
		return false, err
	}
	s.offset = offsetFor(row[best])
	return s.bands.fill(row, s.offset), nil
}

// split moves the candidates of at least the given logit to the front, and
// returns their number and what they weigh.
func (s *sampler) split(least float32) (n int, weight float64) {
	kept := s.kept
	for end := len(kept); n < end; {
		c := kept[n]
		if c.logit >= least {
			weight += float64(c.p)
			n++
			continue
		}
		end--
		kept[n], kept[end] = kept[end], c
	}
	return n, weight
}

// lastNeeded reports whether list without its lightest candidate weighs less
// than target.
func lastNeeded(list []candidate, target float64) bool {
	sum, lightest := 0.0, math.Inf(1)
	for i := range list {
		p := float64(list[i].p)
		sum += p
		lightest = min(lightest, p)
	}
	return sum-lightest < target
}

// topPByExp is topPOfRow without bands.
func (s *sampler) topPByExp(row []float32, p float64) error {
	at, err := argmax(row)
	if err != nil {
		return err
	}
	best := row[at]
	sum, _ := sums(row, best, 1)
	// What is further below the best weighs at most 1-p of the sum, in all.
	s.collect(row, below(best, math.Log(float64(len(row))/((1-p)*sum))))
	s.weigh(best)
	s.kept = s.kept[:heaviest(s.kept, p*sum)]
	return nil
}
