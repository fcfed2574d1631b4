package chattemplate

import (
	_ "embed"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the templates of TestLanguage see.
const languageMessages = `[{"role": "user", "content": "a b", "n": 1, "items": [3, 1.5, true, null]}, {"role": "assistant", "content": "Ünï <x>"}]`

var languageTools = `{"b": {"type": "T", "d": []}, "A": {"type": "U"}, "c": 2}`

// languageTests are templates and what they give. An error is a want that begins
// with "error: " and the line, and the rest is a part of the message; Jinja then
// fails too.
var languageTests = []struct{ name, template, want string }{
	{"text", "a\nb\n", "a\nb"},
	{"one line break at the end goes", "a\n\n", "a\n"},
	{"line breaks", "a\r\nb\rc", "a\nb\nc"},
	{"comment", "a{# {{ x }} #}b{#- -#} c", "abc"},
	{"comment on its line", "a\n  {# x #}\nb", "a\nb"},
	{"raw", "{% raw %}{{ x }}{% if %}{% endraw %}!", "{{ x }}{% if %}!"},
	{"raw trimmed", "a {%- raw -%} {{ x }} {%- endraw -%} b", "a{{ x }}b"},
	{"block on its line", "a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc"},
	{"block in a line", "a {% if true %} b {% endif %} c", "a  b  c"},
	{"kept space", "a\n  {%+ if true +%}\nb{% endif +%}\nc", "a\n  \nb\nc"},
	{"trimmed space", "a \n {%- if true -%} \n b {%- endif -%} c", "abc"},
	{"trimmed expression", "a {{- 1 -}} b {{ 2 }} c", "a1b 2 c"},
	{"expression keeps its line break", "{{ 1 }}\nb", "1\nb"},
	{"end in a string", `{{ "%}" ~ '}}' }}`, "%}}}"},
	{"dict closes before the end", "{{ {'a': {'b': 1}}}}", "{'a': {'b': 1}}"},
	{"escapes", `{{ "a\n\t\\\'\"\x41\u00e9\U0001F600\q\101" }}`, "a\n\t\\'\"A\u00e9\U0001F600\\qA"},
	{"strings beside each other", `{{ "a" 'b' }}`, "ab"},
	{"numbers", "{{ 1_000 }} {{ 0x1F }} {{ 0b11 }} {{ 1.50 }} {{ 1e3 }} {{ 1e16 }} {{ 1e-5 }} {{ 0.1 + 0.2 }}", "1000 31 3 1.5 1000.0 1e+16 1e-05 0.30000000000000004"},
	{"printing", "{{ none }} {{ true }} {{ [1, 'a', none, 1.0, true] }} {{ (1,) }} {{ () }} {{ {'a': 1, 2: 'b'} }}", "None True [1, 'a', None, 1.0, True] (1,) () {'a': 1, 2: 'b'}"},
	{"repr", `{{ ["it's", 'a"b', '\'"', "\n\x00\u200b\u00e9\\"] }}`, `["it's", 'a"b', '\'"', '\n\x00\u200b` + "\u00e9" + `\\']`},
	{"undefined", "[{{ x }}{{ (x.y is defined) if x is defined }}{% for i in x %}{% endfor %}{{ x|length }}{{ x or 1 }}]", "[01]"},
	{"attribute of undefined", "a\n{{ x.y }}", "error: line 2: 'x' is undefined"},
	{"attribute of an attribute", "{{ messages[0].x.y }}", "error: line 1: 'dict object' has no attribute 'x'"},
	{"attribute of an element", "{{ messages[7].x }}", "error: line 1: list object has no element 7"},
	{"sum with undefined", "{{ 'a' + x }}", "error: line 1: 'x' is undefined"},
	{"arithmetic", "{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2 ** -1 }} {{ 7.5 % -2 }} {{ 1 - -1 }}", "3 -4 2 3.5 64 4 0.5 -0.5 2"},
	{"division by zero", "{{ 1 // 0 }}", "error: line 1: division by zero"},
	{"join and repeat", "{{ 'a' + 'b' }} {{ [1] + [2] }} {{ 'ab' * 2 }} {{ [0] * 3 }} {{ 3 * 'x' }} {{ 'a' ~ 1 ~ none }}", "ab [1, 2] abab [0, 0, 0] xxx a1None"},
	{"join of two types", "{{ 'a' + 1 }}", `error: line 1: can only concatenate str (not "int") to str`},
	{"comparisons", "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 'a' == 1 }} {{ none == x }} {{ x == y }}", "True False True True True True False False True"},
	{"comparison of two types", "{{ 1 < 'a' }}", "error: line 1: '<' not supported"},
	{"in", "{{ 'a' in 'abc' }} {{ 1 in [1.0] }} {{ 'role' in messages[0] }} {{ 2 not in (1, 3) }} {{ 1 in x }}", "True True True True False"},
	{"logic", "{{ 0 or 'a' }} {{ 1 and [] }} {{ not '' }} {{ not x }} {{ 1 if 0 else 2 if 0 else 3 }}[{{ 1 if 0 }}]", "a [] True True 3[]"},
	{"precedence", "{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ 1 + (1 ~ 2)|int }} {{ not 1 == 2 }} {{ -1|abs }} {{ 'a' ~ 'b'|upper }} {{ 1 + 2|string|length }}", "7 9 13 True 1 aB 2"},
	{"subscripts", "{{ messages[0].role }} {{ messages[-1]['content'] }} {{ messages.0.n }} {{ 'abc'[1] }} {{ (1, 2)[5] }} {{ messages[0]['x'] }}|", "user Ünï <x> 1 b  |"},
	{"methods before members", "{{ messages[0].items is callable }} {{ messages[0]['items']|length }} {{ tools.c }}", "True 4 2"},
	{"slices", "{{ 'abcdef'[1:3] }} {{ 'abc'[::-1] }} {{ [1, 2, 3][-2:] }} {{ [1, 2, 3, 4][3:0:-2] }} {{ 'äöü'[:2] }} {{ (1, 2, 3)[:-1] }} {{ range(5)[1::2]|list }} {{ [1][5:] }} {{ [1, 2][:-5] }}", "bc cba [2, 3] [4, 2] äö (1, 2) [1, 3] [] []"},
	{"slice of nothing", "{{ none[1:] }}{{ 'abc'['a':] }}|{{ {}[:1] }}", "|"},
	{"slice of a slice of nothing", "{{ none[1:][1:] }}", "error: line 1: a slice of 'None'"},
	{"slice by nothing", "{{ 'abc'[::0] }}", "error: line 1: slice step cannot be zero"},
	{"set", "{% set a = 1 %}{% set b, c = 2, 3 %}{% set (d, e) = [4, 5] %}{{ a }}{{ b }}{{ c }}{{ d }}{{ e }}", "12345"},
	{"unpacking", "{% set a, b = [1] %}", "error: line 1: 1 values"},
	{"set block", "{% set a %}x{{ 1 }}{% set b = 2 %}{% endset %}{{ a }}{{ b }}{% set c|upper|trim %} y {% endset %}[{{ c }}]", "x1[Y]"},
	{"scope of a loop", "{% set a = 1 %}{% for i in [1, 2] %}{{ a }}{% set a = i * 10 %}{{ a }} {% endfor %}{{ a }}{{ i }}", "110 120 1"},
	{"scope of an if", "{% if true %}{% set a = 1 %}{% endif %}{{ a }}", "1"},
	{"namespace", "{% set ns = namespace(a=1) %}{% for i in [1, 2] %}{% set ns.a = ns.a + i %}{% set ns.b = i %}{% endfor %}{{ ns.a }}{{ ns['b'] }}{{ ns.c is defined }}", "42False"},
	{"attribute of what is no namespace", "{% set d = {} %}{% set d.a = 1 %}", "error: line 1: cannot assign attribute"},
	{"with", "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "12"},
	{"loop", "{% for i in 'abc' %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('x', 'y') }}{{ loop.changed(1) }} {% endfor %}",
		"1032TrueFalse3bxTrue 2121FalseFalse3acyFalse 3210FalseTrue3bxFalse "},
	{"loop else", "{% for i in [] %}a{% else %}b{% endfor %}{% for i in [1] %}a{% else %}b{% endfor %}{% for i in [1] %}{% break %}{% else %}c{% endfor %}", "bac"},
	{"loop if", "{% for m in messages if m.role == 'user' %}{{ m.n }}{{ loop.length }}{{ loop.last }}{% endfor %}", "11True"},
	{"loop over pairs", "{% for k, v in tools.items() %}{{ k }}={{ v is mapping }} {% endfor %}{% for k in tools %}{{ k }}{% endfor %}", "b=True A=True c=False bAc"},
	{"break and continue", "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% elif i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}", "023"},
	{"loops in each other", "{% for i in [1, 2] %}{% for j in [1, 2] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}", "121122"},
	{"recursive loop", "{% for i in [1, [2, [3]]] recursive %}{% if i is number %}{{ i }}.{{ loop.depth }} {% else %}{{ loop(i) }}{% endif %}{% endfor %}", "1.1 2.2 3.3 "},
	{"loop over a number", "\n{% for i in 3 %}{% endfor %}", "error: line 2: 'int' object is not iterable"},
	{"macro", "{% macro f(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{{ d }}{% endmacro %}{{ f(1) }} {{ f(1, c=3) }} {{ f() }}|{% set d = 4 %}{{ f(1) }}", "121 123 2|1214"},
	{"macro with more", "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, a=3) }}", "(1, 2){'a': 3}"},
	{"macro with too many", "{% macro f() %}{% endmacro %}{{ f(1) }}", "error: line 1: the macro f takes not more than 0"},
	{"macro that calls itself", "{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "3210"},
	{"caller", "{% macro f(x) %}<{{ caller(x) }}>{% endmacro %}{% call(y) f(1) %}{{ y + 1 }}{% endcall %}{% call f(1) %}{% endcall %}", "error: line 1: caller takes not more than 0"},
	{"call block", "{% macro f(x) %}<{{ caller(x) }}>{% endmacro %}{% set z = 5 %}{% call(y) f(1) %}{{ y + z }}{% endcall %}", "<6>"},
	{"filter block", "{% filter upper|replace('A', 'b') %}a{{ 1 }}c{% endfilter %}", "b1C"},
	{"generation", "a{% generation %}b{% set x = 1 %}{% endgeneration %}{{ x }}c", "abc"},
	{"print", "{% print 1, 'a' %}", "1a"},
	{"star arguments", "{% macro f(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(*[1, 2], **{'c': 3}) }}", "123"},

	{"tojson", "{{ tools|tojson }} {{ messages[1].content|tojson }} {{ [1.0, none, true, 1e20, '\\u2028\\x7f/']|tojson }}", `{"b": {"type": "T", "d": []}, "A": {"type": "U"}, "c": 2} "Ünï <x>" [1.0, null, true, 1e+20, "` + "\u2028\x7f" + `/"]`},
	{"tojson indented", "{{ {'a': [1, {}], 'b': {'c': []}}|tojson(indent=2) }}{{ [1]|tojson(indent='-') }}", "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": []\n  }\n}[\n-1\n]"},
	{"tojson ASCII", "{{ 'é😀\\x7f'|tojson(ensure_ascii=true) }}{{ {'b': 1, 'a': 2}|tojson(sort_keys=true, separators=(',', ':')) }}", `"\u00e9\ud83d\ude00\u007f"{"a":2,"b":1}`},
	{"tojson of undefined", "{{ x|tojson }}", "error: line 1: Object of type Undefined is not JSON serializable"},
	{"default", "{{ x|default('a') }}{{ ''|d('b', true) }}{{ ''|default('c') }}{{ none|default('d') }}", "abNone"},
	{"text filters", "{{ ' a '|trim }}{{ 'xax'|trim('x') }}{{ 'aB c-d'|title }} {{ 'aB'|capitalize }} {{ 'ß'|upper }} {{ 'abab'|replace('a', 'c', 1) }} {{ 5|string + 'x' }}", "aaAb C-D Ab SS cbab 5x"},
	{"indent", "{{ 'a\n\nb'|indent }}|{{ 'a\nb'|indent(2, true) }}|{{ 'a\n\nb'|indent('>', blank=true) }}", "a\n\n    b|  a\n  b|a\n>\n>b"},
	{"list filters", "{{ [3, 1, 2]|sort }} {{ ['b', 'A']|sort }} {{ ['b', 'A']|sort(true, true) }} {{ [1, 2]|first }}{{ [1, 2]|last }} {{ []|first }} {{ [1, 2]|sum }} {{ [2, 3, 1]|max }}{{ 'ba'|min }} {{ [1, 2]|reverse|list }} {{ ['a', 'A', 'b']|unique|join(',') }} {{ [1, 2, 3]|batch(2, 0)|list }}",
		"[1, 2, 3] ['A', 'b'] ['b', 'A'] 12  3 3a [2, 1] a,b [[1, 2], [3, 0]]"},
	{"join", "{{ [1, 'a', none]|join(', ') }} {{ messages|join('/', attribute='role') }} {{ 'abc'|join('-') }}", "1, a, None user/assistant a-b-c"},
	{"select", "{{ [1, 2, 3]|select('odd')|list }} {{ [0, 1]|select|list }} {{ [1, 2]|reject('equalto', 1)|list }} {{ messages|selectattr('n')|list|length }} {{ messages|selectattr('role', '==', 'user')|map(attribute='content')|list }} {{ messages|rejectattr('n', 'defined')|map(attribute='role')|first }} {{ ['a']|map('upper')|list }}",
		"[1, 3] [1] [2] 1 ['a b'] assistant ['A']"},
	{"generators are read once", "{% set g = [1, 2]|select %}{{ g|list }}{{ g|list }}{{ g is iterable }}{{ g is sequence }}", "[1, 2][]TrueFalse"},
	{"length of a generator", "{{ [1]|select|length }}", "error: line 1: object of type 'generator' has no len()"},
	{"dict filters", "{{ tools|dictsort|map('first')|join }} {{ tools|dictsort(true)|map(attribute=0)|join }} {{ tools|items|list|length }} {{ tools|list }} {{ tools|length }} {{ {'a': 2, 'b': 1}|dictsort(by='value') }}", "Abc Abc 3 ['b', 'A', 'c'] 3 [('b', 1), ('a', 2)]"},
	{"number filters", "{{ '42'|int + 1 }} {{ ' 3.7 '|int }} {{ 'x'|int(5) }} {{ '0x1F'|int(base=16) }} {{ '1.5'|float }} {{ -3|abs }} {{ 2.5|round }} {{ 2.567|round(2) }} {{ 2.1|round(0, 'ceil') }} {{ 7|round }}", "43 3 5 31 1.5 3 2.0 2.57 3.0 7"},
	{"marked strings", "{{ '<a>'|e }} {{ ('<b>'|safe) + '<c>' }} {{ '<d>' + ('x'|safe) }} {{ ('<b>'|safe) ~ '<c>' }} {{ ['x'|safe] }}", "&lt;a&gt; <b>&lt;c&gt; &lt;d&gt;x <b><c> [Markup('x')]"},
	{"printf", "{{ '%s-%05.1f-%+d-%x-%%-%r' % ('a', 3.14159, 5, 255, 'b') }} {{ '%s'|format(1) }} {{ '%-4s|%4s' % ('a', 'b') }} {{ '%(a)s' % {'a': 1} }} {{ '%g' % 0.0001 }} {{ '%e' % 12345.678 }}", "a-003.1-+5-ff-%-'b' 1 a   |   b 1 0.0001 1.234568e+04"},
	{"format", "{{ '{} {1}'.format(1) if false }}{{ '{}-{}'.format(1, 'a') }} {{ '{0}{0}{x}'.format(1, x=2) }} {{ '{{{:>5}|{:<3}|{:^4}|{:05d}|{:.2f}|{:,}|{!r}}}'.format('a', 'b', 'c', 42, 3.14159, 1234567, 'q') }}", "1-a 112 {    a|b  | c  |00042|3.14|1,234,567|'q'}"},

	{"tests", "{{ 1 is number }}{{ true is number }}{{ true is integer }}{{ 1 is integer }}{{ 1.0 is float }}{{ 'a' is string }}{{ 'a' is sequence }}{{ {} is mapping }}{{ {} is sequence }}{{ none is none }}{{ none is iterable }}{{ x is iterable }}{{ x is sequence }}{{ 3 is odd }}{{ 4 is even }}{{ 6 is divisibleby 3 }}{{ 'a' is lower }}{{ 'a' is in 'abc' }}{{ 1 is eq 1 }}{{ x is not defined }}{{ range is callable }}{{ true is true }}{{ 1 is true }}{{ tools.items() is sequence }}",
		"TrueTrueFalseTrueTrueTrueTrueTrueTrueTrueFalseTrueTrueTrueTrueTrueTrueTrueTrueTrueTrueTrueFalseFalse"},
	{"string methods", "{{ ' a '.strip() }}{{ 'xxaxx'.lstrip('x') }}{{ 'a,b,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a,b,c'.split(',', 1) }}{{ 'a b c'.rsplit(' ', 1) }}{{ 'a-b'.partition('-') }}{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x', 'c')) }}{{ 'äab'.find('b') }}{{ 'aa'.count('a') }}{{ 'a\nb'.splitlines() }}",
		"aaxx['a', 'b', 'c']['a', 'b']['a', 'b,c']['a b', 'c']('a', '-', 'b')TrueTrue22['a', 'b']"},
	{"more string methods", "{{ 'aB c'.title() }}{{ 'aB'.upper() }}{{ 'aB'.lower() }}{{ 'hELLO'.capitalize() }}{{ 'a'.center(4, '*') }}{{ 'a'.ljust(3) }}|{{ '5'.zfill(3) }}{{ '-5'.zfill(4) }}{{ ', '.join(['a', 'b']) }}{{ 'aXbX'.replace('X', '') }}{{ '12'.isdigit() }}{{ ''.isalpha() }}{{ 'pre-x'.removeprefix('pre-') }}", "Ab CABabHello*a**a  |005-005a, babTrueFalsex"},
	{"empty separator", "{{ 'a'.split('') }}", "error: line 1: empty separator"},
	{"dict methods", "{{ tools.get('c') }}{{ tools.get('x') }}{{ tools.get('x', 1) }}{{ tools.keys() }}{{ tools.values()|list|length }}{{ {'a': 1}.items() }}", "2None1dict_keys(['b', 'A', 'c'])3dict_items([('a', 1)])"},
	{"list methods", "{{ [1, 2, 1].count(1) }}{{ [1, 2].index(2) }}", "21"},
	{"lists cannot be changed", "{% set a = [] %}{% set _ = a.append(1) %}", "error: line 1: access to attribute 'append' of 'list' object is unsafe."},
	{"dicts cannot be changed", "{{ tools.pop('c') }}", "error: line 1: access to attribute 'pop' of 'dict' object is unsafe."},
	{"no way out", "{{ ''.__class__ }}{{ messages.__len__ }}{{ ''|attr('__class__') }}", ""},
	{"no way out by calls", "{{ ''.__class__.__mro__ }}", "error: line 1: access to attribute '__class__' of 'str' object is unsafe."},
	{"functions", "{{ range(3)|list }}{{ range(1, 6, 2) }}{{ range(5, 0, -2)|list }}{{ dict(a=1)['a'] }}{{ dict([('b', 2)]) }}", "[0, 1, 2]range(1, 6, 2)[5, 3, 1]1{'b': 2}"},
	{"long range", "{{ range(100001) }}", "error: line 1: Range too big"},
	{"date", "{{ strftime_now('%Y-%m-%d %H:%M:%S %B %b %A %a %j %p %I %y %-d %%') }}", "2026-03-05 14:07:09 March Mar Thursday Thu 064 PM 02 26 5 %"},
	{"refusal", "{% if true %}\n{{ raise_exception('No ' ~ 1) }}{% endif %}", "error: (line 2): No 1"},
	{"unknown variable called", "{{ f() }}", "error: line 1: 'f' is undefined"},

	{"unknown filter", "{{ 1|nope }}", "error: line 1: there is no filter nope"},
	{"unknown filter that is not reached", "{% if false %}{{ 1|nope }}{% endif %}{{ 2 if true else 1|nope }}", "2"},
	{"unknown filter in a loop that is not reached", "{% if false %}{% for i in x %}{{ 1|nope }}{% endfor %}{% endif %}", "error: line 1: there is no filter nope"},
	{"unknown test", "\n{% if 1 is nope %}{% endif %}", "error: line 2: there is no test nope"},
	{"unknown tag", "a\n\n{% nope %}", "error: line 3: unknown tag {% nope %}"},
	{"no end", "a\n{% if x %}\n", "error: line 2: the template ends within {% if %}"},
	{"wrong end", "{% if x %}\n{% endfor %}", "error: line 2: unknown tag {% endfor %}"},
	{"no end of an expression", "{{ 1", "error: line 1: expected }}, got end of template"},
	{"no end of a comment", "a\n{# b", "error: line 2: a comment has no end"},
	{"no end of a string", "{{ 'a }}", "error: line 1: a string has no end"},
	{"brackets", "{{ (1] }}", "error: line 1: unexpected ']', expected ')'"},
	{"nothing to print", "{{ }}", "error: line 1: expected an expression, got }}"},
	{"break outside of a loop", "{% break %}", "error: line 1: {% break %} outside of a loop"},
	{"break out of a macro", "{% for i in [1] %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}", "error: line 1: {% break %} outside of a loop"},
	{"assignment to a constant", "{% set true = 1 %}", "error: line 1: can't assign to true"},
	{"unexpected character", "{{ 1 $ 2 }}", `error: line 1: unexpected "$"`},
}

func TestLanguage(t *testing.T) {
	cases := make([]oracleCase, len(languageTests))
	for i, test := range languageTests {
		cases[i] = oracleCase{name: test.name, Template: test.template,
			Variables: oracleVariables{Messages: json.RawMessage(languageMessages), Tools: json.RawMessage(languageTools)}}
		t.Run(test.name, func(t *testing.T) {
			var got string
			tmpl, err := Parse(test.template)
			if err == nil {
				got, err = tmpl.Render(t.Context(), cases[i].Variables.input())
			}
			want, wantError := strings.CutPrefix(test.want, "error: ")
			switch {
			case wantError && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("%q, %v; want an error with %q", got, err, want)
			case wantError:
				var syntax *SyntaxError
				var render *RenderError
				if !errors.As(err, &syntax) && !errors.As(err, &render) {
					t.Errorf("the error is a %T", err)
				}
			case err != nil:
				t.Error(err)
			default:
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
	t.Run("as Jinja", func(t *testing.T) { compareAll(t, cases) })
}

// Each line is a template, as a string of JSON. What they give is what Jinja says.
//
//go:embed testdata/templates.jsonl
var oracleTemplates string

func TestAsJinja(t *testing.T) {
	var cases []oracleCase
	for d := json.NewDecoder(strings.NewReader(oracleTemplates)); d.More(); {
		c := oracleCase{Variables: oracleVariables{Messages: json.RawMessage(languageMessages), Tools: json.RawMessage(languageTools)}}
		if err := d.Decode(&c.Template); err != nil {
			t.Fatal(err)
		}
		c.name = c.Template
		cases = append(cases, c)
	}
	compareAll(t, cases)
}
