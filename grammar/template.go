package grammar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Vocabulary is what must be known of a model's tokens. Its methods are called
// by many goroutines at once; Piece, IsEnd and IsControl for every candidate
// token, so they should be table look-ups.
type Vocabulary interface {
	// Piece is the bytes that a token stands for, perhaps only a part of a
	// character. They are not changed by either side.
	Piece(token int32) []byte
	// IsEnd reports whether the model ends its turn with this token.
	IsEnd(token int32) bool
	// IsControl reports whether the token stands for something else than text.
	IsControl(token int32) bool
	// Encode is the model's own tokenization of a text (valid UTF-8) that goes
	// on from another: nothing is added before it, and what reads like a
	// special token stays text.
	Encode(text string) ([]int32, error)
}

// Template is a compiled sequence of literals and holes. It does not change and
// may be shared between goroutines.
type Template struct {
	vocab    Vocabulary
	literals []literal // before each hole and after the last: one more than holes
	holes    []hole
}

type literal struct {
	text   string
	tokens []int32
}

// Compile checks the parts and encodes the literals. Literals side by side are
// joined; two holes need a literal between them.
func Compile(parts []Part, vocab Vocabulary) (*Template, error) {
	t := &Template{vocab: vocab, literals: []literal{{}}}
	for i, p := range parts {
		if err := t.add(p); err != nil {
			return nil, fmt.Errorf("part %d: %w", i+1, err)
		}
	}
	for i := range t.literals {
		l := &t.literals[i]
		if err := checkText(l.text); err != nil {
			return nil, fmt.Errorf("literal %q: %w", l.text, err)
		}
		if err := t.checkBorder(i); err != nil {
			return nil, err
		}
		var err error
		if l.tokens, err = t.encode(l.text); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Matcher starts a generation.
func (t *Template) Matcher() *Matcher {
	m := &Matcher{t: t}
	m.open(0, "")
	return m
}

func (t *Template) add(p Part) error {
	var h hole
	switch p := p.(type) {
	case Literal:
		t.literals[len(t.literals)-1].text += string(p)
		return nil
	case Line:
		if p.MaxBytes < 0 {
			return fmt.Errorf("MaxBytes is %d; it must not be negative", p.MaxBytes)
		}
		h = hole{value: line{p.MaxBytes}, spaces: 2, optional: p.Optional}
	case Choices:
		if err := checkChoices(p.Values); err != nil {
			return err
		}
		if len(p.Values) == 1 && !p.Optional { // nothing to choose
			return t.add(Literal(" " + p.Values[0]))
		}
		h = hole{value: choices(slices.Sorted(slices.Values(p.Values))), spaces: 1, optional: p.Optional}
	case Boolean:
		h = hole{value: choices{"false", "true"}, spaces: 1, optional: p.Optional}
	case Integer:
		h = hole{value: number{}, spaces: 1, optional: p.Optional}
	case Number:
		h = hole{value: number{decimals: 6}, spaces: 1, optional: p.Optional}
	default:
		return fmt.Errorf("a %T is not a part of a template", p)
	}
	t.holes = append(t.holes, h)
	t.literals = append(t.literals, literal{})
	return nil
}

// checkBorder makes sure that the end of the hole before literal i can be seen
// in the text.
func (t *Template) checkBorder(i int) error {
	if i == 0 || i == len(t.holes) && t.literals[i].text == "" {
		return nil
	}
	text := t.literals[i].text
	if text == "" {
		return fmt.Errorf("hole %d follows hole %d without text between them", i+1, i)
	}
	if _, ok := t.holes[i-1].value.(line); ok && text[0] != '\n' {
		return fmt.Errorf("the literal %q follows a line, so it must begin with a line break", text)
	}
	return nil
}

// encode also makes sure that the tokens spell the text, since a tokenizer may
// normalize it or add a space.
func (t *Template) encode(text string) ([]int32, error) {
	if text == "" {
		return nil, nil
	}
	tokens, err := t.vocab.Encode(text)
	if err != nil {
		return nil, fmt.Errorf("encoding %q: %w", text, err)
	}
	var spelled []byte
	for _, token := range tokens {
		spelled = append(spelled, t.vocab.Piece(token)...)
	}
	if string(spelled) != text {
		return nil, fmt.Errorf("encoding %q: the model's tokens spell %q", text, spelled)
	}
	return tokens, nil
}

func checkChoices(values []string) error {
	if len(values) == 0 {
		return errors.New("no values to choose from")
	}
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		if err := checkText(v); err != nil {
			return fmt.Errorf("choice %q: %w", v, err)
		}
		if v == "" || v != strings.TrimSpace(v) || strings.Contains(v, "\n") {
			return fmt.Errorf("choice %q: it must be one line without space at its ends", v)
		}
		if seen[v] {
			return fmt.Errorf("choice %q stands there twice", v)
		}
		seen[v] = true
	}
	return nil
}

func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("it is not valid UTF-8")
	}
	return nil
}
