package grammar

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// trie holds tokens by their bytes, in the order of a walk from the root: a node is
// followed by those below it.
type trie struct {
	nodes   []trieNode
	deepest int
	groups  [][]int32 // tokens that spell the same
}

type trieNode struct {
	token int32 // that ends here; noToken; or a group's number, as alike has it
	next  int32 // index of the node that follows those below
	depth uint16
	b     byte
}

// noToken stands where no token ends.
const noToken = -1

// alike stands for a group of tokens, and finds the group by what stands for it.
func alike(n int32) int32 { return noToken - 1 - n }

// newTrie makes a trie of tokens that are sorted by their pieces.
func newTrie(tokens []int32, piece func(int32) []byte) *trie {
	t := &trie{}
	var open []int32 // the nodes on the path to the last one
	var before []byte
	for _, token := range tokens {
		p := piece(token)
		common := 0
		for common < len(before) && common < len(p) && before[common] == p[common] {
			common++
		}
		if common == len(p) && common == len(before) {
			t.join(&t.nodes[len(t.nodes)-1], token)
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

// join adds a token that spells the same as that of a node.
func (t *trie) join(n *trieNode, token int32) {
	if n.token >= 0 {
		t.groups = append(t.groups, []int32{n.token})
		n.token = alike(int32(len(t.groups) - 1))
	}
	group := alike(n.token)
	t.groups[group] = append(t.groups[group], token)
}

// tokens returns the tokens that end at a node, of which there are any.
func (t *trie) tokens(n *trieNode) []int32 {
	if n.token >= 0 {
		return []int32{n.token}
	}
	return t.groups[alike(n.token)]
}

// set sets the bits of the tokens that end at a node.
func (t *trie) set(n *trieNode, bits []uint64) {
	if n.token >= 0 {
		bits[n.token/64] |= 1 << (n.token % 64)
	} else if n.token != noToken {
		for _, token := range t.groups[alike(n.token)] {
			bits[token/64] |= 1 << (token % 64)
		}
	}
}

// setAll sets the bits of the tokens at and below a node.
func (t *trie) setAll(i int, bits []uint64) {
	for j := i; j < int(t.nodes[i].next); j++ {
		t.set(&t.nodes[j], bits)
	}
}

// clearAll clears the bits of the tokens at and below a node.
func (t *trie) clearAll(i int, bits []uint64) {
	for j := i; j < int(t.nodes[i].next); j++ {
		if n := &t.nodes[j]; n.token != noToken {
			for _, token := range t.tokens(n) {
				bits[token/64] &^= 1 << (token % 64)
			}
		}
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
		if n := &t.nodes[i]; n.token != noToken && !f(piece(t.tokens(n)[0])[len(prefix):]) {
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
