package grammar

import (
	"errors"
	"fmt"
	"slices"

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
	s := c.setOf(a)
	if s.null || s.yes || s.no || c.alive(s.numbers) || c.alive(s.texts) {
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
	if !c.satisfiable(a) {
		a.node = c.b.nothing
		return a.node
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
	return rule
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

// maxCounted bounds the rules that count something.
const maxCounted = 20_000

// arrayRule returns the rule of a set of arrays.
func (c *schemaCompiler) arrayRule(a *arrays) *node {
	if a.unique && (a.max == regular.Unbounded || a.max > 1) {
		return c.uniqueArray(a)
	}
	prefix := a.prefix
	most := a.max
	for i, item := range prefix { // what cannot be there ends the array before
		if !c.satisfiable(item) {
			most = least(most, i)
			break
		}
	}
	if !c.satisfiable(a.rest) {
		most = least(most, len(prefix))
	}
	if most != regular.Unbounded && most < a.min {
		return c.b.nothing
	}
	if len(a.contains) > 0 {
		b := *a
		b.max = most
		return c.countingArray(&b)
	}
	if most == 0 {
		return c.b.literal("[]")
	}
	// The first items have rules of their own, the others one that repeats.
	head, more := max(len(prefix), 1), regular.Unbounded
	if most != regular.Unbounded {
		head = min(head, most)
		more = most - head
	}
	comma := c.b.literal(",")
	after := c.b.sequence(c.b.repeat(c.b.sequence(comma, c.value(a.rest)), max(0, a.min-head), more), c.b.literal("]"))
	for n := head - 1; n >= 0; n-- {
		next := c.b.sequence(c.value(a.item(n)), after)
		if n > 0 {
			next = c.b.sequence(comma, next)
		}
		if n >= a.min {
			next = c.b.choice(c.b.literal("]"), next)
		}
		after = next
	}
	return c.b.sequence(c.b.literal("["), after)
}

// countingArray is arrayRule for arrays that must contain something: a rule for each
// number of items and of those that count.
func (c *schemaCompiler) countingArray(a *arrays) *node {
	if len(a.contains) > 2 {
		panic(schemaPanic{errors.New("more than two conditions on what an array contains come together")})
	}
	last := max(len(a.prefix), a.min, 1) // items from here on are alike
	if a.max != regular.Unbounded {
		last = a.max
	}
	type key struct{ items, first, second int }
	known := map[key]*node{}
	counts := make([]contains, 2)
	for i := range counts {
		counts[i] = contains{c.anything, 0, regular.Unbounded}
	}
	copy(counts, a.contains)
	// more returns the counts that an item of a kind leads to.
	more := func(n int, has contains) int {
		if has.max == regular.Unbounded {
			return min(n+1, has.min)
		}
		return n + 1
	}
	var rule func(k key) *node
	rule = func(k key) *node {
		if n := known[k]; n != nil {
			return n
		}
		if len(known) > maxCounted {
			panic(schemaPanic{fmt.Errorf("an array counts more than %d states", maxCounted)})
		}
		r := c.b.newRule()
		known[k] = r
		var parts []*node
		if k.items >= a.min && k.first >= counts[0].min && k.second >= counts[1].min {
			parts = append(parts, c.b.literal("]"))
		}
		if a.max == regular.Unbounded || k.items < a.max {
			next := k
			next.items = min(k.items+1, last)
			for _, option := range c.itemOptions(a.item(k.items), counts) {
				to := next
				if option.first {
					to.first = more(k.first, counts[0])
				}
				if option.second {
					to.second = more(k.second, counts[1])
				}
				if counts[0].max != regular.Unbounded && to.first > counts[0].max || counts[1].max != regular.Unbounded && to.second > counts[1].max {
					continue
				}
				item := c.value(option.item)
				if item == c.b.nothing {
					continue
				}
				if k.items > 0 {
					item = c.b.sequence(c.b.literal(","), item)
				}
				parts = append(parts, c.b.sequence(item, rule(to)))
			}
		}
		r.rule = c.b.choice(parts...)
		return r
	}
	return c.b.sequence(c.b.literal("["), rule(key{}))
}

// itemOption is an item of an array that counts or not.
type itemOption struct {
	item          *conj
	first, second bool
}

// itemOptions returns the ways in which an item counts. Where there is no upper limit
// an item that could count may be taken for one that does not.
func (c *schemaCompiler) itemOptions(item *conj, counts []contains) []itemOption {
	options := []itemOption{{item: item}}
	for i, has := range counts {
		if has.item == c.anything && has.min == 0 && has.max == regular.Unbounded {
			continue
		}
		var next []itemOption
		for _, o := range options {
			yes := o
			yes.item = c.and(o.item, has.item)
			if i == 0 {
				yes.first = true
			} else {
				yes.second = true
			}
			next = append(next, yes)
			if has.max == regular.Unbounded {
				next = append(next, o)
				continue
			}
			for _, not := range c.not(has.item) {
				no := o
				no.item = c.and(o.item, not)
				next = append(next, no)
			}
		}
		options = next
	}
	return options
}

// maxUnique bounds the values that may be told apart, as there is a rule for each set
// of them.
const maxUnique = 8

// uniqueArray is arrayRule for arrays of different items, if there are few of them.
func (c *schemaCompiler) uniqueArray(a *arrays) *node {
	var values []string
	kinds := append(slices.Clone(a.prefix), a.rest)
	allowed := make([]map[string]bool, len(kinds))
	for i, kind := range kinds {
		list, ok := c.finite(kind)
		if !ok || len(a.contains) > 0 {
			c.unsupport(c.schemaOf(kind), "uniqueItems", "the items are not few")
			b := *a
			b.unique = false
			return c.arrayRule(&b)
		}
		allowed[i] = map[string]bool{}
		for _, v := range list {
			allowed[i][v] = true
			if !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	if len(values) > maxUnique {
		c.unsupport(c.schemaOf(a.rest), "uniqueItems", fmt.Sprintf("there are more than %d values", maxUnique))
		b := *a
		b.unique = false
		return c.arrayRule(&b)
	}
	type key struct{ used, items int }
	known := map[key]*node{}
	var rule func(k key) *node
	rule = func(k key) *node {
		if n := known[k]; n != nil {
			return n
		}
		var parts []*node
		if k.items >= a.min {
			parts = append(parts, c.b.literal("]"))
		}
		for i, v := range values {
			if k.used>>i&1 != 0 || !allowed[min(k.items, len(a.prefix))][v] || a.max != regular.Unbounded && k.items >= a.max {
				continue
			}
			text := v
			if k.items > 0 {
				text = "," + v
			}
			parts = append(parts, c.b.sequence(c.b.literal(text), rule(key{k.used | 1<<i, k.items + 1})))
		}
		n := c.b.choice(parts...)
		known[k] = n
		return n
	}
	return c.b.sequence(c.b.literal("["), rule(key{}))
}

// schemaOf is where a conjunction comes from, for errors.
func (c *schemaCompiler) schemaOf(a *conj) *schema {
	if len(a.pos) > 0 {
		return a.pos[0]
	}
	return c.doc.root
}

// finite returns the values of a conjunction as JSON, if they are scalars and few.
func (c *schemaCompiler) finite(a *conj) (values []string, ok bool) {
	if !c.satisfiable(a) {
		return nil, true
	}
	s := c.setOf(a)
	for _, x := range s.arrays {
		if c.arrayRule(x) != c.b.nothing {
			return nil, false
		}
	}
	for _, o := range s.objects {
		if c.objectRule(o) != c.b.nothing {
			return nil, false
		}
	}
	return c.space.Strings(c.space.Union(c.scalars(s)), maxUnique)
}

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
		panic(schemaPanic{errors.New("more than one condition on members of an object that have no name come together")})
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
	return c.b.sequence(c.b.literal("{"), e.rule(objectKey{}))
}

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
		panic(schemaPanic{fmt.Errorf("an object counts more than %d states", maxCounted)})
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
			key := b.literal(e.comma(k) + quote(name) + ":")
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
				key := b.literal(e.comma(k) + quote(name) + ":")
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

func (e *objectEmitter) key(k objectKey, names regular.Lang) *node {
	s := e.c.space
	text := names
	if text == e.c.texts {
		text = e.c.b.anyText()
	}
	return e.c.b.lexeme(s.Concat(s.Literal(e.comma(k)+`"`), text, s.Literal(`":`)))
}

func (e *objectEmitter) comma(k objectKey) string {
	if k.any {
		return ","
	}
	return ""
}

// counted is the number of members with one more, as far as it must be known.
func (e *objectEmitter) counted(k objectKey) int {
	if e.most == regular.Unbounded {
		return min(k.count+1, e.min)
	}
	return k.count + 1
}
