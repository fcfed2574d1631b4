package cria

// Result is what one call of a predictor gives besides the value itself.
type Result[Out any] struct {
	Value    Out
	Text     string // the assistant's whole turn, prefill included, without what it thought before
	Thinking string // what it thought, see [Scope.ThinkTokens]
	Finish   FinishReason
	Usage    Usage   // of all requests that it took
	Choice   *Choice // how probable each value of the last output was, if that is of a closed set and the LM is a [Scorer]

	// Coercions is what it took to read values that are not written as they were asked
	// for, in the order of the outputs; nil if there are none, or the adapter is no
	// [ReplyReader].
	Coercions []Coercion
}

// Prediction is the result of an untyped call: output values by field name.
type Prediction = Result[Example]

// Delta is a piece of a streamed reply: text of one field, a thought or a Retry, or last
// the Result.
type Delta[Out any] struct {
	Field    string       // the output field that the text belongs to
	Text     string       // what was generated since the last delta of the field
	Done     bool         // the field is complete
	Thinking string       // what the model thought since the last delta; it has no field
	Retry    *ParseError  // the reply so far cannot be read, and the model is asked again: what came before is void
	Result   *Result[Out] // set in the last delta only, which has no field
}
