// Package grammar says which tokens may come next, so that what a model writes
// has the form that was asked for. It knows bytes and tokens, never a model.
//
// A [Grammar] is made of parts: fixed text, holes for values, and languages such as
// regular expressions. The fixed text is not sampled: it is handed out as tokens to
// append. In a hole the model chooses, among the tokens that keep the value
// well-formed:
//
//	g, err := grammar.Compile(
//		grammar.Choices{Values: []string{"positive", "negative"}},
//		grammar.Literal("\nstars:"),
//		grammar.Integer{},
//	)
//	v := grammar.NewVocabulary(tokenizer) // once for a model
//	m := g.Matcher(v)                     // one for each generation
//	for !m.Done() {
//		if run := m.Forced(); run != nil {
//			// append run to the model's input
//			continue
//		}
//		// choose the likeliest token for which m.Allowed reports true and
//		// append it, unless m.Accept reports false: then go on with Forced
//	}
//
// The example's output reads " positive\nstars: 4". The prompt is expected to
// end with the name of the first field ("sentiment:"), so grammars usually
// begin with a hole, and values may begin with a space.
//
// # How a hole ends
//
// A hole ends where the model ends its turn or starts a new line. A value that
// nothing can be added to ends by itself, and the rest of a choice that has become
// certain is forced.
//
// # How it works
//
// A grammar is an automaton over bytes. A state is a set of configurations: what is
// left of a lexeme, which is a regular language, and a stack of what must follow it.
// States are made when they are first reached and shared by all generations. Which
// tokens a state allows is found by a walk over the vocabulary's trie, and kept;
// of free text most tokens are allowed at once, as it takes them whatever they are.
//
// What must come is written as the model's own tokenizer would write it behind the
// output so far. A token that the model chose is dropped when the tokenizer would
// have begun a longer one there, and the last tokens are left to the model when what
// it writes next could merge with them.
package grammar
