package cria

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// History is what was said before: of each earlier exchange its inputs and outputs by
// field name, the first exchange first. As an input of a signature it is no text of the
// prompt: each exchange is a turn of the user and one of the assistant, written as the
// format writes them, before those of this call. What a model computed of them before
// need not be computed again. A signature has at most one, which may always be left out;
// an exchange needs an output and, if the signature has other inputs, one of them.
type History []Example

var historyType = reflect.TypeFor[History]()

// Add returns the history with one more exchange.
func (h History) Add(inputs, outputs Example) History {
	record := Example{}
	for _, values := range []Example{inputs, outputs} {
		for name, value := range values {
			if _, nested := value.(History); !nested {
				record[name] = value
			}
		}
	}
	return append(h[:len(h):len(h)], record)
}

// shown are the inputs that stand in the user's turn.
func (s *Signature) shown() []Field {
	at := slices.IndexFunc(s.inputs, isHistory)
	if at < 0 {
		return s.inputs
	}
	return slices.Concat(s.inputs[:at], s.inputs[at+1:])
}

func isHistory(f Field) bool { return f.Type.Kind == KindHistory }

// validateOneWay reports what can only be an input, in the wrong place.
func validateOneWay(inputs, outputs []Field) error {
	histories := 0
	for _, f := range inputs {
		if isHistory(f) {
			histories++
		}
		if histories > 1 {
			return &DeclarationError{Field: f.Name, Path: "inputs", Err: errors.New("it is a second History; there can be one")}
		}
	}
	for _, f := range outputs {
		if isHistory(f) || f.Type.Kind == KindImage {
			return &DeclarationError{Field: f.Name, Path: "outputs", Err: fmt.Errorf("%s is an input, not an output", f.Type.Kind)}
		}
	}
	return nil
}

// history returns the records of a call's history, which was checked.
func (s *Signature) history(inputs Example) History {
	at := slices.IndexFunc(s.inputs, isHistory)
	if at < 0 {
		return nil
	}
	h, _ := historyOf(inputs[s.inputs[at].Name])
	return h
}

func (s *Signature) checkHistory(value any) error {
	h, err := historyOf(value)
	if err != nil {
		return err
	}
	for i, record := range h {
		if err := s.checkDemo(record); err != nil {
			return fmt.Errorf("exchange %d: %w", i+1, err)
		}
	}
	return nil
}

// historyOf returns a history that was given as such or as JSON has it.
func historyOf(value any) (History, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case History:
		return v, nil
	case []Example:
		return v, nil
	case []any:
		h := make(History, len(v))
		for i, item := range v {
			record, ok := item.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("exchange %d: want an object with the fields, got %T", i+1, item)
			}
			h[i] = record
		}
		return h, nil
	}
	return nil, fmt.Errorf("want a cria.History, got %T", value)
}
