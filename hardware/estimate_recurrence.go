package hardware

// recurrence adds a layer that keeps a state: Mamba's of either generation, or a
// short convolution (llama.cpp's src/models/mamba-base.cpp and lfm2.cpp).
func (b *builder) recurrence(l *layer, x ref) ref {
	switch {
	case l.has(convIn):
		return b.convolution(l, x)
	case l.has(ssmBeta):
		return b.deltaNet(l, x)
	}
	conv := b.loadState(b.convState(l))
	each := b.tokens / b.sequences
	passes := b.convWidth() // through the convolution
	x = b.show(x, b.width, each, b.sequences)
	all := b.show(b.multiply(x, l.out(ssmIn), false), l.out(ssmIn), each, b.sequences)
	joined := b.convolve(l.kernel(), passes, conv, b.show(all, passes, each, b.sequences))
	mixed := b.like(b.like(b.floats(passes, each, b.sequences, joined)))

	var y ref
	if l.has(ssmX) {
		y = b.scan(l, mixed)
	} else {
		time := b.like(b.floats(b.timeRank, each, b.sequences, b.show(all, b.timeRank, each, b.sequences)))
		inner := b.show(mixed, b.inner, each, b.sequences)
		y = b.scanned(inner, time, b.show(mixed, b.state, each, b.sequences), b.show(mixed, b.state, each, b.sequences))
		y = b.like(y, b.floats(b.inner, each, b.sequences, inner))
	}
	gate := b.floats(b.inner, each, b.sequences, b.show(all, b.inner, each, b.sequences))
	y = b.floats(b.inner, each, b.sequences, gate, y)
	if l.has(ssmNorm) {
		y = b.norm(b.show(y, b.inner, each, b.sequences))
	}
	if l.has(ssmX) {
		return b.show(b.multiply(y, l.out(ssmOut), false), b.width, b.tokens, 1)
	}
	return b.multiply(b.show(y, b.inner, b.tokens, 1), l.out(ssmOut), false)
}

// scan adds the recurrence of Mamba's first generation, which computes time steps
// and projections from what passed the convolution.
func (b *builder) scan(l *layer, mixed ref) ref {
	each := b.tokens / b.sequences
	all := b.multiply(mixed, l.out(ssmX), false)
	time := b.show(all, b.timeRank, each, b.sequences)
	left, right := b.show(all, b.state, each, b.sequences), b.show(all, b.state, each, b.sequences)
	if l.has(ssmTimeNorm) {
		time, left, right = b.norm(time), b.norm(left), b.norm(right)
	} else {
		time = b.floats(b.timeRank, each, b.sequences, time)
	}
	time = b.multiply(time, l.out(ssmTime), true)
	y := b.scanned(b.show(mixed, b.inner, each, b.sequences), time, left, right)
	return b.like(y, b.like(mixed))
}

// scanned adds the recurrence itself, whose result is its output and, behind it,
// the new states.
func (b *builder) scanned(x, time, left, right ref) ref {
	each := b.tokens / b.sequences
	both := b.floats(b.inner*b.tokens+b.state*b.inner*b.sequences, 1, 1, x, time, left, right, b.states)
	b.expand(both)
	b.keepStates()
	b.expand(b.store(b.show(both, b.state*b.inner, b.sequences, 1)))
	return b.show(both, b.inner, each, b.sequences)
}

// loadState adds the reading of all sequences' states of a width.
func (b *builder) loadState(width int) ref {
	state := b.floats(width, b.sequences, 1, b.states)
	b.expand(state)
	b.keepStates()
	return state
}

// keepStates adds the moving of the states of sequences that are not in the batch:
// none in the largest.
func (b *builder) keepStates() { b.expand(b.store(b.floats(0, 1, 1, b.states))) }

// convolve puts the tokens before in front of those of the batch, and stores the
// last ones for the next batch.
func (b *builder) convolve(kernel, width int, before, now ref) ref {
	before = b.show(before, kernel-1, width, b.sequences)
	joined := b.floats(kernel-1+b.tokens/b.sequences, width, b.sequences, before, b.show(now, b.tokens/b.sequences, width, b.sequences))
	b.expand(b.store(b.show(joined, kernel-1, width, b.sequences)))
	return joined
}

// deltaNet adds a gated delta net (delta-net-base.cpp): an attention whose keys and
// values are summed up in a state.
func (b *builder) deltaNet(l *layer, x ref) ref {
	each, passes := b.tokens/b.sequences, b.convWidth()
	mixed := b.show(b.multiply(x, passes, false), passes, each, b.sequences)
	gate := b.multiply(x, b.inner, false)
	perHead := func() ref { return b.like(b.show(b.multiply(x, b.timeRank, false), b.timeRank, b.tokens, 1)) }
	beta, alpha := perHead(), b.like(b.like(perHead()))
	joined := b.convolve(l.kernel(), passes, b.loadState(b.convState(l)), mixed)
	state := b.show(b.loadState(b.scanState(l)), b.state, b.inner, b.sequences)
	all := b.like(b.floats(passes, each, b.sequences, joined))
	keys := b.groups * b.state
	normed := func() ref { return b.like(b.like(b.show(all, keys, each, b.sequences))) }
	both := b.floats(b.inner, b.tokens+b.state*b.sequences, 1, normed(), normed(),
		b.show(all, b.inner, each, b.sequences), b.show(alpha, b.timeRank, each, b.sequences), beta, state)
	b.expand(b.store(b.show(both, b.state, b.inner, b.sequences)))
	y := b.norm(b.show(both, b.inner, b.tokens, 1))
	y = b.like(y, b.like(b.show(gate, b.inner, b.tokens, 1)))
	y = b.multiply(b.show(y, b.inner, each, b.sequences), l.out(ssmOut), false)
	return b.show(y, b.width, b.tokens, 1)
}

// convolution adds the short convolution of LFM2, between two gates.
func (b *builder) convolution(l *layer, x ref) ref {
	each, kernel := b.tokens/b.sequences, l.kernel()
	x = b.show(x, b.width, each, b.sequences)
	all := b.multiply(x, l.out(convIn), false)
	third := func() ref { return b.show(all, b.width, each, b.sequences) }
	gated := b.floats(b.width, each, b.sequences, third(), third())
	joined := b.convolve(kernel, b.width, b.loadState(b.convState(l)), gated)
	y := b.floats(b.width, each, b.sequences, joined)
	y = b.like(third(), y)
	return b.show(b.multiply(y, l.out(convOut), false), b.width, b.tokens, 1)
}
