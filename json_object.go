package cria

import (
	"fmt"
	"strconv"
	"strings"
)

// JSON is an [Adapter] whose reply is one JSON object with the outputs as members:
//
//	system:    Read the text and give the name and age.
//	user:      text: Maria is 30 years old.
//	assistant: {"name":"Maria","age":30}
//
// Names and punctuation are forced. Inputs are lines as those of [Lines]. It suits
// models that have seen more JSON than anything else, and values of several lines; small
// models answer better in lines. The zero value is ready to use.
type JSON struct {
	Describe bool // as in [Lines]
}

// Format implements [Adapter].
func (j JSON) Format(sig *Signature, inputs Example) (*Request, error) {
	for _, f := range sig.outputs {
		if f.GBNF != "" {
			return nil, fmt.Errorf("field %q: its values are of a GBNF grammar, which cannot be written in JSON; use the format %s", f.Name, OutputLines)
		}
	}
	return format(j, sig, inputs)
}

// Parse implements [Adapter]. It reads the JSON object in the reply, in prose or a code
// fence as well, and else what [Lines] reads.
func (j JSON) Parse(sig *Signature, reply Message) (Example, error) {
	r, err := parse(j, sig, reply)
	return r.Values, err
}

// ReadReply implements [ReplyReader].
func (j JSON) ReadReply(sig *Signature, reply Message) (Reading, error) {
	return parse(j, sig, reply)
}

func (JSON) read(outputs []Field, reply string) reading {
	return most(fullest(outputs, findObjects(reply)), readLines(outputs, reply))
}

func (JSON) form() OutputFormat { return OutputJSON }

func (j JSON) describes() bool { return j.Describe }

func (JSON) message(role Role, content string) Message { return Message{role, content} }

func (JSON) inputs(fields []Field, ex Example) (string, error) { return Lines{}.inputs(fields, ex) }

// opening is empty: tokenizers join the punctuation of JSON with the values, so that
// only the grammar can tell how far the turn is certain.
func (JSON) opening([]Field) string { return "" }

func (JSON) constraint(outputs []Field) Constraint {
	var c Constraint
	before := "{"
	for i, f := range outputs {
		c = append(c, Part{Literal: before + strconv.Quote(f.Label()) + ":"}, Part{Hole: &outputs[i], As: AsJSON})
		before = ","
	}
	return append(c, Part{Literal: "}"})
}

func (JSON) demo(outputs []Field, demo Example) string {
	var members []string
	for _, f := range outputs {
		value, ok := demo[f.Name]
		if !ok {
			continue
		}
		if data, err := f.labelledJSON(value); err == nil { // else [Signature.WithDemos] has refused it
			members = append(members, strconv.Quote(f.Label())+":"+string(data))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}
