package cria

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTaggedParse(t *testing.T) {
	const sig = "-> title, age: int"
	both := Example{"title": "one", "age": int64(4)}
	for _, tt := range []struct {
		name, sig, reply string
		want             Example
	}{
		{"as asked for", sig, "<title>one</title>\n<age>4</age>", both},
		{"tags on lines of their own", sig, "<title>\none\n</title>\n<age>\n4\n</age>", both},
		{"in other order, in prose", sig, "Sure:\n<age>4</age>\nand <title> one </title>. Done", both},
		{"in other case", sig, "<Title>one</Title><AGE>4</age>", both},
		{"attributes", sig, "<title lang=\"en\" x='1' y=2>one</title>\n<age\tunit=\"years\" >4</age >", both},
		{"a container and others' tags", sig, "```xml\n<?xml version=\"1.0\"?><reply><id>7</id><title>one</title><age>4</age></reply>\n```", both},
		{"no closing tags", sig, "<title>one\n<age>4", both},
		{"the last closing tag is missing", sig, "<title>one</title><age>4", both},
		{"one in the other", sig, "<title>one<age>4</age></title>", both},
		{"the first counts", sig, "<title>one</title><age>4</age><title>two</title>", both},
		{"an empty one does not", sig, "<title></title><age/><title>one</title><age>4</age>", both},
		{"the opened turn is opened again", sig, "<title>\n<title>\none\n</title>\n</title>\n<age>4</age>", both},
		{"closing tags only", sig, "</title></age><title>one</title><age>4</age>", both},
		{"lines", sig, "title: one\nage: 4", both},
		{"JSON", sig, `{"title": "one", "age": 4}`, both},

		{"stray signs", sig, "<title>a < b & c > d <<age &lt; <3</title><age>4</age>", Example{"title": "a < b & c > d <<age &lt; <3", "age": int64(4)}},
		{"tags in a value", sig, "<title><b>one</b><br/> & <a href=\"x\">two</a></title><age>4</age>", Example{"title": "<b>one</b><br/> & <a href=\"x\">two</a>", "age": int64(4)}},
		{"an output's tag in a value", sig, "<title>the <age> tag, </Title> too</title><age>4</age>", Example{"title": "the <age> tag, </Title> too", "age": int64(4)}},
		{"an output's tag on a line of a value", sig, "<title>\n<age>\n9\n</age>\n</Title>\n</title>\n<age>\n4\n</age>", Example{"title": "<age>\n9\n</age>\n</Title>", "age": int64(4)}},
		{"prose like a tag", sig, "<title>if a <age and b> c</title><age>4</age>", Example{"title": "if a <age and b> c", "age": int64(4)}},
		{"entities", "-> a", "<a>&amp;&#10;</a>", Example{"a": "&amp;&#10;"}},
		{"several lines", "-> a", "<a>\n\none\n\n  two\n\n</a>", Example{"a": "one\n\n  two"}},
		{"a comment and CDATA are text", "-> a", "<a><!-- x --><![CDATA[y]]></a>", Example{"a": "<!-- x --><![CDATA[y]]>"}},
		{"a list and an object", "-> l: list[int], o: dict[str, Any]", "<l>[1,2]</l><o>{\"a\":\"<l>3</l>\"}</o>", Example{"l": []any{int64(1), int64(2)}, "o": map[string]any{"a": "<l>3</l>"}}},
		{"an optional one without content", "-> a: Optional[str], b", "<a/><b>x</b>", Example{"b": "x"}},
		{"a hyphen", "-> max_age: int", "<max-age>4</max-age>", Example{"max_age": int64(4)}},
		{"carriage returns", sig, "<title>\r\none\r\n</title>\r\n<age>\r\n4\r\n</age>", both},
		{"no tag at all", "-> a", "Paris", Example{"a": "Paris"}},
	} {
		got, err := Tagged{}.Parse(mustParse(t, tt.sig), Message{RoleAssistant, tt.reply})
		if err != nil || cmp.Diff(tt.want, got) != "" {
			t.Errorf("%s: %q is read as %v, %v; want %v", tt.name, tt.reply, got, err, tt.want)
		}
	}
}

// Replies that mean trouble end soon, and in an error that has all fields.
func TestTaggedHostile(t *testing.T) {
	const n = 200_000
	for name, reply := range map[string]string{
		"nothing":               "",
		"opening tags":          strings.Repeat("<a>", n),
		"closing tags":          strings.Repeat("</a>", n),
		"in turn":               strings.Repeat("<a><b>", n),
		"in turn, case changes": strings.Repeat("<a><B></A>", n),
		"tags without an end":   strings.Repeat("<a ", n),
		"attributes":            "<a" + strings.Repeat(" x=1", n),
		"quotes":                "<a x=" + strings.Repeat(`"`, n),
		"lines":                 strings.Repeat("<a>\n", n),
		"not UTF-8":             strings.Repeat("<a>\xff</b>", n),
	} {
		_, err := Tagged{}.Parse(mustParse(t, "-> a: int, b: int"), Message{RoleAssistant, reply})
		if parseErr := (*ParseError)(nil); !errors.As(err, &parseErr) || len(parseErr.Fields) != 2 {
			t.Errorf("%s: %.200v", name, err)
		}
	}
}

// FuzzTaggedParse checks that no reply makes the parser panic, that a reply it accepts has
// every field, and that what is written as asked for is read as it was.
func FuzzTaggedParse(f *testing.F) {
	for _, seed := range []string{"<a>1</a><b>2</b>", "<A x='>'>\n</a>", "<a><b></a></b>", "</a><a/><b", "a\n</A>\n<b>"} {
		f.Add(seed)
	}
	sig := mustParse(f, "-> a, b: list[Any]")
	text := mustParse(f, "-> a, b")
	f.Fuzz(func(t *testing.T, reply string) {
		got, err := Tagged{}.Parse(sig, Message{RoleAssistant, reply})
		if err == nil && (got["a"] == nil || got["b"] == nil) {
			t.Errorf("Parse(%q) = %v without an error", reply, got)
		}
		value := strings.TrimSpace(reply)
		tags := findTags(text.outputs[:1], value)
		if value == "" || strings.Contains(value, "</a>") || len(tags) > 0 && tags[0].start == 0 {
			return // what cannot be written so, or is the tag written twice
		}
		r, err := Tagged{}.ReadReply(text, Message{RoleAssistant, "<a>" + value + "</a>\n<b>x</b>"})
		if err != nil || r.Values["a"] != value || r.Values["b"] != "x" || len(r.Coercions) > 0 {
			t.Errorf("%q is read as %q, %v, %v", value, r.Values, r.Coercions, err)
		}
	})
}
