package engine

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"
)

// evicted remembers for a while how the sequences began that were given up. One
// that comes back would have been of use: it is kept like what was reused, so that
// the cache grows instead of being filled by a few prefixes in turns.
type evicted map[uint64]time.Time

const (
	// evictedHead is how many tokens identify a sequence.
	evictedHead = 64
	// maxEvicted is how many are remembered at most.
	maxEvicted = 1024
)

func (e evicted) add(b *branch) {
	if len(e) >= maxEvicted {
		clear(e)
	}
	if key, ok := headOf(b.head()); ok {
		e[key] = time.Now()
	}
}

// returned reports whether a sequence that begins with these tokens was given up
// not long ago.
func (e evicted) returned(d domain, tokens []Token) bool {
	key, ok := headOf(d, tokens)
	return ok && time.Since(e[key]) < keepTime
}

func headOf(d domain, tokens []Token) (key uint64, ok bool) {
	if len(tokens) < evictedHead {
		return 0, false
	}
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, tokens[:evictedHead]) // a hash does not fail
	fmt.Fprintf(h, "%q", d)
	return h.Sum64(), true
}

// head returns the domain of a branch and its first tokens, evictedHead of them or
// more if there are.
func (b *branch) head() (d domain, tokens []Token) {
	var path []*node
	n := b.leaf
	for ; n.parent != nil; n = n.parent {
		path = append(path, n)
	}
	for i := len(path) - 1; i >= 0 && len(tokens) < evictedHead; i-- {
		tokens = append(tokens, path[i].tokens...)
	}
	return n.domain, tokens
}
