package grammar

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// trie holds tokens by their bytes, in the order of a walk from the root: a node is
// followed by those below it.
type trie struct {
	nodes   []trieNode
	deepest int
	same    map[int32][]int32 // further tokens with the bytes of a token in nodes
}

type trieNode struct {
	token int32 // that ends here, or -1
	next  int32 // index of the node that follows those below
	depth uint16
	b     byte
}

// noToken stands where no token ends.
const noToken = -1

// newTrie makes a trie of tokens that are sorted by their pieces.
func newTrie(tokens []int32, piece func(int32) []byte) *trie {
	t := &trie{same: map[int32][]int32{}}
	var open []int32 // the nodes on the path to the last one
	var before []byte
	for _, token := range tokens {
		p := piece(token)
		common := 0
		for common < len(before) && common < len(p) && before[common] == p[common] {
			common++
		}
		if common == len(p) && common == len(before) {
			first := t.nodes[len(t.nodes)-1].token
			t.same[first] = append(t.same[first], token)
			continue
		}
		t.close(open[common:])
		open = open[:common]
		for i := common; i < len(p); i++ {
			open = append(open, int32(len(t.nodes)))
			t.nodes = append(t.nodes, trieNode{token: noToken, depth: uint16(i), b: p[i]})
		}
		t.nodes[len(t.nodes)-1].token = token
		t.deepest = max(t.deepest, len(p))
		before = p
	}
	t.close(open)
	return t
}

func (t *trie) close(nodes []int32) {
	for _, i := range nodes {
		t.nodes[i].next = int32(len(t.nodes))
	}
}

// set sets the bits of a token that is a node's, and of those that spell the same.
func (t *trie) set(token int32, bits []uint64) {
	if token == noToken {
		return
	}
	bits[token/64] |= 1 << (token % 64)
	for _, same := range t.same[token] {
		bits[same/64] |= 1 << (same % 64)
	}
}

// walk sets the bits of the tokens that may come in a state, and returns the most
// bytes that an output needs at least after one of them.
func (t *trie) walk(from *state, bits []uint64) (least int) {
	path := make([]place, t.deepest+1)
	path[0].state = from
	text := make([]byte, t.deepest)
	for i := 0; i < len(t.nodes); {
		n := &t.nodes[i]
		at, below := path[n.depth], &path[n.depth+1]
		text[n.depth] = n.b
		below.stops, below.least = at.stops, at.least
		if at.state.ends && at.state.stops.Has(n.b) && utf8.Valid(text[:n.depth]) {
			below.stops, below.least = true, at.state.stepEnd().least
		}
		below.state = at.state.step(n.b)
		if below.state.isDead() {
			if below.stops {
				t.setAll(i, bits)
				least = max(least, below.least)
			}
			i = int(n.next)
			continue
		}
		if n.token != noToken {
			t.set(n.token, bits)
			least = max(least, below.state.least)
		}
		i++
	}
	return least
}

// place is where a walk is.
type place struct {
	state *state
	stops bool // a byte on the way can end the value
	least int  // if so, the most bytes that an output needs at least behind it
}

// setAll sets the bits of the tokens at and below a node.
func (t *trie) setAll(i int, bits []uint64) {
	for j := i; j < int(t.nodes[i].next); j++ {
		t.set(t.nodes[j].token, bits)
	}
}

// below calls f with what follows prefix in the tokens that go on after it, until f
// returns false.
func (t *trie) below(prefix []byte, piece func(int32) []byte, f func(rest []byte) bool) {
	i, end := 0, len(t.nodes)
	for _, b := range prefix {
		for i < end && t.nodes[i].b != b {
			i = int(t.nodes[i].next)
		}
		if i >= end {
			return
		}
		end = int(t.nodes[i].next)
		i++
	}
	for ; i < end; i++ {
		if token := t.nodes[i].token; token != noToken && !f(piece(token)[len(prefix):]) {
			return
		}
	}
}

// sortByPiece sorts tokens by their bytes, those that spell the same by number. Most
// differ within the first bytes, which are compared as one number.
func sortByPiece(tokens []int32, piece func(int32) []byte) {
	type entry struct {
		head  uint64
		token int32
	}
	entries := make([]entry, len(tokens))
	for i, t := range tokens {
		var head [8]byte
		copy(head[:], piece(t))
		entries[i] = entry{binary.BigEndian.Uint64(head[:]), t}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return cmp.Or(bytes.Compare(piece(a.token), piece(b.token)), cmp.Compare(a.token, b.token))
	})
	for i, e := range entries {
		tokens[i] = e.token
	}
}
