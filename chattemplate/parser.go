package chattemplate

import (
	"fmt"
	"slices"
)

// parser reads statements; expressions are in parser_expr.go.
type parser struct {
	tokens []token
	pos    int
	depth  int
	loops  int         // that a break or continue here may end
	defs   []*macroDef // that are being read

	// unknown are filters and tests that do not exist. As in Jinja, one within an
	// if is an error only when it is reached, elsewhere it is one at once.
	unknown []unknownName
}

type unknownName struct {
	err  error
	hard bool
}

func parse(source string) ([]stmt, error) {
	tokens, err := lex(source)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	body, _, err := p.statements("")
	if err != nil {
		return nil, err
	}
	if len(p.unknown) > 0 {
		return nil, p.unknown[0].err
	}
	return body, nil
}

func (p *parser) cur() token { return p.tokens[p.pos] }

func (p *parser) peek() token {
	if p.pos+1 < len(p.tokens) {
		return p.tokens[p.pos+1]
	}
	return p.cur()
}

func (p *parser) next() token {
	t := p.cur()
	if t.kind != tokenEOF {
		p.pos++
	}
	return t
}

func (p *parser) fail(line int, format string, args ...any) error {
	return &SyntaxError{Line: line, Reason: fmt.Sprintf(format, args...)}
}

func (p *parser) isOp(op string) bool {
	t := p.cur()
	return t.kind == tokenOperator && t.text == op
}

func (p *parser) isName(name string) bool {
	t := p.cur()
	return t.kind == tokenName && t.text == name
}

func (p *parser) skipOp(op string) bool {
	ok := p.isOp(op)
	if ok {
		p.pos++
	}
	return ok
}

func (p *parser) skipName(name string) bool {
	ok := p.isName(name)
	if ok {
		p.pos++
	}
	return ok
}

func (p *parser) wantOp(op string) error {
	if !p.skipOp(op) {
		return p.fail(p.cur().line, "expected %s, got %s", op, p.cur())
	}
	return nil
}

func (p *parser) wantName() (token, error) {
	t := p.cur()
	if t.kind != tokenName {
		return t, p.fail(t.line, "expected a name, got %s", t)
	}
	return p.next(), nil
}

func (p *parser) want(kind tokenKind) error {
	if p.cur().kind != kind {
		return p.fail(p.cur().line, "expected %s, got %s", token{kind: kind}, p.cur())
	}
	p.pos++
	return nil
}

// enter counts a level of nesting; leave ends n of them.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxNesting {
		return &LimitError{Line: p.cur().line, Of: "levels of blocks and expressions within each other", Limit: maxNesting}
	}
	return nil
}

func (p *parser) leave(n int) { p.depth -= n }

// harden makes unknown names found since the mark errors in any case.
func (p *parser) harden(mark int) {
	for i := mark; i < len(p.unknown); i++ {
		p.unknown[i].hard = true
	}
}

// soften forgets unknown names found since the mark that are not hard.
func (p *parser) soften(mark int) {
	kept := slices.DeleteFunc(slices.Clone(p.unknown[mark:]), func(u unknownName) bool { return !u.hard })
	p.unknown = append(p.unknown[:mark], kept...)
}

// statements reads up to one of the tags that end the block of the tag begin,
// whose name it returns; the rest of that tag is left. With begin "" it reads
// the whole template.
func (p *parser) statements(begin string, ends ...string) (body []stmt, end string, err error) {
	if err := p.enter(); err != nil {
		return nil, "", err
	}
	defer p.leave(1)
	line := p.cur().line
	for {
		t := p.next()
		switch t.kind {
		case tokenEOF:
			if begin != "" {
				return nil, "", p.fail(line, "the template ends within {%% %s %%}", begin)
			}
			return body, "", nil
		case tokenData:
			body = append(body, &textStmt{t.text})
		case tokenVariableBegin:
			of, err := p.tuple(true)
			if err != nil {
				return nil, "", err
			}
			if err := p.want(tokenVariableEnd); err != nil {
				return nil, "", err
			}
			body = append(body, &printStmt{of, t.line})
		case tokenBlockBegin:
			name, err := p.wantName()
			if err != nil {
				return nil, "", err
			}
			if slices.Contains(ends, name.text) {
				return body, name.text, nil
			}
			s, err := p.statement(name, begin)
			if err != nil {
				return nil, "", err
			}
			if err := p.want(tokenBlockEnd); err != nil {
				return nil, "", err
			}
			body = append(body, s...)
		default:
			return nil, "", p.fail(t.line, "unexpected %s", t)
		}
	}
}

// block reads the body behind a tag that is not ended yet.
func (p *parser) block(begin string, ends ...string) ([]stmt, string, error) {
	p.skipOp(":")
	if err := p.want(tokenBlockEnd); err != nil {
		return nil, "", err
	}
	return p.statements(begin, ends...)
}

// inner is block for one that has its own names: the unknown filters and tests
// in it are hard.
func (p *parser) inner(begin string, ends ...string) ([]stmt, string, error) {
	mark := len(p.unknown)
	body, end, err := p.block(begin, ends...)
	p.harden(mark)
	return body, end, err
}

// function is inner for a body that no jump can leave.
func (p *parser) function(def *macroDef, begin string) error {
	loops := p.loops
	p.loops = 0
	p.defs = append(p.defs, def)
	body, _, err := p.inner(begin, "end"+begin)
	def.body = body
	p.defs = p.defs[:len(p.defs)-1]
	p.loops = loops
	return err
}

func (p *parser) statement(tag token, within string) ([]stmt, error) {
	one := func(s stmt, err error) ([]stmt, error) { return []stmt{s}, err }
	switch tag.text {
	case "if":
		return one(p.ifBlock())
	case "for":
		return one(p.forBlock(tag.line))
	case "set":
		return one(p.set(tag.line))
	case "with":
		return one(p.with(tag.line))
	case "macro":
		return one(p.macro(tag.line))
	case "call":
		return one(p.call(tag.line))
	case "filter":
		return one(p.filterBlock(tag.line))
	case "generation":
		def := &macroDef{line: tag.line}
		err := p.function(def, "generation")
		return one(&scopeStmt{def.body}, err)
	case "print":
		return p.print(tag.line)
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.fail(tag.line, "{%% %s %%} outside of a loop", tag.text)
		}
		if tag.text == "break" {
			return one(&jumpStmt{breakLoop}, nil)
		}
		return one(&jumpStmt{continueLoop}, nil)
	case "block", "extends", "include", "import", "from", "autoescape":
		return nil, p.fail(tag.line, "{%% %s %%} is not for chat templates, which are one file of text", tag.text)
	}
	if within != "" {
		return nil, p.fail(tag.line, "unknown tag {%% %s %%} within {%% %s %%}", tag.text, within)
	}
	return nil, p.fail(tag.line, "unknown tag {%% %s %%}", tag.text)
}

func (p *parser) ifBlock() (stmt, error) {
	s := &ifStmt{}
	mark := len(p.unknown)
	for end := "elif"; end == "elif"; {
		line := p.cur().line
		test, err := p.tuple(false)
		if err != nil {
			return nil, err
		}
		var body []stmt
		if body, end, err = p.block("if", "elif", "else", "endif"); err != nil {
			return nil, err
		}
		s.branches = append(s.branches, branch{test, body, line})
		if end == "else" {
			if s.other, _, err = p.block("if", "endif"); err != nil {
				return nil, err
			}
		}
	}
	p.soften(mark)
	return s, nil
}

func (p *parser) forBlock(line int) (stmt, error) {
	s := &forStmt{line: line}
	var err error
	if s.to, err = p.assignTarget(false); err != nil {
		return nil, err
	}
	if s.to.has("loop") {
		return nil, p.fail(line, "a loop cannot assign to its own variable, loop")
	}
	if !p.skipName("in") {
		return nil, p.fail(p.cur().line, "expected in, got %s", p.cur())
	}
	if s.over, err = p.tuple(false, "recursive"); err != nil {
		return nil, err
	}
	mark := len(p.unknown)
	if p.skipName("if") {
		if s.test, err = p.expression(); err != nil {
			return nil, err
		}
	}
	p.harden(mark)
	s.recursive = p.skipName("recursive")
	p.loops++
	body, end, err := p.inner("for", "else", "endfor")
	p.loops--
	if err != nil {
		return nil, err
	}
	s.body = body
	if end == "else" {
		if s.other, _, err = p.inner("for", "endfor"); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (p *parser) set(line int) (stmt, error) {
	to, err := p.assignTarget(true)
	if err != nil {
		return nil, err
	}
	if p.skipOp("=") {
		of, err := p.tuple(true)
		return &setStmt{to, of, line}, err
	}
	mark := len(p.unknown)
	filters, err := p.filters()
	if err != nil {
		return nil, err
	}
	p.harden(mark)
	body, _, err := p.inner("set", "endset")
	return &setBlockStmt{to, filters, body, line}, err
}

func (p *parser) with(line int) (stmt, error) {
	s := &withStmt{line: line}
	for p.cur().kind != tokenBlockEnd {
		if len(s.targets) > 0 {
			if err := p.wantOp(","); err != nil {
				return nil, err
			}
		}
		to, err := p.assignTarget(false)
		if err != nil {
			return nil, err
		}
		if err := p.wantOp("="); err != nil {
			return nil, err
		}
		of, err := p.expression()
		if err != nil {
			return nil, err
		}
		s.targets, s.values = append(s.targets, to), append(s.values, of)
	}
	var err error
	s.body, _, err = p.inner("with", "endwith")
	return s, err
}

func (p *parser) macro(line int) (stmt, error) {
	name, err := p.wantName()
	if err != nil {
		return nil, err
	}
	def := &macroDef{name: name.text, line: line}
	if err := p.signature(def); err != nil {
		return nil, err
	}
	return &macroStmt{name.text, def}, p.function(def, "macro")
}

// signature reads the parameters of a macro.
func (p *parser) signature(def *macroDef) error {
	if err := p.wantOp("("); err != nil {
		return err
	}
	mark := len(p.unknown)
	for !p.isOp(")") {
		if len(def.params) == maxArguments {
			return &LimitError{Line: def.line, Of: "parameters", Limit: maxArguments}
		}
		if len(def.params) > 0 {
			if err := p.wantOp(","); err != nil {
				return err
			}
		}
		name, err := p.wantName()
		if err != nil {
			return err
		}
		if slices.Contains(def.params, name.text) {
			return p.fail(name.line, "the parameter %s is there twice", name.text)
		}
		if p.skipOp("=") {
			of, err := p.expression()
			if err != nil {
				return err
			}
			def.defaults = append(def.defaults, of)
		} else if len(def.defaults) > 0 {
			return p.fail(name.line, "the parameter %s without a default stands behind one with a default", name.text)
		}
		def.params = append(def.params, name.text)
	}
	p.harden(mark)
	return p.wantOp(")")
}

func (p *parser) call(line int) (stmt, error) {
	def := &macroDef{line: line}
	if p.isOp("(") {
		if err := p.signature(def); err != nil {
			return nil, err
		}
	}
	of, err := p.expression()
	if err != nil {
		return nil, err
	}
	call, ok := of.(*callExpr)
	if !ok {
		return nil, p.fail(line, "{%% call %%} needs a call, such as {%% call f() %%}")
	}
	return &callStmt{call, def, line}, p.function(def, "call")
}

func (p *parser) filterBlock(line int) (stmt, error) {
	mark := len(p.unknown)
	first, err := p.filter()
	if err != nil {
		return nil, err
	}
	rest, err := p.filters()
	if err != nil {
		return nil, err
	}
	p.harden(mark)
	body, _, err := p.inner("filter", "endfilter")
	return &filterStmt{append([]filterCall{first}, rest...), body, line}, err
}

func (p *parser) print(line int) (all []stmt, err error) {
	for p.cur().kind != tokenBlockEnd {
		if len(all) > 0 {
			if err := p.wantOp(","); err != nil {
				return nil, err
			}
		}
		of, err := p.expression()
		if err != nil {
			return nil, err
		}
		all = append(all, &printStmt{of, line})
	}
	return all, nil
}
