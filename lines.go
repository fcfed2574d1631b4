package cria

import (
	"bytes"
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
	return format(l, sig, inputs)
}

// Parse implements [Adapter]. It tries three readings of the reply in turn and
// takes the first that has every field:
//
//  1. lines: "name: value" where the name begins a line, unless these lines
//     are themselves the JSON object of the next reading; an object behind the name
//     of a field that can hold it is that field's value, whatever its members are;
//  2. the JSON object in it, in prose or a code fence as well, as models write
//     JSON: in single quotes, without commas, with no bracket at the end;
//  3. if the signature has one output, and the reply neither, all of it.
//
// If none has every field, the reading that has the most of them says what is
// missing.
func (l Lines) Parse(sig *Signature, reply Message) (Example, error) {
	r, err := parse(l, sig, reply)
	return r.Values, err
}

// ReadReply implements [ReplyReader].
func (l Lines) ReadReply(sig *Signature, reply Message) (Reading, error) {
	return parse(l, sig, reply)
}

func (Lines) read(outputs []Field, reply string) reading {
	objects, lines := findObjects(reply), readLines(outputs, reply)
	if ownObject(outputs, reply, objects, lines) {
		return lines
	}
	if r, ok := onlyJSON(outputs, reply, objects); ok {
		return r
	}
	return most(lines, fullest(outputs, objects))
}

func (Lines) form() OutputFormat { return OutputLines }

func (l Lines) describes() bool { return l.Describe }

func (Lines) message(role Role, content string) Message { return Message{role, content} }

func (Lines) opening(outputs []Field) string { return outputs[0].Label() + ":" }

func (Lines) constraint(outputs []Field) Constraint {
	var c Constraint
	for i, f := range outputs {
		if i > 0 {
			c = append(c, Part{Literal: "\n" + f.Label() + ":"})
		}
		c = append(c, Part{Hole: &outputs[i]})
	}
	return c
}

// inputs writes one "name: value" line for each field that ex has. A value
// may itself contain line breaks.
func (Lines) inputs(fields []Field, ex Example) (string, error) {
	lines := make([]byte, 0, 256)
	for i := range fields {
		text, ok, err := promptText(fields[i], ex)
		if err != nil {
			return "", err
		}
		if !ok {
			continue
		}
		if len(lines) > 0 {
			lines = append(lines, '\n')
		}
		lines = append(append(append(lines, fields[i].Label()...), ": "...), text...)
		lines = bytes.TrimRight(lines, " \t")
	}
	return string(bytes.TrimSpace(lines)), nil
}

// promptText returns a field's value as it stands in a prompt, and whether ex has one.
func promptText(f Field, ex Example) (text string, ok bool, err error) {
	value, ok := ex[f.Name]
	if !ok {
		return "", false, nil
	}
	if text, err = f.Text(value); err == nil && !utf8.ValidString(text) {
		err = fmt.Errorf("the value is not valid UTF-8")
	}
	if err != nil {
		return "", false, fmt.Errorf("field %q: %w", f.Name, err)
	}
	return text, true, nil
}

// demo writes a demonstration's reply as the model is to write it. A value
// ends at its line, so line breaks in it become spaces.
func (l Lines) demo(outputs []Field, demo Example) string {
	flat := Example{}
	for _, f := range outputs {
		if _, ok := demo[f.Name]; ok && f.Type.Kind == KindJSON { // written without line breaks
			flat[f.Name] = demo[f.Name]
		} else if ok {
			text, _ := f.Text(demo[f.Name]) // WithDemos has checked that it can be written
			flat[f.Name] = strings.Join(strings.Fields(text), " ")
		}
	}
	text, _ := l.inputs(outputs, flat)
	return text
}
