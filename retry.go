package cria

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// getWithin is get that asks again, at most so many times, when a reply cannot be read:
// the request then has that reply and what is wrong with it behind the inputs. The usage
// of all requests adds up. If there is no reply to the last of them, the error has that of
// the reply before too.
func (r *reply) getWithin(ctx context.Context, retries int) (*Prediction, error) {
	asked := r.req
	var before *ParseError
	for ; ; retries-- {
		prediction, err := r.get(ctx)
		var unread *ParseError
		if retries <= 0 || r.stopped || !errors.As(err, &unread) {
			return prediction, withUnread(err, before, r.usage)
		}
		before = unread
		asked.Chat = asked.Chat.askedAgain(unread)
		r.req = asked
		if !r.hand([]Delta[Example]{{Retry: unread}}) {
			return nil, nil
		}
	}
}

// withUnread adds to an error that is of no reply the reply before, if there was one, and
// what all has cost.
func withUnread(err error, before *ParseError, usage Usage) error {
	if err == nil || before == nil || errors.As(err, new(*ParseError)) {
		return err
	}
	unread := *before // which a reader of the stream was given
	unread.Usage = usage
	return fmt.Errorf("asking again: %w; the reply before: %w", err, &unread)
}

// askedAgain returns the chat with a reply and what is wrong with it. In one text the
// inputs then follow again, for the model to go on behind them.
func (c Chat) askedAgain(unread *ParseError) Chat {
	turns := []Message{{RoleAssistant, strings.TrimSpace(unread.Raw)}, {RoleUser, unread.feedback()}}
	if _, isText := c.Text(); isText {
		turns = []Message{{RoleText, turns[0].Content + blankLine}, {RoleText, turns[1].Content + blankLine}}
		if n := len(c.Turns); n > 0 {
			turns = append(turns, c.Turns[n-1])
		}
	}
	return Chat{Prefix: c.Prefix, Turns: append(c.Turns[:len(c.Turns):len(c.Turns)], turns...)}
}

// feedback tells the model what is wrong with its reply.
func (e *ParseError) feedback() string {
	lines := []string{"This reply cannot be used:"}
	for _, f := range e.Fields {
		lines = append(lines, fmt.Sprintf("- %s: %v", f.Field, f.Err))
	}
	if e.Truncated {
		lines = append(lines, "- It is too long.")
	}
	return strings.Join(append(lines, "Give all of it again, without these mistakes."), "\n")
}
