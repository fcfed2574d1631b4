package llamacpp

import (
	"context"
	"unicode/utf8"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llama"
)

// keptPrefix is what calls with a prefix have in common: it is rendered, checked and
// tokenized once, so that a call's work is that on its own turns.
type keptPrefix struct {
	layout   *layout
	fits     bool          // layout is right as far as the prefix goes, see [layout.fit]
	messages int           // of the prefix
	tokens   []llama.Token // of all up to the last control token before the turns
	rest     []piece       // behind them; the messages in it are turns
}

// prefixKey identifies a kept prefix: the same messages stand in another layout before
// turns of other roles.
type prefixKey struct {
	prefix *cria.Prefix
	turns  string // their roles
}

// maxPrefixes bounds how many prefixes are kept, the least recently used being
// dropped.
const maxPrefixes = 64

// prefix returns what is before a request's turns and around them. What cannot leave
// room within the limit is refused before it is tokenized.
func (m *LoadedModel) prefix(ctx context.Context, req *cria.Request, limit int) (*keptPrefix, error) {
	if err := checkRequest(req); err != nil {
		return nil, err
	}
	turns, known := roles(req.Chat.Turns)
	key := prefixKey{req.Chat.Prefix, turns}
	var kept *keptPrefix
	if item := m.prefixes.Get(key); known && item != nil {
		kept = item.Value()
		if kept.fits && kept.fit(req.Chat.Turns) && m.template.current(kept.layout) {
			return kept, nil
		}
	}
	messages, l, err := m.layout(ctx, req)
	if err != nil {
		return nil, err
	}
	if kept != nil && kept.layout == l {
		return kept, nil
	}
	if err := tooLong(m.engine.Vocab().MinTokens(l.text(messages)), limit); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := len(messages) - len(req.Chat.Turns)
	stable := l.stablePieces(n)
	kept = &keptPrefix{layout: l, messages: n, fits: l.fit(messages[:n], 0), rest: behind(l.pieces[stable:], messages[:n])}
	if kept.tokens, err = m.encode(m.start(l), l.pieces[:stable], messages); err != nil {
		return nil, err
	}
	if !l.literal { // which is of these messages only
		m.prefixes.Set(key, kept, 0)
	}
	return kept, nil
}

// fit reports whether turns need no look at the whole conversation.
func (k *keptPrefix) fit(turns []cria.Message) bool {
	for _, m := range turns {
		if !utf8.ValidString(m.Content) {
			return false
		}
	}
	return k.layout.fit(turns, k.messages)
}

// behind returns pieces behind a prefix whose messages are text in them.
func behind(pieces []piece, prefix []cria.Message) []piece {
	rest := make([]piece, len(pieces))
	for i, p := range pieces {
		switch {
		case p.kind == pieceMessage && p.message < len(prefix):
			p = piece{kind: pieceText, text: prefix[p.message].Content}
		case p.kind == pieceMessage:
			p.message -= len(prefix)
		}
		rest[i] = p
	}
	return rest
}
