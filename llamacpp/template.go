package llamacpp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/llama"
)

// PlainText is the value of [Options.ChatTemplate] for a model without turns: it
// sees the lines of a chat one after the other.
const PlainText = "none"

// chatTemplate turns conversations into the text that a model was trained on.
// What surrounds the messages depends on the roles alone, so it is rendered
// once for each sequence of roles and kept.
type chatTemplate struct {
	source   string           // Jinja source or a built-in name; "" is plain text
	specials []engine.Special // the longest text first

	mu      sync.Mutex
	layouts map[string]*layout
}

// layout is a rendered conversation with its messages left out.
type layout struct {
	pieces []piece
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

// layout returns the layout of a conversation with these roles.
func (t *chatTemplate) layout(messages []cria.Message) (*layout, error) {
	var key strings.Builder
	for _, m := range messages {
		key.WriteByte(m.Role[0])
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l, ok := t.layouts[key.String()]; ok {
		return l, nil
	}
	l, err := t.render(messages)
	if err != nil {
		return nil, err
	}
	if t.layouts == nil || len(t.layouts) >= maxLayouts {
		t.layouts = map[string]*layout{}
	}
	t.layouts[key.String()] = l
	return l, nil
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
	if t.source == "" {
		return plainLayout(messages), nil
	}
	turns := make([]llama.ChatMessage, len(messages))
	for i, m := range messages {
		turns[i] = llama.ChatMessage{Role: string(m.Role), Content: placeholder(i)}
	}
	text, err := llama.ChatApplyTemplate(t.source, turns, true)
	if err != nil {
		return nil, fmt.Errorf("applying the chat template: %w", err)
	}
	return t.split(text, len(messages))
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

// stablePieces is how many pieces depend on the first n messages alone and end
// at a control token, so that their tokens can be kept.
func (l *layout) stablePieces(n int) int {
	stable := 0
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
