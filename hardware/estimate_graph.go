package hardware

// side is where a tensor is computed.
type side uint8

const (
	host side = iota
	device
)

// kind is how a node of a graph comes by its memory.
type kind uint8

const (
	fresh kind = iota // memory of its own
	reuse             // that of an operand of its shape that nobody needs any more, else its own
	view              // that of another node, or of weights and caches, which are not in the graph
	input             // its own from the beginning: written before anything is computed
)

// ref is a node of a graph; 0 is none.
type ref int32

// node is one operation. Weights and caches are not nodes: they have memory
// already.
type node struct {
	kind     kind
	side     side
	output   bool // read after all is computed: never given back
	seen     bool // by expand
	held     bool // has memory
	operands [6]ref
	root     ref // whose memory a view shows; 0: not the graph's
	shape    [3]int
	size     uint64 // bytes
	at       uint64 // in the arena of its side
	uses     int32  // by operations to come
	views    int32
}

// graph computes how much memory llama.cpp reserves for a computation: the same
// operations in the same order, placed by the same allocator. Nothing is
// computed but sizes.
type graph struct {
	nodes  []node
	order  []ref
	inputs []ref
	copies map[ref]ref // on the device, of what is on the host
	side   side        // of the nodes to come
}

func newGraph(capacity int) *graph {
	g := &graph{nodes: make([]node, 1, capacity), order: make([]ref, 0, capacity)}
	return g
}

// op adds a node of numbers of elem bytes.
func (g *graph) op(k kind, elem int, shape [3]int, operands ...ref) ref {
	n := node{kind: k, side: g.side, shape: shape, size: uint64(elem) * uint64(shape[0]) * uint64(shape[1]) * uint64(shape[2])}
	for i, o := range operands {
		n.operands[i] = g.here(o)
	}
	g.nodes = append(g.nodes, n)
	return ref(len(g.nodes) - 1)
}

// here is a node as the current side sees it: what is on the other side is copied
// once. Computation goes from the host to the device, never back.
func (g *graph) here(o ref) ref {
	n := &g.nodes[o]
	if o == 0 || n.side == g.side {
		return o
	}
	if c, ok := g.copies[o]; ok {
		return c
	}
	g.nodes = append(g.nodes, node{kind: fresh, side: g.side, shape: n.shape, size: n.size, operands: [6]ref{o}})
	if g.copies == nil {
		g.copies = map[ref]ref{}
	}
	g.copies[o] = ref(len(g.nodes) - 1)
	return g.copies[o]
}

// floats adds an operation whose result has memory of its own.
func (g *graph) floats(a, b, c int, operands ...ref) ref {
	return g.op(fresh, 4, [3]int{a, b, c}, operands...)
}

// like adds an operation that may put its result in the place of its first
// operand's, or of another's that has the same shape.
func (g *graph) like(operands ...ref) ref {
	return g.op(reuse, 4, g.nodes[operands[0]].shape, operands...)
}

// show adds another view of a node: reshaped, permuted or a part of it.
func (g *graph) show(o ref, a, b, c int) ref {
	v := g.op(view, 0, [3]int{a, b, c}, o)
	o = g.nodes[v].operands[0]
	g.nodes[v].root = o
	if g.nodes[o].kind == view {
		g.nodes[v].root = g.nodes[o].root
	}
	return v
}

// store adds an operation that writes to a cache.
func (g *graph) store(operands ...ref) ref { return g.op(view, 0, [3]int{}, operands...) }

// given adds an input: it stands on the host.
func (g *graph) given(elem int, shape [3]int) ref {
	at := g.side
	g.side = host
	r := g.op(input, elem, shape)
	g.side = at
	return r
}

// expand puts a node behind those that it needs, as ggml_build_forward_expand.
func (g *graph) expand(r ref) {
	n := &g.nodes[r]
	if r == 0 || n.seen {
		return
	}
	n.seen = true
	for _, o := range n.operands {
		g.expand(o)
	}
	if n.kind == input {
		g.inputs = append(g.inputs, r)
		return
	}
	g.order = append(g.order, r)
}

// place places all nodes in the arenas of their sides, in the order in which they
// are computed.
func (g *graph) place(arenas *[2]*arena) {
	for _, r := range g.inputs {
		g.hold(r, arenas)
	}
	for _, r := range g.order {
		n := &g.nodes[r]
		if n.kind == view {
			g.nodes[n.root].views++
		}
		for _, o := range n.operands {
			g.nodes[o].uses++
		}
	}
	g.nodes[0] = node{}
	for _, r := range g.order {
		g.hold(r, arenas)
		for _, o := range g.nodes[r].operands {
			if o != 0 {
				g.release(o, arenas)
			}
		}
	}
}

// hold finds memory for a node.
func (g *graph) hold(r ref, arenas *[2]*arena) {
	n := &g.nodes[r]
	if n.kind == view {
		return
	}
	n.held = true
	a := arenas[n.side]
	if n.kind == reuse {
		for _, o := range n.operands {
			p := &g.nodes[o]
			if p.held && !p.output && p.side == n.side && p.size == n.size && p.shape == n.shape && p.uses == 1 && p.views == 0 {
				n.at, p.held = p.at, false
				return
			}
		}
	}
	n.at = a.take(n.size)
}

// release counts one use of a node less and gives its memory back after the last.
func (g *graph) release(r ref, arenas *[2]*arena) {
	n := &g.nodes[r]
	n.uses--
	if n.uses > 0 || n.views > 0 {
		return
	}
	if n.kind == view {
		if n.root == 0 {
			return
		}
		n = &g.nodes[n.root]
		n.views--
		if n.uses > 0 || n.views > 0 {
			return
		}
	}
	if n.held && !n.output {
		arenas[n.side].give(n.at, n.size)
		n.held = false
	}
}
