package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
)

// sixFields is what extract asks for.
const sixFields = `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},"city":{"type":"string"},"job":{"type":"string"},"member":{"type":"boolean"},"plan":{"enum":["basic","plus","pro"]}},"required":["name","age","city","job","member","plan"],"additionalProperties":false}`

// person is a text with six fields.
type person struct {
	name, city, job, plan string
	age                   int
	member                bool
}

func somebody(i int) person {
	names := []string{"Maria Gonzalez", "Thomas Okafor", "Ingrid Svensson", "Rajesh Iyer", "Claire Dubois", "Daniel Novak", "Aisha Rahman"}
	cities := []string{"Rotterdam", "Lagos", "Gothenburg", "Chennai", "Lyon"}
	jobs := []string{"civil engineer", "nurse", "baker", "school teacher", "software developer", "carpenter"}
	return person{names[i%7], cities[i%5], jobs[i%6], []string{"basic", "plus", "pro"}[i%3], 20 + i*7%50, i%2 == 0}
}

func (p person) text() string {
	member := map[bool]string{true: "has been a member for years", false: "is not a member yet"}[p.member]
	return fmt.Sprintf("%s is %d years old and works as a %s in %s. The customer %s and asked about the %s plan.", p.name, p.age, p.job, p.city, member, p.plan)
}

func (p person) json() string {
	return fmt.Sprintf(`{"name":%q,"age":%d,"city":%q,"job":%q,"member":%t,"plan":%q}`, p.name, p.age, p.city, p.job, p.member, p.plan)
}

func (p person) lines() string {
	return fmt.Sprintf(" %s\nage: %d\ncity: %s\njob: %s\nmember: %t\nplan: %s", p.name, p.age, p.city, p.job, p.member, p.plan)
}

func jsonPrompt(run int) string {
	var b strings.Builder
	for i := range 2 {
		fmt.Fprintf(&b, "Text: %s\nJSON: %s\n\n", somebody(100+i).text(), somebody(100+i).json())
	}
	return b.String() + "Text: " + somebody(run+1).text() + "\nJSON:"
}

func linesPrompt(run int) string {
	var b strings.Builder
	for i := range 2 {
		fmt.Fprintf(&b, "text: %s\nname:%s\n\n", somebody(100+i).text(), somebody(100+i).lines())
	}
	return b.String() + "text: " + somebody(run+1).text() + "\nname:"
}

// extractTokenLimit is more than six fields need.
const extractTokenLimit = 128

// extract measures the engine as it ships, guesses included.
func extract(ctx context.Context, s *session) ([]result, error) {
	e, err := s.usual(ctx, engine.Options{})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	vocabulary := grammar.NewVocabulary(tokenizer{e.Vocab()})
	asJSON, err := grammar.Compile(grammar.Hole{Value: grammar.JSONSchema{Schema: []byte(sixFields)}})
	if err != nil {
		return nil, err
	}
	field := func(name string) grammar.Part { return grammar.Literal("\n" + name + ":") }
	asLines, err := grammar.Compile(grammar.Line{}, field("age"), grammar.Integer{}, field("city"), grammar.Line{}, field("job"), grammar.Line{},
		field("member"), grammar.Boolean{}, field("plan"), grammar.Choices{Values: []string{"basic", "plus", "pro"}})
	if err != nil {
		return nil, err
	}
	server, err := s.startServer(ctx, "-np", "1")
	if err != nil {
		return nil, err
	}
	defer server.stop()

	constrained := func(prompt func(int) string, g *grammar.Grammar) side {
		return func(ctx context.Context, run int) (float64, error) {
			text, took, err := answer(ctx, e, prompt(run), g.Matcher(vocabulary), nil)
			if ok, why := g.Match(text); err == nil && !ok {
				err = fmt.Errorf("the engine's output is not of the grammar (%v): %q", why, text)
			}
			return took, err
		}
	}
	free := func(ctx context.Context, run int) (float64, error) {
		_, took, err := answer(ctx, e, jsonPrompt(run), nil, []string{"\n"})
		return took, err
	}
	peer := func(ctx context.Context, run int) (float64, error) {
		start := time.Now()
		reply, err := server.constrained(ctx, jsonPrompt(run), sixFields, extractTokenLimit)
		if err == nil && !json.Valid([]byte(reply.Content)) {
			err = fmt.Errorf("llama-server's output is not JSON: %q", reply.Content)
		}
		return ms(time.Since(start)), err
	}
	var results []result
	for _, f := range []struct {
		name       string
		ours, peer side
	}{
		{"extract-json", constrained(jsonPrompt, asJSON), peer},
		{"extract-lines", constrained(linesPrompt, asLines), peer},
		{"extract-constrained", constrained(jsonPrompt, asJSON), free},
	} {
		pairs, err := s.pairs(ctx, f.ours, f.peer)
		if err != nil {
			return results, err
		}
		results = append(results, result{name: f.name, unit: "ms", pairs: pairs})
	}
	return results, nil
}

// answer generates text behind a prompt, and says how many milliseconds that took.
func answer(ctx context.Context, e *engine.Engine, prompt string, m *grammar.Matcher, stop []string) (text string, took float64, err error) {
	tokens, err := e.Vocab().Encode(prompt)
	if err != nil {
		return "", 0, err
	}
	req := &engine.Request{Prompt: tokens, MaxTokens: extractTokenLimit, Stop: stop}
	if m != nil {
		req.Matcher = m
	}
	start := time.Now()
	for c, err := range e.Generate(ctx, req) {
		if err != nil {
			return "", 0, err
		}
		text += c.Text
	}
	return text, ms(time.Since(start)), nil
}

// tokenizer shows an engine's vocabulary to package grammar.
type tokenizer struct{ *engine.Vocab }

func (t tokenizer) IsEnd(token int32) bool { return t.IsEOG(token) }

func (t tokenizer) Encode(text string) ([]int32, error) { return t.EncodeContinuation(text) }
