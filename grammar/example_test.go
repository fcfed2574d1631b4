package grammar_test

import (
	"fmt"
	"log"

	"github.com/cria-lm/cria/grammar"
)

// letters is a vocabulary whose tokens are single bytes; token 0 ends the turn.
type letters struct{}

func (letters) NTokens() int           { return 256 }
func (letters) Piece(t int32) []byte   { return []byte{byte(t)} }
func (letters) IsEnd(t int32) bool     { return t == 0 }
func (letters) IsControl(t int32) bool { return t == 0 }
func (letters) Encode(text string) ([]int32, error) {
	var tokens []int32
	for _, b := range []byte(text) {
		tokens = append(tokens, int32(b))
	}
	return tokens, nil
}

func Example() {
	g, err := grammar.Compile(
		grammar.Choices{Values: []string{"positive", "negative"}},
		grammar.Literal("\nstars:"),
		grammar.Integer{},
	)
	if err != nil {
		log.Fatal(err)
	}

	m := g.Matcher(grammar.NewVocabulary(letters{}))
	model := " x p 4 of 5" // what the model would like to write, likeliest first
	output := ""
	for !m.Done() {
		if run := m.Forced(); run != nil {
			for _, token := range run {
				output += string(letters{}.Piece(token))
			}
			continue
		}
		token := int32(model[0])
		model = model[1:]
		if m.Allowed(token) && m.Accept(token) {
			output += string(letters{}.Piece(token))
		}
	}
	fmt.Printf("sentiment:%s\n", output)
	// Output:
	// sentiment: positive
	// stars: 4
}
