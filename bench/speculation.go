package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/cria-lm/cria/engine"
)

const (
	extractTokens = 64
	storyTokens   = 96
)

// speculation measures tokens a second of one stream with guesses against
// without: of an output that copies its input, and of one that does not.
func speculation(ctx context.Context, s *session) ([]result, error) {
	var results []result
	for _, work := range []struct {
		name   string
		prompt func(run int) string
		tokens int
	}{
		{"speculation-extract", extraction, extractTokens},
		{"speculation-story", story, storyTokens},
	} {
		side := func(speculate bool) side {
			return func(ctx context.Context, run int) (float64, error) {
				e, _, err := s.fresh(ctx, engine.Options{NoSpeculation: !speculate})
				if err != nil {
					return 0, err
				}
				defer e.Close()
				var g generation
				for warm := range 3 { // the first two learn what batches cost
					prompt, err := e.Vocab().Encode(work.prompt(run + 2 - warm))
					if err != nil {
						return 0, err
					}
					if g, err = generate(ctx, e, prompt, work.tokens); err != nil {
						return 0, err
					}
				}
				return float64(g.tokens-g.atOnce) / (g.total - g.first).Seconds(), nil
			}
		}
		pairs, err := s.pairs(ctx, side(true), side(false))
		if err != nil {
			return results, err
		}
		results = append(results, result{name: work.name, unit: "tokens/s", pairs: pairs})
	}
	return results, nil
}

// gemma is a model on which a batch costs less beside a single token.
const gemma = "gemma-3-270m"

// speculationOfGemma is speculation on another model than that of the session.
func speculationOfGemma(ctx context.Context, s *session) ([]result, error) {
	file, err := s.hub.Model(ctx, gemma)
	if err != nil {
		return nil, err
	}
	s.close()
	other := *s
	other.model = file.Path
	results, err := speculation(ctx, &other)
	for i := range results {
		results[i].name = "gemma-" + results[i].name
	}
	return results, err
}

// extraction returns a prompt that asks for the orders in letters: an answer
// repeats most of its letter. There are examples, so that a model without
// instructions does it too.
func extraction(run int) string {
	var b strings.Builder
	goods := []string{"boxes of green tea", "jars of acacia honey", "bags of roasted coffee beans", "bottles of olive oil",
		"bars of dark chocolate", "packs of whole grain pasta", "tins of peeled tomatoes", "crates of blood oranges", "sacks of basmati rice"}
	pick := func(list []string, i int) string { return list[(run+1+i)%len(list)] }
	for i := range 3 {
		name := pick([]string{"Maria Gonzalez", "Thomas Okafor", "Ingrid Svensson", "Rajesh Iyer", "Claire Dubois", "Daniel Novak", "Aisha Rahman"}, 3*i)
		order := ""
		for k := range 6 {
			order += fmt.Sprintf("%d %s, ", 2+(7*i+5*k+3*run)%60, pick(goods, i+k))
		}
		order += fmt.Sprintf("to be delivered to %d %s in %s before %s", 11+7*i+run,
			pick([]string{"Elm Street", "Harbour Road", "Station Avenue", "Mill Lane", "King Square"}, i),
			pick([]string{"Springfield", "Rotterdam", "Gothenburg", "Chennai", "Lyon", "Prague"}, 2*i),
			pick([]string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}, i))
		fmt.Fprintf(&b, "Letter: Good morning, this is %s. We would like to order %s. Thank you very much.\nOrder:", name, order)
		if i < 2 {
			fmt.Fprintf(&b, " %s\n\n", order)
		}
	}
	return b.String()
}

func story(run int) string {
	openings := []string{"Once upon a time, a young fisherman", "The city council met on Monday to discuss", "Photosynthesis is the process by which",
		"In the winter of 1911, the expedition", "My grandmother's kitchen always smelled of", "The main difference between a lake and a river"}
	return openings[(run+1)%len(openings)]
}
