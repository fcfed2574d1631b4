package engine

import (
	"slices"
	"time"

	"github.com/cria-lm/cria/llama"
)

// prefixTree says what the KV cache holds: a radix tree of tokens, whose nodes
// are runs of cells. Sequences that begin alike share the nodes of what they
// have in common. It belongs to the engine's owner.
type prefixTree struct {
	roots map[domain]*node
	cells int // in all nodes, shared ones once
}

// domain is within which requests may share cells: tenants share nothing, and what was
// computed with other adapters is something else.
type domain struct {
	salt  string
	loras string // [loraSet.key]
}

// node is a run of cells.
type node struct {
	parent   *node // nil for a root
	children []*node
	tokens   []Token
	computed int           // how many of the tokens the cache has by now
	reused   time.Time     // when the cells of finished sequences were last of use
	domain   domain        // of a root
	seqs     []llama.SeqID // the sequences that hold the cells
}

// branch is the path of one sequence through the tree.
type branch struct {
	seq  llama.SeqID
	leaf *node
	used time.Time // when it was last of use, for eviction
}

func newPrefixTree() *prefixTree { return &prefixTree{roots: map[domain]*node{}} }

// branch returns a new branch, which has no tokens yet.
func (t *prefixTree) branch(seq llama.SeqID, d domain) *branch {
	return &branch{seq: seq, leaf: t.root(d)}
}

// root returns the root of a domain. It is there while something grows on it.
func (t *prefixTree) root(d domain) *node {
	r := t.roots[d]
	if r == nil {
		r = &node{domain: d}
		t.roots[d] = r
	}
	return r
}

// found is a place in the tree: after n matching tokens, at within node. Of
// those, the first ready are computed.
type found struct {
	node      *node
	at        int
	n, ready  int
	uncertain bool // a node on the way is not computed whole
}

// find returns the longest path that tokens begin with.
func (t *prefixTree) find(d domain, tokens []Token) found {
	f := found{node: t.roots[d]}
	if f.node == nil {
		f.node = &node{} // nothing has grown there
	}
	for {
		best, bestLen := (*node)(nil), 0
		for _, c := range f.node.children {
			n := commonPrefix(c.tokens, tokens[f.n:])
			if n > bestLen || n == bestLen && best != nil && c.computed > best.computed {
				best, bestLen = c, n
			}
		}
		if best == nil {
			return f
		}
		f.node, f.at, f.n = best, bestLen, f.n+bestLen
		if !f.uncertain {
			f.ready += min(bestLen, best.computed)
			f.uncertain = best.computed < len(best.tokens)
		}
		if bestLen < len(best.tokens) {
			return f
		}
	}
}

func commonPrefix(a, b []Token) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// split cuts a node after at tokens and returns the upper part; the node itself
// stays the lower one, which the branches that end in it point to.
func (n *node) split(at int) *node {
	if at == len(n.tokens) {
		return n
	}
	up := &node{
		parent:   n.parent,
		children: []*node{n},
		tokens:   slices.Clone(n.tokens[:at]),
		computed: min(at, n.computed),
		reused:   n.reused,
		seqs:     slices.Clone(n.seqs),
	}
	siblings := n.parent.children
	siblings[slices.Index(siblings, n)] = up
	n.parent, n.tokens, n.computed = up, n.tokens[at:], n.computed-up.computed
	return up
}

// share moves a branch that is at its root to the first n tokens of a place that
// find returned, all of them computed. It returns a sequence to copy their cells
// from.
func (t *prefixTree) share(b *branch, f found, n int) (from llama.SeqID) {
	place, at := f.node, f.at-(f.n-n)
	for at <= 0 { // the cut lies in a node further up
		place = place.parent
		at += len(place.tokens)
	}
	b.leaf = place.split(at)
	from = b.leaf.seqs[0]
	for node := b.leaf; node.parent != nil; node = node.parent {
		node.seqs = append(node.seqs, b.seq)
	}
	return from
}

// reuse notes that what the branch has so far was of use after those that it is
// from had finished.
func (b *branch) reuse() {
	now := time.Now()
	for n := b.leaf; n.parent != nil; n = n.parent {
		n.reused = now
	}
}

// grow appends tokens that are to be computed. A leaf that others hold too is
// not touched: what follows is the branch's own.
func (t *prefixTree) grow(b *branch, tokens []Token) {
	if len(tokens) == 0 {
		return
	}
	if b.leaf.parent == nil || len(b.leaf.seqs) > 1 || len(b.leaf.children) > 0 {
		n := &node{parent: b.leaf, seqs: []llama.SeqID{b.seq}}
		b.leaf.children = append(b.leaf.children, n)
		b.leaf = n
	}
	b.leaf.tokens = append(b.leaf.tokens, tokens...)
	t.cells += len(tokens)
}

// precious reports whether cells that were reused since a moment would be lost with
// a branch.
func (b *branch) precious(since time.Time) bool {
	for n := b.leaf; n.parent != nil; n = n.parent {
		if len(n.seqs) == 1 && n.reused.After(since) {
			return true
		}
	}
	return false
}

// trim takes back what was planned and is not computed.
func (t *prefixTree) trim(b *branch) {
	n := b.leaf
	if n.parent == nil || n.computed == len(n.tokens) {
		return
	}
	t.cells -= len(n.tokens) - n.computed
	n.tokens = n.tokens[:n.computed]
	if len(n.tokens) == 0 {
		b.leaf = n.parent
		n.detach()
	}
}

func (n *node) detach() {
	siblings := n.parent.children
	i := slices.Index(siblings, n)
	n.parent.children = slices.Delete(siblings, i, i+1)
}

// release takes a branch out: cells that nobody else holds are free again.
func (t *prefixTree) release(b *branch) {
	n := b.leaf
	for ; n.parent != nil; n = n.parent {
		i := slices.Index(n.seqs, b.seq)
		n.seqs = slices.Delete(n.seqs, i, i+1)
		if len(n.seqs) == 0 {
			t.cells -= len(n.tokens)
			n.detach()
		}
	}
	if len(n.children) == 0 {
		delete(t.roots, n.domain)
	}
	b.leaf = nil
}
