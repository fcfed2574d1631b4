package grammar

import (
	"strings"

	"github.com/cria-lm/cria/internal/regular"
)

// unevaluated applies unevaluatedProperties and unevaluatedItems of a schema: to the
// members and items that no other keyword of it has looked at, those of the schemas
// included that it applies to the same value.
func (c *schemaCompiler) unevaluated(s *schema, of *set) *set {
	if c.doc.draft7 {
		return of
	}
	result := *of
	if v := s.v.members["unevaluatedProperties"]; v != nil {
		value := c.subConj(s, v)
		result.objects = nil
		for _, o := range of.objects {
			if o = c.unevaluatedMembers(o, value); o != nil {
				result.objects = append(result.objects, o)
			}
		}
	}
	if v := s.v.members["unevaluatedItems"]; v != nil {
		result.arrays = nil
		for _, a := range of.arrays {
			result.arrays = append(result.arrays, c.unevaluatedItems(s, a, v))
		}
	}
	return &result
}

// unevaluatedMembers returns nil if there is no such object.
func (c *schemaCompiler) unevaluatedMembers(of *objects, value *conj) *objects {
	o := *of
	o.members, o.others = map[string]member{}, nil
	for name, m := range of.members {
		if !m.evaluated {
			m.value, m.evaluated = c.and(m.value, value), true
		}
		if m.required && m.value.never {
			return nil
		}
		o.members[name] = m
	}
	for _, other := range of.others {
		if !other.evaluated {
			other.value, other.evaluated = c.and(other.value, value), true
		}
		if !other.value.never {
			o.others = append(o.others, other)
		}
	}
	return &o
}

func (c *schemaCompiler) unevaluatedItems(s *schema, of *arrays, v *value) *arrays {
	a := *of
	a.evaluated, a.matched = regular.Unbounded, nil
	if of.evaluated == regular.Unbounded {
		return &a
	}
	rest := c.subConj(s, v)
	if len(of.matched) > 0 { // what contains has found counts as looked at
		either := &value{kind: valueObject, names: []string{"anyOf"}}
		list := &value{kind: valueArray, items: []*value{v}}
		for _, m := range of.matched {
			list.items = append(list.items, m.v)
		}
		either.members = map[string]*value{"anyOf": list}
		rest = c.subConj(s, either)
	}
	a.prefix = nil
	for i, item := range of.prefix {
		if i >= of.evaluated {
			item = c.and(item, rest)
		}
		a.prefix = append(a.prefix, item)
	}
	for len(a.prefix) < of.evaluated {
		a.prefix = append(a.prefix, of.rest)
	}
	a.rest = c.and(of.rest, rest)
	return &a
}

// maxTogether bounds the schemas of an anyOf that may hold at the same time where it
// matters which do.
const maxTogether = 5

// anyOfTogether is an anyOf in which it is known of each alternative what all schemas
// that hold have looked at: so there is one for each set of them.
func (c *schemaCompiler) anyOfTogether(s *schema, subs []*schema) *set {
	if len(subs) > maxTogether {
		c.unsupport(s, "anyOf", "too many schemas for unevaluated keywords")
	}
	result := &set{}
	for hold := 1; hold < 1<<min(len(subs), maxTogether); hold++ {
		part := c.universe()
		for i, sub := range subs {
			if hold>>i&1 != 0 {
				part = c.intersect(part, c.expand(sub))
			}
		}
		result = c.union(result, part)
	}
	return result
}

// dynamicRef is a reference that means the same wherever it is followed from, as its
// anchor stands in one place only.
func (c *schemaCompiler) dynamicRef(s *schema, v *value) *set {
	c.want(s, "$dynamicRef", v, valueString)
	to, err := c.doc.resolve(s, v.text)
	if err != nil {
		c.fail(s, "$dynamicRef: %w", err)
	}
	if _, anchor, _ := strings.Cut(v.text, "#"); to.v.members["$dynamicAnchor"] != nil && c.doc.dynamic[anchor] > 1 {
		c.unsupport(s, "$dynamicRef", "several schemas have the anchor "+anchor)
		return nil
	}
	return c.expand(to)
}
