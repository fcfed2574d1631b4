// Two_step lets the model answer in its own words, then takes the values from them.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

type Question struct{ Question string }

type Answer struct{ City string }

var answer = cria.NewTwoStep[Question, Answer]("Answer the question.", nil)

func main() {
	ctx := context.Background()
	lm, err := llamacpp.Load(ctx, "smollm2-135m-instruct", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer lm.Close()
	if err := run(cria.With(ctx, cria.Scope{LM: lm, MaxTokens: 60})); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	result, err := answer.Run(ctx, Question{"What is the capital of France?"})
	if err != nil {
		return err
	}
	fmt.Println("Text:", result.Free.Value)
	fmt.Println("City:", result.Value.City)
	return nil
}
