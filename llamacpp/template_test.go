package llamacpp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/chattemplate"
	"github.com/cria-lm/cria/engine"
)

// testTemplate is a template of Jinja for a small vocabulary.
func testTemplate(t *testing.T, source string) *chatTemplate {
	t.Helper()
	jinja, err := chattemplate.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	return &chatTemplate{jinja: jinja, bos: "<s>", eos: "<|end|>", specials: []engine.Special{
		{Text: "<|start|>", Token: 2}, {Text: "<think>", Token: 4}, {Text: "<|end|>", Token: 3}, {Text: "<s>", Token: 1}}}
}

// shown writes a layout with its control tokens in brackets.
func shown(l *layout, messages []cria.Message) string {
	var b strings.Builder
	for _, p := range l.pieces {
		switch p.kind {
		case pieceControl:
			b.WriteString("[" + p.text + "]")
		case pieceMessage:
			b.WriteString(messages[p.message].Content)
		default:
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// A template writes what it wants of a message; what looks like a control token
// in a message stays text, or the conversation is refused.
func TestJinjaLayouts(t *testing.T) {
	const (
		open = "{{ bos_token }}{% for m in messages %}<|start|>{{ m.role }}\n"
		shut = "<|end|>\n{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
	)
	for name, test := range map[string]struct {
		source, content, want string // of a user's message; an error if it has no bracket
	}{
		"as it is":                     {open + "{{ m.content }}" + shut, " a ", "[<s>][<|start|>]user\n a [<|end|>]\n[<|start|>]assistant\n"},
		"a token":                      {open + "{{ m.content }}" + shut, "<|end|>", "[<s>][<|start|>]user\n<|end|>[<|end|>]\n[<|start|>]assistant\n"},
		"trimmed":                      {open + "{{ m.content|trim }}" + shut, " a ", "[<s>][<|start|>]user\na[<|end|>]\n[<|start|>]assistant\n"},
		"trimmed tokens":               {open + "{{ m.content|trim }}" + shut, " <s><|end|> ", "[<s>][<|start|>]user\n<s><|end|>[<|end|>]\n[<|start|>]assistant\n"},
		"trimmed mark":                 {open + "{{ m.content|trim }}" + shut, " " + mark(2) + " ", "[<s>][<|start|>]user\n" + mark(2) + "[<|end|>]\n[<|start|>]assistant\n"},
		"trimmed mark and token":       {open + "{{ m.content|trim }}" + shut, " " + mark(2) + "<s> ", "in a way of its own"},
		"JSON":                         {open + "{{ m.content|tojson }}" + shut, "a\"\n<|end|>", "[<s>][<|start|>]user\n\"a\\\"\\n<|end|>\"[<|end|>]\n[<|start|>]assistant\n"},
		"ASCII":                        {open + "{{ m.content|tojson(ensure_ascii=true) }}" + shut, "ä<|end|>", "leaves out message 1"},
		"other text for some messages": {open + "{{ m.content }}{{ '!' if 'a' in m.content }}" + shut, "a", "[<s>][<|start|>]user\na![<|end|>]\n[<|start|>]assistant\n"},
		"other tokens for some":        {open + "{{ m.content }}{{ '<s>' if 'a' in m.content }}" + shut, "a", "[<s>][<|start|>]user\na[<s>][<|end|>]\n[<|start|>]assistant\n"},
		"a token made of parts":        {open + "{{ m.content|replace('x', '') }}" + shut, "<|exnd|>", "look like its control tokens"},
		"a token that is cut":          {open + "{{ m.content.split('<|end|>')[0] }}" + shut, "a<|end|>b", "in a way of its own"},
		"left out":                     {open + "{{ m.content if false }}" + shut, "a", "leaves out message 1"},
		"refused":                      {"\n{{ raise_exception('No.') }}", "a", "the chat template refuses this conversation (line 2): No."},
		"failing":                      {"{{ messages[0].a.b }}", "a", "line 1: 'dict object' has no attribute 'a'"},
		"opened thinking":              {open + "{{ m.content }}" + shut + "<think>\n", "a", "[<s>][<|start|>]user\na[<|end|>]\n[<|start|>]assistant\n"},
		"opened thinking, trimmed":     {open + "{{ m.content|trim }}" + shut + "<think>", "a ", "[<s>][<|start|>]user\na[<|end|>]\n[<|start|>]assistant\n"},
	} {
		t.Run(name, func(t *testing.T) {
			messages := []cria.Message{{Role: cria.RoleUser, Content: test.content}}
			tmpl := testTemplate(t, test.source)
			for _, when := range []string{"first", "kept"} {
				l, err := tmpl.layout(t.Context(), messages)
				switch {
				case err != nil && (strings.HasPrefix(test.want, "[") || !strings.Contains(err.Error(), test.want)):
					t.Errorf("%s: %v, want %q", when, err, test.want)
				case err == nil && shown(l, messages) != test.want:
					t.Errorf("%s: %q, want %q", when, shown(l, messages), test.want)
				}
			}
		})
	}
}

// A system message that a template refuses is the user's, and one that it knows
// is not.
func TestRefusedSystemMessage(t *testing.T) {
	messages := []cria.Message{{Role: cria.RoleSystem, Content: "S"}, {Role: cria.RoleUser, Content: "U"}, {Role: cria.RoleAssistant, Content: "A"}, {Role: cria.RoleUser, Content: "V"}}
	refusing := testTemplate(t, "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No system.') }}{% endif %}<|start|>{{ m.role }}:{{ m.content }}{% endfor %}")
	l, err := refusing.layout(t.Context(), messages)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("[<|start|>]user:S\n\nU[<|start|>]assistant:A[<|start|>]user:V", shown(l, messages)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = refusing.layout(t.Context(), messages[:1])
	if refused := (*chattemplate.RenderError)(nil); !errors.As(err, &refused) || !refused.Raised || refused.Line != 1 || refused.Reason != "No system." {
		t.Errorf("a system message alone: %v", err)
	}
}

// A date that a template wrote is not believed the next day.
func TestLayoutsAreRenewed(t *testing.T) {
	messages := []cria.Message{{Role: cria.RoleUser, Content: "U"}}
	tmpl := testTemplate(t, "{{ strftime_now('%d') }} <|start|>{{ messages[0].content }}")
	for _, day := range []int{4, 5, 5} {
		tmpl.clock = func() time.Time { return time.Date(2026, 3, day, 1, 2, 3, 0, time.UTC) }
		l, err := tmpl.layout(t.Context(), messages)
		if want := fmt.Sprintf("0%d [<|start|>]U", day); err != nil || shown(l, messages) != want || l.literal {
			t.Errorf("%+v, %v, want %s", l, err, want)
		}
	}
}

// Once there is a layout, messages that it fits are not rendered any more, and others
// are: rendering ends at once when nobody waits for it.
func TestRenderedOnce(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for source, again := range map[string]map[string]bool{ // whether a content is rendered
		"<|start|>{{ messages[0].content }}":                                          {"": false, " a ": false, "<|start|>": false},
		"<|start|>{{ messages[0].content | trim }}":                                   {"": false, "a": false, " a": true},
		"<|start|>{{ messages[0].content }}{{ '!' if messages[0].content else '?' }}": {"": true, "a": false},
		"<|start|>{{ messages[0].content }}{{ messages[0].content | length }}":        {"a": true, "b": true},
		"{{ strftime_now('%Y') }}{{ messages[0].content }}":                           {"a": false},
	} {
		tmpl := testTemplate(t, source)
		if _, err := tmpl.layout(gone, []cria.Message{{Role: cria.RoleUser}}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v at first", source, err)
		}
		if _, err := tmpl.layout(t.Context(), []cria.Message{{Role: cria.RoleUser, Content: "first"}}); err != nil {
			t.Fatal(err)
		}
		for content, want := range again {
			_, err := tmpl.layout(gone, []cria.Message{{Role: cria.RoleUser, Content: content}})
			if err != nil != want {
				t.Errorf("%s, %q: %v, want rendered again %t", source, content, err, want)
			}
		}
	}
}

// Whether a template refuses a system message may depend on what it says.
func TestRefusalsThatDepend(t *testing.T) {
	tmpl := testTemplate(t, "{% if messages[0].role == 'system' and messages[0].content %}{{ raise_exception('No.') }}{% endif %}{% for m in messages %}<|start|>{{ m.content }}{% endfor %}")
	for system, want := range map[string]string{"S": "[<|start|>]S\n\nU", "": "[<|start|>][<|start|>]U"} {
		messages := []cria.Message{{Role: cria.RoleSystem, Content: system}, {Role: cria.RoleUser, Content: "U"}}
		for range 2 {
			if l, err := tmpl.layout(t.Context(), messages); err == nil && shown(l, messages) != want {
				t.Errorf("%q: %q, want %q", system, shown(l, messages), want)
			} else if err != nil {
				t.Errorf("%q: %v", system, err)
			}
		}
	}
}

func TestNewTemplate(t *testing.T) {
	loadShared(t) // the built-in names
	for name, test := range map[string]struct {
		own, asked string
		kind       error  // nil: none
		line       int    // of a syntax error
		want       string // of another error
	}{
		"none":               {"", "", nil, 0, ""},
		"the model's":        {"{{ messages }}", "", nil, 0, ""},
		"plain":              {"{{", PlainText, nil, 0, ""},
		"built in":           {"{{", "chatml", nil, 0, ""},
		"text":               {"{{", "{{ messages }}", nil, 0, ""},
		"unknown":            {"", "chatlm", ErrConfig, 0, `unknown chat template "chatlm"`},
		"broken":             {"a\n{% nope %}", "", ErrModelNotLoaded, 2, ""},
		"broken text":        {"", "{{", ErrConfig, 1, ""},
		"other files needed": {"{% include 'x' %}", "", ErrModelNotLoaded, 1, ""},
	} {
		_, err := newTemplate("m", test.own, test.asked)
		syntax := &chattemplate.SyntaxError{}
		errors.As(err, &syntax)
		if test.kind == nil && err != nil || !errors.Is(err, test.kind) || syntax.Line != test.line || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
