// Package chattemplate renders chat templates as Hugging Face's transformers
// does: the part of Jinja that they use, byte for byte, in pure Go.
//
//	tmpl, err := chattemplate.Parse(source)
//	if err != nil { ... }
//	prompt, err := tmpl.Render(ctx, chattemplate.Input{
//		Messages:            []any{map[string]any{"role": "user", "content": "Hello?"}},
//		AddGenerationPrompt: true,
//	})
//
// The environment is that of transformers: blocks are trimmed (trim_blocks,
// lstrip_blocks), break, continue and {% generation %} are known, tojson writes
// what json.dumps writes, and raise_exception and strftime_now are there beside
// range, dict and namespace. Tags that load other files are not.
//
// A template is a program that came with a model. It reaches nothing but the
// values of its [Input], cannot change them, and is stopped by its [Limits]. The
// same template and input give the same text, unless the template asks for the
// date.
//
// Most templates only write what messages say. [Template.Outline] finds that out, and
// what to fill in for each conversation instead of rendering it.
//
// Integers have 64 bits; what is larger is an error, never another number.
package chattemplate
