package llamacpp_test

import (
	"context"
	"fmt"

	"github.com/cria-lm/cria/llamacpp"
)

// The text that is nearest to another in meaning.
func ExampleLoadEmbedder() {
	ctx := context.Background()
	embedder, err := llamacpp.LoadEmbedder(ctx, "smollm2-135m-instruct", &llamacpp.EmbedderOptions{Normalize: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer embedder.Close()

	texts := []string{
		"I loved every minute of this film.",
		"The capital of France is Paris.",
		"Add the flour and stir.",
		"Rome is the capital of Italy.",
	}
	vectors, err := embedder.Embed(ctx, texts)
	if err != nil {
		fmt.Println(err)
		return
	}
	last := len(texts) - 1
	nearest := 0
	for i := range last {
		// Of normalized vectors, the dot product is the cosine.
		if dot(vectors[i], vectors[last]) > dot(vectors[nearest], vectors[last]) {
			nearest = i
		}
	}
	fmt.Println(texts[nearest])
	// Output:
	// The capital of France is Paris.
}

func dot(a, b []float32) (sum float32) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
