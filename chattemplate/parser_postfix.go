package chattemplate

import "slices"

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
