// Package grammar says which tokens may come next, so that what a model writes
// has the form that was asked for. It knows bytes and tokens, never a model.
//
// A [Template] is fixed text with typed holes. The fixed text is not sampled:
// it is handed out as tokens to append. In a hole the model chooses, among the
// tokens that keep the value well-formed:
//
//	t, err := grammar.Compile([]grammar.Part{
//		grammar.Choices{Values: []string{"positive", "negative"}},
//		grammar.Literal("\nstars:"),
//		grammar.Integer{},
//	}, vocabulary)
//	m := t.Matcher() // one for each generation
//	for !m.Done() {
//		if run := m.Forced(); run != nil {
//			// append run to the model's input
//			continue
//		}
//		// choose the likeliest token for which m.Allowed reports true and
//		// append it, unless m.Accept reports false: then it only ended the hole
//	}
//
// The example's output reads " positive\nstars: 4". The prompt is expected to
// end with the name of the first field ("sentiment:"), so templates usually
// begin with a hole, and values may begin with a space.
//
// # How a hole ends
//
// A hole ends where the model ends its turn or starts a new line. What a token
// holds before the line break still belongs to the value: after ".\n" the next
// forced run is "." and the fixed text that follows, encoded together, as the
// model's own tokenizer would write them. A value that nothing can be added to
// ends by itself, and the rest of a choice that has become certain is forced.
//
// The holes here are those that one-line fields need. JSON Schema, regular
// expressions and GBNF are to become further front ends of this package.
package grammar
