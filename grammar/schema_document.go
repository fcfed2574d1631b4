package grammar

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// schema is a schema of a document.
type schema struct {
	id   int
	path string // JSON pointer
	v    *value
	base string // URI that references in it are relative to

	set       *set // what it allows, once known
	expanding bool
}

// document is a JSON Schema with all the schemas in it.
type document struct {
	root    *schema
	draft7  bool
	dynamic map[string]int // how many places have a dynamic anchor

	unevaluated bool // a schema asks what was evaluated
	n           int
	schemas     map[*value]*schema
	named       map[string]*schema // by URI, with an anchor or without
}

// Keywords by what their values are.
var (
	schemaKeywords = []string{"additionalProperties", "unevaluatedProperties", "propertyNames", "items", "additionalItems",
		"unevaluatedItems", "contains", "not", "if", "then", "else", "contentSchema"}
	schemaLists = []string{"allOf", "anyOf", "oneOf", "prefixItems", "items"}
	schemaMaps  = []string{"properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"}
)

// maxSchemas bounds a document.
const maxSchemas = 100_000

func parseSchema(text []byte) (*document, error) {
	v, err := (&jsonParser{data: text, strict: true}).parse()
	if err != nil {
		return nil, err
	}
	d := &document{schemas: map[*value]*schema{}, named: map[string]*schema{}, dynamic: map[string]int{}}
	if meta := v.members["$schema"]; meta != nil {
		switch name := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(meta.text, "https://"), "http://"), "#"); {
		case name == "json-schema.org/draft-07/schema", name == "json-schema.org/draft-06/schema":
			d.draft7 = true
		case name == "json-schema.org/draft/2020-12/schema", name == "json-schema.org/draft/2019-09/schema":
		default:
			return nil, fmt.Errorf("/$schema: %q is neither draft 2020-12 nor draft 7", meta.text)
		}
	}
	if d.root, err = d.collect(v, "", ""); err != nil {
		return nil, err
	}
	d.named[""] = d.root
	return d, nil
}

// collect notes a schema and those in it.
func (d *document) collect(v *value, path, base string) (*schema, error) {
	if v.kind != valueObject && v.kind != valueBool {
		return nil, fmt.Errorf("%s: a schema is an object or a boolean", cmpPath(path))
	}
	if s := d.schemas[v]; s != nil {
		return s, nil
	}
	if d.n++; d.n > maxSchemas {
		return nil, fmt.Errorf("more than %d schemas", maxSchemas)
	}
	s := &schema{id: d.n, path: path, v: v, base: base}
	d.schemas[v] = s
	if id := v.members["$id"]; id != nil && id.kind == valueString && !(d.draft7 && v.members["$ref"] != nil) {
		uri, err := resolveURI(base, id.text)
		if err != nil {
			return nil, fmt.Errorf("%s/$id: %w", path, err)
		}
		if bare, anchor, _ := strings.Cut(uri, "#"); anchor == "" {
			s.base = bare
			d.named[bare] = s
		} else {
			d.named[uri] = s // an anchor, as draft 7 writes it
		}
	}
	for _, name := range []string{"$anchor", "$dynamicAnchor"} {
		if anchor := v.members[name]; anchor != nil && anchor.kind == valueString {
			d.named[s.base+"#"+anchor.text] = s
			if name == "$dynamicAnchor" {
				d.dynamic[anchor.text]++
			}
		}
	}
	d.unevaluated = d.unevaluated || v.members["unevaluatedProperties"] != nil || v.members["unevaluatedItems"] != nil
	for _, name := range schemaKeywords {
		if sub := v.members[name]; sub != nil && sub.kind != valueArray {
			if _, err := d.collect(sub, path+"/"+name, s.base); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range schemaLists {
		if list := v.members[name]; list != nil && list.kind == valueArray {
			for i, sub := range list.items {
				if _, err := d.collect(sub, path+"/"+name+"/"+strconv.Itoa(i), s.base); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, name := range schemaMaps {
		if m := v.members[name]; m != nil && m.kind == valueObject {
			for _, key := range m.names {
				sub := m.members[key]
				if name == "dependencies" && sub.kind == valueArray {
					continue
				}
				if _, err := d.collect(sub, path+"/"+name+"/"+escapePointer(key), s.base); err != nil {
					return nil, err
				}
			}
		}
	}
	return s, nil
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func escapePointer(name string) string { return pointerEscapes.Replace(name) }

func resolveURI(base, ref string) (string, error) {
	b, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	r, err := url.Parse(ref)
	if err != nil {
		return "", err
	}
	if base == "" {
		return r.String(), nil
	}
	return b.ResolveReference(r).String(), nil
}

// resolve returns the schema that a reference in s means.
func (d *document) resolve(s *schema, ref string) (*schema, error) {
	uri, err := resolveURI(s.base, ref)
	if err != nil {
		return nil, err
	}
	bare, fragment, _ := strings.Cut(uri, "#")
	if fragment, err = url.PathUnescape(fragment); err != nil {
		return nil, err
	}
	if bare == "" && s.base != "" && strings.HasPrefix(ref, "#") {
		bare = s.base
	}
	if fragment != "" && fragment[0] != '/' {
		if named := d.named[bare+"#"+fragment]; named != nil {
			return named, nil
		}
		return nil, fmt.Errorf("there is no anchor %q", ref)
	}
	at := d.named[bare]
	if at == nil {
		return nil, fmt.Errorf("%q is in another document, which is not read", ref)
	}
	return d.follow(at, fragment, ref)
}

// follow goes down a JSON pointer.
func (d *document) follow(at *schema, pointer, ref string) (*schema, error) {
	v, path, base := at.v, at.path, at.base
	for _, name := range strings.Split(pointer, "/")[1:] {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		path += "/" + escapePointer(name)
		switch v.kind {
		case valueObject:
			v = v.members[name]
		case valueArray:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v.items) {
				return nil, fmt.Errorf("%q leads nowhere", ref)
			}
			v = v.items[i]
		default:
			v = nil
		}
		if v == nil {
			return nil, fmt.Errorf("%q leads nowhere", ref)
		}
		if s := d.schemas[v]; s != nil {
			base = s.base
		}
	}
	return d.collect(v, path, base)
}

// literal is a schema of one value, which stands nowhere in the document.
func (d *document) literal(v *value, path string) *schema {
	if s := d.schemas[v]; s != nil {
		return s
	}
	d.n++
	s := &schema{id: d.n, path: path, v: &value{kind: valueObject, names: []string{"const"}, members: map[string]*value{"const": v}}}
	d.schemas[v] = s
	return s
}
