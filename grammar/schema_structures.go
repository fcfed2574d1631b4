package grammar

import (
	"slices"

	"github.com/cria-lm/cria/internal/regular"
)

// ofArrays is all values, but only these arrays.
func (c *schemaCompiler) ofArrays(a ...*arrays) *set {
	s := c.universe()
	s.arrays = a
	return s
}

func (c *schemaCompiler) ofObjects(o ...*objects) *set {
	s := c.universe()
	s.objects = o
	return s
}

// itemKeywords reads items, prefixItems and additionalItems together, at the first of them.
func (c *schemaCompiler) itemKeywords(s *schema, name string) *set {
	m := s.v.members
	if name != firstOf(s.v.names, "items", "prefixItems", "additionalItems") {
		return nil
	}
	a := c.anyArray()
	prefix, rest := m["prefixItems"], m["items"]
	if rest != nil && rest.kind == valueArray { // as draft 7 has it
		prefix, rest = rest, m["additionalItems"]
	} else if prefix == nil && rest == nil {
		return nil // additionalItems says nothing alone
	}
	if prefix != nil {
		c.want(s, "prefixItems", prefix, valueArray)
		for _, item := range prefix.items {
			a.prefix = append(a.prefix, c.subConj(s, item))
		}
	}
	a.evaluated = len(a.prefix)
	if rest != nil {
		a.rest = c.subConj(s, rest)
		a.evaluated = regular.Unbounded
	}
	return c.ofArrays(a)
}

func firstOf(names []string, among ...string) string {
	i := slices.IndexFunc(names, func(name string) bool { return slices.Contains(among, name) })
	return names[i]
}

func (c *schemaCompiler) arrayKeyword(s *schema, name string, v *value) *set {
	a := c.anyArray()
	switch name {
	case "minItems":
		a.min = c.count(s, name, v)
	case "maxItems":
		a.max = c.count(s, name, v)
	case "contains":
		has := contains{c.subConj(s, v), 1, regular.Unbounded}
		if n := s.v.members["minContains"]; n != nil && !c.doc.draft7 {
			has.min = c.count(s, "minContains", n)
		}
		if n := s.v.members["maxContains"]; n != nil && !c.doc.draft7 {
			has.max = c.count(s, "maxContains", n)
		}
		a.contains, a.matched = []contains{has}, []*schema{c.sub(s, v)}
	case "uniqueItems":
		c.want(s, name, v, valueBool)
		if v.truth {
			a.unique = s
		}
	}
	return c.ofArrays(a)
}

// propertyKeywords reads properties, patternProperties and additionalProperties
// together, at the first of them.
func (c *schemaCompiler) propertyKeywords(s *schema, name string) *set {
	m := s.v.members
	if name != firstOf(s.v.names, "properties", "patternProperties", "additionalProperties") {
		return nil
	}
	// Kinds of names, by which of the patterns they match.
	type kind struct {
		others
		matched bool
	}
	kinds := []kind{{others{names: c.texts, value: c.anything}, false}}
	if patterns := m["patternProperties"]; patterns != nil {
		c.want(s, "patternProperties", patterns, valueObject)
		for _, pattern := range patterns.names {
			names := c.space.Intersection(c.texts, c.pattern(s, "patternProperties", pattern))
			value := c.subConj(s, patterns.members[pattern])
			var next []kind
			for _, k := range kinds {
				if in := c.space.Intersection(k.names, names); c.alive(in) {
					next = append(next, kind{others{in, c.and(k.value, value), true}, true})
				}
				if out := c.space.Difference(k.names, names); c.alive(out) {
					next = append(next, kind{others{out, k.value, k.evaluated}, k.matched})
				}
			}
			if kinds = next; len(kinds) > maxAlternatives {
				c.fail(s, "patternProperties: too many patterns")
			}
		}
	}
	o := &objects{members: map[string]member{}, max: regular.Unbounded}
	for _, k := range kinds {
		o.others = append(o.others, k.others)
	}
	if properties := m["properties"]; properties != nil {
		c.want(s, "properties", properties, valueObject)
		o.names = properties.names
		declared := map[string]member{}
		for _, name := range o.names { // patterns apply to them, additionalProperties does not
			value := c.and(c.subConj(s, properties.members[name]), c.member(o, name).value)
			declared[name] = member{value: value, ordered: true, evaluated: true}
		}
		o.members = declared
	}
	if additional := m["additionalProperties"]; additional != nil {
		value := c.subConj(s, additional)
		o.others = nil
		for _, k := range kinds {
			if !k.matched {
				k.value, k.evaluated = value, true
			}
			if !k.value.never {
				o.others = append(o.others, k.others)
			}
		}
	}
	return c.ofObjects(o)
}

func (c *schemaCompiler) objectKeyword(s *schema, name string, v *value) *set {
	o := c.anyObject()
	switch name {
	case "required":
		c.want(s, name, v, valueArray)
		var names []string
		for _, name := range v.items {
			c.want(s, "required", name, valueString)
			names = append(names, name.text)
		}
		o = c.requiring(names)
	case "minProperties":
		o.min = c.count(s, name, v)
	case "maxProperties":
		o.max = c.count(s, name, v)
	case "propertyNames":
		names := c.setOf(c.subConj(s, v)).texts
		o.others = nil
		if c.alive(names) {
			o.others = []others{{names: names, value: c.anything}}
		}
	}
	return c.ofObjects(o)
}

// requiring is the objects that have members with these names.
func (c *schemaCompiler) requiring(names []string) *objects {
	o := c.anyObject()
	o.members = map[string]member{}
	for _, name := range names {
		if _, ok := o.members[name]; !ok {
			o.names = append(o.names, name)
		}
		o.members[name] = member{value: c.anything, required: true}
	}
	return o
}

// without is the objects that have no member with a name.
func (c *schemaCompiler) without(name string) *objects {
	o := c.anyObject()
	o.names, o.members = []string{name}, map[string]member{name: {value: c.never}}
	return o
}

func (c *schemaCompiler) dependent(s *schema, keyword string, v *value) *set {
	c.want(s, keyword, v, valueObject)
	result := c.universe()
	for _, name := range v.names {
		needs := v.members[name]
		with := c.ofObjects(c.requiring([]string{name}))
		if needs.kind == valueArray {
			var names []string
			for _, n := range needs.items {
				names = append(names, n.text)
			}
			with = c.intersect(with, c.ofObjects(c.requiring(names)))
		} else {
			with = c.intersect(with, c.expand(c.sub(s, needs)))
		}
		without := &set{objects: []*objects{c.without(name)}}
		notObject := c.ofObjects()
		with = &set{objects: with.objects}
		result = c.intersect(result, c.union(c.union(notObject, without), with))
	}
	return result
}
