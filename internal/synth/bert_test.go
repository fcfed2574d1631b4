package synth

import (
	"math"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/llama"
)

// An encoder's embeddings are finite, of every pooling, and those of other texts
// are others.
func TestBERT(t *testing.T) {
	for pooling, want := range map[Pooling]llama.PoolingType{0: llama.PoolingMean, CLS: llama.PoolingCLS, Last: llama.PoolingLast} {
		path := write(t, Shape{Architecture: BERT, Embedding: 64, Type: gguf.Q8_0, Context: 100, Pooling: pooling})
		m, x := load(t, path, func(p *llama.ContextParams) { p.Embeddings = true })
		if got := x.PoolingType(); got != want || m.NCtxTrain() != 100 || x.Memory() != nil {
			t.Errorf("pooling %v, want %v; context %d, memory %v", got, want, m.NCtxTrain(), x.Memory())
		}
		one := embed(t, x, "The fox and the river.")
		other := embed(t, x, "Seven birds are not here, and nobody knows why.")
		if c := cosine(t, one, other); c > 0.9 {
			t.Errorf("pooling %v: embeddings of different texts have a cosine of %.3f", want, c)
		}
		if c := cosine(t, one, embed(t, x, "The fox and the river.")); c < 0.9999 {
			t.Errorf("pooling %v: embeddings of the same text have a cosine of %.5f", want, c)
		}
	}
}

func embed(t *testing.T, x *llama.Context, text string) []float64 {
	t.Helper()
	tokens := x.Model().Vocab().Tokenize(nil, text, false, false)
	b := llama.NewBatch(len(tokens))
	defer b.Free()
	for i, token := range tokens {
		b.Add(token, llama.Pos(i), 0, true)
	}
	if rc := x.Encode(b); rc != 0 {
		t.Fatalf("Encode: %d", rc)
	}
	var e []float64
	for _, v := range x.EmbeddingsSeq(0) {
		e = append(e, float64(v))
	}
	if len(e) != 64 {
		t.Fatalf("an embedding of %d numbers", len(e))
	}
	return e
}

// cosine fails on numbers that are not finite.
func cosine(t *testing.T, a, b []float64) float64 {
	t.Helper()
	ab, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		ab += a[i] * b[i]
		aa += a[i] * a[i]
		bb += b[i] * b[i]
	}
	c := ab / math.Sqrt(aa*bb)
	if math.IsNaN(c) || math.IsInf(c, 0) {
		t.Fatalf("the embeddings are not finite, or zero: %v, %v", a, b)
	}
	return c
}
