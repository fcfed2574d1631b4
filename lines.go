package cria

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Lines is the default [Adapter]: every field is a line "name: value".
// The instruction is the system turn, demonstrations are turns of user and
// assistant, the inputs are the last user turn, and the assistant's turn is
// already opened with the first output's name:
//
//	system:    Read the question and give the answer.
//	user:      question: What is the capital of France?
//	assistant: answer:
//
// The model fills in the values; the names of further outputs are forced in
// turn. On small models this format answers right where others get nonsense.
// The zero value is ready to use.
type Lines struct {
	// Describe adds the descriptions of the output fields to the instruction
	// where that helps: free text to extract and no demonstrations. It helps
	// chat models and hurts base models.
	Describe bool
}

// Format implements [Adapter].
func (l Lines) Format(sig *Signature, inputs Example) (*Request, error) {
	if err := sig.CheckInputs(inputs); err != nil {
		return nil, err
	}
	user, err := fieldLines(sig.inputs, inputs)
	if err != nil {
		return nil, &InputError{Errs: []error{err}}
	}
	req := &Request{
		Chat:    Chat{Prefix: l.prefix(sig)},
		Prefill: sig.outputs[0].Name + ":",
		Output:  linesConstraint(sig.outputs),
	}
	if user != "" {
		req.Chat.Turns = []Message{{RoleUser, user}}
	}
	return req, nil
}

// linesConstraint continues an assistant's turn that is opened with the first
// field's name.
func linesConstraint(outputs []Field) Constraint {
	var c Constraint
	for i, f := range outputs {
		if i > 0 {
			c = append(c, Part{Literal: "\n" + f.Name + ":"})
		}
		c = append(c, Part{Hole: &outputs[i]})
	}
	return c
}

// prefix returns the stable part of the chat, the same pointer on every call.
func (l Lines) prefix(sig *Signature) *Prefix {
	if p, ok := sig.prefixes.Load(l); ok {
		return p.(*Prefix)
	}
	messages := []Message{{RoleSystem, l.instruction(sig)}}
	for _, demo := range sig.demos {
		if user, _ := fieldLines(sig.inputs, demo); user != "" {
			messages = append(messages, Message{RoleUser, user})
		}
		messages = append(messages, Message{RoleAssistant, demoOutput(sig.outputs, demo)})
	}
	p, _ := sig.prefixes.LoadOrStore(l, NewPrefix(messages...))
	return p.(*Prefix)
}

func (l Lines) instruction(sig *Signature) string {
	text := sig.Instruction()
	if !l.Describe || len(sig.demos) > 0 {
		return text
	}
	for _, f := range sig.outputs {
		if closed := f.Type.Kind == KindLiteral || f.Type.Kind == KindBool; f.Desc != "" && !closed {
			text += "\n" + f.Name + ": " + f.Desc
		}
	}
	return text
}

// fieldLines writes one "name: value" line for each field that ex has. A value
// may itself contain line breaks.
func fieldLines(fields []Field, ex Example) (string, error) {
	var lines []string
	for _, f := range fields {
		value, ok := ex[f.Name]
		if !ok {
			continue
		}
		text, err := valueText(value)
		if err != nil {
			return "", fmt.Errorf("field %q: %w", f.Name, err)
		}
		if !utf8.ValidString(text) {
			return "", fmt.Errorf("field %q: the value is not valid UTF-8", f.Name)
		}
		lines = append(lines, strings.TrimRight(f.Name+": "+text, " \t"))
	}
	return strings.TrimSpace(strings.Join(lines, "\n")), nil
}

// demoOutput writes a demonstration's reply as the model is to write it. A value
// ends at its line, so line breaks in it become spaces.
func demoOutput(outputs []Field, demo Example) string {
	flat := Example{}
	for _, f := range outputs {
		if _, ok := demo[f.Name]; ok {
			flat[f.Name] = strings.Join(strings.Fields(demo.Text(f.Name)), " ")
		}
	}
	text, _ := fieldLines(outputs, flat)
	return text
}
