package chattemplate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// Template is a parsed chat template. It never changes, so any number of
// goroutines may render it at once.
type Template struct {
	body []stmt
}

// Parse reads a template. Errors are a [*SyntaxError], or a [*LimitError] for a
// source of more than 1 MiB or of more levels than a person would write.
func Parse(source string) (*Template, error) {
	body, err := parse(source)
	if err != nil {
		return nil, err
	}
	return &Template{body}, nil
}

// Input is what a template is rendered with. Its values are nil, booleans,
// numbers, strings, slices, maps with string keys, [json.RawMessage], and what
// else encoding/json can write. The members of a map are sorted by name; where
// another order matters, as in a tool's schema, give a json.RawMessage or a
// struct, whose order is kept.
type Input struct {
	Messages            any // the conversation: a slice of maps, or JSON with an array of objects
	Tools               any // in the same forms; nil: none
	AddGenerationPrompt bool

	// BOSToken and EOSToken are the texts of the tokens that begin and end a text.
	BOSToken, EOSToken string

	// Extra holds further variables of the template by name, such as documents or
	// enable_thinking. They go before those above.
	Extra map[string]any

	// Now is the clock of strftime_now. Nil: [time.Now], in local time.
	Now func() time.Time

	Limits Limits
}

// run is one rendering.
type run struct {
	*meter
	now   func() time.Time
	watch *watch // nil: nothing is watched
}

// Render writes a conversation as the template has it. The same template and
// input give the same text, unless the template asks for the date. Errors are a
// [*RenderError], a [*LimitError], or why ctx was cancelled.
func (t *Template) Render(ctx context.Context, in Input) (string, error) {
	return t.render(ctx, in, nil)
}

func (t *Template) render(ctx context.Context, in Input, w *watch) (string, error) {
	r := &run{meter: newMeter(ctx, in.Limits), now: in.Now, watch: w}
	if r.now == nil {
		r.now = time.Now
	}
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	s, err := in.scope(r)
	if err != nil {
		return "", err
	}
	out := &output{r: r}
	if _, err := execAll(r, s, out, t.body); err != nil {
		return "", err
	}
	return out.text.String(), nil
}

// scope holds the variables that Hugging Face's transformers gives a template.
func (in *Input) scope(r *run) (*scope, error) {
	s := &scope{}
	for _, v := range []struct {
		name  string
		value any
	}{
		{"messages", in.Messages},
		{"tools", in.Tools},
		{"documents", nil},
		{"add_generation_prompt", in.AddGenerationPrompt},
		{"bos_token", in.BOSToken},
		{"eos_token", in.EOSToken},
	} {
		if err := s.give(r, v.name, v.value); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.Extra)) {
		if err := s.give(r, name, in.Extra[name]); err != nil {
			return nil, err
		}
	}
	if v, _ := s.get("messages"); !isList(v) {
		return nil, fail("the messages have to be a list, not %s", typeName(v))
	}
	return s.inner(), nil
}

func isList(v value) bool {
	_, ok := v.(list)
	return ok
}

func (s *scope) give(r *run, name string, given any) error {
	v, err := r.convert(given)
	if err != nil {
		if refused, ok := err.(*RenderError); ok {
			refused.Reason = fmt.Sprintf("%s: %s", name, refused.Reason)
		}
		return err
	}
	s.set(name, v)
	return nil
}

// checkText refuses text that no model could be given.
func (r *run) checkText(s string) error {
	if !utf8.ValidString(s) {
		return fail("a text is not valid UTF-8")
	}
	return r.alloc(len(s))
}
