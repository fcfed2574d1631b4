// Reasoning is the specification's second example: chain of thought.
//
//	go run ./examples/reasoning
//	go run ./examples/reasoning -model qwen2.5-0.5b-instruct-q4_k_m
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

type Problem struct {
	Question string
}

type Solution struct {
	Answer string
}

func main() {
	model := flag.String("model", hub.DefaultModel, "name from the catalogue, file, or reference")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *model); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, name string) error {
	model, err := llamacpp.Load(ctx, name, &llamacpp.Options{
		Hub: &hub.Options{Progress: hub.TerminalProgress(os.Stderr, false)},
	})
	if err != nil {
		return err
	}
	defer model.Close()

	solve := cria.NewChainOfThought[Problem, Solution]("", nil)
	solution, err := solve.Call(cria.With(ctx, cria.Scope{LM: model}), Problem{"What is 7 plus 5?"})
	if err != nil {
		return err
	}
	fmt.Println("Reasoning:", solution.Reasoning)
	fmt.Println("Answer:", solution.Value.Answer)
	return nil
}
