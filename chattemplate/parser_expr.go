package chattemplate

import (
	"slices"
	"strings"
)

// constants are the names that are values.
var constants = map[string]value{"true": true, "True": true, "false": false, "False": false, "none": nil, "None": nil}

func (p *parser) expression() (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave(1)
	mark := len(p.unknown)
	left, err := p.or()
	for n := 0; err == nil && p.isName("if"); n++ {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave(1)
		line := p.next().line
		s := &ifExpr{yes: left, line: line}
		if s.test, err = p.or(); err != nil {
			return nil, err
		}
		if p.skipName("else") {
			if s.no, err = p.expression(); err != nil {
				return nil, err
			}
		}
		p.soften(mark)
		left = s
	}
	return left, err
}

// chain reads operands with left associative operators between them.
func (p *parser) chain(operand func() (expr, error), next func() (op string, ok bool), join func(op string, left, right expr, line int) expr) (expr, error) {
	left, err := operand()
	levels := 0
	defer func() { p.leave(levels) }()
	for err == nil {
		line := p.cur().line
		op, ok := next()
		if !ok {
			return left, nil
		}
		levels++
		if err := p.enter(); err != nil {
			return nil, err
		}
		var right expr
		if right, err = operand(); err == nil {
			left = join(op, left, right, line)
		}
	}
	return nil, err
}

// nextName and nextOp return a function that moves over one of the words.
func (p *parser) nextName(name string) func() (string, bool) {
	return func() (string, bool) { return name, p.skipName(name) }
}

func (p *parser) nextOp(ops ...string) func() (string, bool) {
	return func() (string, bool) {
		t := p.cur()
		if t.kind != tokenOperator || !slices.Contains(ops, t.text) {
			return "", false
		}
		p.pos++
		return t.text, true
	}
}

func binary(op string, left, right expr, line int) expr { return &binaryExpr{op, left, right, line} }

func (p *parser) or() (expr, error) {
	return p.chain(p.and, p.nextName("or"), func(_ string, left, right expr, _ int) expr { return &orExpr{left, right} })
}

func (p *parser) and() (expr, error) {
	return p.chain(p.not, p.nextName("and"), func(_ string, left, right expr, _ int) expr { return &andExpr{left, right} })
}

func (p *parser) not() (expr, error) {
	if !p.skipName("not") {
		return p.compare()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave(1)
	of, err := p.not()
	return &notExpr{of}, err
}

func (p *parser) compare() (expr, error) {
	line := p.cur().line
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	s := &compareExpr{first: first, line: line}
	next := p.nextOp("==", "!=", "<", "<=", ">", ">=")
	for {
		op, ok := next()
		switch {
		case ok:
		case p.skipName("in"):
			op = "in"
		case p.isName("not") && p.peek().kind == tokenName && p.peek().text == "in":
			p.pos += 2
			op = "notin"
		case len(s.ops) == 0:
			return first, nil
		default:
			return s, nil
		}
		right, err := p.sum()
		if err != nil {
			return nil, err
		}
		s.ops, s.rest = append(s.ops, op), append(s.rest, right)
	}
}

func (p *parser) sum() (expr, error) { return p.chain(p.concat, p.nextOp("+", "-"), binary) }

func (p *parser) concat() (expr, error) {
	line := p.cur().line
	first, err := p.product()
	if err != nil || !p.isOp("~") {
		return first, err
	}
	s := &concatExpr{parts: []expr{first}, line: line}
	for p.skipOp("~") {
		part, err := p.product()
		if err != nil {
			return nil, err
		}
		s.parts = append(s.parts, part)
	}
	return s, nil
}

func (p *parser) product() (expr, error) {
	return p.chain(p.power, p.nextOp("*", "/", "//", "%"), binary)
}

func (p *parser) power() (expr, error) {
	return p.chain(func() (expr, error) { return p.unary(true) }, p.nextOp("**"), binary)
}

func (p *parser) unary(filters bool) (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave(1)
	var of expr
	var err error
	if line := p.cur().line; p.isOp("-") || p.isOp("+") {
		op := p.next().text
		if of, err = p.unary(false); err != nil {
			return nil, err
		}
		of = &unaryExpr{op, of, line}
	} else if of, err = p.primary(); err != nil {
		return nil, err
	}
	return p.postfix(of, filters)
}

// postfix reads what stands behind an operand: subscripts and calls, and then
// filters and tests, which may be called but have no subscripts.
func (p *parser) postfix(of expr, filters bool) (_ expr, err error) {
	levels := 0
	defer func() { p.leave(levels) }()
	subscripts := true
	for {
		levels++
		if err := p.enter(); err != nil {
			return nil, err
		}
		switch {
		case subscripts && (p.isOp(".") || p.isOp("[")):
			of, err = p.subscript(of)
		case p.isOp("("):
			line := p.cur().line
			var a arguments
			a, err = p.arguments()
			of = &callExpr{of, a, line}
		case filters && p.isOp("|"):
			subscripts = false
			p.pos++
			var f filterCall
			f, err = p.filter()
			of = &filterExpr{of, f}
		case filters && p.isName("is"):
			subscripts = false
			of, err = p.test(of)
		default:
			return of, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) primary() (expr, error) {
	t := p.cur()
	switch {
	case t.kind == tokenName:
		p.pos++
		if v, ok := constants[t.text]; ok {
			return &constExpr{v}, nil
		}
		for _, def := range p.defs {
			def.varargs = def.varargs || t.text == "varargs"
			def.kwargs = def.kwargs || t.text == "kwargs"
			def.caller = def.caller || t.text == "caller"
		}
		return &nameExpr{t.text}, nil
	case t.kind == tokenString:
		var text strings.Builder
		for p.cur().kind == tokenString {
			text.WriteString(p.next().text)
		}
		return &constExpr{text.String()}, nil
	case t.kind == tokenInt:
		p.pos++
		n, err := parseInt(t.text)
		if err != nil {
			return nil, p.fail(t.line, "the integer %s does not fit 64 bits", t.text)
		}
		return &constExpr{n}, nil
	case t.kind == tokenFloat:
		p.pos++
		f, ok := parseFloat(t.text)
		if !ok {
			return nil, p.fail(t.line, "%s is not a number", t.text)
		}
		return &constExpr{f}, nil
	case p.skipOp("("):
		of, err := p.parenthesized()
		if err != nil {
			return nil, err
		}
		return of, p.wantOp(")")
	case p.skipOp("["):
		items, err := p.items("]")
		return &listExpr{items}, err
	case p.isOp("{"):
		return p.dict()
	}
	return nil, p.fail(t.line, "unexpected %s", t)
}

// parenthesized reads what stands in parentheses, which may be nothing.
func (p *parser) parenthesized() (expr, error) {
	if p.isOp(")") {
		return &tupleExpr{}, nil
	}
	return p.tuple(true)
}

// tuple reads an expression, or several with commas between them, up to the end
// of a tag, a parenthesis or one of the names.
func (p *parser) tuple(conditional bool, ends ...string) (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave(1)
	one := p.expression
	if !conditional {
		one = p.or
	}
	var items []expr
	for {
		t := p.cur()
		if t.kind == tokenVariableEnd || t.kind == tokenBlockEnd || p.isOp(")") || t.kind == tokenName && slices.Contains(ends, t.text) {
			break
		}
		of, err := one()
		if err != nil {
			return nil, err
		}
		items = append(items, of)
		if !p.skipOp(",") {
			if len(items) == 1 {
				return of, nil
			}
			return &tupleExpr{items}, nil
		}
	}
	if len(items) == 0 {
		return nil, p.fail(p.cur().line, "expected an expression, got %s", p.cur())
	}
	return &tupleExpr{items}, nil // with a comma at its end
}

// items reads expressions up to a bracket.
func (p *parser) items(end string) (items []expr, err error) {
	for !p.isOp(end) {
		if len(items) > 0 {
			if err := p.wantOp(","); err != nil {
				return nil, err
			}
			if p.isOp(end) {
				break
			}
		}
		of, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, of)
	}
	return items, p.wantOp(end)
}

func (p *parser) dict() (expr, error) {
	s := &dictExpr{line: p.next().line}
	for !p.isOp("}") {
		if len(s.keys) > 0 {
			if err := p.wantOp(","); err != nil {
				return nil, err
			}
			if p.isOp("}") {
				break
			}
		}
		key, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.wantOp(":"); err != nil {
			return nil, err
		}
		of, err := p.expression()
		if err != nil {
			return nil, err
		}
		s.keys, s.values = append(s.keys, key), append(s.values, of)
	}
	return s, p.wantOp("}")
}

func (p *parser) subscript(of expr) (expr, error) {
	t := p.next()
	if t.text == "." {
		name := p.next()
		switch name.kind {
		case tokenName:
			return &attrExpr{of, name.text, t.line}, nil
		case tokenInt:
			n, err := parseInt(name.text)
			if err != nil {
				return nil, p.fail(name.line, "the integer %s does not fit 64 bits", name.text)
			}
			return &itemExpr{of, &constExpr{n}, t.line}, nil
		}
		return nil, p.fail(name.line, "expected a name or a number behind the dot, got %s", name)
	}
	var start expr
	var err error
	if !p.isOp(":") {
		if start, err = p.expression(); err != nil {
			return nil, err
		}
		if !p.isOp(":") {
			if p.isOp(",") {
				return nil, p.fail(t.line, "a subscript of several values is not known here")
			}
			return &itemExpr{of, start, t.line}, p.wantOp("]")
		}
	}
	s := &sliceExpr{of: of, start: start, line: t.line}
	for _, part := range []*expr{&s.stop, &s.step} {
		if p.skipOp(":") && !p.isOp(":") && !p.isOp("]") {
			if *part, err = p.expression(); err != nil {
				return nil, err
			}
		}
	}
	return s, p.wantOp("]")
}

func (p *parser) arguments() (a arguments, err error) {
	open := p.next()
	for n := 0; !p.isOp(")"); n++ {
		if n == maxArguments {
			return a, &LimitError{Line: open.line, Of: "arguments of a call", Limit: maxArguments}
		}
		if n > 0 {
			if err := p.wantOp(","); err != nil {
				return a, err
			}
			if p.isOp(")") {
				break
			}
		}
		switch {
		case p.isOp("*") && a.star == nil && a.starStar == nil:
			p.pos++
			a.star, err = p.expression()
		case p.isOp("**") && a.starStar == nil:
			p.pos++
			a.starStar, err = p.expression()
		case p.cur().kind == tokenName && p.peek().kind == tokenOperator && p.peek().text == "=" && a.starStar == nil:
			name := p.next()
			p.pos++
			if slices.Contains(a.names, name.text) {
				return a, p.fail(name.line, "the argument %s is there twice", name.text)
			}
			var of expr
			of, err = p.expression()
			a.names, a.named = append(a.names, name.text), append(a.named, of)
		case a.star == nil && a.starStar == nil && len(a.named) == 0:
			var of expr
			of, err = p.expression()
			a.positional = append(a.positional, of)
		default:
			return a, p.fail(open.line, "the arguments of a call are in the wrong order")
		}
		if err != nil {
			return a, err
		}
	}
	return a, p.wantOp(")")
}

// filters reads | filter | filter ...
func (p *parser) filters() (all []filterCall, err error) {
	for p.skipOp("|") {
		f, err := p.filter()
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// filter reads the name and the arguments of a filter.
func (p *parser) filter() (f filterCall, err error) {
	f.name, f.line, err = p.dottedName()
	if err != nil {
		return f, err
	}
	if filters[f.name] == nil {
		p.unknown = append(p.unknown, unknownName{err: p.fail(f.line, "there is no filter %s", f.name)})
	}
	if p.isOp("(") {
		f.args, err = p.arguments()
	}
	return f, err
}

func (p *parser) dottedName() (string, int, error) {
	t, err := p.wantName()
	name := t.text
	for err == nil && p.skipOp(".") {
		var more token
		more, err = p.wantName()
		name += "." + more.text
	}
	return name, t.line, err
}

func (p *parser) test(of expr) (expr, error) {
	p.pos++ // is
	negated := p.skipName("not")
	s := &testExpr{of: of}
	var err error
	if s.name, s.line, err = p.dottedName(); err != nil {
		return nil, err
	}
	if tests[s.name] == nil {
		p.unknown = append(p.unknown, unknownName{err: p.fail(s.line, "there is no test %s", s.name)})
	}
	switch t := p.cur(); {
	case p.isOp("("):
		s.args, err = p.arguments()
	case p.isName("is"):
		return nil, p.fail(t.line, "tests cannot be chained with is")
	case t.kind == tokenString || t.kind == tokenInt || t.kind == tokenFloat || p.isOp("[") || p.isOp("{"),
		t.kind == tokenName && t.text != "else" && t.text != "or" && t.text != "and":
		var arg expr
		if arg, err = p.primary(); err == nil {
			arg, err = p.postfix(arg, false)
		}
		s.args.positional = []expr{arg}
	}
	if err != nil {
		return nil, err
	}
	if negated {
		return &notExpr{s}, nil
	}
	return s, nil
}
