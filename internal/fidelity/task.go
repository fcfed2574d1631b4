package fidelity

import (
	"fmt"
	"strings"

	"github.com/cria-lm/cria/grammar"
)

// task is one whose output is often of a grammar without a constraint, as the prompt
// has examples.
type task struct {
	prompt  string
	stop    string // ends the output without a constraint
	grammar *grammar.Grammar
}

// Tasks is how many different ones there are.
const Tasks = 8 * 12

// newTask makes a task of a kind by its number.
func newTask(i int) (*task, error) {
	kinds := []func(n int) (prompt, stop string, parts []grammar.Part){
		capitals, sums, sentiments, titles, facts, peopleLines, peopleJSON, lists,
	}
	prompt, stop, parts := kinds[i%len(kinds)](i / len(kinds))
	g, err := grammar.Compile(parts...)
	if err != nil {
		return nil, fmt.Errorf("task %d: %w", i, err)
	}
	return &task{prompt, stop, g}, nil
}

func capitals(n int) (string, string, []grammar.Part) {
	countries := []string{"Italy", "Japan", "Egypt", "Norway", "Peru", "Kenya", "Greece", "Canada", "Cuba", "Poland", "Ireland", "Chile"}
	return "Question: What is the capital of France?\nAnswer: It is Paris.\n\nQuestion: What is the capital of Spain?\nAnswer: It is Madrid.\n\n" +
		"Question: What is the capital of " + countries[n%len(countries)] + "?\nAnswer:", "\n", []grammar.Part{grammar.Line{}}
}

func sums(n int) (string, string, []grammar.Part) {
	return fmt.Sprintf("3 + 4 = 7\n10 + 5 = 15\n22 + 6 = 28\n%d + %d =", 2+n*7%40, 1+n*3%20), "\n", []grammar.Part{grammar.Integer{}}
}

func sentiments(n int) (string, string, []grammar.Part) {
	reviews := []string{"I loved every minute.", "A waste of time.", "The best film of the year!", "Boring and far too long.", "It made me laugh and cry.",
		"I want my money back.", "Wonderful actors.", "The plot makes no sense.", "Go and see it.", "I left before the end.",
		"Great music.", "Dull from the first minute."}
	return "Review: A joy from start to end.\nSentiment: positive\n\nReview: I fell asleep.\nSentiment: negative\n\nReview: " +
		reviews[n%len(reviews)] + "\nSentiment:", "\n", []grammar.Part{grammar.Choices{Values: []string{"positive", "negative"}}}
}

func titles(n int) (string, string, []grammar.Part) {
	topics := []string{"a dog that finds its way home", "the first snow in a small town", "a machine that paints", "two sisters and a lighthouse",
		"how bread is made", "the end of a long war", "a train that is late", "birds in the city",
		"a letter without a sender", "the smallest horse", "a garden on a roof", "learning to swim"}
	return "Topic: a boat in a storm\nTitle: The Night the Sea Came In\n\nTopic: growing tomatoes\nTitle: Red and Ripe: A Gardener's Guide\n\nTopic: " +
		topics[n%len(topics)] + "\nTitle:", "\n", []grammar.Part{grammar.Line{}}
}

func facts(n int) (string, string, []grammar.Part) {
	claims := []string{"Fish live in water.", "The sun is cold.", "Ten is more than five.", "Snow is black.", "Cats have four legs.", "Paris is in Asia.",
		"Ice melts in the sun.", "A week has nine days.", "Bread is made of flour.", "Dogs can fly.", "Lemons are sour.", "Iron is soft."}
	return "Claim: Birds have wings.\nTrue: true\n\nClaim: Stones can swim.\nTrue: false\n\nClaim: " + claims[n%len(claims)] + "\nTrue:", "\n", []grammar.Part{grammar.Boolean{}}
}

type person struct {
	name, city, job string
	age             int
}

func somebody(i int) person {
	return person{
		[]string{"Maria Gonzalez", "Thomas Okafor", "Ingrid Svensson", "Rajesh Iyer", "Claire Dubois"}[i%5],
		[]string{"Rotterdam", "Lagos", "Gothenburg", "Lyon"}[i%4],
		[]string{"civil engineer", "nurse", "baker"}[i%3],
		20 + i*7%50,
	}
}

func (p person) text() string {
	return fmt.Sprintf("%s is %d years old and works as a %s in %s.", p.name, p.age, p.job, p.city)
}

// people is a prompt with two examples of how somebody is written.
func people(n int, name string, write func(p person) string) string {
	var b strings.Builder
	for i := range 2 {
		fmt.Fprintf(&b, "Text: %s\n%s%s\n\n", somebody(100+i).text(), name, write(somebody(100+i)))
	}
	return b.String() + "Text: " + somebody(n).text() + "\n" + name
}

func peopleLines(n int) (string, string, []grammar.Part) {
	prompt := people(n, "name:", func(p person) string {
		return fmt.Sprintf(" %s\nage: %d\ncity: %s\njob: %s", p.name, p.age, p.city, p.job)
	})
	return prompt, "\n\n", []grammar.Part{grammar.Line{}, grammar.Literal("\nage:"), grammar.Integer{},
		grammar.Literal("\ncity:"), grammar.Line{}, grammar.Literal("\njob:"), grammar.Line{}}
}

func peopleJSON(n int) (string, string, []grammar.Part) {
	prompt := people(n, "JSON:", func(p person) string {
		return fmt.Sprintf(` {"name":%q,"age":%d,"city":%q,"job":%q}`, p.name, p.age, p.city, p.job)
	})
	const schema = `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},"city":{"type":"string"},"job":{"type":"string"}},` +
		`"required":["name","age","city","job"],"additionalProperties":false}`
	return prompt, "\n", []grammar.Part{grammar.Hole{Value: grammar.JSONSchema{Schema: []byte(schema)}}}
}

func lists(n int) (string, string, []grammar.Part) {
	things := []string{"animals", "cities", "tools", "drinks", "metals", "languages", "sports", "trees", "rivers", "instruments", "planets", "vegetables"}
	return `three colors: ["red","green","blue"]` + "\n" + `three fruits: ["apple","pear","plum"]` + "\nthree " + things[n%len(things)] + ":", "\n",
		[]grammar.Part{grammar.Hole{Value: grammar.JSONSchema{Schema: []byte(`{"type":"array","items":{"type":"string"}}`)}}}
}
