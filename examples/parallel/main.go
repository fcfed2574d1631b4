// Parallel classifies several texts at once, one of which fails alone.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

type Review struct{ Review string }

type Verdict struct {
	Sentiment string `enum:"positive,negative"`
}

var classify = cria.NewPredict[Review, Verdict]("Classify the sentiment of the review.", nil)

// checked refuses empty reviews: any Go function is a module.
var checked = cria.Func[Review, Verdict](func(ctx context.Context, in Review) (Verdict, error) {
	if in.Review == "" {
		return Verdict{}, errors.New("the review is empty")
	}
	return classify.Call(ctx, in)
})

func main() {
	ctx := context.Background()
	lm, err := llamacpp.Load(ctx, "smollm2-135m-instruct", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer lm.Close()
	if err := run(cria.With(ctx, cria.Scope{LM: lm})); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	reviews := []Review{{"I loved every minute."}, {"I want my money back."}, {""}, {"Best headphones I have ever owned."}}
	outcomes := cria.Map(ctx, checked, reviews, &cria.MapOptions{Concurrency: 4})
	for i, o := range outcomes {
		if o.Err != nil {
			fmt.Printf("%q: %v\n", reviews[i].Review, o.Err)
			continue
		}
		fmt.Printf("%q: %s\n", reviews[i].Review, o.Value.Sentiment)
	}
	return nil
}
