package cria

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// adapted is an LM with adapters.
type adapted struct {
	*answering
	identity string
	loras    map[string]string
}

func (a adapted) LoRAs() map[string]string { return a.loras }
func (a adapted) Identity() string         { return a.identity }

func replying() *answering {
	return &answering{answer: func(*Request) string { return " a\nscore: 1" }}
}

// The nearest level that says something of adapters decides.
func TestLoRAOfScope(t *testing.T) {
	lm := adapted{answering: replying(), loras: map[string]string{"a": "", "b": ""}}
	a, b := []LoRA{{Name: "a"}}, []LoRA{{"b", 0.5}, {Name: "a"}}
	for _, tt := range []struct {
		name             string
		scope, predictor []LoRA
		want             []LoRA
	}{
		{"none", nil, nil, nil},
		{"of the predictor", nil, a, a},
		{"of the context", b, nil, b},
		{"of both", b, a, b},
		{"taken away", []LoRA{}, a, nil},
	} {
		p := NewPredict[question, answer]("", &PredictOptions{LM: lm, LoRA: tt.predictor})
		if _, err := p.Call(With(t.Context(), Scope{LoRA: tt.scope}), question{"?"}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, lm.asked[len(lm.asked)-1].LoRA); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestLoRAErrors(t *testing.T) {
	cache, err := OpenCache("", nil)
	if err != nil {
		t.Fatal(err)
	}
	none := replying()
	some := adapted{answering: none, loras: map[string]string{"b": "", "a": ""}}
	for _, tt := range []struct {
		lm    LM
		loras []LoRA
		want  string
	}{
		{none, []LoRA{{Name: "a"}}, `LoRA adapter "a": the model was loaded without adapters`},
		{some, []LoRA{{Name: "a"}, {Name: "c"}}, `LoRA adapter "c": the model does not have it; it has a, b`},
		{some, []LoRA{{Name: "a"}, {Name: "a", Scale: 2}}, "twice"},
		{some, []LoRA{{Name: "a", Scale: math.NaN()}}, "NaN is not finite"},
		{some, []LoRA{{Name: "a", Scale: math.Inf(-1)}}, "-Inf is not finite"},
	} {
		p := NewPredict[question, answer]("", &PredictOptions{LM: tt.lm, LoRA: tt.loras})
		for _, c := range []*Cache{nil, cache} {
			_, err := p.Call(With(t.Context(), Scope{Cache: c}), question{"?"})
			var unknown *LoRAError
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: %v, want %q in it", tt.loras, err, tt.want)
			} else if strings.Contains(tt.want, "the model") && !errors.As(err, &unknown) {
				t.Errorf("%v: %T", tt.loras, err)
			}
		}
	}
	if n := none.calls.Load(); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
}

// A reply is that of the adapters it came with: of their files, not of their names, where
// other processes or LMs read it.
func TestLoRAReplies(t *testing.T) {
	cache, err := OpenCache(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		loras  map[string]string
		asked  []LoRA
		cached bool
	}{
		{"alone", map[string]string{"a": "1"}, nil, false},
		{"alone, loaded with others", map[string]string{"b": "2"}, nil, true},
		{"with one", map[string]string{"a": "1"}, []LoRA{{Name: "a"}}, false},
		{"with one, loaded with others", map[string]string{"a": "1", "b": "2"}, []LoRA{{Name: "a"}}, true},
		{"with less of it", map[string]string{"a": "1"}, []LoRA{{"a", 0.5}}, false},
		{"with another file", map[string]string{"a": "3"}, []LoRA{{Name: "a"}}, false},
		{"with one that cannot say", map[string]string{"a": ""}, []LoRA{{Name: "a"}}, false},
		{"with another that cannot say", map[string]string{"a": ""}, []LoRA{{Name: "a"}}, false},
	} {
		lm := &adapted{answering: replying(), identity: "model", loras: tt.loras}
		p := NewPredict[question, answer]("", &PredictOptions{LM: lm, LoRA: tt.asked})
		r, err := p.Run(With(t.Context(), Scope{Cache: cache}), question{"?"})
		if err != nil {
			t.Fatal(err)
		}
		if r.Usage.Cached != tt.cached {
			t.Errorf("%s: cached: %t", tt.name, r.Usage.Cached)
		}
	}
}

// A saved program has its adapters.
func TestLoRAIsSaved(t *testing.T) {
	for _, want := range [][]LoRA{nil, {}, {{"a", 0.5}, {Name: "b"}}} {
		program := func(loras []LoRA) *Program {
			p, err := NewProgram(NewPredict[question, answer]("", &PredictOptions{LoRA: loras}))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		data, err := program(want).Save(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := program(nil).Load(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, c["predict"].LoRA); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if has := strings.Contains(string(data), `"lora"`); has != (want != nil) {
			t.Errorf("%v is saved as %s", want, data)
		}
		if !json.Valid(data) {
			t.Errorf("%s", data)
		}
	}
}
