package grammar

// Part is a piece of a grammar: fixed text ([Literal]), a hole for a value ([Line],
// [Text], [Choices], [Integer], [Number], [Boolean]) or any text of a language ([Regexp]).
type Part interface{ part() }

// Literal is text that always stands there. It is UTF-8 and may hold line breaks. A
// value behind a literal that ends with a colon begins with a space; elsewhere the
// space is up to the model.
type Literal string

// Line is free text, well-formed UTF-8, up to the end of the line. It may begin
// with one or two spaces, which count for nothing. What follows it must begin
// with a line break.
type Line struct {
	MaxBytes  int    // 0: no limit
	MinLength int    // characters
	MaxLength int    // characters; 0: no limit
	Pattern   string // a [Regexp] of the whole text; "" is none
	Format    string // a format of JSON Schema; "" is none
	Optional  bool   // the text may be empty
}

// Text is free text, well-formed UTF-8, of any number of lines. It begins with at most
// a space, and there are never more than two line breaks in a row. It ends where the
// model ends its turn, or where what follows it begins. If it must not contain a line
// break and something behind it, it does not begin with that something either. With a
// length, a pattern or a format its last character is not a space.
type Text struct {
	Without   string // what it must not contain: what follows it should begin with it; not empty
	MinLength int    // characters
	MaxLength int    // characters; 0: no limit
	Pattern   string // a [Regexp] of the whole text; "" is none
	Format    string // a format of JSON Schema; "" is none
	Optional  bool   // the text may be empty
}

// Choices is one of a closed set of strings, with or without a space before
// it. If one value begins with another, the model ends the shorter one by a
// line break or by ending its turn.
type Choices struct {
	Values   []string // different, not empty, without space at either end or line breaks
	Optional bool     // the value may be empty
}

// Integer is a decimal integer of at most 15 digits (exact in a float64), with
// or without a minus sign and a space before it, without leading zeros. Once
// it has digits, a token that goes on with anything but digits or a comma ends it:
// "4 apples" is 4, while "1,234" is not cut to 1.
type Integer struct {
	Min, Max *float64 // nil: no limit
	Optional bool     // the value may be empty
}

// Number is like [Integer], with or without a decimal point and 1 to 6 decimals.
type Number struct {
	Min, Max *float64 // nil: no limit
	Optional bool     // the value may be empty
}

// Boolean is true or false, with or without a space before it.
type Boolean struct {
	Optional bool // the value may be empty
}

// Hole is a value of a language ([Regexp], [JSONSchema], [GBNF]), with or without a
// space before it, where a [Choices] or a [Line] could stand.
type Hole struct {
	Value    Part
	Optional bool // the value may be empty
}

// Regexp is text that a regular expression matches as a whole, in RE2 syntax as
// package regexp/syntax reads it with its Perl flags. Word boundaries and anchors
// within the expression are not supported.
type Regexp string

func (Literal) part() {}
func (Line) part()    {}
func (Text) part()    {}
func (Choices) part() {}
func (Integer) part() {}
func (Number) part()  {}
func (Boolean) part() {}
func (Hole) part()    {}
func (Regexp) part()  {}
