package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/internal/fidelity"
)

// structureFigures are about constrained outputs.
var structureFigures = []figure{
	{"masks", "time of a token mask, against llguidance if python3 has it",
		"masks before each token of the instances in bench/data/schemas.jsonl, first ones included, over the model's vocabulary; llguidance through Python, the same schemas and tokens",
		"<= 60 us mean, <= 600 us p99, ratio <= 1.0", masks},
	{"compile", "time to compile a JSON Schema",
		"schemas of the JSON Schema test suite, draft 2020-12, until the first byte can be asked for",
		"<= 1.5 ms p50, <= 20 ms p99", compileTimes},
	{"extract", "six fields of a text, against llama-server with json_schema and against no constraint",
		"latency of one item, one client, the same prompt with two examples; lines: the same fields in the default format",
		"JSON: ratio <= 0.75 (0.55 on gemma-3-270m); lines: <= 0.5; against no constraint: <= 0.85", extract},
	{"choice", "one of 2 and of 20 labels, against llama-server with an enum schema",
		"time beyond the prompt's own, which is in the cache on both sides; llama-server's own timings",
		"ratio <= 0.2 and <= 0.6", choice},
	{"choices", "choices a second, one client and 8 with 8 examples, against llama-server with an enum schema",
		"a prompt of 8 examples that is new in each run and 16 texts of its own, one after the other or 8 at once",
		"ratio >= 2.5 and >= 4", choices},
	{"forced", "forced tokens that are the tokenizer's own",
		fmt.Sprintf("%d forms of random fields, lines or JSON, filled in greedily; the tokens of each output against those that the tokenizer makes of its whole text", forms),
		"100 %", forcedTokens},
	{"same", "valid outputs that a constraint does not change",
		fmt.Sprintf("%d tasks with examples, greedily, without a constraint and, where the output is of the grammar, with it", fidelity.Tasks),
		"100 %, but for ties", sameOutputs},
}

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
	e, _, err := s.fresh(ctx, engine.Options{})
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

// completion is what is used of llama-server's answer.
type completion struct {
	Content string
	Timings struct {
		Predicted float64 `json:"predicted_ms"`
	}
}

// constrained lets the server generate by a JSON Schema.
func (v *server) constrained(ctx context.Context, prompt, schema string, n int) (c completion, err error) {
	body, err := json.Marshal(map[string]any{
		"prompt": prompt, "n_predict": n, "temperature": 0, "cache_prompt": true, "json_schema": json.RawMessage(schema),
	})
	if err != nil {
		return c, err
	}
	reply, err := v.do(ctx, http.MethodPost, "/completion", body)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(reply, &c); err != nil {
		return c, fmt.Errorf("llama-server did not answer with a completion: %.200q", reply)
	}
	return c, nil
}

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

// choice measures what a choice takes beyond a prompt that is in the cache.
func choice(ctx context.Context, s *session) ([]result, error) {
	e, _, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
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
	e, _, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	var results []result
	for _, atOnce := range []int{1, clients} {
		server, err := s.startServer(ctx, "-np", fmt.Sprint(atOnce))
		if err != nil {
			return results, err
		}
		const requests = 16
		prompts := func(run int) (list []string) {
			var examples strings.Builder
			for i := range 8 {
				fmt.Fprintf(&examples, "%s%s\n\n", choicePrompt(1000*(run+2), i), twoLabels[i%2])
			}
			for i := range requests {
				list = append(list, examples.String()+choicePrompt(run, 50+i))
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
				return score(ctx, e, strings.TrimSuffix(prompt, " "), twoLabels)
			}),
			measure(func(ctx context.Context, prompt string) error {
				_, err := server.constrained(ctx, prompt, enumSchema(twoLabels), 32)
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

// compileTimes measures schemas of the test suite.
func compileTimes(ctx context.Context, _ *session) ([]result, error) {
	schemas, err := suiteSchemas(ctx)
	if err != nil {
		return nil, err
	}
	var took []float64
	refused := 0
	for _, schema := range schemas {
		start := time.Now()
		if _, err := grammar.Compile(grammar.JSONSchema{Schema: schema}); err != nil {
			refused++
		}
		took = append(took, ms(time.Since(start)))
	}
	slices.Sort(took)
	note := fmt.Sprintf("%d schemas, of which %d are refused; the slowest takes %s ms", len(took), refused, number(took[len(took)-1]))
	return []result{
		{name: "compile-p50", unit: "ms", alone: took[len(took)/2]},
		{name: "compile-p99", unit: "ms", alone: took[len(took)*99/100], notes: []string{note}},
	}, nil
}

// suiteSchemas reads the test suite out of the module that carries it.
func suiteSchemas(ctx context.Context) (schemas [][]byte, err error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/jsonschema-go").Output()
	if err != nil {
		return nil, fmt.Errorf("looking for the JSON Schema test suite: %w (run bench in a clone)", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "jsonschema", "testdata", "draft2020-12", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		var groups []struct{ Schema json.RawMessage }
		if err := readJSON(path, &groups); err != nil {
			return nil, err
		}
		for _, g := range groups {
			schemas = append(schemas, g.Schema)
		}
	}
	if len(schemas) == 0 {
		return nil, fmt.Errorf("the JSON Schema test suite is not in %s; run go mod download", dir)
	}
	return schemas, nil
}
