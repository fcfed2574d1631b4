package engine_test

import (
	"context"
	"fmt"
	"log"

	"github.com/cria-lm/cria/engine"
)

// Example continues a text, as it comes.
func Example() {
	ctx := context.Background()
	e, err := engine.Load(ctx, engine.ModelForExample(), &engine.Options{ContextLength: 256, Threads: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	prompt, err := e.Vocab().Encode("The capital of France is")
	if err != nil {
		log.Fatal(err)
	}
	for chunk, err := range e.Generate(ctx, &engine.Request{Prompt: prompt, MaxTokens: 2}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(chunk.Text)
		if chunk.Finish != "" {
			fmt.Println("\nfinish:", chunk.Finish, "tokens:", chunk.Usage.CompletionTokens)
		}
	}
	// Output:
	// Paris.
	// finish: length tokens: 2
}
