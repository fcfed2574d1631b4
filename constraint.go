package cria

// Constraint is the shape of a reply: literals and holes in order. Literals are
// forced and never sampled; the model fills in the holes. It is plain data: an
// LM compiles it to whatever steers its sampler, or ignores what it cannot
// enforce. Nil means free text.
type Constraint []Part

// Part is one step of a [Constraint]: a literal, or a hole if Hole is not nil. A
// hole is the value of a field on one line: text, numbers and closed sets as they
// are, lists, dicts and objects as JSON. It ends at a line break, which is not part of
// the value, or where the model ends its turn.
type Part struct {
	Literal string
	Hole    *Field
}
