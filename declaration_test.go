package cria

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"
)

type broken string

func (broken) Pattern() string { return "(" }

type shade string

func (shade) Values() []string { return []string{"light", "dark"} }

type unset string

func (unset) Values() []string { return nil }

// Every mistake in a struct names the struct's field.
func TestDeclarationMistakes(t *testing.T) {
	type inner struct {
		Deep string `enums:"a,b"`
	}
	type inlined struct {
		A string `json:"a"`
	}
	type Embedded struct{ X string }
	type variants struct {
		A *inlined `desc:"the first"`
	}
	for want, build := range map[string]func() error{
		`.A: unknown tag enums:"a,b"; did you mean enum?`: unionErr[struct {
			A string `enums:"a,b"`
		}],
		`.A: unknown tag Enum:"a,b"; did you mean enum?`: unionErr[struct {
			A string `Enum:"a,b"`
		}],
		`.A: unknown tag patern:"a"; did you mean pattern?`: unionErr[struct {
			A string `patern:"a"`
		}],
		`.A: unknown tag formt:"date"; did you mean format?`: unionErr[struct {
			A string `formt:"date"`
		}],
		`.A: unknown tag mim:"1"; did you mean min?`: unionErr[struct {
			A int `mim:"1"`
		}],
		`.A: unknown tag maximum:"1"; did you mean max?`: unionErr[struct {
			A int `maximum:"1"`
		}],
		`.A: unknown tag minimum:"1"; did you mean min?`: unionErr[struct {
			A int `minimum:"1"`
		}],
		`.A: unknown tag length:"1"; did you mean len?`: unionErr[struct {
			A string `length:"1"`
		}],
		`.A: unknown tag description:"x"; did you mean desc?`: unionErr[struct {
			A string `description:"x"`
		}],
		`.A: unknown tag unions:"x"; did you mean union?`: unionErr[struct {
			A string `unions:"x"`
		}],
		`.A: unknown tag allias:"x"; did you mean alias?`: unionErr[struct {
			A string `allias:"x"`
		}],
		`cria.inner.Deep: unknown tag enums:"a,b"`: unionErr[struct{ In []map[string]*inner }],

		`.A: the tag has min twice`: unionErr[struct {
			A int "min:\"1\" min:\"2\""
		}],
		`.A: enum:"" says nothing`: unionErr[struct {
			A string `enum:""`
		}],
		`.A: alias:"" says nothing`: unionErr[struct {
			A string `alias:""`
		}],
		`.a: it has the tag enum, but is not exported`: unionErr[struct {
			a string `enum:"x,y"`
			B string
		}],
		`.A: enum:"x" says nothing of a struct whose fields stand in its place`: unionErr[struct {
			A inlined `json:",inline" enum:"x"`
		}],
		`.Embedded: desc:"x" says nothing of a struct whose fields stand`: unionErr[struct {
			Embedded `desc:"x"`
		}],
		`.A: desc:"the first" says nothing of a variant of a union`: unionErr[struct {
			V variants `union:"kind"`
		}],

		`.A: pattern: error parsing regexp`: unionErr[struct {
			A string `pattern:"["`
		}],
		`.B: pattern: error parsing regexp`: unionErr[struct{ B []broken }],
		`.A: min 2 is greater than max 1`: unionErr[struct {
			A []float64 `min:"2" max:"1"`
		}],
		`.A: min 300 is greater than max 255`: unionErr[struct {
			A []*uint8 `min:"300"`
		}],
		`.A: min or max is not a number`: unionErr[struct {
			A uint8 `min:"NaN"`
		}],
		`.A: max:"ten" is not a number`: unionErr[struct {
			A int `max:"ten"`
		}],
		`.A: min and max need a number, not str`: unionErr[struct {
			A []string `min:"2"`
		}],
		`.A: pattern and format need a str, not int`: unionErr[struct {
			A map[string]int `pattern:"x"`
		}],
		`.A: pattern and format need a str, not bool`: unionErr[struct {
			A bool `format:"date"`
		}],
		`.A: pattern and format need a str, not Literal['light', 'dark']`: unionErr[struct {
			A shade `pattern:"x"`
		}],
		`.A: len needs a str, list or dict, not int`: unionErr[struct {
			A int `len:"2"`
		}],
		`.A: enum needs a string, or a slice or map of them, not bool`: unionErr[struct {
			A []bool `enum:"true"`
		}],
		`.A: enum has "grey", which is not among the values of the type: light, dark`: unionErr[struct {
			A shade `enum:"light,grey"`
		}],
		`.A: the format of a time is date-time or date, not "time"`: unionErr[struct {
			A []time.Time `format:"time"`
		}],
		`.A: a closed set needs at least one value`: unionErr[struct{ A *unset }],
		`.A: the values "x" and "X" of a closed set differ only in case`: unionErr[struct {
			A string `enum:"x,X"`
		}],

		`.B: the name "A" is declared twice, by`: unionErr[struct {
			A string `json:"a"`
			B string `json:"A"`
		}],
		`.B: a model is shown "a" twice, for`: unionErr[struct {
			A string
			B string `alias:"a"`
		}],
		`outputs: struct { Q string }.Q: the name "q"`: unionErr[struct{ Q string }],
		`.A: a name is letters, digits and underscores, and does not begin with a digit: "1a"`: unionErr[struct {
			A string `json:"1a"`
		}],
		`.A: an alias is letters, digits and underscores, and does not begin with a digit: "a b"`: unionErr[struct {
			A string `alias:"a b"`
		}],

		`.C: a chan int cannot be a field`:                        unionErr[struct{ C map[string]chan int }],
		`.C: a complex128 cannot be a field`:                      unionErr[struct{ C complex128 }],
		`.C: a unsafe.Pointer cannot be a field`:                  unionErr[struct{ C unsafe.Pointer }],
		`.C: a uintptr cannot be a field`:                         unionErr[struct{ C uintptr }],
		`.C: a *int cannot be a field`:                            unionErr[struct{ C **int }],
		`.C: the interface error cannot be a field, only any can`: unionErr[struct{ C []error }],
	} {
		err := build()
		var declaration *DeclarationError
		if !errors.As(err, &declaration) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\nwant  %s", err, want)
		}
	}
}

func TestTagsThatCannotBeRead(t *testing.T) {
	for tag, want := range map[reflect.StructTag]string{
		`enum: "a,b"`:            `the tag is not written as key:"value": "enum: \"a,b\""`,
		`json:"a" enum:"a,b`:     `the tag is not written as key:"value": "enum:\"a,b"`,
		`desc`:                   `the tag is not written as key:"value": "desc"`,
		`desc:"\q"`:              `the value of the tag desc is not a quoted text: "\q"`,
		`json:"a,inlien"`:        `unknown json option "inlien"; did you mean inline?`,
		`json:"a" json:"b"`:      `the tag has json twice`,
		`json:"a,string" min:""`: `min:"" says nothing`,
	} {
		if _, err := readTags(reflect.StructField{Name: "A", Tag: tag}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", tag, err, want)
		}
	}
}

// Tags of other packages are none of ours.
func TestForeignTags(t *testing.T) {
	err := unionErr[struct {
		A string `json:"a" yaml:"a" xml:"a" bson:"a" db:"a" form:"a" env:"A" validate:"required" toml:"a" map:"a" default:"x" doc:"x"`
	}]()
	if err != nil {
		t.Error(err)
	}
}

func TestTypesThatCannotBe(t *testing.T) {
	cyclic := Type{Kind: KindList}
	cyclic.Elem = &cyclic
	object := Type{Kind: KindObject, Fields: make([]Field, 1)}
	object.Fields[0] = Field{Name: "next", Type: object}
	deep := Type{Kind: KindString}
	for range maxTypeDepth {
		deep = Type{Kind: KindDict, Elem: new(deep)}
	}
	half := 0.5
	for want, f := range map[string]Field{
		`outputs[0].type.elem.elem`:                                                  {Name: "x", Type: cyclic},
		`the type is nested deeper than 32 levels, or contains itself`:               {Name: "x", Type: deep},
		`outputs[0].type.fields[0].type.fields[0].type.fields[0].type`:               {Name: "x", Type: object},
		`outputs[0].type: it has no kind`:                                            {Name: "x"},
		`outputs[0].type.elem: min and max need a number, not str`:                   {Name: "x", Type: Type{Kind: KindList, Elem: &Type{Kind: KindString, Min: &half}}},
		`outputs[0].type: unknown format "day"`:                                      {Name: "x", Type: Type{Kind: KindString, Format: "day"}},
		`outputs[0]: its type has a pattern or format already`:                       {Name: "x", Pattern: "a", Type: Type{Kind: KindString, Pattern: "b"}},
		`outputs[0]: min 3 is greater than max 0.5`:                                  {Name: "x", Min: new(3.0), Type: Type{Kind: KindInt, Max: &half}},
		`outputs[0].type.variants[1].fields[0].type: unknown kind "strg"`:            {Name: "x", Type: Type{Kind: KindUnion, Tag: "kind", Variants: []Variant{{Name: "a"}, {Name: "b", Fields: []Field{{Name: "y", Type: Type{Kind: "strg"}}}}}}},
		`outputs[0].type.values: the values "a" and "A" of a closed set differ only`: {Name: "x", Type: Type{Kind: KindLiteral, Values: []string{"a", "A"}}},
	} {
		_, err := NewSignature("", nil, []Field{f})
		var declaration *DeclarationError
		if !errors.As(err, &declaration) || !strings.Contains(err.Error(), want) || declaration.Field != "x" {
			t.Errorf("error %.300v\nwant  %s", err, want)
		}
	}
}
