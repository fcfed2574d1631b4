package engine

import "math"

// Mirostat keeps the surprise of the output near a target, by what it learns
// from each choice ([Basu et al.], version 2 as in llama.cpp).
//
// [Basu et al.]: https://arxiv.org/abs/2007.14966
type Mirostat struct {
	// Tau is the surprise of a token to aim at, in bits; llama.cpp's default is 5.
	// 0 switches mirostat off.
	Tau float32

	// Eta is how fast it learns. If zero, defaults to [DefaultMirostatEta].
	Eta float32
}

// DefaultMirostatEta is llama.cpp's default.
const DefaultMirostatEta = 0.1

// mirostat leaves in kept the tokens whose surprise is at most mu, or the best.
func (s *sampler) mirostat(row []float32) error {
	best, err := argmax(row)
	if err != nil {
		return err
	}
	t := float64(s.s.Temperature)
	sum, _ := sums(row, row[best], 1/t)
	reach := s.mu*math.Ln2 - math.Log(sum)
	if reach < 0 {
		s.kept = append(s.kept[:0], candidate{id: best, logit: row[best]})
		return nil
	}
	s.collect(row, float32(float64(row[best])-reach*t))
	return nil
}

// learn takes note of the surprise of what was chosen.
func (s *sampler) learn() {
	m := s.s.Mirostat
	if m.Tau == 0 || s.s.Temperature == 0 {
		return
	}
	if m.Eta == 0 {
		m.Eta = DefaultMirostatEta
	}
	s.mu -= float64(m.Eta) * (s.surprise - float64(m.Tau))
}
