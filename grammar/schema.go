package grammar

import (
	"fmt"
	"slices"
	"strings"
)

// JSONSchema is one JSON value that a JSON Schema describes, written compactly: no
// spaces (but see Spaces), the properties of an object in the order in which the schema declares
// them, then others. Drafts 2020-12 (the default) and 7 are read, "$schema" says
// which.
type JSONSchema struct {
	Schema []byte

	// Lenient leaves out keywords that cannot be enforced. Otherwise they are an
	// error. [CheckSchema] names them.
	Lenient bool

	// Spaces lets a space follow each comma and each colon of arrays and objects, for
	// models that are used to it; more never.
	Spaces bool
}

func (JSONSchema) part() {}

// Unsupported is a keyword of a schema that cannot be enforced.
type Unsupported struct {
	Path   string // JSON pointer to the schema that has it, "" for the root
	Name   string
	Reason string
}

func (u Unsupported) String() string {
	text := "/" + u.Name
	if u.Name == "" {
		text = ""
	}
	text = u.Path + text
	if u.Reason != "" {
		text += ": " + u.Reason
	}
	return text
}

// SchemaError says why a JSON Schema was refused: it is wrong ([errors.Unwrap] says
// how), or it has keywords that cannot be enforced.
type SchemaError struct {
	Unsupported []Unsupported
	Err         error
}

func (e *SchemaError) Error() string {
	if e.Err != nil {
		return "JSON Schema: " + e.Err.Error()
	}
	texts := make([]string, len(e.Unsupported))
	for i, u := range e.Unsupported {
		texts[i] = u.String()
	}
	return "JSON Schema: not enforced: " + strings.Join(texts, "; ")
}

// Unwrap returns Err.
func (e *SchemaError) Unwrap() error { return e.Err }

// CheckSchema returns what cannot be enforced of a schema, and the error that the
// rest has if it is wrong.
func CheckSchema(schema []byte) ([]Unsupported, error) {
	c, _, err := compileSchema(newBuilder(), JSONSchema{Schema: schema})
	if err != nil {
		return nil, &SchemaError{Err: err}
	}
	return c.unsupported, nil
}

// CompactJSON writes a JSON value as a grammar of a schema expects it: without spaces,
// strings with no more escapes than needed, and numbers without an exponent or digits
// that add nothing. The members of objects keep their order.
func CompactJSON(text []byte) (string, error) {
	v, err := parseJSON(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = v.compact(&b)
	return b.String(), err
}

func (b *builder) jsonSchema(p JSONSchema) (*node, error) {
	c, start, err := compileSchema(b, p)
	switch {
	case err != nil:
		return nil, &SchemaError{Err: err}
	case len(c.unsupported) > 0 && !p.Lenient:
		return nil, &SchemaError{Unsupported: c.unsupported}
	}
	return start, nil
}

func compileSchema(b *builder, p JSONSchema) (c *schemaCompiler, start *node, err error) {
	doc, err := parseSchema(p.Schema)
	if err != nil {
		return nil, nil, err
	}
	c = newSchemaCompiler(b, doc)
	if p.Spaces {
		c.gap = b.space.Optional(b.space.Literal(" "))
	}
	defer func() {
		// Deep within the algebra there is no way on; what is raised is a schemaPanic.
		if r := recover(); r != nil {
			raised, ok := r.(schemaPanic)
			if !ok {
				panic(r)
			}
			err = raised.err
			if !raised.placed && len(c.within) > 0 {
				err = fmt.Errorf("%s: %w", cmpPath(abbreviate(c.within[len(c.within)-1].path)), err)
			}
		}
	}()
	return c, c.value(c.conj([]*schema{doc.root}, nil)), nil
}

// schemaPanic ends the compilation of a schema. Without a place the error is of the
// schema that is being worked on.
type schemaPanic struct {
	err    error
	placed bool
}

// enter notes that a schema is worked on, until what it returns is called. It must
// not be deferred: when the compilation fails, what was worked on is asked for.
func (c *schemaCompiler) enter(s *schema) (leave func()) {
	n := len(c.within)
	c.within = append(c.within, s)
	return func() { c.within = c.within[:n] }
}

func (c *schemaCompiler) fail(at *schema, format string, args ...any) {
	panic(schemaPanic{fmt.Errorf("%s: %w", cmpPath(abbreviate(at.path)), fmt.Errorf(format, args...)), true})
}

func cmpPath(path string) string {
	if path == "" {
		return "the root"
	}
	return path
}

// unsupport notes that a keyword is not enforced.
func (c *schemaCompiler) unsupport(at *schema, name, reason string) {
	u := Unsupported{at.path, name, reason}
	if !slices.Contains(c.unsupported, u) {
		c.unsupported = append(c.unsupported, u)
	}
}
