package hub_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/cria-lm/cria/hub"
)

// Libraries and model for this machine, fetched on the first run.
func Example() {
	h, err := hub.New(&hub.Options{Progress: hub.TerminalProgress(os.Stderr, false)})
	if err != nil {
		log.Fatal(err)
	}
	libs, err := h.Libraries(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	model, err := h.Model(context.Background(), hub.DefaultModel)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(libs.Files.Llama)
	fmt.Println(model.Path)
}

// The catalogue says what a model is good for and under which terms it comes.
func ExampleCatalog() {
	card := hub.Catalog()[0]
	fmt.Println(card.Name, card.Quantization, card.License.ID)
	// Output: smollm2-135m-instruct Q4_1 Apache-2.0
}

// A mistyped name is answered with the nearest one.
func ExampleHub_Model_unknown() {
	h, err := hub.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = h.Model(context.Background(), "smollm-135m-instruct")
	fmt.Println(err)
	// Output: unknown model "smollm-135m-instruct": did you mean smollm2-135m-instruct?
}
