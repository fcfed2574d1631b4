package chattemplate

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria/internal/peersource"
)

// The conversations that every template is rendered with.
var conversations = map[string]string{
	"user":                     `[{"role": "user", "content": "Hello?"}]`,
	"system":                   `[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]`,
	"developer":                `[{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]`,
	"several turns":            `[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "One"}, {"role": "assistant", "content": "1"}, {"role": "user", "content": "Two"}, {"role": "assistant", "content": "2"}, {"role": "user", "content": "Three"}]`,
	"ends with the assistant":  `[{"role": "user", "content": "One"}, {"role": "assistant", "content": "1"}]`,
	"assistant first":          `[{"role": "assistant", "content": "Hi."}, {"role": "user", "content": "One"}]`,
	"two users":                `[{"role": "user", "content": "One"}, {"role": "user", "content": "Two"}]`,
	"system only":              `[{"role": "system", "content": "Be brief."}]`,
	"system later":             `[{"role": "user", "content": "One"}, {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Two"}]`,
	"nothing":                  `[]`,
	"unknown role":             `[{"role": "wizard", "content": "Abracadabra"}]`,
	"no content":               `[{"role": "user"}]`,
	"null content":             `[{"role": "user", "content": null}, {"role": "assistant", "content": null}]`,
	"empty content":            `[{"role": "system", "content": ""}, {"role": "user", "content": ""}, {"role": "assistant", "content": ""}]`,
	"unicode":                  `[{"role": "system", "content": "日本語 — ß İ ǆ 👩‍👩‍👧"}, {"role": "user", "content": "\u00a0é\u2028\u0085x\u200b "}, {"role": "assistant", "content": "ﬁ Ω"}, {"role": "user", "content": "<b>&amp;'\"\\</b>"}]`,
	"white space":              `[{"role": "system", "content": "\n  a \t\n\n"}, {"role": "user", "content": "  \n x\r\ny \n"}, {"role": "assistant", "content": "\n\n z  "}, {"role": "user", "content": "\t"}]`,
	"template in content":      `[{"role": "user", "content": "{{ 1 }}{% raise %}{# <|im_end|></s>[INST] #}"}, {"role": "assistant", "content": "<think>x</think>"}, {"role": "user", "content": "y"}]`,
	"parts":                    `[{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}, {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, {"role": "assistant", "content": [{"type": "text", "text": "c"}]}, {"role": "user", "content": [{"type": "text", "text": "d"}]}]`,
	"image":                    `[{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]`,
	"thinking":                 `[{"role": "user", "content": "One"}, {"role": "assistant", "reasoning_content": "I think.\nSo I am.", "content": "1"}, {"role": "user", "content": "Two"}, {"role": "assistant", "reasoning_content": "Again.", "content": "2"}]`,
	"thinking in content":      `[{"role": "user", "content": "One"}, {"role": "assistant", "content": "<think>\nI think.\n</think>\n\n1"}, {"role": "user", "content": "Two"}, {"role": "assistant", "content": "<think></think>2"}]`,
	"thinking by other names":  `[{"role": "user", "content": "One"}, {"role": "assistant", "reasoning": "R", "thinking": "T", "thought": "H", "content": "1"}, {"role": "user", "content": "Two"}]`,
	"call":                     `[{"role": "system", "content": "S"}, {"role": "user", "content": "Weather?"}, {"role": "assistant", "content": "", "tool_calls": [{"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": {"city": "Köln", "days": 3, "exact": 1.50, "metric": true, "more": null, "list": [1, "a"], "object": {"b": 1, "a": {}}}}}]}, {"role": "tool", "tool_call_id": "call00001", "name": "weather", "content": "{\"t\": 20}"}, {"role": "assistant", "content": "20 degrees."}, {"role": "user", "content": "Thanks"}]`,
	"call with text arguments": `[{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Köln\"}"}}]}, {"role": "tool", "tool_call_id": "call00001", "name": "weather", "content": "20"}]`,
	"two calls":                `[{"role": "user", "content": "Weather?"}, {"role": "assistant", "reasoning_content": "Two cities.", "content": "I look.", "tool_calls": [{"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": {"city": "A"}}}, {"id": "call00002", "type": "function", "function": {"name": "time", "arguments": {}}}]}, {"role": "tool", "tool_call_id": "call00001", "name": "weather", "content": "20"}, {"role": "tool", "tool_call_id": "call00002", "name": "time", "content": [{"type": "text", "text": "12:00"}]}, {"role": "assistant", "content": "Done."}, {"role": "user", "content": "Again"}]`,
	"call without id":          `[{"role": "user", "content": "Q"}, {"role": "assistant", "tool_calls": [{"function": {"name": "time", "arguments": {}}}]}, {"role": "tool", "content": {"t": 1}}]`,
	"call without function":    `[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "", "tool_calls": [{"name": "time", "arguments": {"zone": "UTC"}}]}, {"role": "tool", "name": "time", "content": "12"}]`,
}

const toolSchemas = `[
 {"type": "function", "function": {"name": "weather", "description": "The weather of a city.\nNow \"or\" later.", "parameters": {"type": "object", "properties": {
   "city": {"type": "string", "description": "Which <city>?", "enum": ["Köln", "A"]},
   "days": {"type": "integer", "minimum": 1, "default": 3}, "exact": {"type": "number", "maximum": 1e100, "multipleOf": 0.1},
   "metric": {"type": ["boolean", "null"], "nullable": true},
   "list": {"type": "array", "items": {"type": "string"}, "description": "A list."},
   "object": {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "object", "properties": {}}}, "required": ["b"]},
   "either": {"oneOf": [{"type": "string"}, {"type": "number"}]}, "any": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "untyped": {}},
   "required": ["city", "days"]}, "return": {"type": "string", "description": "Words."}}},
 {"type": "function", "function": {"name": "time", "description": "The time.", "parameters": {"type": "object", "properties": {}}}}]`

// simpleTools have what templates use that do not look whether it is there.
const simpleTools = `[{"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Which?"}}, "required": ["city"]}}}]`

// modes are what else templates depend on.
var modes = map[string]map[string]json.RawMessage{
	"":         nil,
	"thinking": {"enable_thinking": json.RawMessage(`true`), "thinking": json.RawMessage(`true`), "reasoning_effort": json.RawMessage(`"high"`)},
	"plain": {"enable_thinking": json.RawMessage(`false`), "thinking": json.RawMessage(`false`), "keep_thinking": json.RawMessage(`true`),
		"documents": json.RawMessage(`[{"title": "T", "text": "D"}]`), "functions": json.RawMessage(`"F"`), "datetime": json.RawMessage(`"D"`)},
}

// modelTemplates returns the files of templates of current model families.
func modelTemplates(t *testing.T) []string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := peersource.Templates(t.Context(), filepath.Join(cache, "cria"))
	if err != nil {
		skipUnlessCI(t, "llama.cpp's templates cannot be had: ", err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.jinja"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 30 {
		t.Fatalf("%d templates, want 30 at least", len(files))
	}
	return files
}

// Templates of current model families are rendered as Jinja renders them, byte
// by byte, and refuse what they refuse there.
func TestModels(t *testing.T) {
	files := modelTemplates(t)
	texts, errors := 0, 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jinja"), func(t *testing.T) {
			n, m := compareAll(t, modelCases(string(source)))
			if n == 0 {
				t.Error("it renders nothing at all")
			}
			texts, errors = texts+n, errors+m
		})
	}
	t.Logf("%d templates: %d texts and %d errors are those of Jinja", len(files), texts, errors)
}

func modelCases(source string) (cases []oracleCase) {
	for _, name := range slices.Sorted(maps.Keys(conversations)) {
		add := func(mode, tools string, prompt bool) {
			c := oracleCase{name: fmt.Sprintf("%s, mode %q, tools %t, prompt %t", name, mode, tools != "", prompt), Template: source,
				Variables: oracleVariables{Messages: json.RawMessage(conversations[name]), AddGenerationPrompt: prompt,
					BOSToken: "<s>", EOSToken: "</s>", extra: modes[mode]}}
			if tools != "" {
				c.Variables.Tools = json.RawMessage(tools)
			}
			cases = append(cases, c)
		}
		for _, tools := range []string{"", simpleTools, toolSchemas} {
			for _, mode := range slices.Sorted(maps.Keys(modes)) {
				add(mode, tools, true)
			}
		}
		add("", "", false)
	}
	return cases
}
