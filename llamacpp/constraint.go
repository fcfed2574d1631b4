package llamacpp

import (
	"encoding/json"

	"github.com/jellydator/ttlcache/v3"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/llama"
)

// maxGrammars bounds the grammars that are kept, with what they have learned about
// the vocabulary.
const maxGrammars = 256

// matcher turns a constraint into what steers the engine's choice of tokens.
func (m *LoadedModel) matcher(c cria.Constraint) (*grammar.Matcher, error) {
	key, err := json.Marshal(c)
	if err != nil {
		return nil, wrap(ErrInvalidParameter, err)
	}
	if item := m.grammars.Get(string(key)); item != nil {
		return item.Value().Matcher(m.vocabulary()), nil
	}
	parts := make([]grammar.Part, len(c))
	for i, p := range c {
		parts[i] = grammarPart(p)
	}
	g, err := grammar.Compile(parts...)
	if err != nil {
		return nil, wrap(ErrInvalidParameter, err)
	}
	m.grammars.Set(string(key), g, ttlcache.DefaultTTL)
	return g.Matcher(m.vocabulary()), nil
}

func grammarPart(p cria.Part) grammar.Part {
	if p.Hole == nil {
		return grammar.Literal(p.Literal)
	}
	switch p.Hole.Kind {
	case cria.KindLiteral:
		return grammar.Choices{Values: p.Hole.Values, Optional: p.Hole.Optional}
	case cria.KindInt:
		return grammar.Integer{Optional: p.Hole.Optional}
	case cria.KindFloat:
		return grammar.Number{Optional: p.Hole.Optional}
	case cria.KindBool:
		return grammar.Boolean{Optional: p.Hole.Optional}
	default:
		return grammar.Line{Optional: p.Hole.Optional}
	}
}

// tokenizer shows an engine's vocabulary to package grammar.
type tokenizer struct{ *engine.Vocab }

func (t tokenizer) IsEnd(token llama.Token) bool { return t.IsEOG(token) }

func (t tokenizer) Encode(text string) ([]llama.Token, error) { return t.EncodeContinuation(text) }
