package chattemplate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Nothing that a template can say takes much time or memory.
func TestLimits(t *testing.T) {
	doubling := func(body string) string {
		return "{% set ns = namespace(x=" + body + ") %}{% for i in range(1000) %}{% set ns.x = "
	}
	var manyNames string
	for i := range 2000 {
		manyNames += fmt.Sprintf("a%d,", i)
	}
	for name, source := range map[string]string{
		"long loops":            strings.Repeat("{% for i in range(100000) %}", 4) + strings.Repeat("{% endfor %}", 4),
		"endless recursion":     "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
		"recursion by caller":   "{% macro f() %}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}",
		"recursive loop":        "{% set x = [1] %}{% for i in x recursive %}{{ loop(x) }}{% endfor %}",
		"branching recursion":   "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(100) }}",
		"repeated string":       "{{ 'a' * 1000000000 }}",
		"repeated list":         "{{ [1] * 1000000000 }}",
		"doubled string":        doubling("'a'") + "ns.x + ns.x %}{% endfor %}",
		"joined string":         doubling("'a'") + "ns.x ~ ns.x %}{% endfor %}",
		"doubled list":          doubling("[1]") + "ns.x + ns.x %}{% endfor %}",
		"replaced string":       doubling("'a'") + "ns.x|replace('a', 'aa') %}{% endfor %}",
		"string in nothing":     "{% set x = 'a' * 100000 %}{{ x.replace('', x) }}",
		"split":                 "{% for i in range(100000) %}{% set x = ('a' * 100000).split('a') %}{% endfor %}",
		"join":                  "{% set x = 'a' * 100000 %}{{ ([x] * 100000)|join(x) }}",
		"indent":                "{{ ('a\n' * 100000)|indent(100000) }}",
		"JSON's indent":         "{{ [[[1]]]|tojson(indent=1000000000) }}",
		"width":                 "{{ 'a'.center(1000000000) }}",
		"printf's width":        "{{ '%1000000000d' % 1 }}",
		"format's width":        "{{ '{:1000000000}'.format(1) }}",
		"precision":             "{{ '%.1000000000f' % 1.5 }}",
		"batch":                 "{{ [1]|batch(1000000000, 0)|list }}",
		"shared lists":          doubling("[1]") + "[ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
		"shared lists' JSON":    "{% set ns = namespace(x=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}",
		"shared lists compared": "{% set ns = namespace(x=[], y=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
		"shared tuples as keys": "{% set ns = namespace(x=(1,)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}",
		"deep lists":            "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
		"deep tuples as keys":   "{% set ns = namespace(x=(1,)) %}{% for i in range(100000) %}{% set ns.x = (ns.x,) %}{% endfor %}{{ {ns.x: 1} }}",
		"a cycle":               "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
		"powers":                "{{ 10 ** 1000000000 }}",
		"output":                "{% set x = 'a' * 1000000 %}{% for i in range(1000) %}{{ x }}{% endfor %}",
		"deep parentheses":      "{{ " + strings.Repeat("(", 100000) + "1" + strings.Repeat(")", 100000) + " }}",
		"deep brackets":         "{{ " + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + " }}",
		"deep braces":           "{{ " + strings.Repeat("{1:", 100000),
		"deep subscripts":       "{{ a" + strings.Repeat("[a", 100000),
		"deep blocks":           strings.Repeat("{% if 1 %}", 50000),
		"deep targets":          "{% set " + strings.Repeat("(", 100000),
		"long sum":              "{{ 1" + strings.Repeat("+1", 100000) + " }}",
		"long chain":            "{{ a" + strings.Repeat(".a", 100000) + " }}",
		"long filters":          "{{ 1" + strings.Repeat("|string", 100000) + " }}",
		"many nots":             "{{ " + strings.Repeat("not ", 100000) + "1 }}",
		"many minuses":          "{{ " + strings.Repeat("-", 100000) + "1 }}",
		"many ifs":              "{{ 1" + strings.Repeat(" if 1", 100000) + " }}",
		"many elses":            "{{ 1" + strings.Repeat(" if 0 else 1", 50000) + " }}",
		"many strings":          "{{ " + strings.Repeat("'' ", 300000) + "}}{{ 'a' * 1000000000 }}",
		"many arguments":        "{{ f(" + strings.Repeat("1,", 100000) + ") }}",
		"many parameters":       "{% macro f(" + manyNames + ") %}",
		"many named arguments":  "{{ dict(**dict((range(100000)|map('string')|batch(2)|map('join')|list))) }}",
		"JSON of a long string": "{% set x = '\x01' * 10000000 %}{{ x|tojson }}",
		"repr of a long string": "{% set x = '\x01' * 10000000 %}{{ [x] }}",
		"title":                 "{% set x = 'あ' * 10000000 %}{{ x|title }}{{ x.title() }}",
		"a large source":        strings.Repeat("a", 2<<20),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			tmpl, err := Parse(source)
			if err == nil {
				_, err = tmpl.Render(t.Context(), Input{Messages: []any{}, Limits: Limits{Memory: 64 << 20, Output: 8 << 20}})
			}
			if err == nil {
				t.Fatal("no error")
			}
			var limit *LimitError
			var render *RenderError
			if !errors.As(err, &limit) && !errors.As(err, &render) {
				t.Errorf("the error is a %T: %v", err, err)
			}
			runtime.ReadMemStats(&after)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<30 {
				t.Errorf("it took %d MiB", used>>20)
			}
		})
	}
}

func TestLimitsAreSettings(t *testing.T) {
	tmpl := mustParse(t, "{% for i in range(1000) %}a{{ [1, [2]] }}{% endfor %}")
	for name, l := range map[string]Limits{"steps": {Steps: 100}, "bytes of memory": {Memory: 1000}, "bytes of output": {Output: 100}, "levels": {Depth: 1}, "milliseconds": {Time: 1}} {
		_, err := tmpl.Render(t.Context(), Input{Messages: []any{}, Limits: l})
		if limit := (*LimitError)(nil); !errors.As(err, &limit) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	if _, err := tmpl.Render(ctx, Input{Messages: []any{}}); !errors.Is(err, why) {
		t.Errorf("cancelled: %v", err)
	}
}

func mustParse(t testing.TB, source string) *Template {
	t.Helper()
	tmpl, err := Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func TestInput(t *testing.T) {
	type call struct {
		Name string `json:"name"`
		Args any    `json:"args"`
	}
	cycle := map[string]any{}
	cycle["x"] = cycle
	for name, test := range map[string]struct {
		value any
		want  string // or an error
	}{
		"maps are sorted":    {map[string]any{"b": 1, "a": []any{1.5, nil, true, int64(2)}}, `{"a": [1.5, null, true, 2], "b": 1}`},
		"JSON keeps order":   {json.RawMessage(`{"b": 1.0, "a": [10000000000000000]}`), `{"b": 1.0, "a": [10000000000000000]}`},
		"structs keep order": {call{"f", map[string]int{"x": 1}}, `{"name": "f", "args": {"x": 1}}`},
		"numbers":            {[]any{uint8(1), json.Number("1.50"), float32(0.5)}, `[1, 1.5, 0.5]`},
		"broken JSON":        {json.RawMessage(`{"a"`), "v: invalid JSON"},
		"two values":         {json.RawMessage(`1 2`), "v: there is more than one JSON value"},
		"large integers":     {json.RawMessage(`18446744073709551616`), "v: the integer 18446744073709551616 does not fit 64 bits"},
		"invalid UTF-8":      {"\xff", "v: a text is not valid UTF-8"},
		"a cycle":            {cycle, "levels"},
		"a function":         {func() {}, "v: a value of type func() cannot be given"},
		"deep JSON":          {json.RawMessage(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), "levels"},
	} {
		got, err := mustParse(t, "{{ v|tojson }}").Render(t.Context(), Input{Messages: []any{}, Extra: map[string]any{"v": test.value}})
		if err != nil {
			got = err.Error()
		}
		if got != test.want && (err == nil || !strings.Contains(got, test.want)) {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	if _, err := mustParse(t, "").Render(t.Context(), Input{}); err == nil {
		t.Error("no messages were accepted")
	}
}

// Whatever a template is, parsing and rendering it end within the limits.
func FuzzTemplate(f *testing.F) {
	for _, test := range languageTests {
		f.Add(test.template)
	}
	limits := Limits{Steps: 100_000, Memory: 4 << 20, Output: 1 << 20, Time: 5 * time.Second}
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := Parse(source)
		if err != nil {
			return
		}
		start := time.Now()
		text, err := tmpl.Render(t.Context(), Input{Messages: json.RawMessage(languageMessages), Tools: json.RawMessage(languageTools), Limits: limits})
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		var limit *LimitError
		var render *RenderError
		if err != nil && !errors.As(err, &limit) && !errors.As(err, &render) {
			t.Errorf("the error is a %T: %v", err, err)
		}
		if len(text) > limits.Output {
			t.Errorf("%d bytes of output", len(text))
		}
	})
}
