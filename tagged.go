package cria

import "strings"

// Tagged is an [Adapter] that writes each field between tags with its name, as XML has
// them:
//
//	system:    Read the text and give the title and summary.
//	user:      <text>It rained all day ...</text>
//	assistant: <title>A wet day</title>
//	           <summary>...</summary>
//
// Tags are forced. Values may have several lines, and any text but the field's own closing
// tag: it is not XML, nothing is escaped and an entity is the text that it is. Small models
// answer better than with tags on lines of their own. The zero value is ready to use.
type Tagged struct {
	Describe bool // as in [Lines]
}

// Format implements [Adapter].
func (t Tagged) Format(sig *Signature, inputs Example) (*Request, error) {
	return format(t, sig, inputs)
}

// Parse implements [Adapter]. It looks for the tags of the outputs, in any order and
// case and with attributes, and for no others: a value may have tags, "<" and "&" in it.
// A value ends at its closing tag, or if that is missing at the next output's tag, or
// where the reply ends. If outputs are missing then, they are looked for within others'
// values, and last in what [Lines] reads.
func (t Tagged) Parse(sig *Signature, reply Message) (Example, error) {
	r, err := parse(t, sig, reply)
	return r.Values, err
}

// ReadReply implements [ReplyReader].
func (t Tagged) ReadReply(sig *Signature, reply Message) (Reading, error) {
	return parse(t, sig, reply)
}

func (Tagged) read(outputs []Field, reply string) reading {
	r := tagScanner{}.read(outputs, reply)
	if hasRequired(outputs, r.found) {
		return r
	}
	return most(r, tagScanner{nested: true}.read(outputs, reply), readLines(outputs, reply), fullest(outputs, findObjects(reply)))
}

func (Tagged) form() OutputFormat { return OutputTags }

func (t Tagged) describes() bool { return t.Describe }

func (Tagged) message(role Role, content string) Message { return Message{role, content} }

func openTag(name string) string { return "<" + name + ">" }

func closeTag(name string) string { return "</" + name + ">" }

func (Tagged) opening(outputs []Field) string { return openTag(outputs[0].Label()) }

func (Tagged) constraint(outputs []Field) Constraint {
	var c Constraint
	for i, f := range outputs {
		end := closeTag(f.Label())
		if i+1 < len(outputs) {
			end += "\n" + openTag(outputs[i+1].Label())
		}
		c = append(c, Part{Hole: &outputs[i], As: AsTagged}, Part{Literal: end})
	}
	return c
}

func (Tagged) inputs(fields []Field, ex Example) (string, error) {
	var elements []string
	for _, f := range fields {
		text, ok, err := promptText(f, ex)
		if err != nil {
			return "", err
		}
		if ok {
			elements = append(elements, openTag(f.Label())+strings.TrimSpace(text)+closeTag(f.Label()))
		}
	}
	return strings.Join(elements, "\n"), nil
}

func (t Tagged) demo(outputs []Field, demo Example) string {
	text, _ := t.inputs(outputs, demo) // [Signature.WithDemos] has looked for errors
	return text
}
