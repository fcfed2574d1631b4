package llama_test

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/llama"
)

// embeddingTexts are the sequences of a batch.
var embeddingTexts = []string{"The capital of France is Paris.", "Water boils at 100 degrees."}

// embeddingContext returns a context that pools.
func embeddingContext(t testing.TB, m *llama.Model, pooling llama.PoolingType) *llama.Context {
	t.Helper()
	return newContext(t, m, func(p *llama.ContextParams) {
		p.Embeddings, p.PoolingType, p.KVUnified, p.NSeqMax = true, int32(pooling), true, 8
	})
}

// sequences returns a batch of texts, each a sequence, and where each begins and
// the last ends.
func sequences(t testing.TB, m *llama.Model, texts []string) (b *llama.Batch, at []int) {
	t.Helper()
	b = newBatch(t, 256)
	for i, text := range texts {
		at = append(at, b.Len())
		for pos, tok := range m.Vocab().Tokenize(nil, text, true, false) {
			b.Add(tok, llama.Pos(pos), llama.SeqID(i), true)
		}
	}
	return b, append(at, b.Len())
}

// What is pooled is made of the rows that are not.
func TestEmbeddings(t *testing.T) {
	m := loadModel(t)
	if m.NEmbdOut() != m.NEmbd() {
		t.Errorf("NEmbdOut is %d, NEmbd %d", m.NEmbdOut(), m.NEmbd())
	}
	x := embeddingContext(t, m, llama.PoolingUnspecified)
	if p := x.PoolingType(); p != llama.PoolingNone {
		t.Fatalf("the model pools: %d", p)
	}
	b, at := sequences(t, m, embeddingTexts)
	if rc := x.Decode(b); rc != 0 {
		t.Fatalf("Decode: %d", rc)
	}
	if x.EmbeddingsSeq(0) != nil || x.EmbeddingsIth(b.Len()) != nil || x.EmbeddingsIth(-b.Len()-1) != nil {
		t.Error("there are embeddings of what was not computed")
	}
	var rows [][]float32
	for i := range b.Len() {
		rows = append(rows, x.EmbeddingsIth(i))
	}
	if !equal(rows[len(rows)-1], x.EmbeddingsIth(-1), 0) {
		t.Error("row -1 is not the last")
	}
	for pooling, want := range map[llama.PoolingType]func(rows [][]float32) []float32{
		llama.PoolingMean: mean,
		llama.PoolingCLS:  func(rows [][]float32) []float32 { return rows[0] },
		llama.PoolingLast: func(rows [][]float32) []float32 { return rows[len(rows)-1] },
	} {
		y := embeddingContext(t, m, pooling)
		if y.PoolingType() != pooling {
			t.Errorf("pooling %d became %d", pooling, y.PoolingType())
		}
		if rc := y.Decode(b); rc != 0 {
			t.Fatalf("pooling %d: Decode: %d", pooling, rc)
		}
		for i := range embeddingTexts {
			if !equal(y.EmbeddingsSeq(llama.SeqID(i)), want(rows[at[i]:at[i+1]]), 1e-4) {
				t.Errorf("pooling %d: sequence %d is not made of its rows", pooling, i)
			}
		}
		for _, s := range []llama.SeqID{-1, 2, 300} {
			if y.EmbeddingsSeq(s) != nil {
				t.Errorf("pooling %d: sequence %d has an embedding", pooling, s)
			}
		}
		if y.EmbeddingsIth(0) != nil {
			t.Errorf("pooling %d: row 0 has an embedding", pooling)
		}
	}
}

func mean(rows [][]float32) []float32 {
	sum := make([]float32, len(rows[0]))
	for _, row := range rows {
		for i, f := range row {
			sum[i] += f / float32(len(rows))
		}
	}
	return sum
}

// equal reports whether vectors are, up to a difference of tolerance times
// the length of the second.
func equal(a, b []float32, tolerance float64) bool {
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	var difference, length float64
	for i := range a {
		difference += math.Pow(float64(a[i]-b[i]), 2)
		length += math.Pow(float64(b[i]), 2)
	}
	return math.Sqrt(difference) <= tolerance*math.Sqrt(length)
}

func TestNoEmbeddings(t *testing.T) {
	m := loadModel(t)
	x := newContext(t, m, nil)
	prompt(t, x, "The capital of France is")
	if x.EmbeddingsIth(-1) != nil || x.EmbeddingsSeq(0) != nil {
		t.Error("a context without embeddings has some")
	}
	ranks := embeddingContext(t, m, llama.PoolingRank)
	b, _ := sequences(t, m, embeddingTexts)
	if rc := ranks.Decode(b); rc != 0 {
		t.Fatalf("Decode: %d", rc)
	}
	if ranks.EmbeddingsSeq(0) != nil || ranks.EmbeddingsIth(0) != nil {
		t.Error("a score is given out as an embedding")
	}
	if rc := x.Encode(b); rc != -1 {
		t.Errorf("encoding without an encoder: %d", rc)
	}
}

// Embeddings may be of another width than the model.
func TestNEmbdOut(t *testing.T) {
	m := gpt2(t, gguf.KeyValue{Key: "gpt2.embedding_length_out", Value: uint32(24)})
	if m.NEmbd() != 32 || m.NEmbdOut() != 24 {
		t.Errorf("NEmbd is %d, NEmbdOut %d", m.NEmbd(), m.NEmbdOut())
	}
}

// bert returns a small random encoder for texts of up to 64 tokens.
func bert(t testing.TB) *llama.Model {
	t.Helper()
	load(t)
	path := filepath.Join(t.TempDir(), "bert.gguf")
	shape := synth.Shape{Architecture: synth.BERT, Context: 64, Pooling: synth.CLS}
	if err := synth.Write(t.Context(), path, testModelPath(t), shape, nil); err != nil {
		t.Fatal(err)
	}
	m, err := llama.LoadModel(path, llama.DefaultModelParams(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m
}

func TestEncode(t *testing.T) {
	m := bert(t)
	x := embeddingContext(t, m, llama.PoolingUnspecified)
	if x.PoolingType() != llama.PoolingCLS {
		t.Errorf("pooling %d, the model's is that of the first token", x.PoolingType())
	}
	if x.Memory() != nil {
		t.Error("an encoder has memory")
	}
	b, _ := sequences(t, m, embeddingTexts)
	if rc := x.Encode(b); rc != 0 {
		t.Fatalf("Encode: %d", rc)
	}
	var together [][]float32
	for i := range embeddingTexts {
		together = append(together, append([]float32(nil), x.EmbeddingsSeq(llama.SeqID(i))...))
	}
	if equal(together[0], together[1], 0.1) {
		t.Error("two texts have one embedding")
	}
	for i, text := range embeddingTexts {
		alone, _ := sequences(t, m, []string{text})
		if rc := x.Encode(alone); rc != 0 {
			t.Fatalf("Encode: %d", rc)
		}
		if x.EmbeddingsSeq(1) != nil {
			t.Error("an embedding of the batch before is left")
		}
		if !equal(together[i], x.EmbeddingsSeq(0), 1e-3) {
			t.Errorf("text %d has another embedding alone", i)
		}
	}

	if err := x.EnableAbort(); err != nil {
		t.Fatal(err)
	}
	x.Abort()
	if rc := x.Encode(b); rc != 2 {
		t.Errorf("aborted: %d, want 2", rc)
	}
}

// What llama.cpp does not survive must not reach it.
func TestEncodeMisuse(t *testing.T) {
	m := bert(t)
	x := newContext(t, m, func(p *llama.ContextParams) { p.Embeddings, p.NBatch, p.NUbatch = true, 16, 8 })
	b := newBatch(t, 16)
	if rc := x.Encode(b); rc != -1 {
		t.Errorf("empty batch: %d", rc)
	}
	for i := range 9 {
		b.Add(5, llama.Pos(i), 0, false)
	}
	if rc := x.Encode(b); rc != -1 {
		t.Errorf("batch larger than n_ubatch: %d", rc)
	}
	for _, bad := range []struct {
		token llama.Token
		pos   llama.Pos
		seq   llama.SeqID
	}{{-1, 0, 0}, {1 << 30, 0, 0}, {5, -1, 0}, {5, 64, 0}, {5, 0, 1}, {5, 0, -1}} {
		b.Clear()
		b.Add(bad.token, bad.pos, bad.seq, true)
		if rc := x.Encode(b); rc != -1 {
			t.Errorf("%+v: %d", bad, rc)
		}
	}
	b.Clear()
	b.Add(5, 63, 0, false) // made an output, as all are
	if rc := x.Encode(b); rc != 0 || x.EmbeddingsSeq(0) == nil {
		t.Errorf("last position: %d", rc)
	}

	few := newContext(t, m, func(p *llama.ContextParams) { p.Embeddings, p.NOutputsMax = true, 2 })
	b.Clear()
	for i := range 3 {
		b.Add(5, llama.Pos(i), 0, false)
	}
	if rc := few.Encode(b); rc != -1 {
		t.Errorf("more tokens than rows: %d", rc)
	}
	defer func() {
		if recover() == nil {
			t.Error("freed batch: no panic")
		}
	}()
	b.Free()
	x.Encode(b)
}
