package grammar

import (
	"fmt"
	"slices"

	"github.com/cria-lm/cria/internal/regular"
)

// GBNF is a text of a grammar in llama.cpp's notation ([grammars/README.md]), whose
// first rule is called root. Rules that begin with themselves are refused, as there,
// and so are references to tokens.
//
// [grammars/README.md]: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
type GBNF string

func (GBNF) part() {}

// gbnfCompiler turns rules into nodes. A rule that does not lead to itself is a
// regular language, unless it would be a large one with all that it refers to in it:
// rules that use others twice grow exponentially. Then it is called, as those that
// lead to themselves are.
type gbnfCompiler struct {
	b       *builder
	p       *gbnfParser
	called  map[string]bool // rules that are no regular language
	sizes   map[string]int  // of the others
	inlined int             // the sum of those
	langs   map[string]regular.Lang
	nodes   map[string]*node
}

// Limits of what is copied to where rules refer to it, in elements: for one rule, and
// for all together.
const (
	maxInline  = 5_000
	allInlines = 50_000
)

func (b *builder) gbnf(text string) (*node, error) {
	p, err := parseGBNF(text)
	if err != nil {
		return nil, fmt.Errorf("GBNF: %w", err)
	}
	c := &gbnfCompiler{b: b, p: p, called: map[string]bool{}, sizes: map[string]int{}, langs: map[string]regular.Lang{}, nodes: map[string]*node{}}
	if err := c.checkLeft(); err != nil {
		return nil, fmt.Errorf("GBNF: %w", err)
	}
	c.findCalled()
	return c.rule("root"), nil
}

// findCalled finds the rules that lead to themselves, those that lead there, and those
// that are too large.
func (c *gbnfCompiler) findCalled() {
	const open, done = 1, 2
	states := map[string]int{}
	var visit func(name string)
	var within func(g *gbnf)
	within = func(g *gbnf) {
		if g.kind == gbnfRule {
			visit(g.text)
		}
		for _, part := range g.parts {
			within(part)
		}
	}
	visit = func(name string) {
		switch states[name] {
		case open:
			c.called[name] = true
		case done:
		default:
			states[name] = open
			within(c.p.rules[name])
			states[name] = done
			if size := c.size(c.p.rules[name]); size > maxInline || c.inlined+size > allInlines {
				c.called[name] = true
			} else {
				c.sizes[name] = size
				c.inlined += size
			}
		}
	}
	for _, name := range c.p.names {
		visit(name)
	}
}

// size is how many elements an expression has as a regular language, more than
// maxInline if it is none. The rules that it refers to are known.
func (c *gbnfCompiler) size(g *gbnf) int {
	if g.kind == gbnfRule {
		if c.called[g.text] {
			return maxInline + 1
		}
		return c.sizes[g.text]
	}
	size := 1
	for _, part := range g.parts {
		if size += c.size(part); size > maxInline {
			return maxInline + 1
		}
	}
	return size
}

// each calls f with an expression and those in it.
func (g *gbnf) each(f func(*gbnf)) {
	f(g)
	for _, part := range g.parts {
		part.each(f)
	}
}

// checkLeft refuses rules that begin with themselves.
func (c *gbnfCompiler) checkLeft() error {
	nullable := map[string]bool{}
	var empty func(g *gbnf) bool
	empty = func(g *gbnf) bool {
		switch g.kind {
		case gbnfLiteral:
			return g.text == ""
		case gbnfRule:
			return nullable[g.text]
		case gbnfRepeat:
			return g.min == 0 || empty(g.parts[0])
		case gbnfChoice:
			return slices.ContainsFunc(g.parts, empty)
		case gbnfSequence:
			return !slices.ContainsFunc(g.parts, func(p *gbnf) bool { return !empty(p) })
		}
		return false
	}
	users := map[string][]string{} // the rules that refer to one
	for _, name := range c.p.names {
		c.p.rules[name].each(func(g *gbnf) {
			if g.kind == gbnfRule {
				users[g.text] = append(users[g.text], name)
			}
		})
	}
	for look := slices.Clone(c.p.names); len(look) > 0; look = look[1:] {
		if name := look[0]; !nullable[name] && empty(c.p.rules[name]) {
			nullable[name] = true
			look = append(look, users[name]...)
		}
	}
	const open, done = 1, 2
	states := map[string]int{}
	var visit func(name string) error
	var begins func(g *gbnf) error
	begins = func(g *gbnf) error {
		if g.kind == gbnfRule {
			if states[g.text] == open {
				return c.p.errorf(g.at, "the rule %s begins with itself", g.text)
			}
			return visit(g.text)
		}
		for _, part := range g.parts {
			if err := begins(part); err != nil {
				return err
			}
			if g.kind == gbnfSequence && !empty(part) {
				break
			}
		}
		return nil
	}
	visit = func(name string) error {
		if states[name] == done {
			return nil
		}
		states[name] = open
		err := begins(c.p.rules[name])
		states[name] = done
		return err
	}
	for _, name := range c.p.names {
		if err := visit(name); err != nil {
			return err
		}
	}
	return nil
}

func (c *gbnfCompiler) rule(name string) *node {
	if n := c.nodes[name]; n != nil {
		return n
	}
	if !c.called[name] {
		return c.b.lexeme(c.lang(c.p.rules[name]))
	}
	n := c.b.newRule()
	c.nodes[name] = n
	n.rule = c.node(c.p.rules[name])
	return n
}

func (c *gbnfCompiler) node(g *gbnf) *node {
	if c.size(g) <= maxInline {
		return c.b.lexeme(c.lang(g))
	}
	parts := make([]*node, 0, len(g.parts))
	for _, p := range g.parts {
		parts = append(parts, c.node(p))
	}
	switch g.kind {
	case gbnfRule:
		return c.rule(g.text)
	case gbnfSequence:
		return c.b.sequence(parts...)
	case gbnfChoice:
		return c.b.choice(parts...)
	default:
		return c.b.repeat(parts[0], g.min, g.max)
	}
}

func (c *gbnfCompiler) lang(g *gbnf) regular.Lang {
	s := c.b.space
	parts := make([]regular.Lang, 0, len(g.parts))
	for _, p := range g.parts {
		parts = append(parts, c.lang(p))
	}
	switch g.kind {
	case gbnfSequence:
		return s.Concat(parts...)
	case gbnfChoice:
		return s.Union(parts...)
	case gbnfRepeat:
		return s.Repeat(parts[0], g.min, g.max)
	case gbnfLiteral:
		return s.Literal(g.text)
	case gbnfClass:
		return s.Runes(g.ranges...)
	}
	l, ok := c.langs[g.text]
	if !ok {
		l = c.lang(c.p.rules[g.text])
		c.langs[g.text] = l
	}
	return l
}
