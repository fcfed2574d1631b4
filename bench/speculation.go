package main

import (
	"context"
	"errors"
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
	with, without, err := s.guessing(ctx)
	if err != nil {
		return nil, err
	}
	defer with.Close()
	defer without.Close()
	var results []result
	for _, work := range []struct {
		name   string
		prompt func(run int) string
		tokens int
	}{
		{"speculation-extract", extraction, extractTokens},
		{"speculation-story", story, storyTokens},
	} {
		side := func(e *engine.Engine) side {
			return func(ctx context.Context, run int) (float64, error) {
				prompt, err := e.Vocab().Encode(work.prompt(run))
				if err != nil {
					return 0, err
				}
				g, err := generate(ctx, e, prompt, work.tokens)
				return float64(g.tokens-g.atOnce) / (g.total - g.first).Seconds(), err
			}
		}
		pairs, err := s.pairs(ctx, side(with), side(without))
		if err != nil {
			return results, err
		}
		results = append(results, result{name: work.name, unit: "tokens/s", pairs: pairs})
	}
	return results, nil
}

// guessing loads the model twice.
func (s *session) guessing(ctx context.Context) (with, without *engine.Engine, err error) {
	if with, _, err = loadEngine(ctx, s.files, s.model, &engine.Options{Threads: s.options.threads}); err != nil {
		return nil, nil, err
	}
	without, _, err = loadEngine(ctx, s.files, s.model, &engine.Options{Threads: s.options.threads, NoSpeculation: true})
	if err != nil {
		return nil, nil, errors.Join(err, with.Close())
	}
	return with, without, nil
}

// extraction returns a prompt whose answer repeats most of its last paragraph,
// with examples, so that a model without instructions does it too.
func extraction(run int) string {
	var b strings.Builder
	pick := func(list []string, i int) string { return list[(run+1+i)%len(list)] }
	for i := range 4 {
		name := pick([]string{"Maria Gonzalez", "Thomas Okafor", "Ingrid Svensson", "Rajesh Iyer", "Claire Dubois", "Daniel Novak", "Aisha Rahman"}, 3*i)
		street := fmt.Sprintf("%d %s", 11+7*i+run, pick([]string{"Elm Street", "Harbour Road", "Station Avenue", "Mill Lane", "King Square"}, i))
		city := pick([]string{"Springfield", "Rotterdam", "Gothenburg", "Chennai", "Lyon", "Prague"}, 2*i)
		phone := fmt.Sprintf("+%d 555 %04d %03d", 20+i, 1000+37*run+911*i, 100+run*7+i)
		mail := strings.ToLower(strings.ReplaceAll(name, " ", ".")) + "@example.com"
		fmt.Fprintf(&b, "Message: My name is %s and I live at %s in %s. You can reach me by phone at %s or by mail at %s.\n", name, street, city, phone, mail)
		b.WriteString("Contact: name:")
		if i < 3 {
			fmt.Fprintf(&b, " %s; address: %s in %s; phone: %s; mail: %s\n\n", name, street, city, phone, mail)
		}
	}
	return b.String()
}

func story(run int) string {
	openings := []string{"Once upon a time, a young fisherman", "The city council met on Monday to discuss", "Photosynthesis is the process by which",
		"In the winter of 1911, the expedition", "My grandmother's kitchen always smelled of", "The main difference between a lake and a river"}
	return openings[(run+1)%len(openings)]
}
