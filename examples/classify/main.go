// Classify declares a task as two structs and prints a typed answer.
package main

import (
	"context"
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

func main() {
	ctx := context.Background()
	lm, err := llamacpp.Load(ctx, "smollm2-135m-instruct", nil) // fetched and verified on first use
	if err != nil {
		log.Fatal(err)
	}
	defer lm.Close()
	v, err := classify.Call(cria.With(ctx, cria.Scope{LM: lm}), Review{"I loved every minute."})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Sentiment)
}
