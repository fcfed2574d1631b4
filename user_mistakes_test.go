package cria

import (
	"context"
	"errors"
	"strings"
	"testing"
)

type badValues string

func (badValues) Values() []string { panic("no values") }

type badPattern string

func (badPattern) Pattern() string { panic("no pattern") }

type badInstruction struct{ Q string }

func (badInstruction) Instruction() string { panic("no instruction") }

type grade int

func (grade) Values() []string { return []string{"low", "high"} }

type ratio float64

func (*ratio) Pattern() string { return "[0-9]" }

// A method of a type that panics, or that has no effect, is a mistake in the declaration.
func TestMethodsOfTypes(t *testing.T) {
	_, instruction := SignatureOf[badInstruction, struct{ A string }]("")
	for name, tt := range map[string]struct {
		err         error
		field, want string
		panics      bool
	}{
		"values":      {unionErr[struct{ A badValues }](), "a", "no values", true},
		"pattern":     {unionErr[struct{ A []badPattern }](), "a", "no pattern", true},
		"instruction": {instruction, "", "no instruction", true},
		"int":         {unionErr[struct{ HowHigh grade }](), "how_high", "make it a string", false},
		"pointer":     {unionErr[struct{ A *grade }](), "a", "MarshalText", false},
		"float":       {unionErr[struct{ A map[string]ratio }](), "a", "a method Pattern", false},
	} {
		var mistake *DeclarationError
		if !errors.As(tt.err, &mistake) || mistake.Field != tt.field || !strings.Contains(tt.err.Error(), tt.want) || errors.As(tt.err, new(*PanicError)) != tt.panics {
			t.Errorf("%s: %v", name, tt.err)
		}
	}
}

// The mistake is of a field of the signature, wherever in it it lies.
func TestDeclarationErrorHasField(t *testing.T) {
	type deep struct {
		Low string `enums:"a"`
	}
	type Embedded struct {
		Inner string `patern:"a"`
	}
	for want, err := range map[string]error{
		"tagged": unionErr[struct {
			A string `json:"tagged" enums:"a"`
		}](),
		"max_size": unionErr[struct {
			MaxSize chan int
		}](),
		"outer": unionErr[struct{ Outer []deep }](),
		"inner": unionErr[struct{ Embedded }](),
		"q":     unionErr[struct{ Q string }](), // an input's name
		"b": unionErr[struct {
			A string `json:"a"`
			B string `json:"b" alias:"a"`
		}](),
	} {
		var mistake *DeclarationError
		if !errors.As(err, &mistake) || mistake.Field != want || mistake.Path != "outputs" {
			t.Errorf("want the field %q: %+v, %v", want, mistake, err)
		}
	}
}

// fewScores is a Scorer that scores so many replies only.
type fewScores struct {
	script
	n int
}

func (s *fewScores) Score(context.Context, *Request, []string) (*Scores, error) {
	return &Scores{Logprobs: make([]float64, s.n)}, nil
}

func TestScoresOfOtherLength(t *testing.T) {
	p, err := NewPredictor(mustParse(t, "-> label: Literal['a', 'b']"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]bool{0: true, 1: true, 2: false, 3: true} {
		_, err := p.Call(With(t.Context(), Scope{LM: &fewScores{n: n}}), Example{})
		if (err != nil) != want || want && !strings.Contains(err.Error(), "scores for 2 values") {
			t.Errorf("%d scores: %v", n, err)
		}
	}
}

func TestMajorityKeyPanics(t *testing.T) {
	one := Func[int, int](func(context.Context, int) (int, error) { return 1, nil })
	got, err := NewMajority(one, 2, func(int) string { panic("no key") }).Call(t.Context(), 0)
	var p *PanicError
	if !errors.As(err, &p) || p.Value != "no key" || got != 0 {
		t.Errorf("%d, %v", got, err)
	}
}

// lengths embeds a text as so many numbers as it is long.
type lengths struct{}

func (lengths) Embed(_ context.Context, texts []string) ([][]float32, error) {
	var vectors [][]float32
	for _, text := range texts {
		vectors = append(vectors, make([]float32, len(text)-len("q: ")))
	}
	return vectors, nil
}

func TestEmbeddersThatCannotBeUsed(t *testing.T) {
	sig := mustParse(t, "q -> a")
	if _, err := NewKNN(t.Context(), nil, sig, 1, []Example{{"q": "x"}}); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("no embedder: %v", err)
	}
	if _, err := NewKNN(t.Context(), lengths{}, sig, 1, []Example{{"q": "xx"}, {"q": "x"}}); err == nil || !strings.Contains(err.Error(), "example 2") {
		t.Errorf("examples: %v", err)
	}
	n, err := NewKNN(t.Context(), lengths{}, sig, 1, []Example{{"q": "xx"}, {"q": "yy"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Nearest(t.Context(), Example{"q": "xxx"}); err == nil {
		t.Error("a longer vector was compared")
	}
}
