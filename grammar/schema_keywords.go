package grammar

import (
	"math/big"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cria-lm/cria/internal/regular"
)

// schemaCompiler turns the schemas of a document into sets of values, and those into
// rules of a grammar.
type schemaCompiler struct {
	b           *builder
	space       *regular.Space
	doc         *document
	unsupported []Unsupported
	within      []*schema // those being worked on

	conjs           map[string]*conj
	anything, never *conj

	gap     regular.Lang // what may stand behind commas and colons
	chars   regular.Lang // one character of a string
	texts   regular.Lang // any string
	numbers regular.Lang // any number
	whole   regular.Lang // any integer
	formats map[string]regular.Lang
}

func newSchemaCompiler(b *builder, doc *document) *schemaCompiler {
	c := &schemaCompiler{b: b, space: b.space, doc: doc, gap: regular.Empty, conjs: map[string]*conj{}, formats: map[string]regular.Lang{}}
	c.never = &conj{id: -1, never: true}
	c.anything = c.conj(nil, nil)
	c.chars = c.char(0, utf8.MaxRune)
	c.texts = c.space.Repeat(c.chars, 0, regular.Unbounded)
	c.whole, c.numbers = b.decimals()
	return c
}

// Keywords that say nothing about which values are allowed.
var annotations = []string{"$schema", "$id", "$anchor", "$dynamicAnchor", "$vocabulary", "$comment", "$defs", "definitions",
	"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
	"contentEncoding", "contentMediaType", "contentSchema"}

// expand returns the values of a schema.
func (c *schemaCompiler) expand(s *schema) *set {
	switch {
	case s.set != nil:
		return s.set
	case s.expanding:
		c.fail(s, "it refers to itself without end")
	case s.v.kind == valueBool && s.v.truth:
		return c.universe()
	case s.v.kind == valueBool:
		return &set{}
	}
	s.expanding = true
	leave := c.enter(s)
	result := c.universe()
	for _, name := range s.v.names {
		if part := c.keyword(s, name, s.v.members[name]); part != nil {
			result = c.intersect(result, part)
		}
	}
	result = c.unevaluated(s, result)
	leave()
	s.set, s.expanding = result, false
	return result
}

// keyword returns what a keyword allows, nil if that is all or was said by another.
func (c *schemaCompiler) keyword(s *schema, name string, v *value) *set {
	if c.doc.draft7 && s.v.members["$ref"] != nil && name != "$ref" {
		return nil
	}
	switch name {
	case "type":
		return c.types(s, v)
	case "const":
		return c.constants(s, v)
	case "enum":
		c.want(s, name, v, valueArray)
		return c.constants(s, v.items...)
	case "$ref":
		c.want(s, name, v, valueString)
		to, err := c.doc.resolve(s, v.text)
		if err != nil {
			c.fail(s, "$ref: %w", err)
		}
		return c.expand(to)
	case "allOf", "anyOf", "oneOf":
		return c.combine(s, name, v)
	case "not":
		return c.complementOf(c.sub(s, v))
	case "if":
		return c.conditional(s, v)
	case "then", "else": // see if
		return nil
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		return c.numeric(s, name, v)
	case "minLength", "maxLength", "pattern", "format":
		return c.textual(s, name, v)
	case "items", "prefixItems", "additionalItems":
		return c.itemKeywords(s, name)
	case "minItems", "maxItems", "contains", "uniqueItems":
		return c.arrayKeyword(s, name, v)
	case "minContains", "maxContains": // see contains
		c.count(s, name, v)
		return nil
	case "properties", "patternProperties", "additionalProperties":
		return c.propertyKeywords(s, name)
	case "required", "minProperties", "maxProperties", "propertyNames":
		return c.objectKeyword(s, name, v)
	case "dependentRequired", "dependentSchemas", "dependencies":
		return c.dependent(s, name, v)
	case "unevaluatedProperties", "unevaluatedItems": // see unevaluated
		if !c.doc.draft7 {
			return nil
		}
	case "$dynamicRef":
		return c.dynamicRef(s, v)
	}
	if !slices.Contains(annotations, name) {
		c.unsupport(s, name, "")
	}
	return nil
}

// want makes sure that a keyword has a value of a kind.
func (c *schemaCompiler) want(s *schema, name string, v *value, kind valueKind) {
	if v.kind != kind {
		c.fail(s, "%s: want %s", name, [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[kind])
	}
}

// sub returns the schema that stands at a place in another.
func (c *schemaCompiler) sub(s *schema, v *value) *schema {
	sub, err := c.doc.collect(v, s.path, s.base)
	if err != nil {
		panic(schemaPanic{err, true})
	}
	return sub
}

func (c *schemaCompiler) subConj(s *schema, v *value) *conj {
	return c.conj([]*schema{c.sub(s, v)}, nil)
}

// count reads a number of things.
func (c *schemaCompiler) count(s *schema, name string, v *value) int {
	c.want(s, name, v, valueNumber)
	r, ok := new(big.Rat).SetString(v.text)
	if !ok || !r.IsInt() || r.Sign() < 0 {
		c.fail(s, "%s: want an integer that is not negative, got %s", name, v.text)
	}
	if !r.Num().IsInt64() || r.Num().Int64() > 1<<30 {
		return 1 << 30 // more than anybody writes
	}
	return int(r.Num().Int64())
}

func (c *schemaCompiler) types(s *schema, v *value) *set {
	names := []*value{v}
	if v.kind == valueArray {
		names = v.items
	}
	all, result := c.universe(), &set{}
	for _, name := range names {
		switch name.text {
		case "null":
			result.null = true
		case "boolean":
			result.yes, result.no = true, true
		case "integer":
			result.numbers = c.space.Union(result.numbers, c.whole)
		case "number":
			result.numbers = all.numbers
		case "string":
			result.texts = all.texts
		case "array":
			result.arrays = all.arrays
		case "object":
			result.objects = all.objects
		default:
			c.fail(s, "type: %q is no type", name.text)
		}
	}
	return result
}

// constants returns some values.
func (c *schemaCompiler) constants(s *schema, values ...*value) *set {
	result := &set{}
	var numbers, texts []string
	for _, v := range values {
		switch v.kind {
		case valueNull:
			result.null = true
		case valueBool:
			result.yes, result.no = result.yes || v.truth, result.no || !v.truth
		case valueNumber:
			text, err := decimal(v.text)
			if err != nil {
				c.fail(s, "%w", err)
			}
			numbers = append(numbers, text)
		case valueString:
			texts = append(texts, unquoted(v.text))
		case valueArray:
			a := &arrays{rest: c.never, min: len(v.items), max: len(v.items)}
			for _, item := range v.items {
				a.prefix = append(a.prefix, c.conj([]*schema{c.doc.literal(item, s.path)}, nil))
			}
			result.arrays = append(result.arrays, a)
		case valueObject:
			o := &objects{names: v.names, members: map[string]member{}, max: regular.Unbounded}
			for _, name := range v.names {
				o.members[name] = member{value: c.conj([]*schema{c.doc.literal(v.members[name], s.path)}, nil), required: true, ordered: true}
			}
			result.objects = append(result.objects, o)
		}
	}
	result.numbers, result.texts = c.space.Literals(numbers), c.space.Literals(texts)
	return result
}

func (c *schemaCompiler) combine(s *schema, name string, v *value) *set {
	c.want(s, name, v, valueArray)
	subs := make([]*schema, len(v.items))
	for i, item := range v.items {
		subs[i] = c.sub(s, item)
	}
	result := &set{}
	if name == "allOf" {
		result = c.universe()
	}
	if name == "anyOf" && c.doc.unevaluated {
		return c.anyOfTogether(s, subs)
	}
	for i, sub := range subs {
		part := c.expand(sub)
		switch name {
		case "allOf":
			result = c.intersect(result, part)
			continue
		case "oneOf":
			for j, other := range subs {
				if i != j && c.satisfiable(c.conj([]*schema{sub, other}, nil)) {
					part = c.intersect(part, c.complementOf(other))
				}
			}
		}
		result = c.union(result, part)
	}
	return result
}

func (c *schemaCompiler) conditional(s *schema, v *value) *set {
	condition := c.sub(s, v)
	branch := func(name string) *set {
		if sub := s.v.members[name]; sub != nil {
			return c.expand(c.sub(s, sub))
		}
		return c.universe()
	}
	if s.v.members["then"] == nil && s.v.members["else"] == nil && !c.doc.unevaluated {
		return nil
	}
	return c.union(c.intersect(c.expand(condition), branch("then")), c.intersect(c.complementOf(condition), branch("else")))
}

func (c *schemaCompiler) numeric(s *schema, name string, v *value) *set {
	c.want(s, name, v, valueNumber)
	text, err := decimal(v.text)
	if err != nil {
		c.fail(s, "%s: %w", name, err)
	}
	result := c.universe()
	switch name {
	case "minimum":
		result.numbers = c.b.atLeast(text, false)
	case "exclusiveMinimum":
		result.numbers = c.b.atLeast(text, true)
	case "maximum":
		result.numbers = c.space.Difference(c.numbers, c.b.atLeast(text, true))
	case "exclusiveMaximum":
		result.numbers = c.space.Difference(c.numbers, c.b.atLeast(text, false))
	case "multipleOf":
		whole, fraction, _ := strings.Cut(text, ".")
		divisor, err := strconv.ParseUint(whole+fraction, 10, 64)
		if err != nil || divisor == 0 || divisor > regular.MaxDivisor {
			if strings.HasPrefix(text, "-") || text == "0" {
				c.fail(s, "multipleOf: %s is not positive", v.text)
			}
			c.unsupport(s, name, "the number has too many digits")
			return nil
		}
		l := c.space.Concat(c.space.Optional(c.space.Literal("-")), c.space.Multiples(divisor, len(fraction)))
		result.numbers = c.space.Intersection(c.numbers, l)
	}
	return result
}

func (c *schemaCompiler) textual(s *schema, name string, v *value) *set {
	result := c.universe()
	switch name {
	case "minLength", "maxLength": // together, at the first of them: one count is cheaper than two
		if name != firstOf(s.v.names, "minLength", "maxLength") {
			return nil
		}
		least, most := 0, regular.Unbounded
		if v := s.v.members["minLength"]; v != nil {
			least = c.count(s, "minLength", v)
		}
		if v := s.v.members["maxLength"]; v != nil {
			most = c.count(s, "maxLength", v)
		}
		result.texts = c.space.Repeat(c.chars, least, most)
	case "pattern":
		c.want(s, name, v, valueString)
		result.texts = c.pattern(s, name, v.text)
	case "format":
		c.want(s, name, v, valueString)
		l, ok := c.format(v.text)
		if !ok {
			c.unsupport(s, name, strconv.Quote(v.text))
			return nil
		}
		result.texts = l
	}
	return result
}

// pattern returns the texts in which a regular expression matches somewhere.
func (c *schemaCompiler) pattern(s *schema, name, expr string) regular.Lang {
	re, err := syntax.Parse(fromECMA(expr), syntax.Perl|syntax.DotNL)
	if err != nil {
		c.failPattern(s, name, expr, err)
	}
	l, err := c.space.Search(re, c.char)
	if err != nil {
		c.failPattern(s, name, expr, err)
	}
	return l
}

func (c *schemaCompiler) failPattern(s *schema, name, expr string, err error) {
	c.fail(s, "%s: the expression %q: %w", name, abbreviate(expr), shortSyntax(err))
}
