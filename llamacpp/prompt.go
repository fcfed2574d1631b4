package llamacpp

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llama"
)

// prefixKey identifies the tokens of a prefix: the same messages may stand in
// other layouts.
type prefixKey struct {
	prefix *cria.Prefix
	layout *layout
}

// maxPrefixes bounds how many prefixes keep their tokens, the least recently
// used being dropped.
const maxPrefixes = 64

// PromptText returns the prompt of a request as a person may read it, control
// tokens written as the template writes them.
func (m *LoadedModel) PromptText(req *cria.Request) (string, error) {
	messages, l, err := m.layout(req)
	if err != nil {
		return "", err
	}
	return l.text(messages, req.Prefill), nil
}

// CountTokens returns how many tokens the prompt of a request has.
func (m *LoadedModel) CountTokens(req *cria.Request) (int, error) {
	tokens, err := m.prompt(req)
	return len(tokens), err
}

func (m *LoadedModel) layout(req *cria.Request) ([]cria.Message, *layout, error) {
	messages := req.Chat.Messages()
	if len(messages) == 0 && req.Prefill == "" {
		return nil, nil, wrap(ErrInvalidParameter, errors.New("the request has neither messages nor a prefill"))
	}
	if err := checkRoles(messages); err != nil {
		return nil, nil, wrap(ErrInvalidParameter, err)
	}
	for i, msg := range messages {
		if !utf8.ValidString(msg.Content) {
			return nil, nil, wrap(ErrTokenization, fmt.Errorf("message %d is not valid UTF-8", i+1))
		}
	}
	if !utf8.ValidString(req.Prefill) {
		return nil, nil, wrap(ErrTokenization, errors.New("the prefill is not valid UTF-8"))
	}
	l, err := m.template.layout(messages)
	if err != nil {
		return nil, nil, wrap(ErrInvalidParameter, err)
	}
	return messages, l, nil
}

// prompt returns the tokens of a request's prompt. Those of the stable prefix
// are computed once.
func (m *LoadedModel) prompt(req *cria.Request) ([]llama.Token, error) {
	messages, l, err := m.layout(req)
	if err != nil {
		return nil, err
	}
	stable := l.stablePieces(len(req.Chat.Prefix.Messages()))
	if stable == 0 {
		return m.encode(m.start(l), l.pieces, messages, req.Prefill)
	}
	key := prefixKey{req.Chat.Prefix, l}
	var prefix []llama.Token
	if item := m.prefixes.Get(key); item != nil {
		prefix = item.Value()
	} else {
		if prefix, err = m.encode(m.start(l), l.pieces[:stable], messages, ""); err != nil {
			return nil, err
		}
		m.prefixes.Set(key, prefix, 0)
	}
	return m.encode(prefix[:len(prefix):len(prefix)], l.pieces[stable:], messages, req.Prefill)
}

// start returns what stands before the first piece: the token that begins a
// text, if the model wants one and the template does not write it itself.
func (m *LoadedModel) start(l *layout) []llama.Token {
	v := m.engine.Vocab()
	if !v.AddBOS() || len(l.pieces) > 0 && l.pieces[0].kind == pieceControl && l.pieces[0].token == v.BOS() {
		return nil
	}
	return []llama.Token{v.BOS()}
}

// encode appends the tokens of the pieces and the prefill. Everything between
// two control tokens is encoded as one run, so that merges are those the model
// knows, and with special parsing off, so that text stays text.
func (m *LoadedModel) encode(tokens []llama.Token, pieces []piece, messages []cria.Message, prefill string) ([]llama.Token, error) {
	var run strings.Builder
	flush := func() error {
		if run.Len() == 0 {
			return nil
		}
		encoded, err := m.engine.Vocab().Encode(run.String())
		if err != nil {
			return wrap(ErrTokenization, err)
		}
		tokens = append(tokens, encoded...)
		run.Reset()
		return nil
	}
	for _, p := range pieces {
		switch p.kind {
		case pieceMessage:
			run.WriteString(messages[p.message].Content)
		case pieceText:
			run.WriteString(p.text)
		case pieceControl:
			if err := flush(); err != nil {
				return nil, err
			}
			tokens = append(tokens, p.token)
		}
	}
	run.WriteString(prefill)
	if err := flush(); err != nil {
		return nil, err
	}
	return tokens, nil
}
