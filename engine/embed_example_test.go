package engine_test

import (
	"context"
	"fmt"
	"log"

	"github.com/cria-lm/cria/engine"
)

// Texts on one thing have embeddings near each other.
func ExampleEmbedder() {
	ctx := context.Background()
	e, err := engine.LoadEmbedder(ctx, engine.ModelForExample(), &engine.EmbedderOptions{Normalize: true, MaxLength: 64, Threads: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	var inputs [][]engine.Token
	for _, text := range []string{"Rome is the capital of Italy.", "Paris is the capital of France.", "I want my money back."} {
		tokens, err := e.Encode(text)
		if err != nil {
			log.Fatal(err)
		}
		inputs = append(inputs, tokens)
	}
	v, err := e.Embed(ctx, inputs)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(dot(v[0], v[1]) > dot(v[0], v[2]))
	// Output:
	// true
}

func dot(a, b []float32) (sum float32) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
