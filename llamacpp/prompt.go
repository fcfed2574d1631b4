package llamacpp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/llama"
)

// PromptText returns the prompt of a request as a person may read it, control
// tokens written as the template writes them.
func (m *LoadedModel) PromptText(req *cria.Request) (string, error) {
	messages, l, err := m.layout(context.Background(), req)
	if err != nil {
		return "", err
	}
	return l.text(messages) + written(m.opening(req), nil), nil
}

// CountTokens returns how many tokens the prompt of a request has, also when
// they are more than the context holds.
func (m *LoadedModel) CountTokens(ctx context.Context, req *cria.Request) (int, error) {
	tokens, err := m.prompt(ctx, req, math.MaxInt)
	return len(tokens), err
}

// checkRequest finds what can be wrong with a request before its prompt is made.
func checkRequest(req *cria.Request) error {
	switch {
	case req == nil:
		return wrap(ErrInvalidParameter, errors.New("the request is nil"))
	case len(req.Images) > 0:
		return wrap(ErrInvalidParameter, fmt.Errorf("%d images were given, but the model cannot see any", len(req.Images)))
	case len(req.Tools) > 0:
		return wrap(ErrInvalidParameter, fmt.Errorf("%d tools were given, but the model cannot call tools; call it without", len(req.Tools)))
	case req.MaxTokens < 0:
		return wrap(ErrInvalidParameter, fmt.Errorf("max tokens %d is negative; 0 is the default", req.MaxTokens))
	case !utf8.ValidString(req.Prefill) || !utf8.ValidString(req.Thinking):
		return wrap(ErrTokenization, errors.New("the prefill is not valid UTF-8"))
	}
	if req.Sampling != nil {
		if err := req.Sampling.Validate(); err != nil {
			return wrap(ErrInvalidParameter, err)
		}
	}
	return nil
}

func (m *LoadedModel) layout(ctx context.Context, req *cria.Request) ([]cria.Message, *layout, error) {
	if err := checkRequest(req); err != nil {
		return nil, nil, err
	}
	messages := req.Chat.Messages()
	if len(messages) == 0 {
		return nil, nil, wrap(ErrInvalidParameter, errors.New("the request has no messages"))
	}
	if err := checkRoles(messages); err != nil {
		return nil, nil, wrap(ErrInvalidParameter, err)
	}
	for i, msg := range messages {
		if !utf8.ValidString(msg.Content) {
			return nil, nil, wrap(ErrTokenization, fmt.Errorf("message %d is not valid UTF-8", i+1))
		}
	}
	l, err := m.template.layout(ctx, messages)
	if cause := ctx.Err(); err != nil && cause != nil {
		return nil, nil, cause
	}
	if err != nil {
		return nil, nil, wrap(ErrInvalidParameter, err)
	}
	return messages, l, nil
}

// prompt returns the tokens of a request's prompt, which must leave room for one
// more within the limit.
func (m *LoadedModel) prompt(ctx context.Context, req *cria.Request, limit int) ([]llama.Token, error) {
	kept, err := m.prefix(ctx, req, limit)
	if err != nil {
		return nil, err
	}
	pieces, turns := slices.Concat(kept.rest, m.opening(req)), req.Chat.Turns
	least := len(kept.tokens) + m.engine.Vocab().MinTokens(written(pieces, turns))
	if err := tooLong(least, limit); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	tokens, err := m.encode(slices.Clip(kept.tokens), pieces, turns)
	if err == nil && len(tokens) >= limit {
		err = &ContextTooLongError{Length: len(tokens), Limit: limit}
	}
	if err != nil {
		return nil, err
	}
	return tokens, ctx.Err()
}

// tooLong refuses what cannot fit by its length: tokenizing takes seconds for megabytes
// and cannot be interrupted.
func tooLong(least, limit int) error {
	if least < limit {
		return nil
	}
	return &ContextTooLongError{Length: least, AtLeast: true, Limit: limit}
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

// encode appends the tokens of the pieces. Everything between
// two control tokens is encoded as one run, so that merges are those the model
// knows, and with special parsing off, so that text stays text.
func (m *LoadedModel) encode(tokens []llama.Token, pieces []piece, messages []cria.Message) ([]llama.Token, error) {
	var run strings.Builder
	flush := func() error {
		if run.Len() == 0 {
			return nil
		}
		encoded, err := m.engine.Vocab().Encode(run.String())
		if err != nil {
			if errors.Is(err, engine.ErrClosed) {
				return classify(err)
			}
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
	if err := flush(); err != nil {
		return nil, err
	}
	return tokens, nil
}
