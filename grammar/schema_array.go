package grammar

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cria-lm/cria/internal/regular"
)

// maxCounted bounds the rules that count something.
const maxCounted = 20_000

// arrayRule returns the rule of a set of arrays.
func (c *schemaCompiler) arrayRule(a *arrays) *node {
	if a.unique != nil && (a.max == regular.Unbounded || a.max > 1) {
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
	comma := c.comma()
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
		panic(schemaPanic{err: errors.New("more than two conditions on what an array contains come together")})
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
			panic(schemaPanic{err: fmt.Errorf("an array counts more than %d states", maxCounted)})
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
					item = c.b.sequence(c.comma(), item)
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

// comma stands between the items of an array.
func (c *schemaCompiler) comma() *node {
	return c.b.lexeme(c.space.Concat(c.space.Literal(","), c.gap))
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
			c.unsupport(a.unique, "uniqueItems", "the items are not few")
			b := *a
			b.unique = nil
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
		c.unsupport(a.unique, "uniqueItems", fmt.Sprintf("there are more than %d values", maxUnique))
		b := *a
		b.unique = nil
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
			item := c.b.literal(v)
			if k.items > 0 {
				item = c.b.sequence(c.comma(), item)
			}
			parts = append(parts, c.b.sequence(item, rule(key{k.used | 1<<i, k.items + 1})))
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
