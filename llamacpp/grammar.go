package llamacpp

import (
	"errors"
	"fmt"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/grammar"
)

// GrammarMode says what an [Adapter] forces of a reply if its [Config] has no grammar
// of its own. It is a text in JSON.
type GrammarMode int

const (
	// GrammarAuto forces the output that a request asks for: a signature's fields
	// under their types.
	GrammarAuto GrammarMode = iota
	// GrammarOff forces nothing. The assistant's turn is still opened with the first
	// output's name, and the reply is read as tolerantly as that of any model.
	GrammarOff
)

var grammarModes = []string{"auto", "off"}

func (m GrammarMode) valid() bool { return m >= 0 && int(m) < len(grammarModes) }

func (m GrammarMode) String() string {
	if !m.valid() {
		return fmt.Sprintf("GrammarMode(%d)", int(m))
	}
	return grammarModes[m]
}

// MarshalText writes the mode as "auto" or "off".
func (m GrammarMode) MarshalText() ([]byte, error) {
	if !m.valid() {
		return nil, fmt.Errorf("%v is unknown", m)
	}
	return []byte(m.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (m *GrammarMode) UnmarshalText(text []byte) error {
	for i, name := range grammarModes {
		if string(text) == name {
			*m = GrammarMode(i)
			return nil
		}
	}
	return fmt.Errorf("the grammar mode %q is unknown; it is auto or off", text)
}

// grammar compiles the grammar that the configuration has of its own; nil if none.
func (c Config) grammar() (*grammar.Grammar, error) {
	var part grammar.Part
	name := "grammar schema"
	switch {
	case !c.Grammar.valid():
		return nil, fmt.Errorf("the grammar mode %v is unknown", c.Grammar)
	case c.GrammarSchema == nil && c.GrammarGBNF == "":
		return nil, nil
	case c.Grammar == GrammarOff:
		return nil, errors.New("a grammar schema or grammar GBNF was given, but the grammar is off")
	case c.GrammarSchema != nil && c.GrammarGBNF != "":
		return nil, errors.New("a grammar schema and grammar GBNF were given; a reply can follow one of them")
	case c.GrammarSchema != nil:
		part = grammar.JSONSchema{Schema: c.GrammarSchema}
	default:
		name, part = "grammar GBNF", grammar.GBNF(c.GrammarGBNF)
	}
	g, err := grammar.Compile(part)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return g, nil
}

// Format implements [cria.Adapter] as [cria.Lines] does. If the [Config] has a grammar
// of its own, that is of the whole reply: then the assistant's turn is not opened.
func (a *Adapter) Format(sig *cria.Signature, inputs cria.Example) (*cria.Request, error) {
	req, err := a.Lines.Format(sig, inputs)
	switch {
	case err != nil:
		return nil, err
	case a.grammar != nil:
		req.Prefill, req.Output = "", nil
	case a.config.Grammar == GrammarOff:
		req.Output = nil
	}
	return req, nil
}

// AdapterFor implements [cria.Formatter]: the adapter formats what it generates itself,
// unless another format is asked for and the [Config] has no grammar of its own.
func (a *Adapter) AdapterFor(format cria.OutputFormat) (cria.Adapter, error) {
	if _, err := format.Adapter(false); err != nil || format == "" || a.grammar != nil {
		return a, err
	}
	adapter, err := a.model.AdapterFor(format)
	if err == nil && a.config.Grammar == GrammarOff {
		adapter = unforced{adapter.(cria.ReplyReader)} // those of package cria are
	}
	return adapter, err
}

// unforced is an adapter whose requests force nothing but the opened turn.
type unforced struct{ cria.ReplyReader }

func (u unforced) Format(sig *cria.Signature, inputs cria.Example) (*cria.Request, error) {
	req, err := u.ReplyReader.Format(sig, inputs)
	if err == nil {
		req.Output = nil
	}
	return req, err
}

// constraint returns the grammar of the reply to a request; nil is free text.
func (a *Adapter) constraint(req *cria.Request) (*grammar.Grammar, error) {
	switch {
	case req.Think:
		return nil, nil
	case a.grammar != nil:
		return a.grammar, nil
	case a.config.Grammar == GrammarOff:
		return nil, nil
	default:
		return a.model.grammar(req.Output)
	}
}
