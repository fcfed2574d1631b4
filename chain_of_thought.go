package cria

// reasoningName is the output field that chain of thought adds.
const reasoningName = "reasoning"

// Reasoned is an answer with the reasoning that led to it. As the output of a
// signature it stands for a field "reasoning" and the fields of Out; if Out
// declares "reasoning" itself, that is the same field.
type Reasoned[Out any] struct {
	Reasoning string `json:"reasoning"`
	Value     Out    `json:",inline"`
}

func (r Reasoned[Out]) answer() any { return r.Value }

// ChainOfThought is a [Predict] whose first output is "reasoning", so that the
// model thinks before it answers. Models of a few hundred million parameters
// answer worse with it unless the demonstrations reason too.
type ChainOfThought[In, Out any] = Predict[In, Reasoned[Out]]

// NewChainOfThought is as [NewPredict], and panics for the same reasons. For
// untyped use give [NewPredictor] a signature made by [Signature.WithReasoning].
func NewChainOfThought[In, Out any](instruction string, opts *PredictOptions) *ChainOfThought[In, Out] {
	return NewPredict[In, Reasoned[Out]](instruction, opts)
}
