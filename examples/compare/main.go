// Compare reasons three times, then reads the attempts side by side.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

type Question struct{ Question string }

type Answer struct{ Answer int }

var compare = cria.NewMultiChainComparison[Question, Answer](3, "Solve the problem.", &cria.PredictOptions{Demos: []cria.Example{
	{"question": "What is 3 plus 4?", "reasoning": "Starting at 3 and counting 4 more gives 7.", "answer": 7},
	{"question": "What is 9 plus 2?", "reasoning": "Starting at 9 and counting 2 more gives 11.", "answer": 11},
}})

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
	out, err := compare.Call(ctx, Question{"What is 7 plus 5?"})
	if err != nil {
		return err
	}
	steps := trace.Steps()
	attempts := steps[:len(steps)-1] // the last one compares them
	for _, step := range attempts {
		fmt.Println("  Attempt:", step.Prediction.Value["answer"])
	}
	fmt.Printf("Answer after %d attempts: %d\n", len(attempts), out.Value.Answer)
	return nil
}
