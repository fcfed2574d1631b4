// Majority asks five times and takes a vote.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

type Question struct{ Question string }

type Answer struct {
	Answer string `enum:"Paris,Rome,Madrid,Vienna"`
}

var answer = cria.NewPredict[Question, Answer]("Answer the question.", nil)

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
	ctx, trace := cria.WithTrace(ctx)
	out, err := cria.NewMajority(answer, 5, nil).Call(ctx, Question{"What is the capital of France?"})
	if err != nil {
		return err
	}
	for _, step := range trace.Steps() {
		fmt.Println(" ", step.Prediction.Value["answer"])
	}
	fmt.Println("Most:", out.Answer)
	return nil
}
