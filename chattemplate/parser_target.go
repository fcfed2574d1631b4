package chattemplate

import "slices"

// assignTarget reads what is assigned to.
func (p *parser) assignTarget(namespaces bool) (target, error) {
	line := p.cur().line
	var parts []target
	comma := false
	for {
		if len(parts) > 0 && (p.isName("in") || p.isOp("=") || p.isOp(")") || p.cur().kind == tokenBlockEnd) {
			break // behind a last comma
		}
		one, err := p.oneTarget(namespaces)
		if err != nil {
			return target{}, err
		}
		parts = append(parts, one)
		if !p.skipOp(",") {
			break
		}
		comma = true
	}
	if !comma {
		return parts[0], nil
	}
	return target{tuple: true, parts: parts, atLine: line}, nil
}

func (p *parser) oneTarget(namespaces bool) (target, error) {
	if p.isOp("(") {
		if err := p.enter(); err != nil {
			return target{}, err
		}
		defer p.leave(1)
		p.pos++
		to, err := p.assignTarget(namespaces)
		if err != nil {
			return target{}, err
		}
		return to, p.wantOp(")")
	}
	name, err := p.wantName()
	if err != nil {
		return target{}, err
	}
	if _, constant := constants[name.text]; constant {
		return target{}, p.fail(name.line, "can't assign to %s", name.text)
	}
	to := target{name: name.text, atLine: name.line}
	if namespaces && p.skipOp(".") {
		attr, err := p.wantName()
		if err != nil {
			return target{}, err
		}
		to.attr = attr.text
	}
	return to, nil
}

// has reports whether a name is assigned to.
func (t target) has(name string) bool {
	return t.name == name && t.attr == "" || slices.ContainsFunc(t.parts, func(part target) bool { return part.has(name) })
}
