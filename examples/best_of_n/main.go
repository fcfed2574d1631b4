// Best_of_n makes five attempts at a slogan and keeps the shortest.
package main

import (
	"context"
	"fmt"
	"log"
	"math"
	"strings"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

type Product struct{ Product string }

type Slogan struct{ Slogan string }

var slogan = cria.NewPredict[Product, Slogan]("Write a slogan for the product.", nil)

// short prefers few words.
func short(_ context.Context, _ Product, out Slogan) (cria.Score, error) {
	return cria.Score{Value: -float64(len(strings.Fields(out.Slogan)))}, nil
}

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
	best := cria.NewBestOfN(slogan, 5, math.Inf(1), short)
	out, err := best.Call(ctx, Product{"a bicycle bell"})
	if err != nil {
		return err
	}
	shorter := 0
	for _, step := range trace.Steps() {
		text := step.Prediction.Value.Text("slogan")
		fmt.Println(" ", text)
		if len(strings.Fields(text)) < len(strings.Fields(out.Slogan)) {
			shorter++
		}
	}
	fmt.Printf("Best of %d attempts, of which %d are shorter: %s\n", len(trace.Steps()), shorter, out.Slogan)
	return nil
}
