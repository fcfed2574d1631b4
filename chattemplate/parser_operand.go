package chattemplate

import (
	"slices"
	"strings"
)

// constants are the names that are values.
var constants = map[string]value{"true": true, "True": true, "false": false, "False": false, "none": nil, "None": nil}

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
