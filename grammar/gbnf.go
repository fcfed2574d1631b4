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
// regular language.
type gbnfCompiler struct {
	b        *builder
	p        *gbnfParser
	recurses map[string]bool
	langs    map[string]regular.Lang
	nodes    map[string]*node
}

func (b *builder) gbnf(text string) (*node, error) {
	p, err := parseGBNF(text)
	if err != nil {
		return nil, fmt.Errorf("GBNF: %w", err)
	}
	c := &gbnfCompiler{b: b, p: p, recurses: map[string]bool{}, langs: map[string]regular.Lang{}, nodes: map[string]*node{}}
	if err := c.checkLeft(); err != nil {
		return nil, fmt.Errorf("GBNF: %w", err)
	}
	c.findRecursion()
	return c.rule("root"), nil
}

// findRecursion finds the rules that lead to themselves, and those that lead there.
func (c *gbnfCompiler) findRecursion() {
	const open, done = 1, 2
	states := map[string]int{}
	var visit func(name string) bool
	var within func(g *gbnf) bool
	within = func(g *gbnf) bool {
		found := g.kind == gbnfRule && visit(g.text)
		for _, part := range g.parts {
			found = within(part) || found
		}
		return found
	}
	visit = func(name string) bool {
		switch states[name] {
		case open:
			c.recurses[name] = true
			return true
		case done:
			return c.recurses[name]
		}
		states[name] = open
		if within(c.p.rules[name]) {
			c.recurses[name] = true
		}
		states[name] = done
		return c.recurses[name]
	}
	for _, name := range c.p.names {
		visit(name)
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
	for changed := true; changed; {
		changed = false
		for _, name := range c.p.names {
			if !nullable[name] && empty(c.p.rules[name]) {
				nullable[name], changed = true, true
			}
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

// regular reports whether an expression leads to no rule that leads to itself.
func (c *gbnfCompiler) regular(g *gbnf) bool {
	return !(g.kind == gbnfRule && c.recurses[g.text]) &&
		!slices.ContainsFunc(g.parts, func(p *gbnf) bool { return !c.regular(p) })
}

func (c *gbnfCompiler) rule(name string) *node {
	if n := c.nodes[name]; n != nil {
		return n
	}
	if !c.recurses[name] {
		return c.b.lexeme(c.lang(c.p.rules[name]))
	}
	n := c.b.newRule()
	c.nodes[name] = n
	n.rule = c.node(c.p.rules[name])
	return n
}

func (c *gbnfCompiler) node(g *gbnf) *node {
	if c.regular(g) {
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
