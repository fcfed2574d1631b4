package grammar

import (
	"errors"
	"fmt"

	"github.com/cria-lm/cria/internal/regular"
)

// objectRule returns the rule of a set of objects: the members that properties
// declares in order, then those that are only required, and others, in any order.
func (c *schemaCompiler) objectRule(o *objects) *node {
	var names, loose []string
	required := 0
	for _, name := range o.names {
		m := o.members[name]
		switch {
		case m.required && !c.satisfiable(m.value):
			return c.b.nothing
		case !c.satisfiable(m.value):
			continue
		case m.ordered || len(loose) == maxLoose:
			names = append(names, name)
		default:
			loose = append(loose, name)
		}
		if m.required {
			required++
		}
	}
	others := c.otherMembers(o)
	if len(o.exists) > 1 {
		panic(schemaPanic{err: errors.New("more than one condition on members of an object that have no name come together")})
	}
	e := objectEmitter{c: c, o: o, names: names, loose: loose, others: others, known: map[objectKey]*node{}}
	// A name that comes twice counts once, so other members cannot be counted upon.
	if e.min = o.min; e.min > required+1 && len(others) > 0 {
		c.unsupport(c.schemaOf(others[0].value), "minProperties", "the names of members could be equal")
	}
	e.most = o.max
	if e.min <= required {
		e.min = 0
	}
	if e.most != regular.Unbounded && len(others) == 0 && e.most >= len(names)+len(loose) {
		e.most = regular.Unbounded
	}
	if len(others) > 0 && max(e.min, e.most) > maxCounted {
		panic(errManyMembers)
	}
	return c.b.sequence(c.b.literal("{"), e.rule(objectKey{}))
}

var errManyMembers = schemaPanic{err: fmt.Errorf("an object counts more than %d states", maxCounted)}

// otherMembers returns the members without a declared name that can be there.
func (c *schemaCompiler) otherMembers(o *objects) []others {
	declared := c.space.Complement(c.namesOf(o.names))
	var list []others
	for _, other := range o.others {
		names := other.names
		if len(o.names) > 0 {
			names = c.space.Intersection(names, declared)
		}
		if c.alive(names) && c.satisfiable(other.value) {
			list = append(list, others{names: names, value: other.value})
		}
	}
	return list
}

// maxLoose bounds the members of an object that may come in any order, as there is a
// rule for each set of them.
const maxLoose = 6

// objectEmitter makes the rules of an object.
type objectEmitter struct {
	c         *schemaCompiler
	o         *objects
	names     []string // in this order
	loose     []string // in any order, among the others
	others    []others
	min, most int // members that must be counted
	known     map[objectKey]*node
}

// objectKey is how far an object has come.
type objectKey struct {
	name  int  // the next in order
	used  int  // bit by bit, of the loose ones
	any   bool // there is a member before
	count int  // members, as far as it must be known
}

// rule returns the rule of what may follow.
func (e *objectEmitter) rule(k objectKey) *node {
	if n := e.known[k]; n != nil {
		return n
	}
	if len(e.known) > maxCounted {
		panic(errManyMembers)
	}
	b := e.c.b
	r := b.newRule()
	e.known[k] = r
	var parts []*node
	full := e.most != regular.Unbounded && k.count >= e.most
	if k.name < len(e.names) {
		name := e.names[k.name]
		if !e.o.members[name].required {
			parts = append(parts, e.rule(objectKey{k.name + 1, k.used, k.any, k.count}))
		}
		if !full {
			key := e.named(k, name)
			parts = append(parts, b.sequence(key, e.c.value(e.o.members[name].value), e.rule(objectKey{k.name + 1, k.used, true, e.counted(k)})))
		}
		r.rule = b.choice(parts...)
		return r
	}
	left := false // required ones
	for i, name := range e.loose {
		left = left || e.o.members[name].required && k.used>>i&1 == 0
	}
	if k.count >= e.min && len(e.o.exists) == 0 && !left {
		parts = append(parts, b.literal("}"))
	}
	if !full {
		for i, name := range e.loose {
			if k.used>>i&1 == 0 {
				key := e.named(k, name)
				parts = append(parts, b.sequence(key, e.c.value(e.o.members[name].value), e.rule(objectKey{k.name, k.used | 1<<i, true, e.counted(k)})))
			}
		}
		for _, other := range e.others {
			parts = append(parts, b.sequence(e.key(k, other.names), e.c.value(other.value), e.rule(objectKey{k.name, k.used, true, e.counted(k)})))
		}
		for _, x := range e.o.exists {
			if !left {
				parts = append(parts, e.last(k, x)...)
			}
		}
	}
	r.rule = b.choice(parts...)
	return r
}

// last returns the member that there must be, in each of the ways that the others
// allow. It is the last one: were its name to come again, it would not count.
func (e *objectEmitter) last(k objectKey, x others) (parts []*node) {
	if e.counted(k) < e.min {
		return nil
	}
	b, c := e.c.b, e.c
	for _, other := range e.others {
		names := c.space.Intersection(x.names, other.names)
		value := c.and(x.value, other.value)
		if c.alive(names) && c.satisfiable(value) {
			parts = append(parts, b.sequence(e.key(k, names), c.value(value), b.literal("}")))
		}
	}
	return parts
}

// named is what stands before the value of a member.
func (e *objectEmitter) named(k objectKey, name string) *node {
	s, gap, text := e.c.space, e.c.gap, quote(name)+":"
	switch {
	case !k.any:
		return e.c.b.lexeme(s.Concat(s.Literal(text), gap))
	case gap == regular.Empty:
		return e.c.b.literal("," + text)
	default:
		return e.c.b.lexeme(s.Concat(s.Literal(","), gap, s.Literal(text), gap))
	}
}

// key is what stands before the value of a member with one of some names.
func (e *objectEmitter) key(k objectKey, names regular.Lang) *node {
	s, gap := e.c.space, e.c.gap
	text := names
	if text == e.c.texts {
		text = e.c.b.anyText()
	}
	key := s.Concat(s.Literal(`"`), text, s.Literal(`":`), gap)
	if k.any {
		key = s.Concat(s.Literal(","), gap, key)
	}
	return e.c.b.lexeme(key)
}

// counted is the number of members with one more, as far as it must be known.
func (e *objectEmitter) counted(k objectKey) int {
	if e.most == regular.Unbounded {
		return min(k.count+1, e.min)
	}
	return k.count + 1
}
