// From_dspy runs a program with the demonstrations and the instruction that DSPy saved.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

// saved is what DSPy 3.4 wrote; see testdata/dspy/save.py.
//
//go:embed program.json
var saved []byte

type Review struct{ Review string }

type Verdict struct {
	Sentiment string `enum:"positive,negative"`
}

var classify = cria.NewPredict[Review, Verdict]("", nil)

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
	program, err := cria.NewProgram(classify)
	if err != nil {
		return err
	}
	tuned, skipped, err := program.LoadDSPy(saved)
	if err != nil {
		return err
	}
	if len(skipped) > 0 {
		fmt.Println("examples that are no demonstrations, by predictor:", skipped)
	}
	if ctx, err = program.With(ctx, tuned); err != nil {
		return err
	}
	fmt.Println(len(tuned["predict"].Demos), "demonstrations; instruction:", tuned["predict"].Instruction)
	out, err := classify.Call(ctx, Review{"I want my money back."})
	if err != nil {
		return err
	}
	fmt.Println(out.Sentiment)
	return nil
}
