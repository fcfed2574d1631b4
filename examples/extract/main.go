// Extract reads a letter into a nested struct.
//
//	go run ./examples/extract
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

type Letter struct{ Letter string }

type Order struct {
	Customer string
	Items    []Item `len:"1..9"`
	Express  bool
}

type Item struct {
	Product  string `json:"product"`
	Quantity int    `json:"quantity" min:"1"`
}

var extract = cria.NewPredict[Letter, Order]("Extract the order from the letter.", &cria.PredictOptions{
	Demos: []cria.Example{
		{
			"letter":   "Dear Sir or Madam, please send 3 lamps and 2 chairs to Ann Lee. There is no hurry.",
			"customer": "Ann Lee", "items": []Item{{"lamp", 3}, {"chair", 2}}, "express": false,
		},
		{
			"letter":   "Tom Ray here. I need 12 cups as fast as possible!",
			"customer": "Tom Ray", "items": []Item{{"cup", 12}}, "express": true,
		},
	},
})

func main() {
	ctx := context.Background()
	lm, err := llamacpp.Load(ctx, "smollm2-135m-instruct", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer lm.Close()
	order, err := extract.Call(cria.With(ctx, cria.Scope{LM: lm}), Letter{"Good morning, this is Eva Novak. We want 5 tables and 20 plates, and please hurry!"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", order)
}
