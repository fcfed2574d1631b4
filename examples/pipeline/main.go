// Pipeline is a program of two predictors, and shows what happens in it.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

type Letter struct{ Letter string }

type Facts struct {
	Customer string `desc:"who writes"`
	Mood     string `enum:"angry,friendly,neutral"`
}

type Reply struct {
	Greeting string `desc:"first line of an answer to the customer"`
}

// desk reads a letter and greets its writer.
type desk struct {
	Read  *cria.Predict[Letter, Facts]
	Greet *cria.Predict[Facts, Reply]
}

// Call implements cria.Module.
func (d *desk) Call(ctx context.Context, in Letter) (Reply, error) {
	facts, err := d.Read.Call(ctx, in)
	if err != nil {
		return Reply{}, err
	}
	cria.Emit(ctx, facts.Customer+" is "+facts.Mood)
	return d.Greet.Call(ctx, facts)
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
	d := &desk{
		Read: cria.NewPredict[Letter, Facts]("Read the letter.", &cria.PredictOptions{Demos: []cria.Example{
			{"letter": "Hi! Lovely shop. Bye, Ann Lee", "customer": "Ann Lee", "mood": "friendly"},
			{"letter": "The bag tore. Never again! Jo Kim", "customer": "Jo Kim", "mood": "angry"},
		}}),
		Greet: cria.NewPredict[Facts, Reply]("Greet the customer.", &cria.PredictOptions{Demos: []cria.Example{
			{"customer": "Ann Lee", "mood": "friendly", "greeting": "Dear Ann, how nice of you to write."},
			{"customer": "Jo Kim", "mood": "angry", "greeting": "Dear Jo, we are sorry."},
		}}),
	}
	program, err := cria.NewProgram(d)
	if err != nil {
		return err
	}
	if ctx, err = program.With(ctx, nil); err != nil { // events then have the predictors' names
		return err
	}
	for event, err := range cria.Events(ctx, d, Letter{"The lamp came broken and nobody answers the phone. Eva Novak"}) {
		switch {
		case err != nil:
			return err
		case event.Kind == cria.EventStatus:
			fmt.Println(event.Text)
		case event.Kind == cria.EventDone:
			fmt.Println("done:", event.Name+"."+event.Field)
		case event.Kind == cria.EventResult:
			fmt.Println(event.Value.Greeting)
		}
	}
	return nil
}
