package cria

import (
	"regexp"
	"strings"
)

// Markers is an [Adapter] that writes each field's name in a marker on a line of its
// own, with the value behind it, as DSPy's ChatAdapter does:
//
//	system:    Read the text and give the title and summary.
//	user:      [[ ## text ## ]]
//	           It rained all day ...
//	assistant: [[ ## title ## ]]
//	           A wet day
//
//	           [[ ## summary ## ]]
//	           ...
//
//	           [[ ## completed ## ]]
//
// Markers are forced. Values may have several lines, which those of [Lines] may not.
// The zero value is ready to use.
type Markers struct {
	Describe bool // as in [Lines]
}

// Format implements [Adapter].
func (m Markers) Format(sig *Signature, inputs Example) (*Request, error) {
	return format(m, sig, inputs)
}

// Parse implements [Adapter]. It reads the markers that begin a line of the reply; if
// they are not all there, those anywhere in it; and else what [Lines] reads.
func (m Markers) Parse(sig *Signature, reply Message) (Example, error) {
	r, err := parse(m, sig, reply)
	return r.Values, err
}

// ReadReply implements [ReplyReader].
func (m Markers) ReadReply(sig *Signature, reply Message) (Reading, error) {
	return parse(m, sig, reply)
}

func (Markers) read(outputs []Field, reply string) reading {
	r := readMarkers(outputs, reply, lineMarker)
	if hasRequired(outputs, r.found) {
		return r
	}
	return most(readMarkers(outputs, reply, anyMarker), readLines(outputs, reply), fullest(outputs, findObjects(reply)))
}

func (Markers) form() OutputFormat { return OutputMarkers }

func (m Markers) describes() bool { return m.Describe }

func (Markers) message(role Role, content string) Message { return Message{role, content} }

// completed is the name in the marker behind the last value.
const completed = "completed"

func marker(name string) string { return "[[ ## " + name + " ## ]]" }

func (Markers) opening(outputs []Field) string { return marker(outputs[0].Label()) + "\n" }

func (Markers) constraint(outputs []Field) Constraint {
	var c Constraint
	for i := range outputs {
		if i > 0 {
			c = append(c, Part{Literal: "\n\n" + marker(outputs[i].Label()) + "\n"})
		}
		c = append(c, Part{Hole: &outputs[i], As: AsBlock})
	}
	return append(c, Part{Literal: "\n\n" + marker(completed)})
}

func (Markers) inputs(fields []Field, ex Example) (string, error) {
	var blocks []string
	for _, f := range fields {
		text, ok, err := promptText(f, ex)
		if err != nil {
			return "", err
		}
		if ok {
			blocks = append(blocks, marker(f.Label())+"\n"+strings.TrimSpace(text))
		}
	}
	return strings.Join(blocks, "\n\n"), nil
}

func (m Markers) demo(outputs []Field, demo Example) string {
	text, _ := m.inputs(outputs, demo) // [Signature.WithDemos] has looked for errors
	return text + "\n\n" + marker(completed)
}

// lineMarker matches a marker at the beginning of a line, where no value of a
// constrained reply has one, and anyMarker a marker as models write it.
var (
	lineMarker = regexp.MustCompile(`(?m)^` + anyMarker.String())
	anyMarker  = regexp.MustCompile(`\[\[\s*##\s*([\w -]+?)\s*##\s*\]\]`)
)

// readMarkers reads what stands behind each marker, up to the next one. Of a repeated
// field the first value that is not empty counts.
func readMarkers(outputs []Field, content string, markers *regexp.Regexp) reading {
	r := reading{form: OutputMarkers}
	marks := markers.FindAllStringSubmatchIndex(content, -1)
	extra := len(marks) > 0 && strings.TrimSpace(content[:marks[0][0]]) != "" // behind the last field
	for i, at := range marks {
		end := len(content)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		value := strings.TrimSpace(content[at[1]:end])
		before := r.last
		r.last = ""
		for _, f := range outputs {
			if !sameName(content[at[2]:at[3]], f.Label()) {
				continue
			}
			r.last = f.Name
			r.set(f.Name, value)
			if extra {
				r.note(f.Name, CoercedExtra)
				extra = false
			}
		}
		if r.last == "" && value != "" && before != "" {
			r.note(before, CoercedExtra)
		}
	}
	return r
}
