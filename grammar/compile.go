package grammar

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/cria-lm/cria/internal/regular"
)

// Grammar is a set of texts, ready to be read byte by byte. What it learns about
// its states is kept and shared by all its matchers; any number of goroutines may
// use it.
type Grammar struct {
	build   func(*builder) (*node, error)
	current atomic.Pointer[automaton]
}

// Compile returns the grammar of parts in order. Literals side by side are joined;
// two holes need a literal between them.
func Compile(parts ...Part) (*Grammar, error) {
	parts = slices.Clone(parts)
	if err := checkBorders(parts); err != nil {
		return nil, err
	}
	return compile(func(b *builder) (*node, error) {
		nodes := make([]*node, len(parts))
		for i, p := range parts {
			var err error
			if nodes[i], err = b.part(p, spaceAfter(parts[:i])); err != nil && len(parts) > 1 {
				err = fmt.Errorf("part %d: %w", i+1, err)
			}
			if err != nil {
				return nil, err
			}
		}
		return b.sequence(nodes...), nil
	})
}

// compile builds a grammar once to see whether it can be built: it is built again
// when too much was kept.
func compile(build func(*builder) (*node, error)) (*Grammar, error) {
	g := &Grammar{build: build}
	a, err := g.begin()
	switch {
	case err != nil:
		return nil, err
	case a.start.err != nil:
		return nil, a.start.err
	}
	return g, nil
}

// compileSearch bounds the search for texts while a grammar is compiled, which takes
// about a tenth of a second.
const compileSearch = 12_000

func (g *Grammar) begin() (*automaton, error) {
	b := newBuilder()
	b.space.LimitSearch(compileSearch)
	start, err := g.build(b)
	if err != nil {
		return nil, err
	}
	if some, err := b.prune(start); err != nil {
		return nil, err
	} else if !some {
		return nil, ErrEmpty
	}
	b.space.LimitSearch(-1)
	a := newAutomaton(b, start)
	g.current.Store(a)
	return a, nil
}

// automaton returns the one to begin a text with.
func (g *Grammar) automaton() *automaton {
	a := g.current.Load()
	if a.full.Load() {
		if fresh, err := g.begin(); err == nil { // it was built before
			return fresh
		}
	}
	return a
}

// Match reports whether a text is in the grammar as a whole.
func (g *Grammar) Match(text string) (bool, error) {
	s := g.automaton().start
	for i := 0; i < len(text) && !s.isDead(); i++ {
		s = s.step(text[i])
	}
	return s.accepting, s.err
}

// Reads returns how many bytes of a text can be read: a text of the grammar begins with
// them, but with no more. All of them may be too few to end there.
func (g *Grammar) Reads(text string) (n int, err error) {
	s := g.automaton().start
	for n < len(text) {
		if s = s.step(text[n]); s.isDead() {
			break
		}
		n++
	}
	return n, s.err
}

// checkBorders makes sure that the end of each hole can be seen in the text.
func checkBorders(parts []Part) error {
	var before Part // the hole before the text, if any
	text := ""
	for i, p := range append(slices.Clone(parts), nil) {
		if literal, ok := p.(Literal); ok {
			if text += string(literal); !utf8.ValidString(text) {
				return fmt.Errorf("part %d: the literal %q is not valid UTF-8", i+1, text)
			}
			continue
		}
		_, line := before.(Line)
		switch {
		case before != nil && p != nil && text == "":
			return fmt.Errorf("part %d follows a hole without text between them", i+1)
		case line && text != "" && text[0] != '\n':
			return fmt.Errorf("the literal %q follows a line, so it must begin with a line break", text)
		}
		before, text = p, ""
	}
	return nil
}

// spaceAfter returns how many spaces a value has before it at least. A colon is followed
// by one: were it open, the colon could not be forced, since tokenizers join it with
// what comes next. Otherwise it depends on text that is not known here, or is a matter
// of taste.
func spaceAfter(parts []Part) int {
	if len(parts) > 0 {
		if literal, ok := parts[len(parts)-1].(Literal); ok && strings.HasSuffix(string(literal), ":") {
			return 1
		}
	}
	return 0
}

// part is a part with at least so many spaces before it if it is a value.
func (b *builder) part(p Part, space int) (*node, error) {
	switch p := p.(type) {
	case Literal:
		return b.literal(string(p)), nil
	case Line:
		l, err := b.line(p)
		return b.hole(b.lexeme(l), space, 2, p.Optional, lineBreak), err
	case Text:
		l, err := b.text(p)
		return b.hole(b.lexeme(l), space, 1, p.Optional, regular.Bytes{}), err
	case Choices:
		if err := checkChoices(p.Values); err != nil {
			return nil, err
		}
		if len(p.Values) == 1 && !p.Optional { // nothing to choose
			return b.literal(" " + p.Values[0]), nil
		}
		return b.hole(b.lexeme(b.space.Literals(p.Values)), space, 1, p.Optional, lineBreak), nil
	case Boolean:
		return b.hole(b.lexeme(b.space.Literals([]string{"false", "true"})), space, 1, p.Optional, lineBreak), nil
	case Integer:
		return b.numberHole(p.Min, p.Max, 0, space, p.Optional)
	case Number:
		return b.numberHole(p.Min, p.Max, maxDecimals, space, p.Optional)
	case Hole:
		switch p.Value.(type) {
		case Regexp, JSONSchema, GBNF:
		default:
			return nil, fmt.Errorf("a %T is not a language that a hole can have", p.Value)
		}
		value, err := b.part(p.Value, 0)
		if err != nil {
			return nil, err
		}
		return b.hole(value, space, 1, p.Optional, lineBreak), nil
	case Regexp:
		l, err := b.match(string(p))
		return b.lexeme(l), err
	case JSONSchema:
		return b.jsonSchema(p)
	case GBNF:
		return b.gbnf(string(p))
	case nil:
		return nil, errors.New("it is nil")
	default:
		return nil, fmt.Errorf("a %T is not supported", p)
	}
}

const (
	maxDigits   = 15 // before the decimal point
	maxDecimals = 6
)

var (
	lineBreak = regular.Range('\n', '\n')
	// notNumber are the bytes that end a number. A comma does not: "1,234" must not
	// be cut to 1.
	notNumber = regular.Range('0', '9').Union(regular.Range(',', ',')).Complement()
)

// hole is a value with some spaces before it, which an absent value need not have. It
// ends where the model ends its turn, at a line break, or, once there is a value, with
// a byte of stops.
func (b *builder) hole(value *node, minSpaces, maxSpaces int, optional bool, stops regular.Bytes) *node {
	space := b.space.Repeat(b.space.Set(' ', ' '), minSpaces, maxSpaces)
	if value.kind == nodeLexeme {
		value = b.lexeme(b.space.Concat(space, value.lang))
	} else {
		value = b.sequence(b.lexeme(space), value)
	}
	filled := b.sequence(value, b.end(stops))
	if !optional {
		return filled
	}
	blank := b.space.Repeat(b.space.Set(' ', ' '), 0, maxSpaces)
	return b.choice(filled, b.sequence(b.lexeme(blank), b.end(lineBreak)))
}

// line is text without line breaks, whose first character is not a space: so it is
// never blank.
func (b *builder) line(p Line) (regular.Lang, error) {
	s := b.space
	if p.MaxBytes < 0 || p.MinLength < 0 || p.MaxLength < 0 {
		return regular.Nothing, errors.New("a length must not be negative")
	}
	first := s.Runes(otherRunes(spaces())...)
	char := s.Runes(0, '\n'-1, '\n'+1, utf8.MaxRune)
	line := s.Concat(first, s.Repeat(char, 0, regular.Unbounded))
	if p.MaxBytes > 0 {
		line = s.Intersection(line, s.Repeat(s.Set(0, 0xff), 1, p.MaxBytes))
	}
	return b.limited(line, p.MinLength, p.MaxLength, p.Pattern, p.Format)
}

// limited is those of some texts that have a length, match a pattern and have a format,
// unless that is 0 or "". They do not end with a space then, which would not count.
func (b *builder) limited(texts regular.Lang, minLength, maxLength int, pattern, format string) (regular.Lang, error) {
	if minLength == 0 && maxLength == 0 && pattern == "" && format == "" {
		return texts, nil
	}
	s := b.space
	if minLength > 0 || maxLength > 0 {
		texts = s.Intersection(texts, s.Repeat(s.AnyChar(), minLength, cmp.Or(maxLength, regular.Unbounded)))
	}
	if pattern != "" {
		l, err := b.match(pattern)
		if err != nil {
			return regular.Nothing, err
		}
		texts = s.Intersection(texts, l)
	}
	if format != "" {
		l, ok := b.format(format, s.Runes)
		if !ok {
			return regular.Nothing, fmt.Errorf("the format %q is not known", format)
		}
		texts = s.Intersection(texts, l)
	}
	blank := s.Runes(spaces()...)
	return s.Difference(texts, s.Concat(s.Repeat(s.AnyChar(), 0, regular.Unbounded), blank)), nil
}

// text is text of several lines, whose first character is not a space. Where a line must
// not begin with something, the text must not either: it may begin a line itself.
func (b *builder) text(p Text) (regular.Lang, error) {
	switch {
	case p.Without == "" || !utf8.ValidString(p.Without):
		return regular.Nothing, fmt.Errorf("a text needs something that ends it, in UTF-8, not %q", p.Without)
	case p.MinLength < 0 || p.MaxLength < 0:
		return regular.Nothing, errors.New("a length must not be negative")
	}
	s := b.space
	any := s.Repeat(s.AnyChar(), 0, regular.Unbounded)
	first := s.Runes(otherRunes(spaces())...)
	text := s.Concat(first, any)
	for _, not := range []string{p.Without, "\n\n\n"} {
		text = s.Difference(text, s.Concat(any, s.Literal(not), any))
	}
	if begin := strings.TrimPrefix(p.Without, "\n"); begin != p.Without && begin != "" {
		text = s.Difference(text, s.Concat(s.Literal(begin), any))
	}
	return b.limited(text, p.MinLength, p.MaxLength, p.Pattern, p.Format)
}

// spaces returns the ranges of the characters that Unicode calls spaces.
var spaces = sync.OnceValue(func() (ranges []rune) {
	for r := range rune(0x10000) {
		if unicode.IsSpace(r) {
			ranges = append(ranges, r, r)
		}
	}
	return ranges
})

// numberHole is a hole for a number of a range.
func (b *builder) numberHole(min, max *float64, decimals, space int, optional bool) (*node, error) {
	for _, v := range []*float64{min, max} {
		if v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
			return nil, fmt.Errorf("the limit %v is not a number", *v)
		}
	}
	l := b.number(decimals)
	if min != nil || max != nil {
		l = b.space.Intersection(l, b.between(min, max))
	}
	return b.hole(b.lexeme(l), space, 1, optional, notNumber), nil
}

// number is a decimal number with at most so many decimals.
func (b *builder) number(decimals int) regular.Lang {
	s := b.space
	digit := s.Set('0', '9')
	whole := s.Union(s.Literal("0"), s.Concat(s.Set('1', '9'), s.Repeat(digit, 0, maxDigits-1)))
	l := s.Concat(s.Optional(s.Literal("-")), whole)
	if decimals > 0 {
		l = s.Concat(l, s.Optional(s.Concat(s.Literal("."), s.Repeat(digit, 1, decimals))))
	}
	return l
}

// match is the texts that an expression matches as a whole.
func (b *builder) match(expr string) (regular.Lang, error) {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return regular.Nothing, shortSyntax(err)
	}
	l, err := b.space.Match(re, b.space.Runes)
	if err != nil {
		return regular.Nothing, fmt.Errorf("the expression %q: %w", abbreviate(expr), err)
	}
	return l, nil
}

// shortSyntax abbreviates what an error of a regular expression quotes of it.
func shortSyntax(err error) error {
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		return &syntax.Error{Code: wrong.Code, Expr: abbreviate(wrong.Expr)}
	}
	return err
}

func checkChoices(values []string) error {
	if len(values) == 0 {
		return errors.New("no values to choose from")
	}
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		switch {
		case !utf8.ValidString(v):
			return fmt.Errorf("choice %q: it is not valid UTF-8", v)
		case v == "" || v != strings.TrimSpace(v) || strings.Contains(v, "\n"):
			return fmt.Errorf("choice %q: it must be one line without space at its ends", v)
		case seen[v]:
			return fmt.Errorf("choice %q stands there twice", v)
		}
		seen[v] = true
	}
	return nil
}
