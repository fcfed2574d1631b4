package grammar

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cria-lm/cria/internal/regular"
)

// set is a set of JSON values by their kinds. What is in arrays and objects is said
// by conjunctions of schemas, so a set is finite though schemas may contain
// themselves.
type set struct {
	null, yes, no bool
	numbers       regular.Lang // as [decimal] writes them
	texts         regular.Lang // what stands between the quotes, as [quote] writes it
	arrays        []*arrays    // any of these
	objects       []*objects
}

// arrays is a set of arrays.
type arrays struct {
	prefix   []*conj // of the first items
	rest     *conj   // of the others
	min, max int     // items; max may be regular.Unbounded
	contains []contains
	unique   *schema // that has uniqueItems; nil: none has

	evaluated int       // so many of the first items are; regular.Unbounded: all
	matched   []*schema // and those that fit one of these
}

// contains says how many items are of a kind.
type contains struct {
	item     *conj
	min, max int
}

// objects is a set of objects.
type objects struct {
	names    []string // in order
	members  map[string]member
	others   []others // the members with other names: kinds of names that exclude each other
	exists   []others // there is one of each of these, among the members with other names
	min, max int      // members
}

type member struct {
	value     *conj
	required  bool
	ordered   bool // it comes in the order of names
	evaluated bool // see [schemaCompiler.unevaluated]
}

// others are members whose names are of a language.
type others struct {
	names     regular.Lang
	value     *conj
	evaluated bool
}

// conj is the values that are of all of some schemas and of none of others. Equal
// ones are one.
type conj struct {
	id       int
	pos, neg []*schema
	never    bool // there are none

	known *set
	fits  fits
	node  *node
}

type fits uint8

const (
	unknown fits = iota
	trying
	some
	none
)

// conj returns the conjunction of schemas.
func (c *schemaCompiler) conj(pos, neg []*schema) *conj {
	pos, posOK := simplify(pos, false)
	neg, negOK := simplify(neg, true)
	for _, s := range pos {
		negOK = negOK && !slices.Contains(neg, s)
	}
	if !posOK || !negOK {
		return c.never
	}
	var key strings.Builder
	for _, s := range pos {
		fmt.Fprintf(&key, "%d ", s.id)
	}
	for _, s := range neg {
		fmt.Fprintf(&key, "-%d ", s.id)
	}
	if known := c.conjs[key.String()]; known != nil {
		return known
	}
	if len(c.conjs) > maxConjs {
		panic(schemaPanic{err: errors.New("too many combinations of schemas")})
	}
	made := &conj{id: len(c.conjs), pos: pos, neg: neg}
	c.conjs[key.String()] = made
	return made
}

// maxConjs bounds the combinations of schemas.
const maxConjs = 20_000

// simplify sorts schemas and leaves out those that say nothing: true, or false where
// it is negated. It reports false if one leaves nothing.
func simplify(schemas []*schema, negated bool) ([]*schema, bool) {
	var kept []*schema
	for _, s := range schemas {
		switch {
		case s.v.kind != valueBool:
			kept = append(kept, s)
		case s.v.truth == negated:
			return nil, false
		}
	}
	slices.SortFunc(kept, func(a, b *schema) int { return a.id - b.id })
	return slices.Compact(kept), true
}

// and returns the values that are of both.
func (c *schemaCompiler) and(a, b *conj) *conj {
	switch {
	case a == b || b == c.anything:
		return a
	case a == c.anything:
		return b
	case a.never || b.never:
		return c.never
	}
	return c.conj(slices.Concat(a.pos, b.pos), slices.Concat(a.neg, b.neg))
}

// not returns conjunctions of which each value that is not of a has one.
func (c *schemaCompiler) not(a *conj) []*conj {
	if a.never {
		return []*conj{c.anything}
	}
	var parts []*conj
	for _, s := range a.pos {
		parts = append(parts, c.conj(nil, []*schema{s}))
	}
	for _, s := range a.neg {
		parts = append(parts, c.conj([]*schema{s}, nil))
	}
	return parts
}

// setOf returns the values of a conjunction.
func (c *schemaCompiler) setOf(a *conj) *set {
	if a.known != nil {
		return a.known
	}
	if a.never {
		a.known = &set{}
		return a.known
	}
	s := c.universe()
	for _, p := range a.pos {
		s = c.intersect(s, c.expand(p))
	}
	for _, n := range a.neg {
		s = c.intersect(s, c.complementOf(n))
	}
	a.known = s
	return s
}

// universe returns all values.
func (c *schemaCompiler) universe() *set {
	return &set{null: true, yes: true, no: true, numbers: c.numbers, texts: c.texts, arrays: []*arrays{c.anyArray()}, objects: []*objects{c.anyObject()}}
}

func (c *schemaCompiler) anyArray() *arrays {
	return &arrays{rest: c.anything, max: regular.Unbounded}
}

func (c *schemaCompiler) anyObject() *objects {
	return &objects{others: []others{{names: c.texts, value: c.anything}}, max: regular.Unbounded}
}

// maxAlternatives bounds the arrays or objects of a set.
const maxAlternatives = 512

func (c *schemaCompiler) intersect(a, b *set) *set {
	return &set{
		null: a.null && b.null, yes: a.yes && b.yes, no: a.no && b.no,
		numbers: c.both(a.numbers, b.numbers, c.numbers),
		texts:   c.both(a.texts, b.texts, c.texts),
		arrays:  products(a.arrays, b.arrays, c.intersectArrays),
		objects: products(a.objects, b.objects, c.intersectObjects),
	}
}

// products returns what each of one list has in common with each of another, but for
// nil.
func products[T any](a, b []*T, intersect func(x, y *T) *T) (list []*T) {
	if len(a)*len(b) > 8*maxAlternatives {
		panic(errTooManyAlternatives)
	}
	for _, x := range a {
		for _, y := range b {
			if both := intersect(x, y); both != nil {
				list = append(list, both)
			}
		}
	}
	if len(list) > maxAlternatives {
		panic(errTooManyAlternatives)
	}
	return list
}

var errTooManyAlternatives = schemaPanic{err: errors.New("too many alternatives come together")}

// both returns what is in two languages, both of which are parts of a whole.
func (c *schemaCompiler) both(a, b, whole regular.Lang) regular.Lang {
	switch whole {
	case a:
		return b
	case b:
		return a
	}
	return c.space.Intersection(a, b)
}

func (c *schemaCompiler) union(a, b *set) *set {
	return &set{
		null: a.null || b.null, yes: a.yes || b.yes, no: a.no || b.no,
		numbers: c.space.Union(a.numbers, b.numbers),
		texts:   c.space.Union(a.texts, b.texts),
		arrays:  slices.Concat(a.arrays, b.arrays),
		objects: slices.Concat(a.objects, b.objects),
	}
}

// least returns the smaller of two limits.
func least(a, b int) int {
	if a == regular.Unbounded || b != regular.Unbounded && b < a {
		return b
	}
	return a
}

func (a *arrays) item(i int) *conj {
	if i < len(a.prefix) {
		return a.prefix[i]
	}
	return a.rest
}

// intersectArrays returns nil if no array is of both.
func (c *schemaCompiler) intersectArrays(a, b *arrays) *arrays {
	both := &arrays{
		rest: c.and(a.rest, b.rest), min: max(a.min, b.min), max: least(a.max, b.max),
		contains: slices.Concat(a.contains, b.contains), unique: cmp.Or(a.unique, b.unique),
	}
	both.evaluated, both.matched = max(a.evaluated, b.evaluated), slices.Concat(a.matched, b.matched)
	if a.evaluated == regular.Unbounded || b.evaluated == regular.Unbounded {
		both.evaluated = regular.Unbounded
	}
	for i := range max(len(a.prefix), len(b.prefix)) {
		both.prefix = append(both.prefix, c.and(a.item(i), b.item(i)))
	}
	if both.max != regular.Unbounded && both.min > both.max {
		return nil
	}
	return both
}

// member returns what is said of the member with a name.
func (c *schemaCompiler) member(o *objects, name string) member {
	if m, ok := o.members[name]; ok {
		return m
	}
	text := unquoted(name)
	for _, other := range o.others {
		if c.space.Contains(other.names, text) {
			return member{value: other.value, evaluated: other.evaluated}
		}
	}
	return member{value: c.never}
}

// unquoted is a text as it stands between quotes.
func unquoted(text string) string {
	q := quote(text)
	return q[1 : len(q)-1]
}

func (c *schemaCompiler) intersectObjects(a, b *objects) *objects {
	both := &objects{names: slices.Clone(a.names), members: map[string]member{}, min: max(a.min, b.min), max: least(a.max, b.max), exists: slices.Concat(a.exists, b.exists)}
	for _, name := range b.names {
		if _, ok := a.members[name]; !ok {
			both.names = append(both.names, name)
		}
	}
	for _, name := range both.names {
		x, y := c.member(a, name), c.member(b, name)
		m := member{c.and(x.value, y.value), x.required || y.required, x.ordered || y.ordered, x.evaluated || y.evaluated}
		if m.required && m.value.never {
			return nil
		}
		both.members[name] = m
	}
	for _, x := range a.others {
		for _, y := range b.others {
			names := c.space.Intersection(x.names, y.names)
			if value := c.and(x.value, y.value); !value.never && c.alive(names) {
				both.others = append(both.others, others{names, value, x.evaluated || y.evaluated})
			}
		}
	}
	if both.max != regular.Unbounded && both.min > both.max {
		return nil
	}
	return both
}

// alive reports whether a language has a text.
func (c *schemaCompiler) alive(l regular.Lang) bool {
	is, ok := c.space.Alive(l)
	if !ok {
		panic(schemaPanic{err: errUndecided})
	}
	return is
}

// complementOf returns the values that are not of a schema.
func (c *schemaCompiler) complementOf(s *schema) *set {
	of := c.expand(s)
	not := c.universe()
	not.null, not.yes, not.no = !of.null, !of.yes, !of.no
	not.numbers = c.space.Difference(c.numbers, of.numbers)
	not.texts = c.space.Difference(c.texts, of.texts)
	for _, a := range of.arrays {
		alternatives, ok := c.notArrays(a)
		if !ok {
			c.unsupport(s, "", "it is negated, and what its arrays are not cannot be said")
		}
		not.arrays = products(not.arrays, alternatives, c.intersectArrays)
	}
	for _, o := range of.objects {
		alternatives, ok := c.notObjects(o)
		if !ok {
			c.unsupport(s, "", "it is negated, and what its objects are not cannot be said")
		}
		not.objects = products(not.objects, alternatives, c.intersectObjects)
	}
	return not
}

// notArrays returns the arrays that are not in a, as those that break one of its
// conditions each.
func (c *schemaCompiler) notArrays(a *arrays) (parts []*arrays, ok bool) {
	add := func(change func(*arrays)) {
		part := c.anyArray()
		change(part)
		parts = append(parts, part)
	}
	if a.min > 0 {
		add(func(p *arrays) { p.max = a.min - 1 })
	}
	if a.max != regular.Unbounded {
		add(func(p *arrays) { p.min = a.max + 1 })
	}
	for i, item := range a.prefix {
		for _, not := range c.notUnlessAny(item) {
			add(func(p *arrays) {
				for range i {
					p.prefix = append(p.prefix, c.anything)
				}
				p.prefix, p.min = append(p.prefix, not), i+1
			})
		}
	}
	rest := c.notUnlessAny(a.rest)
	for _, not := range rest {
		if a.rest.never {
			add(func(p *arrays) { p.min = len(a.prefix) + 1 })
			break
		}
		add(func(p *arrays) { p.contains = []contains{{not, 1, regular.Unbounded}} })
	}
	for _, has := range a.contains {
		if has.min > 0 {
			add(func(p *arrays) { p.contains = []contains{{has.item, 0, has.min - 1}} })
		}
		if has.max != regular.Unbounded {
			add(func(p *arrays) { p.contains = []contains{{has.item, has.max + 1, regular.Unbounded}} })
		}
	}
	// An item behind the prefix would have to be told from those in it.
	ok = a.unique == nil && (len(rest) == 0 || len(a.prefix) == 0 || a.rest.never)
	return parts, ok
}

func (c *schemaCompiler) notUnlessAny(a *conj) []*conj {
	if a == c.anything {
		return nil
	}
	return c.not(a)
}

// notObjects returns the objects that are not in o, as those that break one of its
// conditions each.
func (c *schemaCompiler) notObjects(o *objects) (parts []*objects, ok bool) {
	add := func(change func(*objects)) {
		part := c.anyObject()
		change(part)
		parts = append(parts, part)
	}
	if o.min > 0 {
		add(func(p *objects) { p.max = o.min - 1 })
	}
	if o.max != regular.Unbounded {
		add(func(p *objects) { p.min = o.max + 1 })
	}
	for _, name := range o.names {
		m := o.members[name]
		if m.required {
			add(func(p *objects) { p.names, p.members = []string{name}, map[string]member{name: {value: c.never}} })
		}
		for _, not := range c.notUnlessAny(m.value) {
			add(func(p *objects) {
				p.names, p.members = []string{name}, map[string]member{name: {value: not, required: true}}
			})
		}
	}
	declared := c.space.Complement(c.namesOf(o.names))
	left := c.texts // names that nothing is said of: there must be no member
	for _, other := range o.others {
		left = c.space.Difference(left, other.names)
		for _, not := range c.notUnlessAny(other.value) {
			add(func(p *objects) {
				p.exists = []others{{names: c.space.Intersection(other.names, declared), value: not}}
			})
		}
	}
	if left = c.space.Intersection(left, declared); c.alive(left) {
		add(func(p *objects) { p.exists = []others{{names: left, value: c.anything}} })
	}
	return parts, len(o.exists) == 0
}

// namesOf is the language of some names, as they stand between quotes.
func (c *schemaCompiler) namesOf(names []string) regular.Lang {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = unquoted(name)
	}
	return c.space.Literals(texts)
}
