package llamacpp

import (
	"encoding/json"
	"fmt"

	"github.com/jellydator/ttlcache/v3"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/llama"
)

// maxGrammars bounds the grammars that are kept, with what they have learned about
// the vocabulary.
const maxGrammars = 256

// grammar compiles a constraint, once while it is kept; nil if there is none.
func (m *LoadedModel) grammar(c cria.Constraint) (*grammar.Grammar, error) {
	if len(c) == 0 {
		return nil, nil
	}
	key, err := json.Marshal(c)
	if err != nil {
		return nil, wrap(ErrInvalidParameter, err)
	}
	if item := m.grammars.Get(string(key)); item != nil {
		return item.Value(), nil
	}
	parts := make([]grammar.Part, len(c))
	for i, p := range c {
		parts[i] = grammarPart(p)
	}
	g, err := grammar.Compile(parts...)
	if err != nil {
		return nil, wrap(ErrInvalidParameter, nameField(c, parts, err))
	}
	m.grammars.Set(string(key), g, ttlcache.DefaultTTL)
	return g, nil
}

// nameField says which field a grammar cannot be compiled for.
func nameField(c cria.Constraint, parts []grammar.Part, err error) error {
	for i, p := range c {
		if p.Hole == nil {
			continue
		}
		if _, err := grammar.Compile(parts[i]); err != nil {
			return fmt.Errorf("field %q: %w", p.Hole.Name, err)
		}
	}
	return err
}

// grammarPart says how the value of a field is written.
func grammarPart(p cria.Part) grammar.Part {
	if p.Hole == nil {
		return grammar.Literal(p.Literal)
	}
	f := p.Hole
	switch {
	case p.As == cria.AsJSON && f.Optional:
		return grammar.JSONSchema{Schema: fmt.Appendf(nil, `{"anyOf":[%s,{"type":"null"}]}`, f.JSONSchema())}
	case p.As == cria.AsJSON:
		return grammar.JSONSchema{Schema: f.JSONSchema()}
	case p.As == cria.AsBlock && f.Type.Kind == cria.KindString && f.Pattern == "" && f.Format == "" && f.GBNF == "":
		return grammar.Text{Without: "\n[[", MinLength: f.MinLen, MaxLength: f.MaxLen, Optional: f.Optional}
	case f.Type.Kind == cria.KindLiteral:
		return grammar.Choices{Values: f.Type.Values, Optional: f.Optional}
	case f.Type.Kind == cria.KindInt:
		return grammar.Integer{Min: f.Min, Max: f.Max, Optional: f.Optional}
	case f.Type.Kind == cria.KindFloat:
		return grammar.Number{Min: f.Min, Max: f.Max, Optional: f.Optional}
	case f.Type.Kind == cria.KindBool:
		return grammar.Boolean{Optional: f.Optional}
	case f.GBNF != "":
		return grammar.Hole{Value: grammar.GBNF(f.GBNF), Optional: f.Optional}
	}
	if text, ok := textOf(*f); ok && p.As == cria.AsTagged {
		return grammar.Text{Without: "</" + f.Name + ">", MinLength: text.MinLength, MaxLength: text.MaxLength, Pattern: text.Pattern, Format: text.Format, Optional: text.Optional}
	} else if ok {
		return text
	}
	return grammar.Hole{Value: grammar.JSONSchema{Schema: f.JSONSchema()}, Optional: f.Optional}
}

// textOf returns what is text of the values of a field that is not JSON, on one line.
func textOf(f cria.Field) (line grammar.Line, ok bool) {
	line.Optional = f.Optional
	switch f.Type.Kind {
	case cria.KindDateTime:
		line.Format = "date-time"
	case cria.KindDate:
		line.Format = "date"
	case cria.KindDuration:
		line.Pattern = cria.DurationPattern
	case cria.KindString, cria.KindAny:
		line.MinLength, line.MaxLength, line.Pattern, line.Format = f.MinLen, f.MaxLen, f.Pattern, string(f.Format)
		return line, f.Schema == nil
	default:
		return line, false
	}
	return line, true
}

// tokenizer shows an engine's vocabulary to package grammar.
type tokenizer struct{ *engine.Vocab }

func (t tokenizer) IsEnd(token llama.Token) bool { return t.IsEOG(token) }

func (t tokenizer) Encode(text string) ([]llama.Token, error) { return t.EncodeContinuation(text) }
