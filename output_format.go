package cria

import (
	"fmt"
	"strings"
)

// OutputFormat names how a reply is written. It is plain data, so that it can be saved
// and tried out: which one a model answers best in is a matter of measuring. Empty
// leaves the choice to the LM, which knows what its model is (see [Formatter]), and is
// [OutputLines] if that does not choose.
type OutputFormat string

// The formats.
const (
	OutputLines   OutputFormat = "lines"   // see [Lines]
	OutputJSON    OutputFormat = "json"    // see [JSON]
	OutputMarkers OutputFormat = "markers" // see [Markers]
	OutputTags    OutputFormat = "tags"    // see [Tagged]

	OutputCompletion OutputFormat = "completion" // see [Completion]
)

// OutputFormats returns all formats, the default first.
func OutputFormats() []OutputFormat {
	return []OutputFormat{OutputLines, OutputJSON, OutputMarkers, OutputTags, OutputCompletion}
}

// Adapter returns the adapter of the format; describe is its field Describe, if it has
// one.
func (f OutputFormat) Adapter(describe bool) (Adapter, error) {
	switch f {
	case OutputLines, "":
		return Lines{Describe: describe}, nil
	case OutputJSON:
		return JSON{Describe: describe}, nil
	case OutputMarkers:
		return Markers{Describe: describe}, nil
	case OutputTags:
		return Tagged{Describe: describe}, nil
	case OutputCompletion:
		return Completion{}, nil
	}
	names := make([]string, 0, len(OutputFormats()))
	for _, known := range OutputFormats() {
		names = append(names, string(known))
	}
	return nil, fmt.Errorf("unknown output format %q; there are %s", string(f), strings.Join(names, ", "))
}

// notation is what differs between output formats. Values are comparable.
type notation interface {
	inputs(fields []Field, ex Example) (string, error) // the user's turn
	demo(outputs []Field, demo Example) string         // the assistant's turn
	opening(outputs []Field) string                    // how the assistant's turn begins
	constraint(outputs []Field) Constraint             // how it goes on
	read(outputs []Field, reply string) reading        // what it finds of the outputs
	form() OutputFormat                                // what a reading of its own is of
	describes() bool
	message(Role, string) Message // what a turn becomes
}

// format writes a request: the instruction is the system turn, demonstrations are
// turns of user and assistant, the inputs are the last user turn, and the assistant's
// turn is opened.
func format(n notation, sig *Signature, inputs Example) (*Request, error) {
	if err := sig.CheckInputs(inputs); err != nil {
		return nil, err
	}
	shown, images := sig.withoutImages(inputs)
	user, err := n.inputs(sig.shown(), shown)
	if err != nil {
		return nil, &InputError{Errs: []error{err}}
	}
	f := frameOf(n, sig)
	req := &Request{Chat: Chat{Prefix: f.prefix}, Prefill: f.opening, Output: f.output, Images: images}
	for _, record := range sig.history(inputs) {
		req.Chat.Turns = append(req.Chat.Turns, exchange(n, sig, record)...)
	}
	if user != "" {
		req.Chat.Turns = append(req.Chat.Turns, n.message(RoleUser, user))
	}
	return req, nil
}

// frame is what all requests of a signature have in common.
type frame struct {
	prefix  *Prefix // the same pointer on every call
	opening string
	output  Constraint
}

func frameOf(n notation, sig *Signature) *frame {
	if f, ok := sig.frames.Load(n); ok {
		return f.(*frame)
	}
	messages := []Message{n.message(RoleSystem, instruction(n, sig))}
	for _, demo := range sig.demos {
		messages = append(messages, exchange(n, sig, demo)...)
	}
	f, _ := sig.frames.LoadOrStore(n, &frame{NewPrefix(messages...), n.opening(sig.outputs), n.constraint(sig.outputs)})
	return f.(*frame)
}

// exchange writes the turns of inputs and outputs that were checked.
func exchange(n notation, sig *Signature, record Example) (messages []Message) {
	if user, _ := n.inputs(sig.shown(), record); user != "" {
		messages = append(messages, n.message(RoleUser, user))
	}
	return append(messages, n.message(RoleAssistant, n.demo(sig.outputs, record)))
}

func instruction(n notation, sig *Signature) string {
	text := sig.Instruction()
	if !n.describes() || len(sig.demos) > 0 {
		return text
	}
	for _, f := range sig.outputs {
		if closed := f.Type.Kind == KindLiteral || f.Type.Kind == KindBool; f.Desc != "" && !closed {
			text += "\n" + f.Label() + ": " + f.Desc
		}
	}
	return text
}

// replies writes each of some values as the reply that a constraint with one hole has.
func (c Constraint) replies(values []string) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		for _, p := range c {
			if p.Hole == nil {
				texts[i] += p.Literal
			} else {
				texts[i] += p.write(v)
			}
		}
	}
	return texts
}
