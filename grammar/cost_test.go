package grammar

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// Whatever is compiled costs at most about 100 ms and 50 MB, or is refused. The test
// looks at memory only, which does not depend on the machine, and allows more of it: what
// it is after took gigabytes or never came to an end.
func TestCost(t *testing.T) {
	for _, test := range costs() {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Compile(test.part)
			runtime.ReadMemStats(&after)
			bytes := after.TotalAlloc - before.TotalAlloc
			if bytes > 100<<20 {
				t.Errorf("%d MB", bytes>>20)
			}
			if test.works && err != nil {
				t.Errorf("error %.200v", err)
			}
		})
	}
}

type cost struct {
	name  string
	part  Part
	works bool // it is not refused
}

func costs() []cost {
	r := rand.New(rand.NewPCG(1, 2))
	enum := func(n, length int) JSONSchema {
		return schemaOf(`{"enum": [` + listed(n, ",", func(int) string { return `"` + random(r, length) + `"` }) + `]}`)
	}
	long := random(r, 300_000)
	return []cost{
		{"an enum of 10,000 long texts", enum(10_000, 100), true},
		{"an enum of 10,000 texts", enum(10_000, 30), true},
		{"a long const", schemaOf(`{"const": "` + long + `"}`), true},
		{"a long choice", Choices{Values: []string{long, "a"}}, true},
		{"one long choice", Choices{Values: []string{long}}, true},
		{"a long expression", Regexp(long), true},
		{"a long expression without case", Regexp("(?i)" + long), false},
		{"a long pattern", schemaOf(`{"pattern": "` + long + `"}`), true},
		{"maxProperties", schemaOf(`{"maxProperties": 1000000000}`), false},
		{"minProperties", schemaOf(`{"minProperties": 1000000000}`), false},
		{"10,000 properties", schemaOf(`{"properties": {` + listed(10_000, ",", func(i int) string {
			return fmt.Sprintf(`"property %d": {"type": "string"}`, i)
		}) + `}}`), true},
		{"30 patterns in allOf", schemaOf(`{"allOf": [` + listed(30, ",", func(i int) string { return fmt.Sprintf(`{"pattern": "a.{%d}b"}`, i) }) + `]}`), false},
		{"30 patterns in oneOf", schemaOf(`{"oneOf": [` + listed(30, ",", func(i int) string { return fmt.Sprintf(`{"type": "string", "pattern": "a.{%d}b"}`, i) }) + `]}`), false},
		{"12 patternProperties", schemaOf(`{"patternProperties": {` + listed(12, ",", func(i int) string { return fmt.Sprintf(`"a.{%d}b": {"type": "string"}`, i) }) + `}}`), false},
		{"a long minLength", schemaOf(`{"type": "string", "minLength": 100000, "pattern": "^a*$"}`), false},
		{"a large minimum", schemaOf(`{"type": "number", "minimum": 1e308}`), true},
		{"GBNF of 60,000 rules", GBNF(listed(60_000, "\n", func(i int) string {
			return fmt.Sprintf("r%d ::= \"a\" r%d", i, i+1)
		}) + "\nr60000 ::= \"b\"\nroot ::= r0"), false},
		{"GBNF of 9,000 rules that may be empty", GBNF("root ::= r0\n" + listed(9_000, "\n", func(i int) string {
			return fmt.Sprintf("r%d ::= r%d", i, i+1)
		}) + "\nr9000 ::= \"b\"?"), true},
		{"GBNF whose rules use others twice", GBNF(doubling(60)), true},
	}
}

// A text that can be read in ever more ways is given up.
func TestAmbiguous(t *testing.T) {
	g := mustCompile(t, GBNF("root ::= \"a\" root | r2\nr2 ::= \"a\" r2 r2 | \"a\""))
	wantMatches(t, g, []string{"a", strings.Repeat("a", 300)}, []string{"", "ab"})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := g.Match(strings.Repeat("a", 3000))
	runtime.ReadMemStats(&after)
	t.Logf("%d MB", (after.TotalAlloc-before.TotalAlloc)>>20)
	var complex *TooComplexError
	if !errors.As(err, &complex) || after.TotalAlloc-before.TotalAlloc > 200<<20 {
		t.Errorf("error %v, %d MB", err, (after.TotalAlloc-before.TotalAlloc)>>20)
	}
	if ok, err := g.Match("aaa"); !ok || err != nil { // a new generation is not concerned
		t.Errorf("then %t, %v", ok, err)
	}
}

// doubling is a grammar of so many rules, whose only text has 2^(n-1) bytes.
func doubling(n int) string {
	return "root ::= r0\n" + listed(n-1, "\n", func(i int) string { return fmt.Sprintf("r%d ::= r%d r%d", i, i+1, i+1) }) +
		fmt.Sprintf("\nr%d ::= \"b\"", n-1)
}

func listed(n int, separator string, item func(i int) string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = item(i)
	}
	return strings.Join(items, separator)
}

func schemaOf(text string) JSONSchema { return JSONSchema{Schema: []byte(text)} }

// random is a text of so many letters.
func random(r *rand.Rand, n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[r.IntN(52)]
	}
	return string(text)
}

// Rules that are called and rules that are copied have the same texts.
func TestDoubling(t *testing.T) {
	for _, n := range []int{3, 16} { // copied, and called beyond 5,000 elements
		g := mustCompile(t, GBNF(doubling(n)))
		all := strings.Repeat("b", 1<<(n-1))
		wantMatches(t, g, []string{all}, []string{all[1:], all + "b"})
	}
}
