package grammar

import (
	"sync"
	"unicode/utf8"

	"github.com/cria-lm/cria/internal/regular"
)

// walker finds out which tokens of a trie may come in a state, by the trie and the
// automaton side by side. The bits may be those of another state's mask: then only the
// tokens are looked at that lead the two states to different ones.
//
// The states that it meets are numbered, and where they lead is kept in rows of plain
// numbers: most of a walk is one look at a row for each node of the trie.
type walker struct {
	mask // to be found

	places []place
	number map[place]int32
	rows   []int32 // 256 of each place
	path   []int32 // places by depth
	text   []byte  // bytes by depth
}

// place is where a walk is.
type place struct {
	is  *state
	was *state // where the state whose mask the bits were would be; dead, if there was none
}

// What a row says of a byte besides the number of the next place.
const (
	unseen    int32 = iota // it must be looked at each time if it can end a value
	settled                // the bits below are right as they are
	forbidden              // none of the tokens below may come, though their bits may be set
	firstPlace
)

// maxPooled is the most places of a walk whose memory is used again.
const maxPooled = 1 << 10

var walkers = sync.Pool{New: func() any { return &walker{number: map[place]int32{}} }}

// newWalker returns a walker that begins with no tokens. It is given back with release.
func newWalker(v *Vocabulary) *walker {
	w := walkers.Get().(*walker)
	w.mask = mask{of: v, bits: make([]uint64, v.words)}
	return w
}

func (w *walker) release() {
	if len(w.places) > maxPooled {
		return
	}
	clear(w.places)
	clear(w.number)
	w.mask, w.places, w.rows = mask{}, w.places[:0], w.rows[:0]
	walkers.Put(w)
}

// walk sets the bits of the tokens of a trie that may come in a state, and clears those
// that were set for what they were the mask of.
func (w *walker) walk(t *trie, from place) { w.walkBut(t, from, regular.Bytes{}) }

// walkBut leaves out the tokens that begin with some bytes.
func (w *walker) walkBut(t *trie, from place, skip regular.Bytes) {
	for len(w.path) <= t.deepest {
		w.path, w.text = append(w.path, 0), append(w.text, 0)
	}
	w.path[0] = w.find(from)
	if skip != (regular.Bytes{}) { // which is so at the root only
		w.path[0] = w.add(from)
		for b := range 256 {
			if skip.Has(byte(b)) {
				w.rows[int(w.path[0])<<8|b] = settled
			}
		}
	}
	for i := 0; i < len(t.nodes); {
		n := &t.nodes[i]
		next := w.rows[int(w.path[n.depth])<<8|int(n.b)]
		if next < firstPlace {
			if next == unseen {
				next = w.step(t, i)
			}
			if next < firstPlace {
				if next == forbidden {
					t.clearAll(i, w.bits)
				}
				i = int(n.next)
				continue
			}
		}
		w.path[n.depth+1], w.text[n.depth] = next-firstPlace, n.b
		if n.token != noToken {
			t.set(n, w.bits)
		}
		i++
	}
}

// find returns the number of a place.
func (w *walker) find(p place) int32 {
	i, ok := w.number[p]
	if !ok {
		i = w.add(p)
		w.number[p] = i
	}
	return i
}

func (w *walker) add(p place) int32 {
	w.places = append(w.places, p)
	w.rows = append(w.rows, make([]int32, 256)...)
	w.least, w.lexeme = max(w.least, p.is.least), max(w.lexeme, p.is.lexeme)
	return int32(len(w.places) - 1)
}

// step finds out what a row has of a node's byte.
func (w *walker) step(t *trie, i int) int32 {
	n := &t.nodes[i]
	number := w.path[n.depth]
	at := w.places[number]
	is := at.is.step(n.b)
	dead := is.a.dead
	switch whole := utf8.Valid(w.text[:n.depth]); {
	case whole && at.is.stopsAt(n.b): // whatever goes on from here may come
		t.setAll(i, w.bits)
		w.least = max(w.least, at.is.stepEnd().least)
		return w.enter(place{is, dead})
	case whole && at.was.stopsAt(n.b):
		t.clearAll(i, w.bits)
		return w.enter(place{is, dead})
	}
	was := at.was.step(n.b)
	next := w.enter(place{is, was})
	row := w.rows[int(number)<<8:][:256]
	if next == settled && is.isDead() && was.isDead() {
		w.close(row, at, n.b)
	} else if !at.is.stopsAt(n.b) && !at.was.stopsAt(n.b) {
		row[n.b] = next
	}
	return next
}

// close notes that nothing comes after a byte and those that are like it, which most
// bytes are.
func (w *walker) close(row []int32, at place, b byte) {
	is, was := &at.is.classes.Of, &at.was.classes.Of
	i, j := is[b], was[b]
	for b := range row {
		if is[b] == i && was[b] == j && !at.is.stopsAt(byte(b)) && !at.was.stopsAt(byte(b)) {
			row[b] = settled
		}
	}
}

// enter returns what a row has of a byte that leads to a place.
func (w *walker) enter(p place) int32 {
	switch {
	case p.is == p.was || p.is.isDead() && p.was.isDead():
		return settled
	case p.is.isDead():
		return forbidden
	}
	return w.find(p) + firstPlace
}

// stopsAt reports whether a byte can end a value here.
func (s *state) stopsAt(b byte) bool { return s.ends && s.stops.Has(b) }
