package chattemplate

import "slices"

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
