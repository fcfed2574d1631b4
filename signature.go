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
// DSPy's string syntax with [ParseSignature], from fields with [NewSignature], or read
// it from JSON. A Signature is immutable and safe for concurrent use: methods that
// change something return a copy, which has the demonstrations too. One of them that
// does not fit the copy gives a *[DemoError], a field that cannot be a
// *[DeclarationError].
type Signature struct {
	instruction     string
	inputs, outputs []Field
	demos           []Example

	frames sync.Map // notation -> *frame
}

// NewSignature builds a signature from fields. An empty instruction means the
// default one, see [Signature.Instruction]. Inputs may be empty, outputs not. A mistake
// gives a *[DeclarationError].
func NewSignature(instruction string, inputs, outputs []Field) (*Signature, error) {
	s := &Signature{instruction: strings.TrimSpace(instruction), inputs: settle(inputs), outputs: settle(outputs)}
	if err := s.validate(inputs, outputs); err != nil {
		return nil, fmt.Errorf("building a signature: %w", err)
	}
	return s, nil
}

// validate checks the instruction and the fields as they were given.
func (s *Signature) validate(inputs, outputs []Field) error {
	switch {
	case len(outputs) == 0:
		return &DeclarationError{Err: errors.New("it has no output field")}
	case !utf8.ValidString(s.instruction):
		return &DeclarationError{Path: "instruction", Err: errors.New("it is not valid UTF-8")}
	}
	used := newUsedNames()
	if err := validateFields(inputs, used, 0); err != nil {
		return at("inputs", err)
	}
	if err := validateOneWay(inputs, outputs); err != nil {
		return err
	}
	return at("outputs", validateFields(outputs, used, 0))
}

// settle returns copies of fields that are [Field.settled].
func settle(fields []Field) []Field {
	settled := make([]Field, len(fields))
	for i, f := range fields {
		settled[i] = f.settled()
	}
	return settled
}

// Instruction returns the instruction, or when none was given the default
// "Read the {inputs} and give the {outputs}.", which measured best among
// neutral wordings on small models.
func (s *Signature) Instruction() string {
	if s.instruction != "" {
		return s.instruction
	}
	outputs := enumerate(s.outputs)
	inputs := s.shown()
	if len(inputs) == 0 {
		return "Give the " + outputs + "."
	}
	return "Read the " + enumerate(inputs) + " and give the " + outputs + "."
}

// enumerate writes names as prose: "a", "a and b", "a, b and c".
func enumerate(fields []Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = strings.ReplaceAll(f.Label(), "_", " ")
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

func (s *Signature) copy() *Signature {
	return &Signature{instruction: s.instruction, inputs: s.inputs, outputs: s.outputs, demos: s.demos}
}
