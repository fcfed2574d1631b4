package gguf

import (
	"encoding/binary"
	"strings"
)

const keyCharsmap = "tokenizer.ggml.precompiled_charsmap"

// charsmap checks the table by which T5's tokenizer normalizes text: a trie in a double
// array behind its size in bytes, then the texts to put in. llama.cpp walks along it with
// whatever text it is given and throws out of its C interface where a step leads outside,
// so all that can be reached is walked along here. See llm_tokenizer_ugm_session.
func (c *checker) charsmap() error {
	const place = "metadata." + keyCharsmap
	v, ok := c.values[keyCharsmap]
	if !ok {
		return nil
	}
	if v.typ != Array || v.elem != Uint8 && v.elem != Int8 {
		return unusable(place, "is not an array of bytes")
	}
	if v.n < 4 {
		return unusable(place, "is shorter than its header")
	}
	size := binary.LittleEndian.Uint32([]byte(v.raw[:4]))
	if uint64(size)+4 >= uint64(v.n) {
		return unusable(place, "a trie of %d bytes is larger than the table", size)
	}
	m := charsmap{texts: v.raw[4+size:]}
	for raw := v.raw[4 : 4+size]; len(raw) >= 4; raw = raw[4:] {
		m.nodes = append(m.nodes, binary.LittleEndian.Uint32([]byte(raw)))
	}
	if len(m.nodes) > 0 && !m.sound() {
		return unusable(place, "its trie leads outside of the table")
	}
	return nil
}

type charsmap struct {
	nodes []uint32
	texts string
}

// base is what leads from a node to its children.
func (m *charsmap) base(node uint32) uint32 {
	n := m.nodes[node]
	return n >> 10 << (n & (1 << 9) >> 6)
}

// sound reports whether every text leads from node to node within the array, and every
// replacement ends.
func (m *charsmap) sound() bool {
	size := uint32(len(m.nodes))
	seen := make([]bool, size)
	pending := []uint32{m.base(0)}
	lastNUL := strings.LastIndexByte(m.texts, 0)
	for len(pending) > 0 {
		at := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		for char := uint32(1); char < 256; char++ {
			child := at ^ char
			if child >= size {
				return false
			}
			node := m.nodes[child]
			if node&(1<<31|0xff) != char {
				continue
			}
			next := child ^ m.base(child)
			if node&(1<<8) != 0 { // a replacement's place stands where it leads
				if next >= size || int64(m.nodes[next]&(1<<31-1)) > int64(lastNUL) {
					return false
				}
			}
			if next < size && !seen[next] {
				seen[next] = true
				pending = append(pending, next)
			} else if next >= size {
				return false
			}
		}
	}
	return true
}
