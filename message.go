package cria

import (
	"slices"
	"strings"
	"sync"
)

// Role says who speaks in a [Message].
type Role string

// The roles of a conversation.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"

	// RoleText is text that nobody says: a chat whose messages are all of this role is
	// one text, in which they stand one behind the other with nothing between them, and
	// the model goes on with it as it is, without a chat template. Other roles do not
	// stand beside it. See [Chat.Text].
	RoleText Role = "text"
)

// Message is one turn of a conversation.
type Message struct {
	Role    Role   `json:"role"`
	Content string `json:"content"`
}

// Prefix is the part of a chat that does not change between calls: instruction
// and demonstrations. Its address is its identity: an LM may keep what it
// computed for a prefix (text, tokens, KV cells) as long as the same *Prefix
// comes back. A Prefix is immutable and safe for concurrent use.
type Prefix struct {
	messages []Message
	digest   func() cacheKey // of the messages; made when it is first asked for
}

// NewPrefix makes a prefix of messages.
func NewPrefix(messages ...Message) *Prefix {
	p := &Prefix{messages: slices.Clone(messages)}
	p.digest = sync.OnceValue(func() cacheKey { return digestMessages(cacheKey{}, p.messages) })
	return p
}

// Messages returns the messages in order. A nil Prefix has none.
func (p *Prefix) Messages() []Message {
	if p == nil {
		return nil
	}
	return slices.Clone(p.messages)
}

// Chat is a conversation: a stable prefix and the turns of this call. The zero
// value is empty.
type Chat struct {
	Prefix *Prefix
	Turns  []Message
}

// Messages returns the whole conversation in order.
func (c Chat) Messages() []Message {
	return append(c.Prefix.Messages(), c.Turns...)
}

// Text returns the one text that a chat is whose messages are all of [RoleText]; ok is
// false if there are others, or none.
func (c Chat) Text() (text string, ok bool) {
	var b strings.Builder
	for _, m := range c.Messages() {
		if m.Role != RoleText {
			return "", false
		}
		b.WriteString(m.Content)
		ok = true
	}
	return b.String(), ok
}
