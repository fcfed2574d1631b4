package llama_test

import (
	"fmt"
	"log"

	"github.com/cria-lm/cria/llama"
)

// Example reads a model's metadata and tokenizes with it.
func Example() {
	files, path := exampleFiles()
	if err := llama.Load(files); err != nil {
		log.Fatal(err)
	}
	model, err := llama.LoadModel(path, llama.DefaultModelParams(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Free()

	v := model.Vocab()
	for _, t := range v.Tokenize(nil, "Hello, world", false, false) {
		fmt.Printf("%q\n", v.TokenToPiece(nil, t, false))
	}
	fmt.Println("trained with", model.NCtxTrain(), "tokens")
	// Output:
	// "Hello"
	// ","
	// " world"
	// trained with 8192 tokens
}
