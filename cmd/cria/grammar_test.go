package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cria-lm/cria/internal/testmodel"
)

const personSchema = `{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
	"required": ["name"], "additionalProperties": false}`

func TestGrammarCheck(t *testing.T) {
	instances := write(t, "instances.jsonl", `{"name": "Ann \u0041", "age": 3.40e1}
{"age": 1, "name": "A"}

{"name": "A", "age": -1}
nonsense
`)
	for _, tt := range []struct {
		name, schema string
		code         int
		want         string // with --json
		says         string // without
	}{
		{"enforced", personSchema, 0,
			`{"compiled":true,"error":"","unsupported":[],"instances":[{"valid":true},{"valid":false},{"valid":false},{"valid":false,"error":"invalid character 'o' in literal null (expecting 'u')"}]}`,
			"compiled: every keyword is enforced\nline 2: not accepted: character 3, `age\":1,\"name\":\"A\"}` cannot follow `{\"`\nline 4: not accepted: character 19, `-1}` cannot follow `{\"name\":\"A\",\"age\":`\nline 5: invalid character 'o' in literal null (expecting 'u')\n1 of 4 instances accepted\n"},
		{"not enforced", `{"a": 1, "properties": {"b": {"c": 2}}}`, exitFailure,
			`{"compiled":false,"error":"JSON Schema: not enforced: /a; /properties/b/c","unsupported":["/: a","/properties/b: c"],"instances":[{"valid":false},{"valid":false},{"valid":false},{"valid":false,"error":"invalid character 'o' in literal null (expecting 'u')"}]}`,
			"refused, as these keywords are not enforced:\n  /: a\n  /properties/b: c\n"},
		{"wrong", `{"type": "str"}`, exitFailure, `"error":"JSON Schema: the root: type: \"str\" is no type"`, "refused: JSON Schema: the root: type: \"str\" is no type\n"},
		{"empty", `{"type": "integer", "minimum": 2, "maximum": 1}`, 0, `{"compiled":true,"error":""`, "compiled, but no value fits it\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			schema := write(t, "schema.json", tt.schema)
			code, out, stderr := criaRun(t, "", "grammar", "check", schema, "--instances", instances, "--json")
			if code != tt.code || stderr != "" || !strings.Contains(out, tt.want) || !json.Valid([]byte(out)) {
				t.Errorf("exit code %d, output %s, errors %q, want %d and %s", code, out, stderr, tt.code, tt.want)
			}
			if code, out, stderr = criaRun(t, "", "grammar", "check", schema, "--instances", instances); code != tt.code || stderr != "" || !strings.HasPrefix(out, tt.says) {
				t.Errorf("exit code %d, output %s, errors %q, want %d and %s", code, out, stderr, tt.code, tt.says)
			}
		})
	}
}

func TestGrammarCheckMeasuresMasks(t *testing.T) {
	testmodel.Model(t)
	code, out, stderr := criaRun(t, "", "grammar", "check", write(t, "schema.json", personSchema), "-m", "smollm2-135m-instruct",
		"--instances", write(t, "instances.jsonl", `{"name": "Ann", "age": 3}`))
	if code != 0 || !strings.Contains(out, " masks over 49152 tokens: mean ") {
		t.Errorf("exit code %d, output %s, errors %q", code, out, stderr)
	}
}

func TestGrammarCheckMistakes(t *testing.T) {
	for name, args := range map[string][]string{
		"no file":      {},
		"no such file": {"/no/such/schema.json"},
		"an empty one": {write(t, "empty.json", "")},
		"no instances": {write(t, "s.json", "true"), "--instances", "/no/such/file"},
	} {
		if code, out, stderr := criaRun(t, "", append([]string{"grammar", "check"}, args...)...); code != exitUsage || out != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, output %q, errors %q", name, code, out, stderr)
		}
	}
}

// Whatever the model would like to say, the output is what the flags allow.
func TestRunConstrained(t *testing.T) {
	testmodel.Model(t)
	const text = "text=Ann Smith, 34, lives in 10115 Berlin."
	for name, tt := range map[string]struct {
		flags []string
		fits  func(out string) bool
	}{
		"schema": {[]string{"--schema", write(t, "s.json", personSchema)}, func(out string) bool {
			var v struct{ Name string }
			return json.Unmarshal([]byte(out), &v) == nil && v.Name != ""
		}},
		"regex":   {[]string{"--regex", "[0-9]{5}"}, func(out string) bool { return len(strings.Trim(out, "0123456789\n")) == 0 && len(out) == 6 }},
		"choices": {[]string{"--choices", "very old,middle-aged"}, func(out string) bool { return out == "very old\n" || out == "middle-aged\n" }},
		"gbnf":    {[]string{"--gbnf", write(t, "g.gbnf", `root ::= "<" [a-z]{3} ">"`)}, func(out string) bool { return len(out) == 6 && out[0] == '<' && out[4] == '>' }},
	} {
		code, out, stderr := criaRun(t, "", append([]string{"run", "text -> answer", text}, tt.flags...)...)
		if code != 0 || !tt.fits(out) {
			t.Errorf("%s: exit code %d, output %q, errors %q", name, code, out, stderr)
		}
		code, out, stderr = criaRun(t, `{"text": "Ann"}`, append([]string{"batch", "-q", "text -> answer"}, tt.flags...)...)
		if code != 0 || !strings.HasPrefix(out, `{"answer":`) {
			t.Errorf("%s, batch: exit code %d, output %q, errors %q", name, code, out, stderr)
		}
	}
}

func TestConstraintMistakes(t *testing.T) {
	bad := write(t, "bad.json", `{"colour": 1}`)
	for _, tt := range []struct {
		signature string
		flags     []string
		want      string
	}{
		{"a -> b", []string{"--regex", "("}, "--regex: error parsing regexp"},
		{"a -> b", []string{"--regex", "a(?<=b)"}, "--regex: "},
		{"a -> b", []string{"--schema", bad}, "--schema: JSON Schema: not enforced: /colour"},
		{"a -> b", []string{"--schema", "/no/such/file"}, "--schema: open /no/such/file"},
		{"a -> b", []string{"--gbnf", bad}, "--gbnf: GBNF: line 1, column 1"},
		{"a -> b", []string{"--choices", "x,,y"}, "--choices: "},
		{"a -> b", []string{"--choices", "x", "--regex", "y"}, "--choices and --regex exclude each other"},
		{"a -> b, c", []string{"--choices", "x,y"}, "the signature has 2"},
		{"a -> b: int", []string{"--regex", "1"}, "the output b: int has a type already"},
	} {
		code, out, stderr := criaRun(t, "", append([]string{"run", tt.signature, "a=1"}, tt.flags...)...)
		if code != exitUsage || out != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, output %q, errors %q, want %q", tt.flags, code, out, stderr, tt.want)
		}
	}
}

// The reply ends in time, and says that it was cut short.
func TestRunClosesOnLimit(t *testing.T) {
	testmodel.Model(t)
	code, out, stderr := criaRun(t, "", "run", "--json", "--max-tokens", "24", "--close-on-limit", "text -> scores: list[int], ok: bool", "text=Count.")
	var v struct {
		Scores []int
		OK     *bool
	}
	if err := json.Unmarshal([]byte(out), &v); code != 0 || err != nil || v.OK == nil {
		t.Errorf("exit code %d, output %q (%v), errors %q", code, out, err, stderr)
	}
	if diff := cmp.Diff(true, len(v.Scores) < 3 || strings.Contains(stderr, "cut off")); diff != "" {
		t.Errorf("output %q, errors %q", out, stderr)
	}
}
