// Question is the specification's first example: a simple question and answer
// through an adapter that is configured for the whole process.
//
//	go run ./examples/question
//	go run ./examples/question -model qwen2.5-0.5b-instruct-q4_k_m
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

type Question struct {
	Question string
}

type Answer struct {
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

	config := llamacpp.DefaultConfig()
	config.Temperature = 0 // the same answer every time
	adapter, err := llamacpp.NewAdapter(model, &config)
	if err != nil {
		return err
	}
	cria.Configure(cria.Scope{Adapter: adapter})

	qa := cria.NewPredict[Question, Answer]("", nil)
	result, err := qa.Run(ctx, Question{"What is the capital of France?"})
	if err != nil {
		return err
	}
	fmt.Println("Answer:", result.Value.Answer)
	fmt.Println("Tokens:", result.Usage.PromptTokens, "in,", result.Usage.CompletionTokens, "out")
	return nil
}
