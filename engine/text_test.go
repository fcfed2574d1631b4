package engine

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// filter runs pieces through a filter and returns what came out, in all and
// before the flush.
func filter(stops []string, pieces ...string) (all, before string, stopped bool) {
	f := textFilter{stops: stops}
	var b strings.Builder
	for _, p := range pieces {
		text, stop := f.push([]byte(p))
		b.Write(text)
		if stop {
			stopped = true
			break
		}
	}
	before = b.String()
	b.Write(f.flush())
	return b.String(), before, stopped
}

func TestTextFilter(t *testing.T) {
	tests := []struct {
		name        string
		stops       []string
		pieces      []string
		all, before string
		stopped     bool
	}{
		{"nothing", nil, nil, "", "", false},
		{"plain", nil, []string{"a", "b"}, "ab", "ab", false},
		{"character over pieces", nil, []string{"x\xf0\x9f", "\x99", "\x82y"}, "x🙂y", "x🙂y", false},
		{"unfinished character held", nil, []string{"x\xf0\x9f"}, "x\uFFFD\uFFFD", "x", false},
		{"invalid within", nil, []string{"a\xffb"}, "a\uFFFDb", "a\uFFFDb", false},
		{"lone continuation", nil, []string{"\x80", "a"}, "\uFFFDa", "\uFFFDa", false},
		{"surrogate", nil, []string{"\xed\xa0\x80."}, "\uFFFD\uFFFD\uFFFD.", "\uFFFD\uFFFD\uFFFD.", false},
		{"stop in a piece", []string{"END"}, []string{"oneENDtwo"}, "one", "one", true},
		{"stop over pieces", []string{"\n\n"}, []string{"one\n", "\ntwo"}, "one", "one", true},
		{"beginning of a stop held", []string{"END"}, []string{"oneEN"}, "oneEN", "one", false},
		{"beginning let go", []string{"END"}, []string{"oneEN", "x"}, "oneENx", "oneENx", false},
		{"stop begins in a false start", []string{"aab"}, []string{"a", "a", "a", "b", "c"}, "a", "a", true},
		{"first to be complete", []string{"xaby", "ab"}, []string{"xaby"}, "x", "x", true},
		{"longer of equal end", []string{"b", "ab"}, []string{"ab"}, "", "", true},
		{"stop at the start", []string{"a"}, []string{"a"}, "", "", true},
		{"stop cuts a character's neighbour", []string{"é"}, []string{"a\xc3", "\xa9b"}, "a", "a", true},
		{"stop after invalid bytes", []string{"!"}, []string{"\xc3!"}, "\uFFFD", "\uFFFD", true},
		{"two stops held", []string{"abc", "bcd"}, []string{"xabc"}, "x", "x", true},
	}
	for _, tt := range tests {
		all, before, stopped := filter(tt.stops, tt.pieces...)
		if all != tt.all || before != tt.before || stopped != tt.stopped {
			t.Errorf("%s: %q, before the flush %q, stopped %t; want %q, %q, %t", tt.name, all, before, stopped, tt.all, tt.before, tt.stopped)
		}
	}
}

// However the bytes are cut, the output is that of the whole: valid UTF-8, each
// invalid byte replaced, up to the first stop text.
func FuzzTextFilter(f *testing.F) {
	f.Add("hello END world", "END", "wor", uint64(0b1011))
	f.Add("x\xf0\x9f\x99\x82\xffy", "\xe2", "", uint64(0xffff))
	f.Add("aaab", "aab", "ab", uint64(3))
	f.Fuzz(func(t *testing.T, text, stop1, stop2 string, cuts uint64) {
		var stops []string
		for _, s := range []string{stop1, stop2} {
			if s != "" && utf8.ValidString(s) {
				stops = append(stops, s)
			}
		}
		var pieces []string
		start := 0
		for i := range len(text) {
			if cuts&(1<<(i%64)) != 0 {
				pieces = append(pieces, text[start:i])
				start = i
			}
		}
		pieces = append(pieces, text[start:])

		want, _, wantStop := filter(stops, text)
		got, before, stopped := filter(stops, pieces...)
		if got != want || stopped != wantStop {
			t.Errorf("cut: %q, %t; whole: %q, %t", got, stopped, want, wantStop)
		}
		if !utf8.ValidString(got) || !utf8.ValidString(before) {
			t.Errorf("not valid UTF-8: %q", got)
		}
		if !stopped && got != string([]rune(text)) {
			t.Errorf("%q became %q", text, got)
		}
		for _, s := range stops {
			if stopped && strings.Contains(string([]rune(text)), s) && len(got) > len(string([]rune(text)))-1 {
				t.Errorf("stopped, but nothing was cut from %q", text)
			}
			if strings.Contains(text, s) && !stopped {
				t.Errorf("stop text %q in %q was not seen", s, text)
			}
		}
	})
}
