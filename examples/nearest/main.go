// Nearest gives each call the demonstrations that are most like its input.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

type Sentence struct{ Sentence string }

type Label struct {
	Topic string `enum:"sport,food,science"`
}

var label = cria.NewPredict[Sentence, Label]("Say what the sentence is about.", nil)

var examples = []cria.Example{
	{"sentence": "The striker scored twice in the last minutes.", "topic": "sport"},
	{"sentence": "Our team lost the final on penalties.", "topic": "sport"},
	{"sentence": "Simmer the sauce for an hour and add basil.", "topic": "food"},
	{"sentence": "Knead the dough until it is smooth.", "topic": "food"},
	{"sentence": "Astronomers found a planet with water vapour.", "topic": "science"},
	{"sentence": "The telescope measures the light of distant galaxies.", "topic": "science"},
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
	embedder, err := llamacpp.LoadEmbedder(ctx, "", nil) // made for embedding would be better
	if err != nil {
		return err
	}
	defer embedder.Close()
	nearest, err := cria.NewKNNFewShot(ctx, label, embedder, 2, examples)
	if err != nil {
		return err
	}
	ctx, trace := cria.WithTrace(ctx)
	out, err := nearest.Call(ctx, Sentence{"Astronomers measured the mass of a distant star."})
	if err != nil {
		return err
	}
	for _, m := range trace.Steps()[0].Request.Chat.Prefix.Messages()[1:] {
		fmt.Println(" ", m.Content)
	}
	fmt.Println("Topic:", out.Topic)
	return nil
}
