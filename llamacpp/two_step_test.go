package llamacpp

import (
	"testing"

	"github.com/cria-lm/cria"
)

// The text is free, and what is taken from it is held to the types.
func TestTwoStep(t *testing.T) {
	type question struct{ Question string }
	type answer struct {
		City    string
		Country string `enum:"France,Italy"`
	}
	opts := &cria.TwoStepOptions{Write: &cria.PredictOptions{MaxTokens: 60}, Extract: &cria.PredictOptions{MaxTokens: 40}}
	r, err := cria.NewTwoStep[question, answer]("Answer the question.", opts).Run(cria.With(t.Context(), cria.Scope{Adapter: newAdapter(t, nil)}), question{"What is the capital of Italy?"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Free.Value == "" || r.Value.City == "" || r.Value.Country == "" || r.Choice == nil || r.TotalUsage().TotalTokens() <= r.Usage.TotalTokens() {
		t.Errorf("free text %q, %+v", r.Free.Value, r.Result)
	}
}
