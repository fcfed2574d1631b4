package grammar

import (
	"github.com/cria-lm/cria/internal/regular"
)

// satisfiable reports whether there is a value of a conjunction. A schema that
// contains itself needs an end somewhere.
func (c *schemaCompiler) satisfiable(a *conj) bool {
	is, _ := c.trySatisfy(a)
	return is
}

// trySatisfy also reports whether the answer is certain: a no that came from a
// conjunction being looked at further up is not.
func (c *schemaCompiler) trySatisfy(a *conj) (is, certain bool) {
	switch {
	case a.never || a.fits == none:
		return false, true
	case a.fits == some:
		return true, true
	case a.fits == trying:
		return false, false
	}
	leave := c.enter(c.schemaOf(a))
	s := c.setOf(a)
	simple := s.null || s.yes || s.no || c.alive(s.numbers) || c.alive(s.texts)
	leave()
	if simple {
		a.fits = some
		return true, true
	}
	a.fits = trying
	is, certain = false, true
	note := func(part *conj) bool {
		partIs, partCertain := c.trySatisfy(part)
		certain = certain && (partIs || partCertain)
		return partIs
	}
	for _, x := range s.arrays {
		is = is || c.arraysFit(x, note)
	}
	for _, o := range s.objects {
		is = is || c.objectsFit(o, note)
	}
	switch {
	case is:
		a.fits = some
	case certain:
		a.fits = none
	default:
		a.fits = unknown
	}
	return is, certain || is
}

func (c *schemaCompiler) arraysFit(a *arrays, fits func(*conj) bool) bool {
	least := a.min
	for _, has := range a.contains {
		if has.min > 0 && !fits(has.item) {
			return false
		}
		least = max(least, has.min)
	}
	if a.max != regular.Unbounded && least > a.max {
		return false
	}
	for i := range min(least, len(a.prefix)+1) {
		if !fits(a.item(i)) {
			return false
		}
	}
	return true
}

func (c *schemaCompiler) objectsFit(o *objects, fits func(*conj) bool) bool {
	possible, open := 0, false
	for _, name := range o.names {
		m := o.members[name]
		ok := fits(m.value)
		if m.required && !ok {
			return false
		}
		if ok {
			possible++
		}
	}
	for _, other := range o.others {
		open = open || fits(other.value)
	}
	for _, e := range o.exists {
		if !fits(e.value) || !c.alive(e.names) {
			return false
		}
	}
	return open || possible >= o.min
}

// value returns the rule of a conjunction.
func (c *schemaCompiler) value(a *conj) *node {
	if a.node != nil {
		return a.node
	}
	leave := c.enter(c.schemaOf(a))
	c.makeRule(a)
	leave() // not deferred: see enter
	return a.node
}

func (c *schemaCompiler) makeRule(a *conj) {
	if !c.satisfiable(a) {
		a.node = c.b.nothing
		return
	}
	rule := c.b.newRule()
	a.node = rule
	s := c.setOf(a)
	parts := []*node{c.b.lexeme(c.scalars(s))}
	for _, x := range s.arrays {
		parts = append(parts, c.arrayRule(x))
	}
	for _, o := range s.objects {
		parts = append(parts, c.objectRule(o))
	}
	rule.rule = c.b.choice(parts...)
}

// scalars is the values of a set that are neither arrays nor objects, as JSON.
func (c *schemaCompiler) scalars(s *set) regular.Lang {
	var parts []regular.Lang
	for _, word := range []struct {
		in   bool
		text string
	}{{s.null, "null"}, {s.yes, "true"}, {s.no, "false"}} {
		if word.in {
			parts = append(parts, c.space.Literal(word.text))
		}
	}
	switch s.numbers {
	case c.numbers:
		parts = append(parts, c.b.anyNumber())
	case c.whole:
		parts = append(parts, c.b.anyInteger())
	default:
		parts = append(parts, s.numbers)
	}
	text := s.texts
	if text == c.texts {
		text = c.b.anyText()
	}
	parts = append(parts, c.quoted(text))
	return c.space.Union(parts...)
}

func (c *schemaCompiler) quoted(text regular.Lang) regular.Lang {
	if !c.alive(text) {
		return regular.Nothing
	}
	mark := c.space.Literal(`"`)
	return c.space.Concat(mark, text, mark)
}
