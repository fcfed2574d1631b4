package cria

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// WithInstruction returns a copy with another instruction; empty means the
// default one.
func (s *Signature) WithInstruction(instruction string) (*Signature, error) {
	return s.with(instruction, s.inputs, s.outputs)
}

// AppendInputs returns a copy with more inputs, behind the others.
func (s *Signature) AppendInputs(fields ...Field) (*Signature, error) {
	return s.InsertInputs(len(s.inputs), fields...)
}

// AppendOutputs returns a copy with more outputs, behind the others.
func (s *Signature) AppendOutputs(fields ...Field) (*Signature, error) {
	return s.InsertOutputs(len(s.outputs), fields...)
}

// PrependInputs returns a copy with more inputs, before the others.
func (s *Signature) PrependInputs(fields ...Field) (*Signature, error) {
	return s.InsertInputs(0, fields...)
}

// PrependOutputs returns a copy with more outputs, before the others.
func (s *Signature) PrependOutputs(fields ...Field) (*Signature, error) {
	return s.InsertOutputs(0, fields...)
}

// InsertInputs returns a copy with more inputs: the first of them is at index i, from 0
// to the number of inputs.
func (s *Signature) InsertInputs(i int, fields ...Field) (*Signature, error) {
	inputs, err := inserted("inputs", s.inputs, i, fields)
	if err != nil {
		return nil, err
	}
	return s.with(s.instruction, inputs, s.outputs)
}

// InsertOutputs is [Signature.InsertInputs] for outputs.
func (s *Signature) InsertOutputs(i int, fields ...Field) (*Signature, error) {
	outputs, err := inserted("outputs", s.outputs, i, fields)
	if err != nil {
		return nil, err
	}
	return s.with(s.instruction, s.inputs, outputs)
}

func inserted(side string, fields []Field, i int, more []Field) ([]Field, error) {
	if i < 0 || i > len(fields) {
		return nil, &DeclarationError{Path: fmt.Sprintf("%s[%d]", side, i), Err: fmt.Errorf("no field can stand there: the index is from 0 to %d", len(fields))}
	}
	return slices.Insert(slices.Clone(fields), i, more...), nil
}

// Delete returns a copy without the named inputs and outputs. At least one output must
// stay.
func (s *Signature) Delete(names ...string) (*Signature, error) {
	for _, name := range names {
		if _, ok := s.Field(name); !ok {
			return nil, s.unknown(name)
		}
	}
	named := func(f Field) bool { return slices.Contains(names, f.Name) }
	return s.with(s.instruction, slices.DeleteFunc(s.Inputs(), named), slices.DeleteFunc(s.Outputs(), named))
}

// Field returns the input or output of a name.
func (s *Signature) Field(name string) (Field, bool) {
	for _, f := range slices.Concat(s.inputs, s.outputs) {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// WithField returns a copy with another field in the place of the one of the same name:
// take that from [Signature.Field] and change its type, description or constraints.
func (s *Signature) WithField(f Field) (*Signature, error) {
	inputs, outputs := s.Inputs(), s.Outputs()
	for _, fields := range [][]Field{inputs, outputs} {
		for i := range fields {
			if fields[i].Name == f.Name {
				fields[i] = f
				return s.with(s.instruction, inputs, outputs)
			}
		}
	}
	return nil, s.unknown(f.Name)
}

func (s *Signature) unknown(name string) error {
	var names []string
	for _, f := range slices.Concat(s.inputs, s.outputs) {
		names = append(names, f.Name)
	}
	return &DeclarationError{Field: name, Err: errors.New("the signature has no such field" + didYouMean(name, names))}
}

// WithReasoning returns a copy with a str field named "reasoning" before the
// other outputs, for chain of thought. A signature that already declares such an
// output, at any place, is returned as it is.
func (s *Signature) WithReasoning() (*Signature, error) {
	if slices.ContainsFunc(s.outputs, func(f Field) bool { return strings.EqualFold(f.Name, reasoningName) }) {
		return s, nil
	}
	return s.PrependOutputs(Field{Name: reasoningName, Type: Type{Kind: KindString}})
}

// with returns a signature of other parts that has the demonstrations of s.
func (s *Signature) with(instruction string, inputs, outputs []Field) (*Signature, error) {
	c, err := NewSignature(instruction, inputs, outputs)
	if err != nil {
		return nil, err
	}
	return c.WithDemos(s.demos...)
}
