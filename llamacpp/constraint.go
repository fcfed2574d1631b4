package llamacpp

import (
	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/llama"
)

// compile turns a constraint into what steers the engine's choice of tokens.
func (m *LoadedModel) compile(c cria.Constraint) (*grammar.Matcher, error) {
	parts := make([]grammar.Part, len(c))
	for i, p := range c {
		parts[i] = grammarPart(p)
	}
	template, err := grammar.Compile(parts, vocabulary{m.engine.Vocab()})
	if err != nil {
		return nil, wrap(ErrInvalidParameter, err)
	}
	return template.Matcher(), nil
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

// vocabulary shows an engine's vocabulary to package grammar.
type vocabulary struct{ *engine.Vocab }

func (v vocabulary) IsEnd(t llama.Token) bool { return v.IsEOG(t) }

func (v vocabulary) Encode(text string) ([]llama.Token, error) { return v.EncodeContinuation(text) }
