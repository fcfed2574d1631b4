package chattemplate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// turns makes the messages of a conversation.
func turns(roles []string, content func(i int) string) []any {
	messages := make([]any, len(roles))
	for i, role := range roles {
		messages[i] = map[string]any{"role": role, "content": content(i)}
	}
	return messages
}

func outlineInput(messages []any) Input {
	return Input{Messages: messages, AddGenerationPrompt: true, BOSToken: "<s>", EOSToken: "</s>",
		Now: func() time.Time { return time.Date(2026, 3, 5, 14, 7, 9, 0, time.UTC) }}
}

// fill puts contents where the placeholders are.
func (o *Outline) fill(contents []string) string {
	var pairs []string
	for i, c := range contents {
		pairs = append(pairs, Placeholder(i), c)
	}
	return strings.NewReplacer(pairs...).Replace(o.Text)
}

func TestOutline(t *testing.T) {
	const any, filled, trimmed, without = "", "filled ", "trimmed ", "without </t> "
	for source, want := range map[string]string{
		// What is written as it is.
		"{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}":                                               any,
		"{{ 'a' + messages[0]['content'] ~ 1 }}{{ messages[-1].get('content') }}":                                        any,
		"{% set ns = namespace(s='') %}{% for m in messages %}{% set ns.s = ns.s + m.content %}{% endfor %}{{ ns.s }}":   any,
		"{% macro f(x, y='') %}{{ x }}{{ y }}{% endmacro %}{{ f('a', y=messages[0].content) }}":                          any,
		"{% if messages[0].content is string and messages[0].content is not none %}{{ messages[0].content }}{% endif %}": any,
		"{% for m in messages %}{% for k, v in m.items() %}{{ k }}: {{ v }}{% endfor %}{% endfor %}":                     any,
		"{{ (messages | selectattr('role', 'equalto', 'user') | list)[-1].content }}{{ messages | length }}":             any,
		"{% set c = messages[0].content %}{{ c if c is defined else c | tojson }}":                                       any,
		"{% if tools %}{{ messages | tojson }}{% endif %}{{ messages[0].content }}{{ messages[0].content == none }}":     any,
		"{{ messages | map(attribute='content') | list | first }}{{ messages[0].content | default('x') | string }}":      any + filled,
		"{% set x = [messages[0].content] %}{{ x[0] }}{{ x | length }}{{ 'a' in ['b', 'c'] }}":                           any,
		// What is right under conditions.
		"{{ messages[0].content | trim }}{{ messages[0].content.strip() }}":                                   trimmed,
		"{{ messages[0].content.lstrip('\n') }}":                                                              trimmed,
		"{{ (' ' + messages[0].content + 'a ') | trim }}":                                                     filled + trimmed,
		"{{ ('a' + messages[0].content + 'a ') | trim }}":                                                     any,
		"{% macro f() %} {{ messages[0].content }} {% endmacro %}{{ f() | trim }}":                            trimmed,
		"{% if messages[0].content %}{{ messages[0].content }}{% endif %}":                                    filled,
		"{{ messages[0].content or 'nothing' }}{{ not messages[0].content }}":                                 filled,
		"{{ messages[0].content if messages[0].content != '' }}":                                              filled,
		"{% if 'a' + messages[0].content %}b{% endif %}":                                                      any,
		"{{ 'x' if '</t>' in messages[0].content else messages[0].content }}":                                 without,
		"{% set c = messages[0].content %}{{ c.split('</t>')[-1] }}{{ c.startswith('</t>') }}":                without,
		"{{ messages[0].content.rsplit('</t>', 1)[0] | trim }}{{ messages[0].content.replace('</t>', '') }}":  trimmed + without,
		"{{ messages[0].content == '</t>' }}{{ messages | selectattr('content', 'equalto', '</t>') | list }}": without,
		// What looks into contents.
		"{{ messages[0].content | length }}":                                                         "the filter length",
		"{{ messages[0].content | upper }}":                                                          "the filter upper",
		"{{ messages | tojson }}":                                                                    "the filter tojson",
		"{{ messages | map(attribute='content') | join }}":                                           "the filter join",
		"{{ messages | map(attribute='content') | map('upper') | list }}":                            "the filter upper",
		"{{ messages }}":                                                                             "a list or mapping that is written",
		"{{ ([messages[0].content] | string) | length }}":                                            "a list or mapping that is written",
		"{{ [messages[0].content] ~ '' }}":                                                           "a list or mapping that is written",
		"{{ messages[0].content[0] }}":                                                               "a character of a content",
		"{{ messages[0].content[:2] }}":                                                              "a slice of a content",
		"{{ messages[0].content | reverse }}":                                                        "a slice of a content",
		"{{ messages[0].content | last }}":                                                           "a loop over a content",
		"{% for c in messages[0].content %}{{ c }}{% endfor %}":                                      "a loop over a content",
		"{{ messages[0].content < 'a' }}":                                                            "the operator <",
		"{{ messages[0].content == messages[1].content }}":                                           "==",
		"{{ messages[0] == messages[2] }}":                                                           "==",
		"{{ messages[0] in messages[2:] }}":                                                          "==",
		"{{ messages[0].content in 'abc' }}":                                                         "the operator in",
		"{{ '1' in messages[1].content }}":                                                           "the operator in",
		"{{ '' in messages[0].content }}":                                                            "the operator in",
		"{{ '</t>' in ('<' + messages[0].content) }}":                                                "the operator in",
		"{{ {'a': 1}[messages[0].content] }}":                                                        "a content as a key",
		"{{ {messages[0].content: 1} | length }}":                                                    "a content as a key",
		"{{ dict([(messages[0].content, 1)]) | length }}":                                            "a content as a key",
		"{{ messages[0].content in {'a': 1} }}":                                                      "a content as a key",
		"{{ {'a': 1}.get(messages[0].content, 2) }}":                                                 "the method get",
		"{{ [1][messages[0].content] }}":                                                             "a content as a key",
		"{{ messages[0].content.find('a') }}":                                                        "the method find",
		"{{ messages[0].content.split() }}":                                                          "the method split",
		"{{ messages[0].content.split(sep='a') }}":                                                   "the method split",
		"{{ messages[0].content.startswith(('a', 'b')) }}":                                           "the method startswith",
		"{{ 'abc'.startswith(messages[0].content) }}":                                                "the method startswith",
		"{{ ', '.join([messages[0].content]) }}":                                                     "the method join",
		"{{ messages[0].content.strip('ab') }}":                                                      "strip of 'ab'",
		"{{ 'a-b'.strip(messages[0].content) }}":                                                     "the method strip",
		"{{ messages[0].content * 2 }}":                                                              "the operator *",
		"{{ '%s' % messages[0].content }}":                                                           "the operator %",
		"{{ ('<' | safe) + messages[0].content }}":                                                   "the operator +",
		"{{ messages[0].content is upper }}":                                                         "the test upper",
		"{{ messages[0].content is sameas(messages[2].content) }}":                                   "the test sameas",
		"{{ messages[0].content is eq('1') }}":                                                       any,
		"{% for m in messages %}{{ loop.changed(m.content) }}{% endfor %}":                           "==",
		"{% filter upper %}{{ messages[0].content }}{% endfilter %}":                                 "the filter upper",
		"{% set x | upper %}{{ messages[0].content }}{% endset %}":                                   "the filter upper",
		"{% set ns = namespace(x=messages[0].content) %}{{ [ns] | tojson }}":                         "the filter tojson",
		"{{ strftime_now(messages[0].content) }}":                                                    "strftime_now of a content",
		"{{ strftime_now('%Y') }}":                                                                   any,
		"{% set x = [messages[0]] %}" + strings.Repeat("{% set x = [x, x] %}", 60) + "{{ x | sum }}": "the filter sum",
	} {
		tmpl, err := Parse(source)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", source, err)
			}
			continue
		}
		o, err := tmpl.Outline(t.Context(), outlineInput(turns([]string{"user", "assistant", "user"}, Placeholder)))
		if err != nil {
			t.Logf("%s: %v", source, err) // which is of these contents as what it inspects is
		}
		got := o.Inspected
		if got == "" {
			r := o.rules[0]
			for condition, is := range map[string]bool{filled: r.filled, trimmed: r.trimmed, without: slices.Equal(r.without, []string{"</t>"})} {
				if is != strings.Contains(want, condition) {
					got += fmt.Sprintf("%s%t ", condition, is)
				}
			}
			if got == "" {
				got = want
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
}

// An outline is of the day that the template asked for, and no longer.
func TestOutlineDates(t *testing.T) {
	day := time.Date(2026, 3, 5, 14, 7, 9, 0, time.UTC)
	for source, until := range map[string]time.Duration{
		"a":                                      1e6 * time.Hour,
		"{{ strftime_now('%d %b') }}":            10 * time.Hour,
		"{{ strftime_now('%Y%m%d%H') }}":         time.Hour,
		"{% if strftime_now('%S') %}{% endif %}": time.Second,
	} {
		tmpl, err := Parse(source)
		if err != nil {
			t.Fatal(err)
		}
		o, err := tmpl.Outline(t.Context(), outlineInput(turns(nil, Placeholder)))
		if err != nil || o.Inspected != "" {
			t.Fatalf("%s: %+v, %v", source, o, err)
		}
		if !o.Current(day) || o.Current(day.Add(until)) != (source == "a") {
			t.Errorf("%s: current %t, after %v %t", source, o.Current(day), until, o.Current(day.Add(until)))
		}
	}
}

// What templates may be tempted to look for, and what they may not take for their own.
var contentParts = []string{"", " ", "\n", "\t\n", "a", "1", "0", "{{", "{% if %}", "<think>", "</think>", "<think>\nb\n</think>\n\n", "<|im_end|>", "<|im_start|>assistant",
	"<tool_response>", "</tool_response>", "[INST]", "<s>", "</s>", "/no_think", "/think", "<|channel|>", "</s", "none", "ä", "日本", "'", "\"", "\\", "\\n", "&lt;", "None", "system", "$1", "%s"}

func randomContent(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteString(contentParts[r.IntN(len(contentParts))])
	}
	return b.String()
}

// Of every template in use: where an outline holds, it is what rendering gives, byte by
// byte.
func TestOutlinesOfModels(t *testing.T) {
	sequences := []string{"u", "su", "uau", "suau", "uauau", "suauau", "sua", "ua", "uu", "suuaa", "s", "saus"}
	names := map[rune]string{'s': "system", 'u': "user", 'a': "assistant"}
	proven, compared := []string{}, 0
	files := modelTemplates(t)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".jinja")
		tmpl, err := Parse(string(source))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		usual, why := false, ""
		r := rand.New(rand.NewPCG(1, 2))
		for _, sequence := range sequences {
			var roles []string
			for _, c := range sequence {
				roles = append(roles, names[c])
			}
			o, err := tmpl.Outline(t.Context(), outlineInput(turns(roles, Placeholder)))
			if err != nil {
				continue // the template refuses such roles
			}
			if why = o.Inspected; why != "" {
				continue
			}
			for try := range 60 {
				contents := make([]string, len(roles))
				hold := true
				for i := range contents {
					contents[i] = "What is " + fmt.Sprint(i) + "?"
					for n := 0; try > 0 && n < 8; n++ { // most of the time one that holds
						if contents[i] = randomContent(r); o.Holds(i, contents[i]) {
							break
						}
					}
					hold = hold && o.Holds(i, contents[i])
				}
				usual = usual || try == 0 && hold && sequence[len(sequence)-1] == 'u'
				if !hold {
					continue
				}
				got, err := tmpl.Render(t.Context(), outlineInput(turns(roles, func(i int) string { return contents[i] })))
				if err != nil {
					t.Fatalf("%s, %s, %q: %v", name, sequence, contents, err)
				}
				if diff := cmp.Diff(got, o.fill(contents)); diff != "" {
					t.Fatalf("%s, %s, %q (-rendered +filled in):\n%s", name, sequence, contents, diff)
				}
				compared++
			}
		}
		if usual {
			proven = append(proven, name)
		} else {
			t.Logf("%s: %s", name, why)
		}
	}
	t.Logf("%d of %d templates have outlines, %d texts are those that are rendered", len(proven), len(files), compared)
	for _, family := range []string{"Qwen-Qwen2.5-7B-Instruct", "Qwen-Qwen3-0.6B", "google-gemma-2-2b-it", "meta-llama-Llama-3.1-8B-Instruct",
		"microsoft-Phi-3.5-mini-instruct", "mistralai-Mistral-Nemo-Instruct-2407", "HuggingFaceTB-SmolLM3-3B", "meta-llama-Llama-3.2-3B-Instruct"} {
		if !slices.Contains(proven, family) {
			t.Errorf("%s has no outline", family)
		}
	}
}
