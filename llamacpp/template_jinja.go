package llamacpp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/chattemplate"
)

// writeJinja applies a template of Jinja.
func (t *chatTemplate) writeJinja(ctx context.Context, messages []cria.Message) (string, error) {
	text, err := t.jinja.Render(ctx, t.input(messages))
	if merged, ok := mergeSystem(messages, err); ok {
		if text, mergedErr := t.jinja.Render(ctx, t.input(merged)); mergedErr == nil {
			return text, nil
		}
	}
	return text, err
}

// outlines does the same with placeholders. The last outline has the text; one before
// it is of a refusal.
func (t *chatTemplate) outlines(ctx context.Context, messages []cria.Message) ([]*chattemplate.Outline, error) {
	first, err := t.jinja.Outline(ctx, t.input(messages))
	if merged, ok := mergeSystem(messages, err); ok {
		if second, mergedErr := t.jinja.Outline(ctx, t.input(merged)); mergedErr == nil {
			return []*chattemplate.Outline{first, second}, nil
		}
	}
	return []*chattemplate.Outline{first}, err
}

func (t *chatTemplate) input(messages []cria.Message) chattemplate.Input {
	turns := make([]any, len(messages))
	for i, m := range messages {
		turns[i] = map[string]any{"role": string(m.Role), "content": m.Content}
	}
	return chattemplate.Input{Messages: turns, AddGenerationPrompt: true, BOSToken: t.bos, EOSToken: t.eos, Now: t.clock}
}

// mergeSystem is for templates that refuse a system message (Gemma 2's, for one): it is
// then written into the user's first, with a blank line between them, as llama.cpp's
// built-in templates of those families do. It reports whether err is such a refusal.
func mergeSystem(messages []cria.Message, err error) (merged []cria.Message, ok bool) {
	refused := (*chattemplate.RenderError)(nil)
	if !errors.As(err, &refused) || !refused.Raised || len(messages) < 2 ||
		messages[0].Role != cria.RoleSystem || messages[1].Role != cria.RoleUser {
		return nil, false
	}
	merged = slices.Clone(messages[1:])
	merged[0].Content = messages[0].Content + "\n\n" + merged[0].Content
	return merged, true
}

// mark stands for a control token's text that a message contains, so that it is
// not taken for the token itself.
func mark(special int) string { return "\uE0C3" + strconv.Itoa(special) + "\uE0C4" }

// literal is the layout of a conversation whose messages the template changes.
// The text is what the template writes, and usual the layout of the same roles.
// What looks like a control token is one only if the template wrote it.
func (t *chatTemplate) literal(ctx context.Context, messages []cria.Message, text string, usual *layout) (*layout, error) {
	safe, show := text, strings.NewReplacer()
	inMessages := t.found(messages)
	if inMessages != "" {
		var err error
		if safe, show, err = t.writeHidden(ctx, messages); err != nil {
			return nil, err
		}
	}
	l := &layout{pieces: t.splitControl(safe), literal: true}
	if !slices.Equal(l.controls(), usual.controls()) && slices.ContainsFunc(messages, t.suspicious) {
		return nil, errors.New("the chat template changes what messages say that look like its control tokens: leave those texts out, or use another template")
	}
	for i := range l.pieces {
		if l.pieces[i].kind == pieceText {
			l.pieces[i].text = show.Replace(l.pieces[i].text)
		}
	}
	if l.text(nil) != text {
		return nil, fmt.Errorf("the chat template treats control tokens in messages (%s) in a way of its own: leave them out, or use another template", inMessages)
	}
	l.closeThinking()
	return l, nil
}

// writeHidden applies the template to messages with a mark for each control token
// in them, and returns what shows the tokens again.
func (t *chatTemplate) writeHidden(ctx context.Context, messages []cria.Message) (text string, show *strings.Replacer, err error) {
	var hiding, showing []string
	for i, s := range t.specials { // the longest first, which a replacer prefers
		hiding, showing = append(hiding, s.Text, mark(i)), append(showing, mark(i), s.Text)
	}
	hidden, hide := slices.Clone(messages), strings.NewReplacer(hiding...)
	for i := range hidden {
		hidden[i].Content = hide.Replace(hidden[i].Content)
	}
	text, err = t.write(ctx, hidden)
	return text, strings.NewReplacer(showing...), err
}

// controls are the texts of a layout's control tokens.
func (l *layout) controls() (texts []string) {
	for _, p := range l.pieces {
		if p.kind == pieceControl {
			texts = append(texts, p.text)
		}
	}
	return texts
}

// suspicious reports whether a message has what a control token begins with: a
// template that takes parts of it away might make one.
func (t *chatTemplate) suspicious(m cria.Message) bool {
	for _, s := range t.specials {
		_, n := utf8.DecodeRuneInString(s.Text)
		_, more := utf8.DecodeRuneInString(s.Text[n:])
		if strings.Contains(m.Content, s.Text[:n+more]) {
			return true
		}
	}
	return false
}

// found returns a control token that a message contains, "" for none.
func (t *chatTemplate) found(messages []cria.Message) string {
	for _, m := range messages {
		for _, s := range t.specials {
			if strings.Contains(m.Content, s.Text) {
				return s.Text
			}
		}
	}
	return ""
}

// closeThinking takes away an opened block of thinking that the template ends
// with: whether the model thinks is what the request says.
func (l *layout) closeThinking() {
	last := len(l.pieces) - 1
	space := ""
	if last > 0 && l.pieces[last].kind == pieceText && strings.TrimSpace(l.pieces[last].text) == "" {
		space = l.pieces[last].text
		last--
	}
	if last < 0 || l.pieces[last].kind == pieceMessage {
		return
	}
	p := l.pieces[last]
	before, ok := strings.CutSuffix(strings.TrimRight(p.text, " \n"), thinkOpen)
	if !ok {
		return
	}
	l.opened = p.text[len(before):] + space
	l.pieces = l.pieces[:last]
	if before != "" {
		p.text = before
		l.pieces = append(l.pieces, p)
	}
}
