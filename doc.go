// Package cria makes language models programmable: a program declares what goes
// in and what comes out as Go structs, and gets a typed answer.
//
//	type Review struct {
//		Review string `json:"review"`
//	}
//
//	type Verdict struct {
//		Sentiment string `json:"sentiment" enum:"positive,negative"`
//	}
//
//	classify := cria.NewPredict[Review, Verdict]("Classify the sentiment of the review.", nil)
//	v, err := classify.Call(cria.With(ctx, cria.Scope{LM: lm}), Review{"I loved every minute."})
//
// The parts, from the outside in:
//
//   - [Predict] (typed) and [Predictor] (values by name) run one call;
//     [ChainOfThought] lets the model reason first, [TwoStep] answer in its own words.
//   - [Signature] declares the task: instruction, input and output [Field]s,
//     demonstrations. It comes from structs, from a string such as
//     "question -> answer", from fields or from JSON; methods make others of it,
//     with a field more or less.
//   - [Adapter] turns a signature and its inputs into a [Request], and the reply
//     back into values: [Lines], the default, [JSON], [Markers], [Tagged], or
//     [Completion] for base models.
//   - [LM] is the model: package llamacpp runs one in this process, and anything
//     that implements the one method can stand in. A [Cache] keeps replies.
//   - [Module] is anything with a method Call: a Predict, a Go function ([Func]), a
//     struct of the user's own. [Map] and [Parallel] call one for many inputs; [BestOfN],
//     [Refine], [Majority] and [MultiChainComparison] call one several times for one
//     input; [KNNFewShot] gives it the demonstrations that are nearest to the input.
//   - [Program] knows the predictors of a module by name. A [Candidate] changes their
//     instructions, demonstrations and settings for the calls of one context.
//   - [Scope] is what a call carries (model, adapter, sampling, cache): in a context
//     by [With], or for the whole process by [Configure]. A context also has a [Budget]
//     ([WithBudget]) and a [Trace] ([WithTrace]), and [Events] yields what happens in a
//     call while it does.
//
// The package never loads a native library itself, and has no global state but
// what Configure sets.
package cria
