// Refine says what was wrong with an answer until it is right.
package main

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

type Text struct{ Text string }

type Title struct{ Title string }

var title = cria.NewPredict[Text, Title]("Write a title for the text.", nil)

// aboutTrams wants the title to speak of trams.
func aboutTrams(_ context.Context, in Text, out Title) (cria.Score, error) {
	if strings.Contains(strings.ToLower(out.Title), "tram") {
		return cria.Score{Value: 1}, nil
	}
	return cria.Score{Feedback: "The title must have the word tram."}, nil
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
	refined := cria.NewRefine(title, 4, 1, aboutTrams)
	out, err := refined.Call(ctx, Text{"After two weeks of rain the sun came out, and the tram drivers of Lisbon opened their windows."})
	if err != nil {
		return err
	}
	fmt.Printf("%s (attempt %d)\n", out.Title, len(trace.Steps()))
	return nil
}
