package grammar

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestSchema(t *testing.T) {
	for _, test := range []struct {
		name, schema string
		yes, no      []string
	}{
		{"an object", `{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name"], "additionalProperties": false}`,
			[]string{`{"name":"Ann","age":4}`, `{"name":"\u00e9\n"}`}, []string{`{}`, `{"age":4}`, `{"name":"Ann", "age":4}`, `{"age":4,"name":"Ann"}`, `{"name":"Ann","x":1}`, `{"name":"Ann",}`}},
		{"ranges", `{"type": "integer", "minimum": -12, "exclusiveMaximum": 205}`,
			[]string{"-12", "-1", "0", "9", "10", "99", "100", "199", "204"}, []string{"-13", "205", "1000", "-100", "1.5", "-0", "007"}},
		{"fractions", `{"type": "number", "minimum": 0.25, "maximum": 3.5}`,
			[]string{"0.25", "0.3", "1", "3.5", "3.49999", "2.0001"}, []string{"0.2", "0.249", "3.51", "4", "0", "-1"}},
		{"negative fractions", `{"type": "number", "exclusiveMinimum": -1.5, "maximum": -0.5}`,
			[]string{"-1.4", "-1", "-0.5", "-1.4999"}, []string{"-1.5", "-0.4", "0", "-2", "1"}},
		{"multiples", `{"type": "number", "multipleOf": 0.05, "minimum": 0}`,
			[]string{"0", "0.05", "1.1", "12", "0.15"}, []string{"0.01", "0.055", "1.11"}},
		{"lengths in characters", `{"type": "string", "minLength": 2, "maxLength": 3}`,
			[]string{`"éé"`, `"日本語"`, `"\n\""`}, []string{`"é"`, `"abcd"`, `""`}},
		{"a pattern is searched for", `{"type": "string", "pattern": "b\\d"}`, []string{`"ab1c"`, `"b0"`}, []string{`"b"`, `"ab"`}},
		{"a pattern with anchors", `{"type": "string", "pattern": "^\"?[a-z]+$"}`, []string{`"\"abc"`, `"a"`}, []string{`"A"`, `"a1"`}},
		{"pattern and length", `{"type": "string", "pattern": "^(ab)*$", "minLength": 3, "maxLength": 5}`, []string{`"abab"`}, []string{`"ab"`, `"ababab"`}},
		{"a list", `{"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3}`,
			[]string{"[true]", "[true,false,true]"}, []string{"[]", "[true,true,true,true]", "[1]", "[true,]"}},
		{"a tuple", `{"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": false, "minItems": 1}`,
			[]string{"[1]", "[1,2]"}, []string{"[]", "[2]", "[1,2,3]"}},
		{"unique names", `{"type": "array", "items": {"enum": ["a", "b", 3]}, "uniqueItems": true}`,
			[]string{"[]", `["b"]`, `["b","a",3]`}, []string{`["a","a"]`, `[3,"a",3]`}},
		{"recursion", `{"$defs": {"tree": {"type": "object", "properties": {"v": {"type": "null"}, "l": {"$ref": "#/$defs/tree"}}, "required": ["v"], "additionalProperties": false}}, "$ref": "#/$defs/tree"}`,
			[]string{`{"v":null}`, `{"v":null,"l":{"v":null,"l":{"v":null}}}`}, []string{`{"l":{"v":null}}`, `{"v":null,"l":null}`}},
		{"one of two kinds", `{"oneOf": [{"multipleOf": 2, "type": "integer"}, {"multipleOf": 3, "type": "integer"}]}`,
			[]string{"2", "3", "4", "9"}, []string{"0", "6", "12", "5"}},
		{"not a word", `{"type": "string", "not": {"enum": ["no", "none"]}}`, []string{`"yes"`, `"non"`, `"nope"`}, []string{`"no"`, `"none"`}},
		{"other names", `{"type": "object", "properties": {"a": {"type": "null"}}, "patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": {"type": "string"}}`,
			[]string{`{"a":null,"x1":3,"b":"c"}`, `{"b":"c","x":1}`}, []string{`{"a":1}`, `{"x1":"c"}`, `{"b":1}`}},
		{"a date", `{"format": "date", "type": "string"}`, []string{`"2024-02-29"`, `"2000-02-29"`}, []string{`"2023-02-29"`, `"1900-02-29"`, `"2024-13-01"`}},
		{"an address", `{"format": "ipv6", "type": "string"}`, []string{`"::1"`, `"1:2:3:4:5:6:7:8"`, `"::"`, `"fe80::1:2"`}, []string{`"1::2::3"`, `":1"`, `"1:2:3:4:5:6:7:8:9"`}},
		{"a mail address", `{"format": "email", "type": "string"}`, []string{`"a.b@c"`, `"` + strings.Repeat("a", 64) + `@` + strings.Repeat(strings.Repeat("b", 46)+".", 3) + `com"`},
			[]string{`"a"`, `"a@"`, `"` + strings.Repeat("a", 65) + `@b"`, `"a@` + strings.Repeat("b", 64) + `"`}},
		{"exponents", `{"type": "number"}`, []string{"1e5", "-2.50E-05", "1e99"}, []string{"1e", "1e999", "1e1000000000"}},
		{"many items", `{"type": "array", "items": {"type": "integer"}, "maxItems": 1000000000}`, []string{"[]", "[1,2,3]"}, []string{"[1,a]"}},
		{"draft 7", `{"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "null"}], "additionalItems": {"type": "boolean"}}`,
			[]string{"[null,true]", "[]"}, []string{"[true]", "[null,1]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, err := Compile(JSONSchema{Schema: []byte(test.schema)})
			if err != nil {
				t.Fatal(err)
			}
			wantMatches(t, g, test.yes, test.no)
		})
	}
}

func TestSchemaErrors(t *testing.T) {
	var members []string
	for i := range 10_000 {
		members = append(members, fmt.Sprintf(`"member %d"`, i))
	}
	for _, test := range []struct{ name, schema, want string }{ // want is "" if it works
		{"no JSON", `{`, "unexpected EOF"},
		{"two values", `{} {}`, "text after the JSON value"},
		{"no schema", `[]`, "the root: a schema is an object or a boolean"},
		{"invalid UTF-8", "{\"const\": \"\xff\"}", "not valid UTF-8"},
		{"60,000 nested", strings.Repeat(`{"not":`, 60_000) + "true" + strings.Repeat("}", 60_000), "/not/not: nested deeper than 500"},
		{"60,000 nested arrays", strings.Repeat("[", 60_000), "/0/0: nested deeper"},
		{"a keyword twice", `{"properties": {"a": {"type": "string", "type": "number"}}}`, "/properties/a/type: it stands there twice"},
		{"half a character", `{"properties": {"a": {"const": "\\\ud83d\ude00\ud800"}}}`, `/properties/a/const: \ud800 is half of a character`},
		{"half a character in a name", `{"properties": {"\udc00a": {}}}`, `/properties: \udc00 is half of a character`},
		{"a whole character", `{"const": "\ufffd\\ud800\ud83d\ude00"}`, ""},
		{"many alternatives", `{"properties": {"a": {"not": {"anyOf": [` + strings.Repeat(`{"type": "object", "minProperties": 2, "maxProperties": 3, "required": ["a", "b"]},`, 10) + `false]}}}}`,
			"/properties/a: too many alternatives"},
		{"much counting", `{"items": {"contains": {"const": 1}, "minContains": 30000}}`, "/items: an array counts more than 20000 states"},
		{"a search without end", `{"items": {"allOf": [{"pattern": "^(a|b)*a(a|b){20}$"}, {"pattern": "^(a|b)*b(a|b){21}$"}, {"maxLength": 30}, {"pattern": "^(aa|bb|aba)*$"}, {"pattern": "c"}]}}`, "/items: grammar: too complex"},
		{"an unknown keyword", `{"properties": {"a": {"minimun": 3}}}`, "not enforced: /properties/a/minimun"},
		{"an unknown type", `{"properties": {"a/b": {"type": "str"}}}`, `/properties/a~1b: type: "str" is no type`},
		{"an unknown format", `{"format": "iri"}`, `not enforced: /format: "iri"`},
		{"look-behind", `{"pattern": "(?<=a)b"}`, "the root: pattern: the expression"},
		{"nested groups", `{"pattern": "` + strings.Repeat("(", 60_000) + strings.Repeat(")", 60_000) + `"}`, "the root: pattern: the expression"},
		{"nested stars", `{"type": "string", "pattern": "^(a*)*$"}`, ""},
		{"a word boundary", `{"pattern": "\\ba"}`, "is not supported"},
		{"an enum of 10,000", `{"enum": [` + strings.Join(members, ",") + `]}`, ""},
		{"itself", `{"$ref": "#"}`, "the root: it refers to itself without end"},
		{"itself through another", `{"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#"}}}`, "refers to itself"},
		{"no end", `{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}`, "nothing fits it"},
		{"false", `false`, "nothing fits it"},
		{"contradictory ranges", `{"type": "integer", "minimum": 5, "maximum": 4}`, "nothing fits it"},
		{"contradictory lengths", `{"type": "string", "minLength": 5, "maxLength": 4}`, "nothing fits it"},
		{"contradictory property", `{"type": "object", "properties": {"a": {"type": "string", "pattern": "^b", "maxLength": 0}}, "required": ["a"]}`, "nothing fits it"},
		{"contradictory items", `{"type": "array", "minItems": 3, "maxItems": 2}`, "nothing fits it"},
		{"a reference to nowhere", `{"properties": {"a": {"$ref": "#/$defs/a"}}}`, `/properties/a: $ref: "#/$defs/a" leads nowhere`},
		{"another document", `{"$ref": "https://example.com/a"}`, "is in another document"},
		{"a negative length", `{"minLength": -1}`, "minLength: want an integer that is not negative"},
		{"a length that is no number", `{"minLength": "a"}`, "the root: minLength: want a number"},
		{"a multiple of nothing", `{"multipleOf": 0}`, "0 is not positive"},
		{"a huge exponent", `{"minimum": 1e99999}`, "the exponent of 1e99999 is too large"},
		{"another draft", `{"$schema": "http://json-schema.org/draft-04/schema#"}`, "neither draft 2020-12 nor draft 7"},
		{"many unique items", `{"type": "array", "uniqueItems": true}`, "not enforced: /uniqueItems"},
		{"many unique items of a type", `{"properties": {"tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true}}}`, "not enforced: /properties/tags/uniqueItems: the items are not few"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Compile(JSONSchema{Schema: []byte(test.schema)})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// Lenient leaves out what cannot be enforced, and nothing else.
func TestLenientSchema(t *testing.T) {
	schema := []byte(`{"type": "array", "items": {"type": "integer"}, "uniqueItems": true, "colour": "red"}`)
	_, err := Compile(JSONSchema{Schema: schema})
	var refused *SchemaError
	if !errors.As(err, &refused) || len(refused.Unsupported) != 2 {
		t.Fatalf("error %v, want two keywords", err)
	}
	unsupported, err := CheckSchema(schema)
	if err != nil || fmt.Sprint(unsupported) != fmt.Sprint(refused.Unsupported) {
		t.Errorf("CheckSchema = %v, %v, want %v", unsupported, err, refused.Unsupported)
	}
	g, err := Compile(JSONSchema{Schema: schema, Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := g.Match("[1,1]"); !ok {
		t.Error("[1,1] is refused")
	}
	if ok, _ := g.Match(`["a"]`); ok {
		t.Error(`["a"] is accepted`)
	}
}

func TestCompactJSON(t *testing.T) {
	for _, text := range []string{"1E-700", "1e99999", "-5e-401"} {
		if got, err := CompactJSON([]byte(text)); err == nil {
			t.Errorf("%s is written as %.40s", text, got)
		}
	}
	got, err := CompactJSON([]byte(` {"b" : [1.0, -0, 1e3, 0.50, 12.5e-1], "a": "\u00e9\/\u001f\"", "c": [null , true]}`))
	if want := `{"b":[1,0,1000,0.5,1.25],"a":"é/\u001f\"","c":[null,true]}`; got != want || err != nil {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

// At most one space stands behind a comma or a colon, if that is asked for.
func TestSpaces(t *testing.T) {
	schema := []byte(`{"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}, "b": {"type": "array", "items": {"enum": [1, "x"]}, "uniqueItems": true}}, "additionalProperties": {"const": {"k": [1, 2]}}}`)
	compact := []string{`{}`, `{"a":[1,2]}`, `{"a":[1],"b":[1,"x"],"c":{"k":[1,2]}}`}
	spaced := []string{`{"a": [1, 2]}`, `{"a": [1], "b": [1, "x"], "c": {"k":[1,2]}}`, `{"a": [1,2],"b":[ 1]}`}
	never := []string{`{ "a":[1]}`, `{"a":[1] }`, `{"a":  [1]}`, `{"a" :[1]}`, `{"a":[1 ,2]}`, "{\"a\":\n[1]}", `{"a":[1]} `}
	wantMatches(t, mustCompile(t, JSONSchema{Schema: schema}), compact, append(spaced, never...))
	wantMatches(t, mustCompile(t, JSONSchema{Schema: schema, Spaces: true}), append(compact, spaced[:2]...), append(never, spaced[2]))
}
