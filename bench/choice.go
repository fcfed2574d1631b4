package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cria-lm/cria/engine"
)

// The labels of choice: few that differ at once, and many of which some begin alike.
var (
	twoLabels    = []string{"positive", "negative"}
	twentyLabels = []string{"account access", "account closure", "billing dispute", "billing information", "cancel order", "change address",
		"change order", "complaint", "contact support", "delivery options", "delivery period", "invoice", "newsletter", "payment issue",
		"payment methods", "refund policy", "refund status", "review", "shipping address", "track order"}
)

func enumSchema(labels []string) string {
	text, err := json.Marshal(map[string]any{"enum": labels})
	if err != nil {
		panic(err) // they are strings
	}
	return string(text)
}

func choicePrompt(run, own int) string {
	return fmt.Sprintf("Customer %d wrote: %s\nLabel: ", run+1, somebody(run+own+1).text())
}

// review returns a short text to classify and what it is.
func review(i int) (prompt, label string) {
	subjects := []string{"The film", "This phone", "Our waiter", "The hotel room", "Their new album", "The delivery", "My laptop"}
	good := []string{"was wonderful from start to end", "does all I hoped for", "made my whole week", "is worth every penny"}
	bad := []string{"was a complete waste of money", "broke after two days", "let me down badly", "is the worst I have seen"}
	verdict := good
	if label = twoLabels[i%2]; i%2 == 1 {
		verdict = bad
	}
	return fmt.Sprintf("Review: %s %s.\nSentiment:", subjects[i%7], verdict[i/2%4]), label
}

// choice measures what a choice takes beyond a prompt that is in the cache.
func choice(ctx context.Context, s *session) ([]result, error) {
	e, err := s.usual(ctx, engine.Options{})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	server, err := s.startServer(ctx, "-np", "1")
	if err != nil {
		return nil, err
	}
	defer server.stop()
	var results []result
	for _, labels := range [][]string{twoLabels, twentyLabels} {
		ours := func(ctx context.Context, run int) (float64, error) {
			prompt := strings.TrimSuffix(choicePrompt(run, 0), " ")
			var took [3]float64 // cold, again, with the choice
			for i, options := range [][]string{nil, nil, labels} {
				start := time.Now()
				if err := score(ctx, e, prompt, options); err != nil {
					return 0, err
				}
				took[i] = ms(time.Since(start))
			}
			return max(took[2]-took[1], 0.05), nil // less cannot be told from nothing
		}
		peer := func(ctx context.Context, run int) (float64, error) {
			reply, err := server.constrained(ctx, choicePrompt(run, 0), enumSchema(labels), 32)
			return reply.Timings.Predicted, err
		}
		pairs, err := s.pairs(ctx, ours, peer)
		if err != nil {
			return results, err
		}
		results = append(results, result{name: fmt.Sprintf("choice-%d", len(labels)), unit: "ms", pairs: pairs})
	}
	return results, nil
}

// score scores labels behind a prompt; without labels only the prompt is computed.
func score(ctx context.Context, e *engine.Engine, prompt string, labels []string) error {
	tokens, err := e.Vocab().Encode(prompt)
	if err != nil {
		return err
	}
	options := [][]engine.Token{{tokens[0]}, {tokens[1]}} // they part at once
	if labels != nil {
		options = nil
	}
	for _, l := range labels {
		o, err := e.Vocab().EncodeContinuation(" " + l)
		if err != nil {
			return err
		}
		options = append(options, o)
	}
	ends, err := e.Vocab().EncodeContinuation("\n")
	if err != nil {
		return err
	}
	_, err = e.Score(ctx, &engine.ScoreRequest{Prompt: tokens, Options: options, Ends: ends})
	return err
}

// choices measures whole requests a second.
func choices(ctx context.Context, s *session) ([]result, error) {
	e, err := s.usual(ctx, engine.Options{})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	var results []result
	for _, atOnce := range []int{1, clients} {
		server, err := s.startServer(ctx, "-np", fmt.Sprint(atOnce))
		if err != nil {
			return results, err
		}
		const requests = 32
		prompts := func(run int) (list []string) {
			var examples strings.Builder
			fmt.Fprintf(&examples, "Batch %d\n\n", run+2)
			for i := range 8 {
				text, label := review(i)
				fmt.Fprintf(&examples, "%s %s\n\n", text, label)
			}
			for i := range requests {
				text, _ := review(8 + i)
				list = append(list, examples.String()+text)
			}
			return list
		}
		measure := func(one func(context.Context, string) error) side {
			return func(ctx context.Context, run int) (float64, error) {
				return rate(requests, func() error { return eachAtOnce(ctx, atOnce, prompts(run), one) })
			}
		}
		pairs, err := s.pairs(ctx,
			measure(func(ctx context.Context, prompt string) error {
				return score(ctx, e, prompt, twoLabels)
			}),
			measure(func(ctx context.Context, prompt string) error {
				_, err := server.constrained(ctx, prompt+" ", enumSchema(twoLabels), 32)
				return err
			}))
		server.stop()
		if err != nil {
			return results, err
		}
		results = append(results, result{name: fmt.Sprintf("choices-%d", atOnce), unit: "requests/s", pairs: pairs})
	}
	return results, nil
}

// eachAtOnce does something with each of a list, so many at a time.
func eachAtOnce(ctx context.Context, n int, list []string, do func(context.Context, string) error) error {
	queue := make(chan string)
	errs := make(chan error, n)
	for range n {
		go func() {
			var first error
			for item := range queue {
				if first == nil {
					first = do(ctx, item)
				}
			}
			errs <- first
		}()
	}
	for _, item := range list {
		queue <- item
	}
	close(queue)
	var first error
	for range n {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}
