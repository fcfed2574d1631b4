package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cria-lm/cria/llama"
)

// path returns the tokens of a branch.
func (b *branch) path() (tokens []Token) {
	for n := b.leaf; n.parent != nil; n = n.parent {
		tokens = append(slices.Clone(n.tokens), tokens...)
	}
	return tokens
}

// The tree does what sequences of tokens side by side do, over random work.
func TestPrefixTree(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(n int) (tokens []Token) {
		for range n {
			tokens = append(tokens, Token(random.IntN(2)))
		}
		return tokens
	}
	type sequence struct {
		branch   *branch
		tokens   []Token
		computed int
	}
	tree := newPrefixTree()
	var live []*sequence
	free := []llama.SeqID{0, 1, 2, 3, 4, 5, 6, 7}
	for range 20_000 {
		switch op := random.IntN(5); {
		case op == 0 && len(free) > 0: // a new one, sharing what is computed
			tokens := word(1 + random.IntN(12))
			f := tree.find(domain{}, tokens)
			longest, ready := 0, 0
			for _, s := range live {
				n := commonPrefix(s.tokens, tokens)
				longest, ready = max(longest, n), max(ready, min(n, s.computed))
			}
			if f.n > longest || f.ready > ready || f.ready > f.n {
				t.Fatalf("found %d tokens, %d ready; there are %d and %d", f.n, f.ready, longest, ready)
			}
			seq := free[len(free)-1]
			free = free[:len(free)-1]
			n := random.IntN(f.ready + 1)
			b, from := tree.branch(seq, domain{}), llama.SeqID(-1)
			if n > 0 {
				from = tree.share(b, f, n)
			}
			if i := slices.IndexFunc(live, func(s *sequence) bool { return s.branch.seq == from }); n > 0 && (i < 0 || live[i].computed < n || commonPrefix(live[i].tokens, tokens) < n) {
				t.Fatalf("%d tokens are to be copied from sequence %d, which does not have them", n, from)
			}
			tree.grow(b, tokens[n:])
			live = append(live, &sequence{b, tokens, n})
		case op == 1 && len(live) > 0: // some are computed
			s := live[random.IntN(len(live))]
			n := random.IntN(len(s.tokens) - s.computed + 1)
			s.branch.leaf.computed += n
			s.computed += n
		case op == 2 && len(live) > 0: // more to come
			s := live[random.IntN(len(live))]
			more := word(random.IntN(3))
			tree.grow(s.branch, more)
			s.tokens = append(s.tokens, more...)
		case op == 3 && len(live) > 0: // the end of one: only what is computed stays
			s := live[random.IntN(len(live))]
			tree.trim(s.branch)
			s.tokens = s.tokens[:s.computed]
		case op == 4 && len(live) > 4:
			i := random.IntN(len(live))
			tree.release(live[i].branch)
			free = append(free, live[i].branch.seq)
			live = slices.Delete(live, i, i+1)
		}
		for _, s := range live {
			if got := s.branch.path(); !slices.Equal(got, s.tokens) {
				t.Fatalf("sequence %d is %v in the tree, want %v", s.branch.seq, got, s.tokens)
			}
		}
	}
	for _, s := range live {
		tree.release(s.branch)
	}
	if tree.cells != 0 || len(tree.roots) != 0 {
		t.Errorf("%d cells are left of an empty tree", tree.cells)
	}
}

func TestPrefixTreeCountsSharedCellsOnce(t *testing.T) {
	tree := newPrefixTree()
	prompt := []Token{1, 2, 3, 4, 5, 6}
	a := tree.branch(0, domain{})
	tree.grow(a, prompt)
	a.leaf.computed = 6
	f := tree.find(domain{}, []Token{1, 2, 3, 4, 9})
	if f.n != 4 || f.ready != 4 {
		t.Fatalf("found %+v", f)
	}
	b := tree.branch(1, domain{})
	from := tree.share(b, f, 4)
	tree.grow(b, []Token{9})
	if from != 0 || tree.cells != 7 {
		t.Errorf("%d cells, copied from %d, want 7 and 0", tree.cells, from)
	}
	if f := tree.find(domain{salt: "other"}, prompt); f.n != 0 {
		t.Errorf("another salt finds %d tokens", f.n)
	}
	tree.release(a)
	if tree.cells != 5 {
		t.Errorf("%d cells when the first is gone, want 5", tree.cells)
	}
}

// What several sequences share is lost only with the last of them.
func TestPrecious(t *testing.T) {
	tree := newPrefixTree()
	prompt := []Token{1, 2, 3, 4, 5, 6}
	a := tree.branch(0, domain{})
	tree.grow(a, prompt)
	a.leaf.computed = 6
	before := time.Now().Add(-time.Second)
	if a.precious(before) {
		t.Error("a sequence that nobody has reused is precious")
	}
	b := tree.branch(1, domain{})
	tree.share(b, tree.find(domain{}, prompt[:4]), 4)
	b.reuse()
	if a.precious(before) || b.precious(before) {
		t.Error("one of two that share is precious")
	}
	tree.release(a)
	if !b.precious(before) {
		t.Error("the last that has what was reused is not precious")
	}
	if b.precious(time.Now().Add(time.Second)) || b.precious(never) {
		t.Error("it is precious for ever")
	}
}
