package pool_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llamacpp"
	"github.com/cria-lm/cria/pool"
)

// A long context for conversations and one for many short questions have the same weights.
func ExampleModels() {
	ctx := context.Background()
	_, model, err := testmodel.Find() // "smollm2-135m-instruct"
	if err != nil {
		panic(err)
	}
	models := pool.New(&pool.Models{
		Contexts: map[string]string{"chat": model, "classifier": model},
		Options: func(name string) *llamacpp.Options {
			switch name {
			case "chat":
				return &llamacpp.Options{ContextLength: 2048}
			case "classifier":
				return &llamacpp.Options{ContextLength: 512, Slots: 32}
			}
			return &llamacpp.Options{ContextLength: 256}
		},
	}, nil)
	var both sync.WaitGroup
	for _, name := range []string{"chat", "classifier"} {
		both.Go(func() {
			if err := models.Use(ctx, name, func(context.Context, *llamacpp.LoadedModel) error { return nil }); err != nil {
				panic(err)
			}
		})
	}
	both.Wait()
	for _, m := range models.Status().Models {
		if m.Context != "" {
			fmt.Println(m.Name, m.State, m.Context == model)
		}
	}
	if err := models.Close(ctx); err != nil {
		panic(err)
	}
	// Output:
	// chat idle true
	// classifier idle true
}
