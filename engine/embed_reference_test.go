package engine

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/llama"
)

// newTestEmbedder returns an embedder on one thread, which the test closes.
func newTestEmbedder(t testing.TB, path string, o EmbedderOptions) *Embedder {
	t.Helper()
	o.Threads = 1
	e, err := LoadEmbedder(t.Context(), path, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// synthetic returns the file of a small random model.
func synthetic(t testing.TB, shape synth.Shape) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := synth.Write(t.Context(), path, testModelPath(t), shape, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// texts are inputs of many lengths: together more than a batch of 128 tokens
// holds.
var texts = []string{
	"Paris",
	"The capital of France is Paris, a city of two million people on the river Seine.",
	"Water boils at 100 degrees.",
	"I loved every minute of this film.",
	"What a waste of money, I want my two hours back and will not watch the second part.",
	"Go is a statically typed, compiled language; its garbage collector is concurrent and its channels carry values between goroutines.",
	"yes",
	"The train to Lyon leaves at nine, the one to Marseille half an hour later, and both are late when it rains.",
	"Rome is the capital of Italy.",
	"two plus two",
}

func encodeAll(t testing.TB, e *Embedder, texts []string) [][]Token {
	t.Helper()
	inputs := make([][]Token, len(texts))
	for i, text := range texts {
		var err error
		if inputs[i], err = e.Encode(text); err != nil {
			t.Fatal(err)
		}
	}
	return inputs
}

// embedReference computes every input by itself in a new context of llama.cpp's.
func embedReference(t testing.TB, path string, pooling Pooling, inputs [][]Token) [][]float32 {
	t.Helper()
	model, err := llama.LoadModel(path, llama.DefaultModelParams(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Free()
	embeddings := make([][]float32, len(inputs))
	for i, input := range inputs {
		embeddings[i] = embedOne(t, model, pooling, input)
	}
	return embeddings
}

func embedOne(t testing.TB, model *llama.Model, pooling Pooling, input []Token) []float32 {
	p := llama.DefaultContextParams()
	p.NThreads, p.NThreadsBatch = 1, 1
	p.Embeddings, p.PoolingType = true, int32(poolings[pooling])
	x, err := llama.NewContext(model, p)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Free()
	b := llama.NewBatch(len(input))
	defer b.Free()
	for i, tok := range input {
		b.Add(tok, llama.Pos(i), 0, true)
	}
	rc := int32(0)
	if x.Memory() == nil {
		rc = x.Encode(b)
	} else {
		rc = x.Decode(b)
	}
	if rc != 0 {
		t.Fatalf("reference: %d", rc)
	}
	return slices.Clone(x.EmbeddingsSeq(0))
}

// distance is the length of the difference of two vectors, as a part of the
// length of the second.
func distance(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	difference := make([]float32, len(a))
	for i := range a {
		difference[i] = a[i] - b[i]
	}
	return math.Sqrt(dot(difference, difference) / dot(b, b))
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
