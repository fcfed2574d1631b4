package llamacpp_test

import (
	"context"
	"fmt"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

func Example() {
	type Review struct{ Review string }
	type Verdict struct {
		Sentiment string `enum:"positive,negative"`
	}
	ctx := context.Background()
	lm, err := llamacpp.Load(ctx, "smollm2-135m-instruct", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lm.Close()

	classify := cria.NewPredict[Review, Verdict]("Classify the sentiment of the review.", nil)
	for _, text := range []string{"I loved every minute.", "A waste of money."} {
		v, err := classify.Call(cria.With(ctx, cria.Scope{LM: lm}), Review{text})
		fmt.Println(v.Sentiment, err)
	}
	// Output:
	// positive <nil>
	// negative <nil>
}

// The specification's adapter: a model with a configuration, set for the whole
// process.
func ExampleNewAdapter() {
	model, err := llamacpp.Load(context.Background(), "smollm2-135m-instruct", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer model.Close()

	config := llamacpp.DefaultConfig()
	config.Temperature = 0
	config.EnableCache = true
	adapter, err := llamacpp.NewAdapter(model, &config)
	if err != nil {
		fmt.Println(err)
		return
	}
	cria.Configure(cria.Scope{Adapter: adapter})
	defer cria.Configure(cria.Scope{})

	sig, err := cria.ParseSignature("text -> sentiment: Literal['positive', 'negative']")
	if err != nil {
		fmt.Println(err)
		return
	}
	prediction, err := adapter.Call(context.Background(), sig, cria.Example{"text": "What a lovely day!"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(prediction.Value["sentiment"], prediction.Finish)
	// Output:
	// positive stop
}
