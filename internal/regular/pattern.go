package regular

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Alphabet is how characters are written: the language of those of ranges (pairs
// of first and last). [Space.Runes] is one.
type Alphabet func(ranges ...rune) Lang

// Match returns the texts that re matches as a whole. Anchors may stand where they
// say nothing new: at the ends, also of alternatives there.
func (s *Space) Match(re *syntax.Regexp, a Alphabet) (Lang, error) {
	c := &patternCompiler{space: s, alphabet: a}
	variants, err := c.variants(re)
	if err != nil {
		return Nothing, err
	}
	var parts []Lang
	for _, v := range variants {
		parts = append(parts, v.lang)
	}
	return s.Union(parts...), nil
}

// Search returns the texts in which re matches somewhere.
func (s *Space) Search(re *syntax.Regexp, a Alphabet) (Lang, error) {
	c := &patternCompiler{space: s, alphabet: a}
	variants, err := c.variants(re)
	if err != nil {
		return Nothing, err
	}
	anything := s.Repeat(a(0, utf8.MaxRune), 0, Unbounded)
	var parts []Lang
	for _, v := range variants {
		before, after := anything, anything
		if v.start {
			before = Empty
		}
		if v.end {
			after = Empty
		}
		parts = append(parts, s.Concat(before, v.lang, after))
	}
	return s.Union(parts...), nil
}

type patternCompiler struct {
	space    *Space
	alphabet Alphabet
}

// variant is an alternative of a pattern with its anchors taken off.
type variant struct {
	start, end bool // it was anchored there
	lang       Lang
}

// maxVariants bounds the alternatives that anchors make.
const maxVariants = 256

// variants spreads the alternatives at the ends of a pattern out, as each may be
// anchored or not.
func (c *patternCompiler) variants(re *syntax.Regexp) ([]variant, error) {
	if !anchored(re) {
		l, err := c.lang(re)
		return []variant{{lang: l}}, err
	}
	switch re.Op {
	case syntax.OpBeginText:
		return []variant{{start: true, lang: Empty}}, nil
	case syntax.OpEndText:
		return []variant{{end: true, lang: Empty}}, nil
	case syntax.OpCapture:
		return c.variants(re.Sub[0])
	case syntax.OpAlternate:
		var all []variant
		for _, sub := range re.Sub {
			v, err := c.variants(sub)
			if err != nil {
				return nil, err
			}
			all = append(all, v...)
		}
		return all, nil
	case syntax.OpConcat:
		return c.concatVariants(re.Sub)
	}
	return nil, fmt.Errorf("an anchor within %s is not supported", re)
}

func (c *patternCompiler) concatVariants(subs []*syntax.Regexp) ([]variant, error) {
	all := []variant{{lang: Empty}}
	for i, sub := range subs {
		parts, err := c.variants(sub)
		if err != nil {
			return nil, err
		}
		if len(all)*len(parts) > maxVariants {
			return nil, errors.New("too many alternatives have anchors")
		}
		var next []variant
		for _, before := range all {
			for _, part := range parts {
				if part.start && !onlyStart(subs[:i]) || before.end && !onlyEnd(sub) {
					return nil, errors.New("an anchor that is not at an end is not supported")
				}
				next = append(next, variant{before.start || part.start, before.end || part.end, c.space.Concat(before.lang, part.lang)})
			}
		}
		all = next
	}
	return all, nil
}

func onlyStart(subs []*syntax.Regexp) bool {
	return !slices.ContainsFunc(subs, func(re *syntax.Regexp) bool { return re.Op != syntax.OpBeginText })
}

func onlyEnd(re *syntax.Regexp) bool { return re.Op == syntax.OpEndText }

func anchored(re *syntax.Regexp) bool {
	return re.Op == syntax.OpBeginText || re.Op == syntax.OpEndText || slices.ContainsFunc(re.Sub, anchored)
}

// lang is the language of a pattern without anchors.
func (c *patternCompiler) lang(re *syntax.Regexp) (Lang, error) {
	s := c.space
	switch re.Op {
	case syntax.OpNoMatch:
		return Nothing, nil
	case syntax.OpEmptyMatch:
		return Empty, nil
	case syntax.OpLiteral:
		return c.literal(re.Rune, re.Flags&syntax.FoldCase != 0)
	case syntax.OpCharClass:
		return c.alphabet(re.Rune...), nil
	case syntax.OpAnyCharNotNL:
		return c.alphabet(0, '\n'-1, '\n'+1, utf8.MaxRune), nil
	case syntax.OpAnyChar:
		return c.alphabet(0, utf8.MaxRune), nil
	case syntax.OpCapture:
		return c.lang(re.Sub[0])
	case syntax.OpStar:
		return c.repeat(re.Sub[0], 0, Unbounded)
	case syntax.OpPlus:
		return c.repeat(re.Sub[0], 1, Unbounded)
	case syntax.OpQuest:
		return c.repeat(re.Sub[0], 0, 1)
	case syntax.OpRepeat:
		return c.repeat(re.Sub[0], re.Min, re.Max)
	case syntax.OpConcat, syntax.OpAlternate:
		parts := make([]Lang, len(re.Sub))
		for i, sub := range re.Sub {
			var err error
			if parts[i], err = c.lang(sub); err != nil {
				return Nothing, err
			}
		}
		if len(parts) > maxElements {
			return Nothing, errTooLong
		}
		if re.Op == syntax.OpConcat {
			return s.Concat(parts...), nil
		}
		return s.Union(parts...), nil
	default:
		return Nothing, fmt.Errorf("%s is not supported", re)
	}
}

func (c *patternCompiler) repeat(re *syntax.Regexp, min, max int) (Lang, error) {
	l, err := c.lang(re)
	return c.space.Repeat(l, min, max), err
}

// maxElements bounds the elements in a row that are not one string.
const maxElements = 50_000

// literal is characters in a row.
func (c *patternCompiler) literal(runes []rune, fold bool) (Lang, error) {
	s := c.space
	var parts []Lang
	var text []byte // of the last of them
	chars := map[rune]Lang{}
	for _, r := range runes {
		char, ok := chars[r]
		if !ok {
			char = c.char(r, fold)
			chars[r] = char
		}
		if one, ok := s.only(char); ok {
			text = append(text, one...)
			continue
		}
		parts, text = append(parts, s.Literal(string(text)), char), nil
		if len(parts) > maxElements {
			return Nothing, errTooLong
		}
	}
	return s.Concat(append(parts, s.Literal(string(text)))...), nil
}

var errTooLong = fmt.Errorf("more than %d elements in a row", maxElements)

// only returns the string of a language that has one only, if that can be seen.
func (s *Space) only(l Lang) (text string, ok bool) {
	for n := &s.nodes[l]; n.kind == kindConcat; n = &s.nodes[l] {
		head, ok := s.only(n.a)
		if !ok {
			return "", false
		}
		text += head
		l = n.b
	}
	switch n := &s.nodes[l]; {
	case n.kind == kindEmpty:
		return text, true
	case n.kind == kindLiteral:
		return text + s.textOf(n), true
	case n.kind == kindSet && n.set.Len() == 1:
		return text + string([]byte{n.set.first()}), true
	}
	return "", false
}

func (c *patternCompiler) char(r rune, fold bool) Lang {
	ranges := []rune{r, r}
	for f := unicode.SimpleFold(r); fold && f != r; f = unicode.SimpleFold(f) {
		ranges = append(ranges, f, f)
	}
	return c.alphabet(ranges...)
}
