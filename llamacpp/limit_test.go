package llamacpp

import (
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/cria-lm/cria"
)

// Whatever the model chooses, a reply that may be closed within some tokens is whole
// after them, in every format.
func TestCloseOnLimitOfFormats(t *testing.T) {
	model := loadShared(t)
	sig := parseSignature(t, "text -> mood: Literal['very good', 'very bad', 'so-so'], title, share: float, tags: list[str]")
	for _, format := range cria.OutputFormats() {
		adapter, err := model.AdapterFor(format)
		if err != nil {
			t.Fatal(err)
		}
		req, err := adapter.Format(sig, cria.Example{"text": ""})
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(40) {
			r := rand.New(rand.NewPCG(seed, 0))
			limit := 70 + r.IntN(60)
			if text, ok := randomReply(t, model, req.Output, limit, r); !ok {
				t.Errorf("%s, seed %d: not whole after %d tokens: %q", format, seed, limit, text)
			}
		}
	}
}

// randomReply chooses any allowed token each time, and reports whether the reply is
// whole in the end.
func randomReply(t *testing.T, model *LoadedModel, c cria.Constraint, limit int, r *rand.Rand) (text string, whole bool) {
	t.Helper()
	g, err := model.grammar(c)
	if err != nil {
		t.Fatal(err)
	}
	v := model.Vocabulary()
	m := g.Matcher(v)
	m.CloseOnLimit()
	mask := make([]uint64, (v.NTokens()+63)/64)
	for left := limit; left > 0 && !m.Done(); {
		if run := m.Forced(); run != nil {
			for _, token := range run[:min(left, len(run))] {
				text += string(v.Piece(token))
				left--
			}
			continue
		}
		m.Limit(left)
		clear(mask)
		m.Mask(mask)
		token := pick(mask, r)
		if token < 0 {
			t.Fatalf("nothing is allowed after %q", text)
		}
		if m.Accept(token) {
			text += string(v.Piece(token))
			left--
		}
	}
	return text, m.MayEnd()
}

// pick returns a random member of a set, -1 if it is empty.
func pick(set []uint64, r *rand.Rand) int32 {
	n := 0
	for _, word := range set {
		n += bits.OnesCount64(word)
	}
	if n == 0 {
		return -1
	}
	n = r.IntN(n)
	for i, word := range set {
		if k := bits.OnesCount64(word); n >= k {
			n -= k
			continue
		}
		for ; n > 0; n-- {
			word &= word - 1
		}
		return int32(i*64 + bits.TrailingZeros64(word))
	}
	return -1
}
