package hardware

// builder makes the graph of a network, operation by operation, as llama.cpp's
// src/llama-graph.cpp and src/models do for the largest batch.
type builder struct {
	*graph
	*network
	setting

	positions, wanted ref // inputs: of the tokens; which of them have logits
	states            ref // which state each sequence has
	own               ref // embeddings of each layer
	full, windowed    attentionInputs
}

// attentionInputs say for the layers of a kind where in the cache tokens go and
// which cells they see.
type attentionInputs struct {
	keys, values, mask         ref
	keyRotation, valueRotation ref // of a quantized cache, whose numbers are mixed to be alike
}

// setting is what the graph is made for.
type setting struct {
	tokens, sequences, rows int  // computed at once; of them with logits
	cells, windowCells      int  // of the cache; of that of layers with a window
	flash, quantized        bool // attention in one step; a cache in blocks
	embeddings              bool // one of each sequence
	hostLayers              int  // computed on the host; the others on the device
	outputHere              bool // the output matrix is on the host
}

const indexBytes = 8 // of a cell

// build makes the whole graph.
func (b *builder) build() {
	tokens := b.given(4, [3]int{b.tokens, 1, 1})
	vectors := b.given(4, [3]int{b.width, b.tokens, 1}) // the same place for inputs that are no tokens
	cur := b.floats(b.width, b.tokens, 1, tokens)
	b.expand(cur)
	b.expand(vectors)
	b.makeInputs()
	if b.types {
		cur = b.like(cur)
	}
	if b.arch == "bert" {
		cur = b.like(b.floats(b.width, b.tokens, 1, b.positions), cur)
	}
	if b.embeddingNorm && b.layerNorm { // LFM2 names its last norm so
		cur = b.norm(cur)
	}
	if b.perLayer > 0 {
		b.makeOwn(cur, tokens)
	}
	for i := range b.layers {
		if i >= b.hostLayers {
			b.side = device
		}
		last := i == len(b.layers)-1
		cur = b.layer(&b.layers[i], cur, last && !b.allRows)
	}
	if b.allRows && !b.normedRows {
		b.nodes[cur].output = true
		cur = b.pick(cur)
	}
	b.side = device
	if b.outputHere {
		b.side = host
	}
	b.finish(cur)
}

func (b *builder) makeInputs() {
	b.positions = b.given(4, [3]int{b.tokens, 1, 1})
	b.wanted = b.given(4, [3]int{b.rows, 1, 1})
	b.states = b.given(4, [3]int{b.sequences, 1, 1})
	b.full = b.attentionInputs(b.cells)
	b.windowed = b.attentionInputs(b.windowCells)
}

func (b *builder) attentionInputs(cells int) attentionInputs {
	elem, values := 4, b.tokens
	if b.flash {
		elem = 2
	}
	if b.noCache {
		cells = b.tokens
	}
	if !b.flash {
		values *= b.widestValues() // the cache of values is transposed: each number has its place
	}
	in := attentionInputs{
		keys:   b.given(indexBytes, [3]int{b.tokens, 1, 1}),
		values: b.given(indexBytes, [3]int{values, 1, 1}),
		mask:   b.given(elem, [3]int{cells, b.tokens, 1}),
	}
	if b.quantized && !b.noCache && b.keyDim > 0 && b.keyDim%leastRotation == 0 {
		n := leastRotation
		for b.keyDim%(2*n) == 0 {
			n *= 2
		}
		in.keyRotation = b.given(4, [3]int{n, n, 1})
	}
	if b.quantized && !b.noCache && b.valueDim > 0 && b.valueDim%leastRotation == 0 {
		in.valueRotation = b.given(4, [3]int{leastRotation, leastRotation, 1})
	}
	return in
}

// leastRotation is the size of the smallest matrix that numbers are mixed with
// (llama_kv_cache::build_input_k_rot).
const leastRotation = 64

// rotate mixes the numbers of each head, if they are to be mixed.
func (b *builder) rotate(x, rotation ref, width int, joined bool) ref {
	if rotation == 0 {
		return x
	}
	if joined { // a part of a row: it is copied first
		x = b.floats(width, b.tokens, 1, x)
	} else {
		x = b.show(x, width, b.tokens, 1)
	}
	return b.show(b.floats(width, b.tokens, 1, rotation, x), width, b.tokens, 1)
}

// multiply is a product with weights.
func (b *builder) multiply(x ref, out int, bias bool) ref {
	s := b.nodes[x].shape
	y := b.floats(out, s[1], s[2], x)
	if bias {
		y = b.like(y)
	}
	return y
}

// norm is a norm with weights.
func (b *builder) norm(x ref) ref {
	if !b.layerNorm {
		return b.like(b.like(x))
	}
	s := b.nodes[x].shape
	return b.like(b.like(b.floats(s[0], s[1], s[2], x)))
}

// pick takes the rows that logits or embeddings are wanted of.
func (b *builder) pick(x ref) ref { return b.floats(b.nodes[x].shape[0], b.rows, 1, x, b.wanted) }

// layer adds one layer.
func (b *builder) layer(l *layer, x ref, last bool) ref {
	residual, cur := x, x
	if l.has(attnNorm) {
		cur = b.norm(x)
	}
	if b.normsFirst {
		b.expand(cur)
	}
	switch {
	case b.bothPaths:
		attended := b.attention(l, cur)
		cur = b.like(attended, b.recurrence(l, b.norm(x)))
		residual = b.like(cur, residual)
	case l.recurs():
		cur = b.recurrence(l, cur)
	default:
		cur = b.attention(l, cur)
	}
	if last {
		cur, residual = b.pick(cur), b.pick(residual)
	}
	if l.has(postAttnNorm) && !b.normLate {
		cur = b.norm(cur)
	}
	switch {
	case b.bothPaths:
		cur = residual
	case b.sumsBefore:
		cur = b.like(residual, cur)
	default:
		cur = b.like(cur, residual)
	}
	if l.has(attnOutNorm) {
		cur = b.norm(cur)
	}
	if !l.has(ffnUp) && !l.has(expertUp) {
		return cur
	}
	return b.secondHalf(l, cur)
}

// secondHalf adds what each token passes by itself.
func (b *builder) secondHalf(l *layer, cur ref) ref {
	residual := cur
	if l.has(ffnNorm) || l.has(postAttnNorm) && b.normLate {
		cur = b.norm(cur)
	}
	if l.has(expertUp) {
		cur = b.mixture(l, cur)
	} else {
		cur = b.feedForward(l, cur, ffnUp, ffnGate, ffnDown)
	}
	if l.has(postFFNNorm) {
		cur = b.norm(cur)
	}
	if b.sumsBefore {
		cur = b.like(residual, cur)
	} else {
		cur = b.like(cur, residual)
	}
	if l.has(layerOutNorm) {
		cur = b.norm(cur)
	}
	if b.own != 0 {
		gate := b.like(b.multiply(cur, b.perLayer, false))
		gate = b.like(gate, b.show(b.own, b.perLayer, b.tokens, 1))
		cur = b.like(cur, b.norm(b.multiply(gate, b.width, false)))
	}
	return cur
}

// makeOwn makes the embeddings that each layer has of its own (gemma4.cpp).
func (b *builder) makeOwn(embeddings, tokens ref) {
	all := b.perLayer * len(b.layers)
	looked := b.like(b.show(b.floats(all, b.tokens, 1, tokens), all, b.tokens, 1))
	b.expand(looked)
	made := b.norm(b.show(b.multiply(embeddings, all, false), all, b.tokens, 1))
	b.own = b.floats(all, b.tokens, 1, b.show(b.like(made, looked), all, b.tokens, 1))
}

// attention adds the attention of a layer, up to its output matrix.
func (b *builder) attention(l *layer, x ref) ref {
	q, k, v, gate := b.queries(l, x)
	if !b.noRotation {
		q = b.like(q, b.positions)
		if !l.borrows {
			k = b.like(k, b.positions)
		}
	}
	in := b.full
	if l.window {
		in = b.windowed
	}
	joined := l.has(attnQKV)
	q = b.rotate(q, in.keyRotation, b.queryWidth(l), joined && b.noRotation)
	if !l.borrows {
		k = b.rotate(k, in.keyRotation, b.keyWidth(l), joined && b.noRotation)
		v = b.rotate(v, in.valueRotation, b.valueWidth(l), joined)
	}
	b.expand(q)
	b.expand(v)
	b.expand(k)
	mixed := b.mixedWidth(l)
	switch {
	case l.borrows:
	case b.noCache:
		k, v = b.show(k, b.keyWidth(l), b.tokens, 1), b.show(v, b.valueWidth(l), b.tokens, 1)
	default:
		b.expand(b.store(b.show(k, b.keyWidth(l), b.tokens, 1), in.keys))
		v = b.show(v, b.valueWidth(l), b.tokens, 1)
		if widest := b.widestValues(); !b.flash && b.valueWidth(l) < widest {
			v = b.floats(widest, b.tokens, 1, v)
		}
		b.expand(b.store(v, in.values))
		k, v = 0, 0
	}
	cur := b.attend(l, b.show(q, b.queryWidth(l), b.tokens, 1), k, v, in.mask)
	b.expand(cur)
	cur = b.rotate(cur, in.valueRotation, mixed, false)
	if gate != 0 {
		cur = b.like(cur, b.like(gate))
	}
	if !l.has(attnOut) {
		return cur
	}
	return b.multiply(cur, l.out(attnOut), l.bias[attnOut])
}

// attend adds attention itself. Keys and values that are in a cache are no nodes.
func (b *builder) attend(l *layer, q, k, v, mask ref) ref {
	mixed := b.mixedWidth(l)
	if !b.flash {
		scores := b.like(b.floats(b.nodes[mask].shape[0], b.tokens, b.heads, k, q), mask)
		if b.noCache {
			v = b.floats(b.tokens, b.valueWidth(l), 1, v)
		}
		mix := b.floats(mixed, b.tokens, 1, v, scores)
		return b.floats(mixed, b.tokens, 1, b.show(mix, mixed, b.tokens, 1))
	}
	if b.noCache { // then keys and values are F32, which this kernel does not take
		k = b.op(fresh, 2, [3]int{b.keyWidth(l), b.tokens, 1}, k)
		v = b.op(fresh, 2, [3]int{b.valueWidth(l), b.tokens, 1}, v)
	}
	return b.show(b.floats(mixed, b.tokens, 1, q, k, v, mask), mixed, b.tokens, 1)
}

// queries makes queries, keys and values, and the gates of queries that have them.
func (b *builder) queries(l *layer, x ref) (q, k, v, gate ref) {
	queryWidth, keyWidth, valueWidth := b.queryWidth(l), b.keyWidth(l), b.valueWidth(l)
	switch {
	case l.borrows:
		q = b.show(b.multiply(x, queryWidth, l.bias[attnQ]), queryWidth, b.tokens, 1)
	case b.gated:
		both := b.multiply(x, 2*queryWidth, l.bias[attnQ])
		q = b.show(both, queryWidth, b.tokens, 1)
		gate = b.floats(queryWidth, b.tokens, 1, b.show(both, queryWidth, b.tokens, 1))
		k = b.show(b.multiply(x, keyWidth, l.bias[attnK]), keyWidth, b.tokens, 1)
		v = b.show(b.multiply(x, valueWidth, l.bias[attnV]), valueWidth, b.tokens, 1)
	case l.has(attnQKV):
		all := b.multiply(x, l.out(attnQKV), l.bias[attnQKV])
		q, k, v = b.show(all, queryWidth, b.tokens, 1), b.show(all, keyWidth, b.tokens, 1), b.show(all, valueWidth, b.tokens, 1)
	default:
		q = b.show(b.multiply(x, queryWidth, l.bias[attnQ]), queryWidth, b.tokens, 1)
		made := b.multiply(x, keyWidth, l.bias[attnK])
		k = b.show(made, keyWidth, b.tokens, 1)
		if l.has(attnV) {
			made = b.multiply(x, valueWidth, l.bias[attnV])
		}
		v = b.show(made, valueWidth, b.tokens, 1)
	}
	if l.has(attnQNorm) {
		q = b.norm(q)
	}
	if l.has(attnKNorm) && !l.borrows {
		k = b.norm(k)
	}
	if b.normsValues && !l.borrows {
		v = b.like(v)
	}
	return q, k, v, gate
}

// feedForward adds a feed-forward network.
func (b *builder) feedForward(l *layer, x ref, up, gate, down part) ref {
	s := b.nodes[x].shape
	cur := b.multiply(x, l.out(up), l.bias[up])
	switch inner := l.in(down); {
	case l.has(gate):
		cur = b.floats(inner, s[1], 1, b.multiply(x, l.out(gate), l.bias[gate]), cur)
	case inner < l.out(up): // both in one matrix
		cur = b.floats(inner, s[1], 1, cur)
	default:
		cur = b.like(cur)
	}
	return b.multiply(cur, l.out(down), l.bias[down])
}

// mixture adds a mixture of experts.
func (b *builder) mixture(l *layer, x ref) ref {
	tokens, used := b.nodes[x].shape[1], b.expertsUsed
	scores := b.multiply(x, b.experts, l.bias[router])
	if !b.softmaxLate {
		scores = b.like(scores)
	}
	order := scores
	if l.bias[expertBias] {
		order = b.floats(b.experts, tokens, 1, scores)
	}
	chosen := b.show(b.floats(b.experts, tokens, 1, order), used, tokens, 1)
	weights := b.floats(1, used, tokens, b.show(scores, 1, b.experts, tokens), chosen)
	if b.softmaxLate {
		weights = b.show(b.like(b.show(weights, used, tokens, 1)), 1, used, tokens)
	}
	if !b.plainGates {
		flat := b.show(weights, used, tokens, 1)
		sum := b.like(b.floats(1, tokens, 1, flat))
		weights = b.show(b.like(flat, sum), 1, used, tokens)
	}
	b.expand(weights)
	cur := b.show(x, b.width, 1, tokens)
	inner := l.in(expertDown)
	up := b.floats(inner, used, tokens, cur, chosen)
	if l.bias[expertUp] {
		up = b.like(up, chosen)
	}
	if l.has(expertGate) {
		gate := b.floats(inner, used, tokens, cur, chosen)
		if l.bias[expertGate] {
			gate = b.like(gate, chosen)
		}
		up = b.floats(inner, used, tokens, gate, up)
	} else {
		up = b.like(up)
	}
	down := b.floats(b.width, used, tokens, up, chosen)
	if l.bias[expertDown] {
		down = b.like(down, chosen)
	}
	down = b.like(down, weights)
	b.expand(down)
	all := make([]ref, used)
	for i := range all {
		all[i] = b.show(down, b.width, tokens, 1)
		b.expand(all[i])
	}
	sum := all[0]
	for _, one := range all[1:] {
		sum = b.like(sum, one)
		b.expand(sum)
	}
	if used == 1 {
		sum = b.floats(b.width, tokens, 1, sum)
	}
	if !l.has(sharedUp) {
		return sum
	}
	shared := b.feedForward(l, x, sharedUp, sharedGate, sharedDown)
	if l.has(sharedRouter) {
		gate := b.floats(1, tokens, 1, x)
		shared = b.like(shared, b.like(b.like(gate), gate))
	}
	return b.like(sum, shared)
}

// finish adds what stands behind the last layer.
func (b *builder) finish(cur ref) {
	if !b.noCache || !b.layers[len(b.layers)-1].has(layerOutNorm) {
		cur = b.norm(cur)
	}
	b.nodes[cur].output = true
	if b.normedRows {
		cur = b.pick(cur)
		b.nodes[cur].output = true
	}
	if b.noCache {
		b.expand(cur)
	} else {
		logits := b.floats(b.vocab, b.rows, 1, cur)
		b.nodes[logits].output = true
		b.expand(logits)
	}
	if b.embeddings {
		b.pool(cur)
	}
}

// pool makes one embedding of those of a sequence's tokens: their mean, which
// takes the most memory of all ways.
func (b *builder) pool(cur ref) {
	rows := b.nodes[cur].shape[1]
	parts := b.given(4, [3]int{rows, b.sequences, 1})
	turned := b.floats(rows, b.width, 1, b.show(cur, rows, b.width, 1))
	mean := b.floats(b.width, b.sequences, 1, turned, parts)
	b.nodes[mean].output = true
	b.expand(mean)
}
