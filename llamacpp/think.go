package llamacpp

import (
	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
)

// What reasoning models write around what they think.
const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
)

// opening returns how the assistant's turn begins, behind what the template writes.
func (m *LoadedModel) opening(req *cria.Request) []piece {
	text := func(s string) piece { return piece{kind: pieceText, text: s} }
	switch {
	case req.Think:
		return []piece{m.marker(thinkOpen), text("\n")}
	case req.Thinking != "":
		return []piece{m.marker(thinkOpen), text("\n" + req.Thinking + "\n"), m.marker(thinkClose), text("\n\n" + req.Prefill)}
	default:
		return []piece{text(req.Prefill)}
	}
}

// marker is the model's control token of a text, or the text if it has none.
func (m *LoadedModel) marker(text string) piece {
	if token, ok := m.engine.Vocab().Special(text); ok {
		return piece{kind: pieceControl, text: text, token: token}
	}
	return piece{kind: pieceText, text: text}
}

// endThinking makes a request end where the block of thinking does.
func (m *LoadedModel) endThinking(r *engine.Request) {
	r.Stop = []string{thinkClose}
	if p := m.marker(thinkClose); p.kind == pieceControl { // which has no text that could be seen
		r.Matcher = &until{end: p.token}
	}
}

// until is a matcher that allows anything up to a token.
type until struct {
	end  engine.Token
	done bool
}

func (u *until) Forced() []engine.Token { return nil }

func (u *until) Allowed(engine.Token) bool { return true }

func (u *until) Accept(t engine.Token) bool {
	u.done = t == u.end
	return !u.done
}

func (u *until) Done() bool { return u.done }

func (u *until) Err() error { return nil }
