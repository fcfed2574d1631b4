package cria

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

type fakeTool struct{ name, description string }

func (t fakeTool) Name() string        { return t.name }
func (t fakeTool) Description() string { return t.description }
func (t fakeTool) Call(context.Context, json.RawMessage) (json.RawMessage, error) {
	return nil, nil
}

// fullRequest has something in every field.
func fullRequest() *Request {
	field := func(name string, of ...Field) Field {
		t := Type{
			Kind: KindUnion, Elem: &Type{Kind: KindInt}, Values: []string{"v"}, Fields: of, Tag: "t",
			Variants: []Variant{{Name: "w", Fields: slices.Clone(of)}}, Min: new(2.0), Max: new(3.0),
		}
		return Field{
			Name: name, Alias: "other", Desc: "d", Type: t, Optional: true, Min: new(2.0), Max: new(3.0), MinLen: 1, MaxLen: 2,
			Pattern: "p", Format: FormatDate, Schema: json.RawMessage("{}"), GBNF: "g",
		}
	}
	hole := field("n", Field{Name: "m", Type: Type{Kind: KindInt}})
	return &Request{
		Chat:     Chat{Prefix: NewPrefix(Message{RoleSystem, "s"}), Turns: []Message{{RoleUser, "u"}, {RoleAssistant, "a"}}},
		Prefill:  "p",
		Thinking: "t",
		Think:    true,
		Output:   Constraint{{Literal: "l", As: AsBlock}, {Hole: &hole, As: AsJSON}},
		Images:   []Image{{"image/png", []byte("x")}},
		Tools:    []Tool{fakeTool{"n", "d"}},
		Stop:     []string{"x", "y"}, MaxTokens: 1,
		Sampling:     &Sampling{Temperature: 1, TopK: 1, TopP: 0.5, MinP: 0.5, RepeatPenalty: 2, Seed: new(uint32(1))},
		LoRA:         []LoRA{{"a", 0.5}},
		CloseOnLimit: true, Salt: "s", Rollout: 1, CachePolicy: CacheOn,
	}
}

// changes calls try after each single change of what v holds, which it then takes back.
func changes(t *testing.T, name string, v reflect.Value, try func(name string)) {
	t.Helper()
	set := func(what string, to reflect.Value) {
		if v.IsZero() && to.IsZero() {
			return
		}
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		v.Set(to)
		try(name + what)
		v.Set(was)
	}
	if v.IsZero() && !strings.Contains(name, ".Type.") && !strings.Contains(name, ".Output[0]") && name != ".Output[1].Literal" {
		t.Errorf("fullRequest has nothing in %s", name)
	}
	switch v.Interface().(type) {
	case *Prefix:
		set(" with another text", reflect.ValueOf(NewPrefix(Message{RoleSystem, "other"})))
		set(" with another role", reflect.ValueOf(NewPrefix(Message{RoleUser, "s"})))
		set(" with one more", reflect.ValueOf(NewPrefix(Message{RoleSystem, "s"}, Message{RoleUser, "s"})))
		set(" left out", reflect.Zero(v.Type()))
		return
	case Tool:
		set("'s name", reflect.ValueOf(fakeTool{"other", "d"}))
		set("'s description", reflect.ValueOf(fakeTool{"n", "other"}))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			changes(t, name+"."+v.Type().Field(i).Name, v.Field(i), try)
		}
	case reflect.Pointer:
		if set(" left out", reflect.Zero(v.Type())); !v.IsNil() {
			changes(t, name, v.Elem(), try)
		}
	case reflect.Slice:
		set(" left out", reflect.Zero(v.Type()))
		if v.Len() > 0 {
			set(" twice", reflect.AppendSlice(v.Slice3(0, v.Len(), v.Len()), v))
		}
		for i := range v.Len() {
			changes(t, fmt.Sprintf("%s[%d]", name, i), v.Index(i), try)
		}
	case reflect.String:
		set(" longer", reflect.ValueOf(v.String()+"!").Convert(v.Type()))
		set(" not UTF-8", reflect.ValueOf(v.String()+"\xfe").Convert(v.Type()))
		set(" not UTF-8 otherwise", reflect.ValueOf(v.String()+"\xff").Convert(v.Type()))
		set(" empty", reflect.Zero(v.Type()))
	case reflect.Bool:
		set(" off", reflect.Zero(v.Type()))
	case reflect.Int, reflect.Uint32, reflect.Uint8, reflect.Float64:
		set(" other", reflect.ValueOf(77).Convert(v.Type()))
		set(" zero", reflect.Zero(v.Type()))
	default:
		t.Errorf("%s is a %s: this test does not know how to change it", name, v.Type())
	}
}

// Each single change of a request is another key; but for the policy, whatever fields a
// request has.
func TestKeyHasEveryField(t *testing.T) {
	req := fullRequest()
	key := func() cacheKey {
		k, ok := requestKey("m", req, nil)
		if !ok {
			t.Fatalf("%+v has no key", req)
		}
		return k
	}
	before := key()
	seen := map[cacheKey]string{before: "nothing"}
	changes(t, "", reflect.ValueOf(req).Elem(), func(name string) {
		k := key()
		if name == ".CachePolicy empty" || name == ".CachePolicy longer" || name == ".CachePolicy not UTF-8" || name == ".CachePolicy not UTF-8 otherwise" {
			if k != before {
				t.Errorf("%s changes the key", name)
			}
			return
		}
		if other, dup := seen[k]; dup {
			t.Errorf("with %s changed the key is as with %s", name, other)
		}
		seen[k] = name
	})
	if key() != before || len(seen) < 100 {
		t.Errorf("%d changes were tried, want more", len(seen))
	}
	for name, other := range map[string]func() (cacheKey, bool){
		"another model":          func() (cacheKey, bool) { return requestKey("m2", req, nil) },
		"the scores of nothing":  func() (cacheKey, bool) { return requestKey("m", req, []string{}) },
		"the scores of a":        func() (cacheKey, bool) { return requestKey("m", req, []string{"a"}) },
		"the scores of a, b":     func() (cacheKey, bool) { return requestKey("m", req, []string{"a", "b"}) },
		"the scores of ab":       func() (cacheKey, bool) { return requestKey("m", req, []string{"ab"}) },
		"the scores of b, a":     func() (cacheKey, bool) { return requestKey("m", req, []string{"b", "a"}) },
		"a tool that is nothing": func() (cacheKey, bool) { return requestKey("m", &Request{Tools: []Tool{nil}}, nil) },
	} {
		k, ok := other()
		if was, dup := seen[k]; dup || !ok {
			t.Errorf("%s has the key of %s", name, was)
		}
		seen[k] = name
	}
}

// A tool's methods are all that a model can be told of it: one more belongs into the key.
func TestKeyHasEveryMethodOfTools(t *testing.T) {
	if n := toolType.NumMethod(); n != 3 {
		t.Errorf("Tool has %d methods, want Name, Description and Call: say in digester.tool what it adds, and count it here", n)
	}
}

// How much of a conversation is its prefix does not matter, where its messages end does.
func TestKeyOfConversations(t *testing.T) {
	a, b, c := Message{RoleUser, "a"}, Message{RoleAssistant, "b"}, Message{RoleUser, "c"}
	key := func(chat Chat) cacheKey {
		k, _ := requestKey("m", &Request{Chat: chat}, nil)
		return k
	}
	want := key(Chat{Turns: []Message{a, b, c}})
	for name, same := range map[string]Chat{
		"one message":   {Prefix: NewPrefix(a), Turns: []Message{b, c}},
		"all but one":   {Prefix: NewPrefix(a, b), Turns: []Message{c}},
		"all":           {Prefix: NewPrefix(a, b, c)},
		"nothing":       {Prefix: NewPrefix(), Turns: []Message{a, b, c}},
		"no prefix":     {Prefix: new(Prefix), Turns: []Message{a, b, c}},
		"another array": {Turns: append([]Message{a}, b, c)},
	} {
		if key(same) != want {
			t.Errorf("a prefix of %s gives another key", name)
		}
	}
	for name, other := range map[string]Chat{
		"another order": {Turns: []Message{c, b, a}},
		"one less":      {Turns: []Message{a, b}},
		"joined":        {Turns: []Message{{RoleUser, "ab"}, c}},
	} {
		if key(other) == want {
			t.Errorf("%s gives the same key", name)
		}
	}
}

// Signatures that differ in anything that a model is told differ in the key, and nothing
// else about them does.
func TestKeyOfSignatures(t *testing.T) {
	seen := map[cacheKey]string{}
	for _, tt := range []struct {
		signature, instruction string
		demos                  []Example
		format                 OutputFormat
	}{
		{"q -> a", "", nil, ""},
		{"q -> b", "", nil, ""},
		{"q -> a: int", "", nil, ""},
		{"q -> a: Literal['x', 'y']", "", nil, ""},
		{"q -> a: Literal['y', 'x']", "", nil, ""},
		{"q -> a, b", "", nil, ""},
		{"q, r: str | None -> a", "", nil, ""},
		{"q -> a", "Do it.", nil, ""},
		{"q -> a", "Do it", nil, ""},
		{"q -> a", "", []Example{{"q": "1", "a": "2"}}, ""},
		{"q -> a", "", []Example{{"q": "1", "a": "3"}}, ""},
		{"q -> a", "", []Example{{"q": "1", "a": "2"}, {"q": "1", "a": "2"}}, ""},
		{"q -> a", "", nil, OutputJSON},
		{"q -> a", "", nil, OutputMarkers},
	} {
		name := fmt.Sprint(tt)
		for range 2 { // built anew it is the same
			sig, err := mustParse(t, tt.signature).WithInstruction(tt.instruction)
			if err != nil {
				t.Fatal(err)
			}
			p, err := NewPredictor(sig, &PredictOptions{Demos: tt.demos, Format: tt.format, LM: echo()})
			if err != nil {
				t.Fatal(err)
			}
			req, err := p.Request(t.Context(), Example{"q": "x"})
			if err != nil {
				t.Fatal(err)
			}
			k, ok := requestKey("m", req, nil)
			if was, dup := seen[k]; !ok || dup && was != name {
				t.Errorf("%s has the key of %s", name, was)
			}
			seen[k] = name
		}
	}
	if len(seen) != 14 {
		t.Errorf("%d keys, want 14", len(seen))
	}
}

// A type that contains itself has no key, and the request goes to the model.
func TestKeyOfEndlessType(t *testing.T) {
	endless := Type{Kind: KindList}
	endless.Elem = &endless
	req := ask("x")
	req.Output = Constraint{{Hole: &Field{Name: "f", Type: endless}}}
	lm := echo()
	cached := openCache(t, "", nil).LM(lm)
	mustGenerate(t, cached, req)
	mustGenerate(t, cached, req)
	if n := lm.calls.Load(); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

func BenchmarkRequestKey(b *testing.B) {
	for _, demos := range []int{0, 16} {
		b.Run(fmt.Sprint(demos), func(b *testing.B) {
			sig := mustParse(b, "question, context -> answer, score: int")
			for range demos {
				sig = mustDemos(b, sig, append(sig.Demos(), Example{"question": "q", "context": "c", "answer": "a", "score": 1})...)
			}
			b.ReportAllocs()
			for b.Loop() {
				req, err := (Lines{}).Format(sig, Example{"question": "What?", "context": "c"})
				if err != nil {
					b.Fatal(err)
				}
				if _, ok := requestKey("m", req, nil); !ok {
					b.Fatal("no key")
				}
			}
		})
	}
}
