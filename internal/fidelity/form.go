package fidelity

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/cria-lm/cria/grammar"
)

// form is a task whose output has fields.
type form struct {
	prompt  string
	grammar *grammar.Grammar
}

var (
	formNames = []string{"name", "first_name", "orderId", "unit price", "2nd_choice", "größe", "URL", "is_active", "名前", "answer",
		"reasoning", "e-mail", "x", "total amount (USD)", "customer.address", "Summary", "createdAt", "SKU", "a/b", "notes"}
	formTopics = []string{"a bicycle that is for sale", "the river Rhine", "an invoice from a carpenter", "a film about the moon",
		"a complaint about late delivery", "the weather in Lagos", "a recipe for soup", "a patient with a fever", "a bug in a web page", "the city of Kyoto"}
	formChoices = [][]string{{"positive", "negative", "neutral"}, {"low", "lower", "lowest"}, {"A", "B", "C", "D"},
		{"not applicable", "not known", "none"}, {"in_stock", "sold_out"}, {"New York", "New Orleans", "Newark"}, {"müde", "wach"}}
)

// newForm makes a form of a few fields: lines of text, or one JSON object.
func newForm(seed uint64) (*form, error) {
	r := rand.New(rand.NewPCG(seed, 4))
	var names []string
	for _, i := range r.Perm(len(formNames))[:1+r.IntN(5)] {
		names = append(names, formNames[i])
	}
	prompt := fmt.Sprintf("Fill in a form about %s. Its fields are %s.\n\n", formTopics[r.IntN(len(formTopics))], strings.Join(names, ", "))
	parts := jsonForm(r, names)
	if r.IntN(2) == 0 {
		prompt += names[0] + ":"
		parts = linesForm(r, names)
	}
	g, err := grammar.Compile(parts...)
	if err != nil {
		return nil, fmt.Errorf("form %d: %w", seed, err)
	}
	return &form{prompt, g}, nil
}

// linesForm is a line for each field, the first name of which is in the prompt.
func linesForm(r *rand.Rand, names []string) (parts []grammar.Part) {
	for i, name := range names {
		if i > 0 {
			parts = append(parts, grammar.Literal("\n"+name+":"))
		}
		least, most := 1.0, 500.0
		parts = append(parts, []grammar.Part{
			grammar.Line{MaxLength: 60},
			grammar.Line{MaxLength: 60, Optional: true},
			grammar.Choices{Values: formChoices[r.IntN(len(formChoices))]},
			grammar.Integer{},
			grammar.Number{Min: &least, Max: &most},
			grammar.Boolean{},
			grammar.Hole{Value: grammar.Regexp(`[A-Z]{2}-\d{4}`)},
			grammar.Hole{Value: grammar.JSONSchema{Schema: []byte(`{"type":"array","items":{"type":"string","maxLength":20},"maxItems":3}`)}},
		}[r.IntN(8)])
	}
	return parts
}

// jsonForm is an object with a property for each field.
func jsonForm(r *rand.Rand, names []string) []grammar.Part {
	return []grammar.Part{grammar.JSONSchema{Schema: []byte(objectSchema(r, names, 1))}}
}

func objectSchema(r *rand.Rand, names []string, depth int) string {
	var properties, required []string
	for _, name := range names {
		properties = append(properties, quoted(name)+":"+valueSchema(r, depth))
		if r.IntN(5) > 0 {
			required = append(required, name)
		}
	}
	return fmt.Sprintf(`{"type":"object","properties":{%s},"required":%s,"additionalProperties":false}`, strings.Join(properties, ","), quoted(append([]string{}, required...)))
}

func valueSchema(r *rand.Rand, depth int) string {
	kinds := []string{
		`{"type":"string","maxLength":40}`,
		`{"type":"string","minLength":3,"maxLength":20,"pattern":"^[A-Z][a-z ]+$"}`,
		`{"type":"integer","minimum":0,"maximum":120}`,
		`{"type":"number","minimum":-1,"maximum":1000,"multipleOf":0.01}`,
		`{"type":"boolean"}`,
		`{"type":["string","null"],"maxLength":20}`,
		`{"type":"string","format":"date"}`,
		`{"const":"v1.0-beta"}`,
		`{"enum":` + quoted(formChoices[r.IntN(len(formChoices))]) + `}`,
	}
	if depth > 0 {
		kinds = append(kinds,
			`{"type":"array","items":`+valueSchema(r, 0)+`,"minItems":1,"maxItems":3}`,
			objectSchema(r, formNames[r.IntN(5):][:2], 0))
	}
	return kinds[r.IntN(len(kinds))]
}

// quoted writes a string, or several, as JSON.
func quoted(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is text
	}
	return string(text)
}
