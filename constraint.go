package cria

// Constraint is the shape of a reply: literals and holes in order. Literals are
// forced and never sampled; the model fills in the holes. It is plain data: an
// LM compiles it to whatever steers its sampler, or ignores what it cannot
// enforce. Nil means free text.
type Constraint []Part

// Part is one step of a [Constraint]: a literal, or a hole if Hole is not nil.
type Part struct {
	Literal string
	Hole    *Hole
}

// Hole is a place that the model fills in: the value of one field. It ends at a
// line break, which is not part of the value, or where the model ends its turn.
type Hole struct {
	Field    string   // name of the field
	Kind     Kind     // KindInt, KindFloat, KindBool and KindLiteral are enforced, all else is one line of text
	Values   []string // KindLiteral: the closed set
	Optional bool     // the value may be empty
}
