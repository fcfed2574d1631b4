package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

// promptTokens measures what a call pays for its prompt before the engine has it: the
// chat template and the tokens of its inputs. The tokens of the demonstrations are copied.
func promptTokens(ctx context.Context, s *session) (results []result, err error) {
	s.close() // two engines in a process are in each other's way
	model, err := llamacpp.Load(ctx, s.options.model, &llamacpp.Options{ContextLength: 512, Threads: s.options.threads})
	if err != nil {
		return nil, err
	}
	defer model.Close()
	for _, demos := range []int{0, 16, 64} {
		t, err := newTask(demos)
		if err != nil {
			return results, err
		}
		req, err := cria.Lines{}.Format(t.sig, t.inputs)
		if err != nil {
			return results, err
		}
		start := time.Now()
		tokens, err := model.CountTokens(ctx, req)
		if err != nil {
			return results, err
		}
		first := ms(time.Since(start))
		each, err := s.alone(ctx, func(context.Context, int) (float64, error) {
			return microseconds(func() error {
				n, err := model.CountTokens(ctx, req)
				if err == nil && n != tokens {
					err = fmt.Errorf("the prompt has %d tokens, and had %d", n, tokens)
				}
				return err
			})
		})
		if err != nil {
			return results, err
		}
		results = append(results, result{name: fmt.Sprintf("prompt-%d", demos), unit: "us", alone: each,
			notes: []string{fmt.Sprintf("%d tokens; the first call, which renders and tokenizes all, takes %s ms", tokens, number(first))}})
	}
	return results, nil
}
