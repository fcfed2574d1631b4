package cria

import "fmt"

// Constraint is the shape of a reply: literals and holes in order. Literals are
// forced and never sampled; the model fills in the holes. It is plain data: an
// LM compiles it to whatever steers its sampler, or ignores what it cannot
// enforce. Nil means free text.
type Constraint []Part

// Part is one step of a [Constraint]: a literal, or a hole if Hole is not nil, which
// is the value of a field.
type Part struct {
	Literal string
	Hole    *Field
	As      ValueForm // how the value is written
}

// ValueForm is how the value of a hole is written. Except in JSON, lists, dicts,
// objects and unions are JSON and all else is as it is; a value that is optional may be empty, and
// ends where the model ends its turn at the latest.
type ValueForm string

// The forms.
const (
	AsLine  ValueForm = ""      // on one line, with a space before it; the line break behind it does not belong to it
	AsBlock ValueForm = "block" // text may have several lines, but none that begins with "[["
	AsJSON  ValueForm = "json"  // compact JSON; an optional value may be null

	// AsTagged is a value between tags: text may have several lines, but not the closing
	// tag of the field's name in it.
	AsTagged ValueForm = "tagged"
)

// write writes a text as the value of the hole.
func (p Part) write(value string) string {
	switch p.As {
	case AsJSON:
		if p.Hole.Type.Kind == KindBool {
			return value
		}
		data, err := marshalCompact(value)
		if err != nil {
			panic(fmt.Sprintf("cria: a text cannot be written as JSON: %v", err))
		}
		return string(data)
	case AsBlock, AsTagged:
		return value
	default:
		return " " + value
	}
}
