package engine

// adjust changes the row as logit bias, penalties and DRY say.
func (s *sampler) adjust(row []float32, history []Token) {
	for _, b := range s.bias {
		s.set(row, b.id, row[b.id]+b.logit)
	}
	s.penalize(row, history)
	s.dry(row, history)
}

// penalize makes the tokens of recent history less probable, each once. The
// formula is llama.cpp's.
func (s *sampler) penalize(row []float32, history []Token) {
	repeat := s.s.RepeatPenalty
	if repeat == 0 {
		repeat = 1
	}
	if repeat == 1 && s.s.FrequencyPenalty == 0 && s.s.PresencePenalty == 0 {
		return
	}
	recent := history[max(0, len(history)-s.lastN):]
	s.tally.reset(len(recent))
	for _, t := range recent {
		*s.tally.at(t)++
	}
	for _, i := range s.tally.used {
		seen := s.tally.slots[i]
		l := row[seen.token]
		if l > 0 {
			l /= repeat
		} else {
			l *= repeat
		}
		l -= float32(seen.value)*s.s.FrequencyPenalty + s.s.PresencePenalty
		s.set(row, seen.token, l)
	}
}

// tally is a small map of tokens to numbers that is emptied at no cost: Go's
// would allocate, and an array of the vocabulary is too much for each request.
type tally struct {
	slots []tallySlot // a power of two, at least twice the tokens
	used  []uint32    // indices of slots, in the order of first use
	round uint32
}

type tallySlot struct {
	token Token
	value int32
	round uint32 // the slot is empty in others
}

// reset empties the tally and makes room for n tokens.
func (t *tally) reset(n int) {
	t.used = t.used[:0]
	size := max(len(t.slots), 16)
	for size < 2*n {
		size *= 2
	}
	if t.round++; size != len(t.slots) || t.round == 0 {
		t.slots, t.round = make([]tallySlot, size), 1
	}
}

// at returns the number of a token, at first 0, until the next reset.
func (t *tally) at(token Token) *int32 {
	mask := uint32(len(t.slots) - 1)
	// Fibonacci hashing: neighbours are spread.
	i := uint32(uint64(uint32(token)) * 0x9E3779B97F4A7C15 >> 32)
	for i &= mask; t.slots[i].round == t.round; i = (i + 1) & mask {
		if t.slots[i].token == token {
			return &t.slots[i].value
		}
	}
	t.slots[i] = tallySlot{token: token, round: t.round}
	t.used = append(t.used, i)
	return &t.slots[i].value
}
