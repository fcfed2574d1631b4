package cria

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func str(name string) Field { return Field{Name: name, Type: Type{Kind: KindString}} }

func TestComposition(t *testing.T) {
	sig := mustParse(t, "q, c -> a, b")
	change := func(s *Signature, name string, change func(*Field)) (*Signature, error) {
		f, _ := s.Field(name)
		change(&f)
		return s.WithField(f)
	}
	for name, test := range map[string]struct {
		change func() (*Signature, error)
		want   string
	}{
		"append inputs":   {func() (*Signature, error) { return sig.AppendInputs(str("x"), str("y")) }, "q: str, c: str, x: str, y: str -> a: str, b: str"},
		"append outputs":  {func() (*Signature, error) { return sig.AppendOutputs(str("x")) }, "q: str, c: str -> a: str, b: str, x: str"},
		"prepend inputs":  {func() (*Signature, error) { return sig.PrependInputs(str("x"), str("y")) }, "x: str, y: str, q: str, c: str -> a: str, b: str"},
		"prepend outputs": {func() (*Signature, error) { return sig.PrependOutputs(str("x")) }, "q: str, c: str -> x: str, a: str, b: str"},
		"insert inputs":   {func() (*Signature, error) { return sig.InsertInputs(1, str("x")) }, "q: str, x: str, c: str -> a: str, b: str"},
		"insert outputs":  {func() (*Signature, error) { return sig.InsertOutputs(2, str("x"), str("y")) }, "q: str, c: str -> a: str, b: str, x: str, y: str"},
		"insert nothing":  {func() (*Signature, error) { return sig.InsertOutputs(0) }, "q: str, c: str -> a: str, b: str"},
		"delete":          {func() (*Signature, error) { return sig.Delete("q", "b") }, "c: str -> a: str"},
		"delete all inputs": {func() (*Signature, error) {
			return sig.Delete("q", "c")
		}, "-> a: str, b: str"},
		"another type": {func() (*Signature, error) {
			return change(sig, "b", func(f *Field) { f.Type = Type{Kind: KindInt} })
		}, "q: str, c: str -> a: str, b: int"},
		"an optional input": {func() (*Signature, error) {
			return change(sig, "c", func(f *Field) { f.Optional = true })
		}, "q: str, c: Optional[str] -> a: str, b: str"},
	} {
		got, err := test.change()
		if err != nil || got.String() != test.want {
			t.Errorf("%s: %v, %v, want %q", name, got, err, test.want)
		}
	}
	if got, want := sig.String(), "q: str, c: str -> a: str, b: str"; got != want {
		t.Errorf("the signature itself is now %q", got)
	}
}

func TestCompositionErrors(t *testing.T) {
	sig := mustParse(t, "question -> answer")
	for name, test := range map[string]struct {
		change func() (*Signature, error)
		want   string
	}{
		"twice":          {func() (*Signature, error) { return sig.AppendInputs(str("Answer")) }, `building a signature: field "answer": outputs[0]: declared twice`},
		"no name":        {func() (*Signature, error) { return sig.AppendInputs(str("")) }, `building a signature: inputs[1]: it has no name`},
		"index":          {func() (*Signature, error) { return sig.InsertOutputs(2, str("x")) }, `outputs[2]: no field can stand there: the index is from 0 to 1`},
		"negative index": {func() (*Signature, error) { return sig.InsertInputs(-1, str("x")) }, `inputs[-1]: no field can stand there: the index is from 0 to 1`},
		"unknown":        {func() (*Signature, error) { return sig.Delete("question", "anwser") }, `field "anwser": the signature has no such field; did you mean answer?`},
		"unknown change": {func() (*Signature, error) { return sig.WithField(str("hint")) }, `field "hint": the signature has no such field; there are question, answer`},
		"no output":      {func() (*Signature, error) { return sig.Delete("answer") }, `building a signature: it has no output field`},
		"a bad change": {func() (*Signature, error) {
			return sig.WithField(Field{Name: "answer", Type: Type{Kind: KindList}})
		}, `building a signature: field "answer": outputs[0].type: a list needs the type of its elements`},
		"the alias of another": {func() (*Signature, error) {
			return sig.WithField(Field{Name: "answer", Alias: "Question", Type: Type{Kind: KindString}})
		}, `building a signature: field "answer": outputs[0]: a model is shown two fields as "Question"`},
	} {
		got, err := test.change()
		var declaration *DeclarationError
		if got != nil || !errors.As(err, &declaration) || err.Error() != test.want {
			t.Errorf("%s: %v\nwant %s", name, err, test.want)
		}
	}
}

// Demonstrations go along, or it is said which does not.
func TestCompositionKeepsDemos(t *testing.T) {
	demos := []Example{{"q": "1", "a": "7"}, {"q": "2", "a": "many"}}
	sig, err := mustParse(t, "q -> a").WithDemos(demos...)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func() (*Signature, error){
		sig.WithReasoning,
		func() (*Signature, error) { return sig.WithInstruction("Count.") },
		func() (*Signature, error) { return sig.AppendInputs(str("hint")) },
		func() (*Signature, error) { return sig.Delete("q") },
	} {
		got, err := change()
		if err != nil || cmp.Diff(demos, got.Demos()) != "" {
			t.Errorf("%v has the demos %v, %v", got, got.Demos(), err)
		}
	}
	for name, test := range map[string]struct {
		field Field
		demo  int
		want  string
	}{
		"type":       {Field{Name: "a", Type: Type{Kind: KindInt}}, 2, `demo 2: field "a": want one number, got "many"`},
		"constraint": {Field{Name: "a", Type: Type{Kind: KindString}, MaxLen: 3}, 2, `demo 2: field "a": 4 characters are more than the maximum 3`},
		"set":        {Field{Name: "a", Type: Type{Kind: KindLiteral, Values: []string{"many", "few"}}}, 1, `demo 1: field "a": want one of many, few, got "7"`},
		"an input":   {Field{Name: "q", Type: Type{Kind: KindInt}, Min: new(1.5)}, 1, `demo 1: field "q": 1 is less than the minimum 1.5`},
	} {
		_, err := sig.WithField(test.field)
		var demo *DemoError
		if !errors.As(err, &demo) || demo.Demo != test.demo || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	two := mustParse(t, "q -> a, b")
	if two, err = two.WithDemos(Example{"q": "1", "a": "x", "b": "y"}, Example{"q": "2", "b": "y"}); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Delete("b"); err == nil || err.Error() != "demo 2: it has no output field (want a)" {
		t.Errorf("deleting the only output of a demo: %v", err)
	}
}
