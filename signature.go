package cria

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Signature declares a task: an instruction, what goes in, what comes out, and
// demonstrations of it. Build one from Go structs with [SignatureOf], from
// DSPy's string syntax with [ParseSignature], or from fields with
// [NewSignature]. A Signature is immutable and safe for concurrent use; the
// With methods return changed copies.
type Signature struct {
	instruction     string
	inputs, outputs []Field
	demos           []Example

	prefixes sync.Map // notation -> *Prefix
}

// NewSignature builds a signature from fields. An empty instruction means the
// default one, see [Signature.Instruction]. Inputs may be empty, outputs not.
func NewSignature(instruction string, inputs, outputs []Field) (*Signature, error) {
	if len(outputs) == 0 {
		return nil, errors.New("building a signature: it has no output field")
	}
	if !utf8.ValidString(instruction) {
		return nil, errors.New("building a signature: the instruction is not valid UTF-8")
	}
	if err := validateFields(slices.Concat(inputs, outputs)); err != nil {
		return nil, fmt.Errorf("building a signature: %w", err)
	}
	return &Signature{
		instruction: strings.TrimSpace(instruction),
		inputs:      slices.Clone(inputs),
		outputs:     slices.Clone(outputs),
	}, nil
}

// Instruction returns the instruction, or when none was given the default
// "Read the {inputs} and give the {outputs}.", which measured best among
// neutral wordings on small models.
func (s *Signature) Instruction() string {
	if s.instruction != "" {
		return s.instruction
	}
	outputs := enumerate(s.outputs)
	if len(s.inputs) == 0 {
		return "Give the " + outputs + "."
	}
	return "Read the " + enumerate(s.inputs) + " and give the " + outputs + "."
}

// enumerate writes names as prose: "a", "a and b", "a, b and c".
func enumerate(fields []Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = strings.ReplaceAll(f.Name, "_", " ")
	}
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// Inputs returns the input fields in declared order.
func (s *Signature) Inputs() []Field { return slices.Clone(s.inputs) }

// Outputs returns the output fields in declared order.
func (s *Signature) Outputs() []Field { return slices.Clone(s.outputs) }

// Demos returns the demonstrations.
func (s *Signature) Demos() []Example { return slices.Clone(s.demos) }

// String writes the fields in the syntax that [ParseSignature] reads.
func (s *Signature) String() string {
	return strings.TrimSpace(joinFields(s.inputs) + " -> " + joinFields(s.outputs))
}

// WithInstruction returns a copy with another instruction; empty means the
// default one.
func (s *Signature) WithInstruction(instruction string) (*Signature, error) {
	c, err := NewSignature(instruction, s.inputs, s.outputs)
	if err != nil {
		return nil, err
	}
	c.demos = s.demos
	return c, nil
}

// WithDemos returns a copy with these demonstrations instead. Fields that the
// signature does not have are ignored. A field may be missing from a demo, but
// each demo needs at least one output and, if the signature has inputs, one
// input; a value of a closed set must be in it, and times, durations and unions must
// be as they are written. The demos must not be changed afterwards.
func (s *Signature) WithDemos(demos ...Example) (*Signature, error) {
	for i, demo := range demos {
		if err := s.checkDemo(demo); err != nil {
			return nil, fmt.Errorf("demo %d: %w", i+1, err)
		}
	}
	c := s.copy()
	c.demos = slices.Clone(demos)
	return c, nil
}

func (s *Signature) checkDemo(demo Example) error {
	if len(s.inputs) > 0 && !demo.hasAny(s.inputs) {
		return fmt.Errorf("it has no input field (want %s)", enumerate(s.inputs))
	}
	if !demo.hasAny(s.outputs) {
		return fmt.Errorf("it has no output field (want %s)", enumerate(s.outputs))
	}
	for _, f := range slices.Concat(s.inputs, s.outputs) {
		value := demo[f.Name]
		text, err := f.Text(value)
		switch {
		case err == nil && !utf8.ValidString(text):
			err = errors.New("the value is not valid UTF-8")
		case err == nil && value != nil && f.Type.unlikeJSON():
			err = f.checkInput(value)
		case err == nil && value != nil:
			err = f.Type.checkLiteral(text)
		}
		if err != nil {
			return fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	return nil
}

// WithReasoning returns a copy with a str field named "reasoning" before the
// other outputs, for chain of thought. A signature that already declares such an
// output, at any place, is returned as it is.
func (s *Signature) WithReasoning() (*Signature, error) {
	if slices.ContainsFunc(s.outputs, func(f Field) bool { return strings.EqualFold(f.Name, reasoningName) }) {
		return s, nil
	}
	reasoning := Field{Name: reasoningName, Type: Type{Kind: KindString}}
	c, err := NewSignature(s.instruction, s.inputs, slices.Insert(s.Outputs(), 0, reasoning))
	if err != nil {
		return nil, err
	}
	c.demos = s.demos
	return c, nil
}

func (s *Signature) copy() *Signature {
	return &Signature{instruction: s.instruction, inputs: s.inputs, outputs: s.outputs, demos: s.demos}
}
