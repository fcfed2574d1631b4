package grammar

import (
	"slices"

	"github.com/cria-lm/cria/internal/regular"
)

// node is a rule of a grammar: what is pushed on a stack while it is still to come.
// The leaves are regular languages, which know nothing of stacks.
type node struct {
	kind     nodeKind
	id       int32
	lang     regular.Lang  // lexeme
	parts    []*node       // sequence, choice; repeat: one
	min, max int           // repeat
	rule     *node         // rule: its body, nil until it is defined
	stops    regular.Bytes // end
	least    int           // bytes of its shortest text, once pruned
}

type nodeKind uint8

const (
	nodeLexeme nodeKind = iota
	nodeSequence
	nodeChoice
	nodeRepeat
	nodeRule
	nodeEnd
)

// builder makes nodes. Equal repeats are one node, since they are made anew for
// each count.
type builder struct {
	space   *regular.Space
	n       int32
	repeats map[repeatKey]*node
	nothing *node
	empty   *node
	lexemes map[regular.Lang]*node
	free    regular.Lang // see anyText; Nothing until asked for
}

type repeatKey struct {
	part     int32
	min, max int
}

func newBuilder() *builder {
	b := &builder{space: regular.NewSpace(), repeats: map[repeatKey]*node{}, lexemes: map[regular.Lang]*node{}}
	b.nothing = b.lexeme(regular.Nothing)
	b.empty = b.lexeme(regular.Empty)
	return b
}

func (b *builder) add(n node) *node {
	n.id = b.n
	b.n++
	return &n
}

// lexeme is a regular language.
func (b *builder) lexeme(l regular.Lang) *node {
	if n := b.lexemes[l]; n != nil {
		return n
	}
	n := b.add(node{kind: nodeLexeme, lang: l})
	b.lexemes[l] = n
	return n
}

// literal is one text.
func (b *builder) literal(text string) *node { return b.lexeme(b.space.Literal(text)) }

// sequence is its parts in order.
func (b *builder) sequence(parts ...*node) *node {
	var kept []*node
	for _, p := range parts {
		switch p {
		case b.nothing:
			return b.nothing
		case b.empty:
		default:
			kept = append(kept, p)
		}
	}
	switch len(kept) {
	case 0:
		return b.empty
	case 1:
		return kept[0]
	}
	return b.add(node{kind: nodeSequence, parts: kept})
}

// choice is one of its parts.
func (b *builder) choice(parts ...*node) *node {
	var kept []*node
	for _, p := range parts {
		if p != b.nothing {
			kept = append(kept, p)
		}
	}
	switch len(kept) {
	case 0:
		return b.nothing
	case 1:
		return kept[0]
	}
	return b.add(node{kind: nodeChoice, parts: kept})
}

// repeat is between min and max times its part; max may be [regular.Unbounded].
func (b *builder) repeat(p *node, min, max int) *node {
	switch {
	case max == 0 || p == b.empty || p == b.nothing && min == 0:
		return b.empty
	case p == b.nothing || max != regular.Unbounded && max < min:
		return b.nothing
	case min == 1 && max == 1:
		return p
	}
	key := repeatKey{p.id, min, max}
	n := b.repeats[key]
	if n == nil {
		n = b.add(node{kind: nodeRepeat, parts: []*node{p}, min: min, max: max})
		n.least = b.shortest(n) // right if it is made of one that was pruned
		b.repeats[key] = n
	}
	return n
}

// rest is what is left of a repeat when its part has come once.
func (b *builder) rest(n *node) *node {
	switch {
	case n.max == regular.Unbounded && n.min == 0:
		return n
	case n.max == regular.Unbounded:
		return b.repeat(n.parts[0], n.min-1, n.max)
	default:
		return b.repeat(n.parts[0], max(n.min-1, 0), n.max-1)
	}
}

// prune takes out the ways that lead to no text, and reports whether any is left.
func (b *builder) prune(root *node) (bool, error) {
	var nodes []*node
	seen := make([]bool, b.n)
	seen[root.id] = true
	for queue := []*node{root}; len(queue) > 0; {
		n := queue[0]
		queue = queue[1:]
		nodes = append(nodes, n)
		for _, p := range n.below() {
			if !seen[p.id] {
				seen[p.id] = true
				queue = append(queue, p)
			}
		}
	}
	good := make([]bool, b.n) // by their number
	for changed := true; changed; {
		changed = false
		for _, n := range slices.Backward(nodes) { // what is below comes later in the list
			if good[n.id] {
				continue
			}
			is, err := b.productive(n, good)
			if err != nil {
				return false, err
			}
			if is {
				good[n.id], changed = true, true
			}
		}
	}
	for _, n := range nodes {
		switch {
		case n.kind == nodeChoice:
			n.parts = slices.DeleteFunc(n.parts, func(p *node) bool { return !good[p.id] })
		case n.kind == nodeRepeat && !good[n.parts[0].id]: // none of them
			n.kind, n.parts = nodeSequence, nil
		}
	}
	b.measure(nodes, good)
	return good[root.id], nil
}

// tooLong is more than any shortest text.
const tooLong = 1 << 40

// measure finds the lengths of the shortest texts.
func (b *builder) measure(nodes []*node, good []bool) {
	for _, n := range nodes {
		n.least = tooLong
	}
	for changed := true; changed; {
		changed = false
		for _, n := range slices.Backward(nodes) {
			if !good[n.id] {
				continue
			}
			if least := b.shortest(n); least < n.least {
				n.least, changed = least, true
			}
		}
	}
}

func (b *builder) shortest(n *node) (least int) {
	switch n.kind {
	case nodeLexeme:
		least = b.space.Shortest(n.lang)
	case nodeSequence:
		for _, p := range n.parts {
			least += p.least
		}
	case nodeChoice:
		least = tooLong
		for _, p := range n.parts {
			least = min(least, p.least)
		}
	case nodeRepeat:
		if n.min > 0 {
			least = min(n.min, tooLong/max(1, n.parts[0].least)+1) * n.parts[0].least
		}
	case nodeRule:
		least = n.rule.least
	}
	return min(least, tooLong)
}

// below returns the nodes that a node is made of.
func (n *node) below() []*node {
	if n.kind == nodeRule {
		return []*node{n.rule}
	}
	return n.parts
}

// productive reports whether a node has a text, if the good ones have.
func (b *builder) productive(n *node, good []bool) (bool, error) {
	switch n.kind {
	case nodeLexeme:
		is, ok := b.space.Alive(n.lang)
		if !ok {
			return false, errUndecided
		}
		return is, nil
	case nodeSequence:
		return !slices.ContainsFunc(n.parts, func(p *node) bool { return !good[p.id] }), nil
	case nodeChoice:
		return slices.ContainsFunc(n.parts, func(p *node) bool { return good[p.id] }), nil
	case nodeRepeat:
		return n.min == 0 || good[n.parts[0].id], nil
	case nodeRule:
		return good[n.rule.id], nil
	default:
		return true, nil
	}
}

// newRule is a rule whose body is set later, so that it can contain itself.
func (b *builder) newRule() *node { return b.add(node{kind: nodeRule}) }

// end is where a value ends. It is empty for bytes; the model's end token may stand
// for it, and so may, where the grammar cannot go on with it, a token with a byte
// of stops: they are dropped.
func (b *builder) end(stops regular.Bytes) *node { return b.add(node{kind: nodeEnd, stops: stops}) }
