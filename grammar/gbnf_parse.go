package grammar

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cria-lm/cria/internal/regular"
)

// gbnf is an expression of a rule.
type gbnf struct {
	kind     gbnfKind
	parts    []*gbnf // sequence, choice; repeat: one
	min, max int
	text     string // literal, and the name of a rule
	ranges   []rune // class
	at       int    // byte in the text, of a rule
}

type gbnfKind uint8

const (
	gbnfSequence gbnfKind = iota
	gbnfChoice
	gbnfRepeat
	gbnfLiteral
	gbnfClass
	gbnfRule
)

// maxRules bounds a grammar.
const maxRules = 10_000

// gbnfParser reads the notation.
type gbnfParser struct {
	text  string
	at    int
	depth int
	rules map[string]*gbnf
	names []string // in order
}

func (p *gbnfParser) errorf(at int, format string, args ...any) error {
	line := 1 + strings.Count(p.text[:at], "\n")
	column := at - strings.LastIndexByte(p.text[:at], '\n')
	return fmt.Errorf("line %d, column %d: %w", line, column, fmt.Errorf(format, args...))
}

// space skips spaces and comments, and line breaks where a rule goes on.
func (p *gbnfParser) space(lines bool) {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == ' ' || c == '\t' || lines && (c == '\n' || c == '\r'):
			p.at++
		case c == '#':
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
		default:
			return
		}
	}
}

func parseGBNF(text string) (*gbnfParser, error) {
	p := &gbnfParser{text: text, rules: map[string]*gbnf{}}
	if !utf8.ValidString(text) {
		return nil, errors.New("it is not valid UTF-8")
	}
	for p.space(true); p.at < len(p.text); p.space(true) {
		at := p.at
		name := p.name()
		if name == "" {
			return nil, p.errorf(at, "want the name of a rule")
		}
		p.space(false)
		if !strings.HasPrefix(p.text[p.at:], "::=") {
			return nil, p.errorf(p.at, "want ::= after the name of the rule %s", name)
		}
		p.at += len("::=")
		p.space(true)
		body, err := p.choice(false)
		if err != nil {
			return nil, err
		}
		if p.at < len(p.text) && p.text[p.at] != '\n' && p.text[p.at] != '\r' {
			return nil, p.errorf(p.at, "want a new line after the rule %s", name)
		}
		if p.rules[name] == nil {
			if p.names = append(p.names, name); len(p.names) > maxRules {
				return nil, &TooComplexError{fmt.Sprintf("more than %d rules", maxRules)}
			}
		}
		p.rules[name] = body // the last one counts, as in llama.cpp
	}
	if p.rules["root"] == nil {
		return nil, errors.New("there is no rule root")
	}
	for _, name := range p.names {
		if err := p.known(p.rules[name]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// known makes sure that all rules that are used are there.
func (p *gbnfParser) known(g *gbnf) error {
	if g.kind == gbnfRule && p.rules[g.text] == nil {
		return p.errorf(g.at, "there is no rule %s", g.text)
	}
	for _, part := range g.parts {
		if err := p.known(part); err != nil {
			return err
		}
	}
	return nil
}

func (p *gbnfParser) name() string {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			p.at++
			continue
		}
		break
	}
	return p.text[start:p.at]
}

// choice reads alternatives; within a group they may stand on several lines.
func (p *gbnfParser) choice(group bool) (*gbnf, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.errorf(p.at, "groups are nested deeper than %d", maxNesting)
	}
	defer func() { p.depth-- }()
	choice := &gbnf{kind: gbnfChoice}
	for {
		sequence, err := p.sequence(group)
		if err != nil {
			return nil, err
		}
		choice.parts = append(choice.parts, sequence)
		before := p.at
		p.space(true) // the next alternative may begin a line
		if p.at == len(p.text) || p.text[p.at] != '|' {
			if !group {
				p.at = before
			}
			return choice, nil
		}
		p.at++
		p.space(true)
	}
}

func (p *gbnfParser) sequence(group bool) (*gbnf, error) {
	sequence := &gbnf{kind: gbnfSequence}
	for {
		p.space(group)
		item, err := p.item()
		if err != nil {
			return nil, err
		}
		if item == nil {
			return sequence, nil
		}
		if item, err = p.repeats(item, group); err != nil {
			return nil, err
		}
		sequence.parts = append(sequence.parts, item)
	}
}

// item reads one element, nil if there is none.
func (p *gbnfParser) item() (*gbnf, error) {
	if p.at == len(p.text) {
		return nil, nil
	}
	switch at := p.at; p.text[at] {
	case '"':
		return p.literal()
	case '[':
		return p.class()
	case '.':
		p.at++
		return &gbnf{kind: gbnfClass, ranges: []rune{0, utf8.MaxRune}}, nil
	case '(':
		p.at++
		p.space(true)
		group, err := p.choice(true)
		if err != nil {
			return nil, err
		}
		if p.at == len(p.text) || p.text[p.at] != ')' {
			return nil, p.errorf(at, "the group has no end")
		}
		p.at++
		return group, nil
	case '<', '!':
		return nil, p.errorf(at, "references to tokens are not supported")
	}
	at := p.at
	if name := p.name(); name != "" {
		return &gbnf{kind: gbnfRule, text: name, at: at}, nil
	}
	return nil, nil
}

func (p *gbnfParser) literal() (*gbnf, error) {
	start := p.at
	p.at++
	var b strings.Builder
	for {
		if p.at == len(p.text) || p.text[p.at] == '\n' {
			return nil, p.errorf(start, "the literal has no end")
		}
		if p.text[p.at] == '"' {
			p.at++
			return &gbnf{kind: gbnfLiteral, text: b.String()}, nil
		}
		r, err := p.char()
		if err != nil {
			return nil, err
		}
		b.WriteRune(r)
	}
}

func (p *gbnfParser) class() (*gbnf, error) {
	start := p.at
	p.at++
	not := p.at < len(p.text) && p.text[p.at] == '^'
	if not {
		p.at++
	}
	class := &gbnf{kind: gbnfClass}
	for {
		if p.at == len(p.text) || p.text[p.at] == '\n' {
			return nil, p.errorf(start, "the class has no end")
		}
		if p.text[p.at] == ']' {
			p.at++
			break
		}
		lo, err := p.char()
		if err != nil {
			return nil, err
		}
		hi := lo
		if p.at+1 < len(p.text) && p.text[p.at] == '-' && p.text[p.at+1] != ']' {
			p.at++
			if hi, err = p.char(); err != nil {
				return nil, err
			}
		}
		if hi < lo {
			return nil, p.errorf(start, "the range from %q to %q is empty", lo, hi)
		}
		class.ranges = append(class.ranges, lo, hi)
	}
	if not {
		class.ranges = otherRunes(class.ranges)
	}
	return class, nil
}

// otherRunes returns the ranges of the characters that are in none of some.
func otherRunes(ranges []rune) []rune {
	type span struct{ lo, hi rune }
	var spans []span
	for i := 0; i < len(ranges); i += 2 {
		spans = append(spans, span{ranges[i], ranges[i+1]})
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.lo - b.lo) })
	var others []rune
	from := rune(0)
	for _, s := range spans {
		if s.lo > from {
			others = append(others, from, s.lo-1)
		}
		from = max(from, s.hi+1)
	}
	if from <= utf8.MaxRune {
		others = append(others, from, utf8.MaxRune)
	}
	return others
}

// char reads a character of a literal or a class.
func (p *gbnfParser) char() (rune, error) {
	if p.text[p.at] != '\\' {
		r, size := utf8.DecodeRuneInString(p.text[p.at:])
		p.at += size
		return r, nil
	}
	at := p.at
	if at+1 == len(p.text) {
		return 0, p.errorf(at, "the escape has no end")
	}
	p.at += 2
	switch c := p.text[at+1]; c {
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case '"', '\\', '[', ']', '-':
		return rune(c), nil
	case 'x', 'u', 'U':
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		if p.at+digits <= len(p.text) {
			if n, err := strconv.ParseUint(p.text[p.at:p.at+digits], 16, 32); err == nil && utf8.ValidRune(rune(n)) {
				p.at += digits
				return rune(n), nil
			}
		}
		return 0, p.errorf(at, `want %d hexadecimal digits of a character after \%c`, digits, c)
	default:
		return 0, p.errorf(at, `\%c is no escape`, c)
	}
}

// repeats reads what stands behind an element, with or without space before it.
func (p *gbnfParser) repeats(item *gbnf, group bool) (*gbnf, error) {
	for p.space(group); p.at < len(p.text); p.space(group) {
		r := &gbnf{kind: gbnfRepeat, parts: []*gbnf{item}, max: regular.Unbounded}
		switch p.text[p.at] {
		case '*':
		case '+':
			r.min = 1
		case '?':
			r.max = 1
		case '{':
			end := strings.IndexByte(p.text[p.at:], '}')
			if end < 0 {
				return nil, p.errorf(p.at, "the repetition has no end")
			}
			low, high, ranged := strings.Cut(p.text[p.at+1:p.at+end], ",")
			low, high = strings.TrimSpace(low), strings.TrimSpace(high)
			var err error
			if r.min, err = strconv.Atoi(low); low == "" && ranged {
				r.min, err = 0, nil
			}
			if err == nil && !ranged {
				r.max = r.min
			} else if err == nil && high != "" {
				r.max, err = strconv.Atoi(high)
			}
			if err != nil || r.min < 0 || r.max != regular.Unbounded && r.max < r.min || max(r.min, r.max) > 1<<30 {
				return nil, p.errorf(p.at, "%s is no repetition", p.text[p.at:p.at+end+1])
			}
			p.at += end
		default:
			return item, nil
		}
		p.at++
		item = r
	}
	return item, nil
}
