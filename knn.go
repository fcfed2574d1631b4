package cria

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Embedder turns texts into vectors, so that texts that mean nearly the same have vectors
// that point nearly the same way; llamacpp.Embedder is one. It is safe for concurrent
// use.
type Embedder interface {
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// KNN finds the examples whose inputs are most like those of a call (k nearest
// neighbours, by the cosine of their embeddings). It is safe for concurrent use.
type KNN struct {
	embedder Embedder
	inputs   []Field
	k        int
	examples []Example
	vectors  [][]float32 // of length 1, one for each example
}

// NewKNN embeds the inputs that examples of a signature have. k is how many are found at
// most; at least 1. An embedder whose vectors are not all as long as the first is an error,
// here and in [KNN.Nearest].
func NewKNN(ctx context.Context, embedder Embedder, sig *Signature, k int, examples []Example) (*KNN, error) {
	if embedder == nil {
		return nil, errors.New("finding the nearest examples: the embedder is nil")
	}
	if k < 1 {
		return nil, fmt.Errorf("finding %d nearest examples: there must be at least 1", k)
	}
	if len(sig.shown()) == 0 {
		return nil, errors.New("finding the nearest examples: the signature has no inputs")
	}
	n := &KNN{embedder: embedder, inputs: sig.shown(), k: k, examples: slices.Clone(examples)}
	texts := make([]string, len(examples))
	for i, example := range examples {
		text, err := n.text(example)
		if err != nil {
			return nil, fmt.Errorf("example %d: %w", i+1, err)
		}
		texts[i] = text
	}
	if len(texts) == 0 {
		return n, nil
	}
	vectors, err := n.embed(ctx, texts)
	if err != nil {
		return nil, err
	}
	n.vectors = vectors
	for i, v := range vectors {
		if err := n.comparable(v); err != nil {
			return nil, fmt.Errorf("example %d: %w", i+1, err)
		}
	}
	return n, nil
}

// comparable reports a vector that cannot be compared with those of the examples.
func (n *KNN) comparable(v []float32) error {
	if want := len(n.vectors[0]); len(v) != want || want == 0 {
		return fmt.Errorf("the embedder gave a vector of %d numbers, the first one has %d", len(v), want)
	}
	return nil
}

func (n *KNN) text(inputs Example) (string, error) {
	var lines []string
	for _, f := range n.inputs {
		text, err := f.Text(inputs[f.Name])
		if err != nil {
			return "", fmt.Errorf("input %q: %w", f.Name, err)
		}
		lines = append(lines, f.Name+": "+text)
	}
	return strings.Join(lines, "\n"), nil
}

func (n *KNN) embed(ctx context.Context, texts []string) ([][]float32, error) {
	vectors, err := n.embedder.Embed(ctx, texts)
	if err != nil {
		return nil, fmt.Errorf("embedding %d examples: %w", len(texts), err)
	}
	if len(vectors) != len(texts) {
		return nil, fmt.Errorf("embedding %d examples: the embedder gave %d vectors", len(texts), len(vectors))
	}
	normal := make([][]float32, len(vectors))
	for i, v := range vectors {
		normal[i] = normalized(v)
	}
	return normal, nil
}

// Nearest returns the examples whose inputs are nearest, the nearest last, since what
// stands nearest to the question counts most with small models.
func (n *KNN) Nearest(ctx context.Context, inputs Example) ([]Example, error) {
	if len(n.examples) == 0 {
		return nil, nil
	}
	text, err := n.text(inputs)
	if err != nil {
		return nil, err
	}
	vectors, err := n.embed(ctx, []string{text})
	if err != nil {
		return nil, err
	}
	if err := n.comparable(vectors[0]); err != nil {
		return nil, err
	}
	type near struct {
		index  int
		cosine float64
	}
	order := make([]near, len(n.examples))
	for i, v := range n.vectors {
		order[i] = near{i, dot(v, vectors[0])}
	}
	slices.SortStableFunc(order, func(a, b near) int { return cmp.Compare(b.cosine, a.cosine) })
	nearest := make([]Example, min(n.k, len(order)))
	for i := range nearest {
		nearest[len(nearest)-1-i] = n.examples[order[i].index]
	}
	return nearest, nil
}

func normalized(v []float32) []float32 {
	norm := math.Sqrt(dot(v, v))
	unit := make([]float32, len(v))
	for i, x := range v {
		if norm > 0 {
			unit[i] = float32(float64(x) / norm)
		}
	}
	return unit
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// KNNFewShot is a [Predict] whose demonstrations are those that are nearest to the inputs
// of each call. It is safe for concurrent use.
type KNNFewShot[In, Out any] struct {
	Predict *Predict[In, Out]
	knn     *KNN
}

// NewKNNFewShot gives a predictor the k nearest of the examples as demonstrations. The
// error says which example cannot be one.
func NewKNNFewShot[In, Out any](ctx context.Context, p *Predict[In, Out], embedder Embedder, k int, examples []Example) (*KNNFewShot[In, Out], error) {
	if _, err := p.Signature().WithDemos(examples...); err != nil {
		return nil, err
	}
	knn, err := NewKNN(ctx, embedder, p.Signature(), k, examples)
	if err != nil {
		return nil, err
	}
	return &KNNFewShot[In, Out]{p, knn}, nil
}

// Call implements [Module].
func (m *KNNFewShot[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	var none Out
	demos, err := m.knn.Nearest(ctx, m.Predict.inputs.encode(in))
	if err != nil {
		return none, err
	}
	ctx, err = withDemos(ctx, m.Predict.core, demos)
	if err != nil {
		return none, err
	}
	return m.Predict.Call(ctx, in)
}
