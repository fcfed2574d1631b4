package llamacpp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/chattemplate"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/llama"
)

// PlainText is the value of [Options.ChatTemplate] for a model without turns: it
// sees the lines of a chat one after the other.
const PlainText = "none"

// chatTemplate turns conversations into the text that a model was trained on.
// What surrounds the messages depends on the roles alone in nearly all templates,
// so it is rendered once for each sequence of roles and kept; an outline says for which
// contents that is right. With neither jinja nor builtin it is plain text.
type chatTemplate struct {
	jinja    *chattemplate.Template
	builtin  string           // the name of one of llama.cpp's
	source   string           // the text of jinja, or the name
	bos, eos string           // texts of the tokens that templates may ask for
	specials []engine.Special // the longest text first
	clock    func() time.Time // nil: time.Now

	mu      sync.Mutex
	layouts map[string]*layout
}

func (t *chatTemplate) plain() bool { return t.jinja == nil && t.builtin == "" }

// layout is a rendered conversation, with its messages left out unless it is
// literal.
type layout struct {
	pieces []piece
	opened string // what the template writes last and [layout.closeThinking] took away

	// literal is whether the messages are text of the layout, as a template that
	// changes their text makes them. It fits one conversation only.
	literal bool

	// outlines have to hold for the messages, or else only rendering tells whether the
	// layout is right. None: it is.
	outlines []*chattemplate.Outline
}

// piece is one of: a control token, the content of a message, or text. Only the
// template can make control tokens; what a user writes stays text.
type piece struct {
	kind    pieceKind
	token   llama.Token // pieceControl
	text    string      // pieceControl, pieceText
	message int         // pieceMessage
}

type pieceKind int

const (
	pieceText pieceKind = iota
	pieceControl
	pieceMessage
)

// maxLayouts bounds what is kept: conversations of ever new lengths would
// otherwise pile up.
const maxLayouts = 256

// layout returns the layout of a conversation.
func (t *chatTemplate) layout(ctx context.Context, messages []cria.Message) (*layout, error) {
	l, err := t.ofRoles(ctx, messages)
	if err != nil || l.fit(messages, 0) {
		return l, err
	}
	// What the template really writes decides whether the layout is right.
	text, err := t.write(ctx, messages)
	if err != nil {
		return nil, err
	}
	if l.whole(messages) == text {
		return l, nil
	}
	return t.literal(ctx, messages, text, l)
}

// ofRoles returns the layout of these roles, which is kept.
func (t *chatTemplate) ofRoles(ctx context.Context, messages []cria.Message) (*layout, error) {
	key, _ := roles(messages)
	t.mu.Lock()
	l := t.layouts[key]
	t.mu.Unlock()
	if l != nil && t.current(l) {
		return l, nil
	}
	l, err := t.render(ctx, messages)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.layouts == nil || len(t.layouts) >= maxLayouts {
		t.layouts = map[string]*layout{}
	}
	t.layouts[key] = l
	return l, nil
}

// current reports whether the dates of a layout are those of today.
func (t *chatTemplate) current(l *layout) bool {
	now := time.Now
	if t.clock != nil {
		now = t.clock
	}
	return !slices.ContainsFunc(l.outlines, func(o *chattemplate.Outline) bool { return !o.Current(now()) })
}

// fit reports whether the layout is known to be right for messages of which the first
// is the one at an index.
func (l *layout) fit(messages []cria.Message, from int) bool {
	for _, o := range l.outlines {
		for i, m := range messages {
			if !o.Holds(from+i, m.Content) {
				return false
			}
		}
	}
	return true
}

// roles is the key of a sequence of roles; ok is false if one is unknown.
func roles(messages []cria.Message) (key string, ok bool) {
	var b strings.Builder
	for _, m := range messages {
		switch m.Role {
		case cria.RoleSystem, cria.RoleUser, cria.RoleAssistant, cria.RoleText:
			b.WriteByte(m.Role[0])
		default:
			return "", false
		}
	}
	return b.String(), true
}

// checkRoles keeps what a template would silently drop or misplace out.
func checkRoles(messages []cria.Message) error {
	for i, m := range messages {
		switch m.Role {
		case cria.RoleText, cria.RoleUser, cria.RoleAssistant:
			if (m.Role == cria.RoleText) != (messages[0].Role == cria.RoleText) {
				return fmt.Errorf("message %d: text without a role does not stand beside turns", i+1)
			}
		case cria.RoleSystem:
			if i > 0 {
				return fmt.Errorf("message %d: a system message comes first or not at all", i+1)
			}
		default:
			return fmt.Errorf("message %d: unknown role %q (want system, user, assistant or text)", i+1, m.Role)
		}
	}
	return nil
}

func (t *chatTemplate) render(ctx context.Context, messages []cria.Message) (*layout, error) {
	if messages[0].Role == cria.RoleText {
		return textLayout(len(messages)), nil
	}
	if t.plain() {
		return plainLayout(messages), nil
	}
	turns := slices.Clone(messages)
	for i := range turns {
		turns[i].Content = chattemplate.Placeholder(i)
	}
	if t.jinja == nil {
		text, err := t.write(ctx, turns)
		if err != nil {
			return nil, err
		}
		return t.split(text, len(messages))
	}
	outlines, err := t.outlines(ctx, turns)
	if err != nil {
		return nil, err
	}
	l, err := t.split(outlines[len(outlines)-1].Text, len(messages))
	if err != nil {
		return nil, err
	}
	l.outlines = outlines
	return l, nil
}

// write applies the template.
func (t *chatTemplate) write(ctx context.Context, messages []cria.Message) (string, error) {
	if t.jinja != nil {
		return t.writeJinja(ctx, messages)
	}
	turns := make([]llama.ChatMessage, len(messages))
	for i, m := range messages {
		turns[i] = llama.ChatMessage{Role: string(m.Role), Content: m.Content}
	}
	text, err := llama.ChatApplyTemplate(t.builtin, turns, true)
	if err != nil {
		return "", fmt.Errorf("applying the chat template: %w", err)
	}
	return text, nil
}

// split cuts rendered text into pieces.
func (t *chatTemplate) split(text string, messages int) (*layout, error) {
	l := &layout{}
	for i := range messages {
		before, after, ok := strings.Cut(text, chattemplate.Placeholder(i))
		if !ok {
			return nil, fmt.Errorf("applying the chat template: it leaves out message %d; it may not know the role", i+1)
		}
		l.pieces = append(l.pieces, t.splitControl(before)...)
		l.pieces = append(l.pieces, piece{kind: pieceMessage, message: i})
		text = after
	}
	if strings.ContainsRune(text, '\uE0C1') {
		return nil, errors.New("applying the chat template: it changes the order of the messages")
	}
	l.pieces = append(l.pieces, t.splitControl(text)...)
	l.closeThinking()
	return l, nil
}

// splitControl finds the control tokens in text that comes from the template.
func (t *chatTemplate) splitControl(text string) []piece {
	var pieces []piece
	for text != "" {
		at, found := len(text), engine.Special{}
		for _, s := range t.specials {
			if i := strings.Index(text, s.Text); i >= 0 && i < at {
				at, found = i, s
			}
		}
		if at > 0 {
			pieces = append(pieces, piece{kind: pieceText, text: text[:at]})
		}
		if found.Text != "" {
			pieces = append(pieces, piece{kind: pieceControl, text: found.Text, token: found.Token})
		}
		text = text[at+len(found.Text):]
	}
	return pieces
}

// textLayout is that of a chat which is one text.
func textLayout(messages int) *layout {
	l := &layout{}
	for i := range messages {
		l.pieces = append(l.pieces, piece{kind: pieceMessage, message: i})
	}
	return l
}

// plainLayout shows turns to a model without a chat template as [cria.Completion] writes
// them, whatever the format of what is said in them.
func plainLayout(messages []cria.Message) *layout {
	l := &layout{}
	for i, m := range messages {
		end := "\n\n"
		if m.Role == cria.RoleUser {
			end = "\n"
		}
		l.pieces = append(l.pieces, piece{kind: pieceMessage, message: i}, piece{kind: pieceText, text: end})
	}
	return l
}

// text writes the whole prompt as a person may read it.
func (l *layout) text(messages []cria.Message) string { return written(l.pieces, messages) }

// written is the text of pieces.
func written(pieces []piece, messages []cria.Message) string {
	var b strings.Builder
	for _, p := range pieces {
		if p.kind == pieceMessage {
			b.WriteString(messages[p.message].Content)
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// whole is text with what closeThinking took away.
func (l *layout) whole(messages []cria.Message) string { return l.text(messages) + l.opened }

// stablePieces is how many pieces depend on the first n messages alone and end
// at a control token, so that their tokens can be kept.
func (l *layout) stablePieces(n int) int {
	stable := 0
	if l.literal {
		return stable
	}
	for i, p := range l.pieces {
		if p.kind == pieceMessage && p.message >= n {
			break
		}
		if p.kind == pieceControl {
			stable = i + 1
		}
	}
	return stable
}
