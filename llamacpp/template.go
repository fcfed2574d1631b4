package llamacpp

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

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
// so it is rendered once for each sequence of roles and kept. With neither jinja
// nor builtin it is plain text.
type chatTemplate struct {
	jinja    *chattemplate.Template
	builtin  string           // the name of one of llama.cpp's
	source   string           // the text of jinja, or the name
	bos, eos string           // texts of the tokens that templates may ask for
	specials []engine.Special // the longest text first

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
func (t *chatTemplate) layout(messages []cria.Message) (*layout, error) {
	l, kept, err := t.ofRoles(messages)
	if err != nil || t.jinja == nil || messages[0].Role == cria.RoleText {
		return l, err
	}
	// A template may look at what the messages say: to trim it, for one. What it
	// really writes decides whether the layout is right.
	text, err := t.write(messages)
	if err != nil {
		return nil, err
	}
	if kept && l.whole(messages) != text { // the date may be another by now
		if l, err = t.renew(messages); err != nil {
			return nil, err
		}
	}
	if l.whole(messages) == text {
		return l, nil
	}
	return t.literal(messages, text, l)
}

// ofRoles returns the layout of these roles, and whether it was kept from before.
func (t *chatTemplate) ofRoles(messages []cria.Message) (l *layout, kept bool, err error) {
	t.mu.Lock()
	l, kept = t.layouts[roles(messages)]
	t.mu.Unlock()
	if !kept {
		l, err = t.renew(messages)
	}
	return l, kept, err
}

// renew makes the layout of these roles and keeps it.
func (t *chatTemplate) renew(messages []cria.Message) (*layout, error) {
	l, err := t.render(messages)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.layouts == nil || len(t.layouts) >= maxLayouts {
		t.layouts = map[string]*layout{}
	}
	t.layouts[roles(messages)] = l
	return l, nil
}

func roles(messages []cria.Message) string {
	var key strings.Builder
	for _, m := range messages {
		key.WriteByte(m.Role[0])
	}
	return key.String()
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

// placeholder stands for the content of message i while the template is
// applied. The characters are for private use (Unicode's U+E000 to U+F8FF), so
// no template contains them.
func placeholder(i int) string { return "\uE0C1" + strconv.Itoa(i) + "\uE0C2" }

func (t *chatTemplate) render(messages []cria.Message) (*layout, error) {
	if messages[0].Role == cria.RoleText {
		return textLayout(len(messages)), nil
	}
	if t.plain() {
		return plainLayout(messages), nil
	}
	turns := slices.Clone(messages)
	for i := range turns {
		turns[i].Content = placeholder(i)
	}
	text, err := t.write(turns)
	if err != nil {
		return nil, err
	}
	return t.split(text, len(messages))
}

// write applies the template.
func (t *chatTemplate) write(messages []cria.Message) (string, error) {
	if t.jinja != nil {
		return t.writeJinja(messages)
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
		before, after, ok := strings.Cut(text, placeholder(i))
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
func (l *layout) text(messages []cria.Message) string {
	var b strings.Builder
	for _, p := range l.pieces {
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
