package grammar

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGuide(t *testing.T) {
	v := newToy()
	g := mustCompile(t, Line{}, Literal("\nstars:"), Integer{})
	tokens := func(pieces ...string) (ids []int32) {
		for _, p := range pieces {
			ids = append(ids, v.token(p))
		}
		return ids
	}
	for _, test := range []struct {
		name    string
		taken   []string // tokens of the output so far
		guess   []string
		n       int
		certain []bool
	}{
		{"allowed", nil, []string{" I", " loved it"}, 2, []bool{false, false}},
		{"not allowed", nil, []string{" I", "<eos>", " I"}, 1, []bool{false, false, false}},
		{"a line break is forced on", []string{" I"}, []string{"\n", "s", "t"}, 3, []bool{false, true, true}},
		{"up to the value", []string{" I", "\n", "s", "t", "a", "r"}, []string{"s", ":", " 4", " I"}, 3, []bool{true, true, false, false}},
	} {
		m := g.Matcher(v.prepared())
		for _, token := range tokens(test.taken...) {
			if !m.Read(token) {
				t.Fatalf("%s: %q is not allowed", test.name, v.Piece(token))
			}
		}
		certain := make([]bool, len(test.guess))
		before := m.state
		n := m.Guide(tokens(test.guess...), certain)
		if diff := cmp.Diff(test.certain, certain); diff != "" || n != test.n || m.state != before {
			t.Errorf("%s: %d may come, want %d; certain (-want +got):\n%s", test.name, n, test.n, diff)
		}
	}
}
