package engine

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// textFilter turns the bytes of tokens into text that may be shown: it holds
// back what may turn out to begin a stop text, and characters that are not
// whole. The result does not depend on how the bytes are cut into tokens.
// Between growths it does not allocate.
type textFilter struct {
	stops []string
	held  []byte
	out   []byte
}

// push takes the next bytes and returns the text that is now certain, valid
// until the next call. If stopped, a stop text has appeared: the text returned
// ends before it and nothing follows.
func (f *textFilter) push(piece []byte) (text []byte, stopped bool) {
	f.held = append(f.held, piece...)
	f.out = f.out[:0]
	if at := f.stopIndex(); at >= 0 {
		f.release(at, true)
		f.held = f.held[:0]
		return f.out, true
	}
	f.release(len(f.held)-f.stopPrefix(), false)
	return f.out, false
}

// flush returns what is held back, for an output that ends here.
func (f *textFilter) flush() []byte {
	f.out = f.out[:0]
	f.release(len(f.held), true)
	return f.out
}

// release moves the first n held bytes to out as valid UTF-8. An unfinished
// character at their end stays unless last.
func (f *textFilter) release(n int, last bool) {
	p := f.held[:n]
	for len(p) > 0 && (last || utf8.FullRune(p)) {
		r, size := utf8.DecodeRune(p)
		f.out = utf8.AppendRune(f.out, r)
		p = p[size:]
	}
	kept := copy(f.held, f.held[n-len(p):])
	f.held = f.held[:kept]
}

// stopIndex returns where the stop text begins that is complete first, -1 if
// none is. Of two complete at the same byte the longer counts.
func (f *textFilter) stopIndex() int {
	start, end := -1, len(f.held)+1
	for _, s := range f.stops {
		i := bytes.Index(f.held, []byte(s)) // the compiler makes no copy here
		if i < 0 {
			continue
		}
		if e := i + len(s); e < end || e == end && i < start {
			start, end = i, e
		}
	}
	return start
}

// stopPrefix returns the length of the longest end of what is held that a stop
// text begins with.
func (f *textFilter) stopPrefix() int {
	longest := 0
	for _, s := range f.stops {
		for n := min(len(s)-1, len(f.held)); n > longest; n-- {
			if strings.HasPrefix(s, string(f.held[len(f.held)-n:])) {
				longest = n
				break
			}
		}
	}
	return longest
}
