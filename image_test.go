package cria

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type photographed struct {
	Front    Image  `json:"front"`
	Back     *Image `json:"back"`
	Question string `json:"question"`
}

// seeing is an LM that can see.
type seeing struct{ *answering }

func (seeing) ReadsImages() bool { return true }

func TestImages(t *testing.T) {
	lm := &answering{answer: func(*Request) string { return " a\nscore: 1" }}
	p := NewPredict[photographed, answer]("", nil)
	front, back := Image{"image/png", []byte("front")}, Image{"image/jpeg", []byte("back")}
	ctx := With(t.Context(), Scope{LM: seeing{lm}})
	if _, err := p.Call(ctx, photographed{front, &back, "?"}); err != nil {
		t.Fatal(err)
	}
	cache, err := OpenCache("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Call(With(ctx, Scope{Cache: cache}), photographed{Front: front, Question: "?"}); err != nil {
		t.Fatal(err)
	}
	if got, want := lastTurn(lm.asked[0]), "front: [image 1]\nback: [image 2]\nquestion: ?"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	if diff := cmp.Diff([]Image{front, back}, lm.asked[0].Images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	if len(lm.asked[1].Images) != 1 {
		t.Errorf("images %v", lm.asked[1].Images)
	}
	blind := With(t.Context(), Scope{LM: lm})
	if _, err := p.Call(blind, photographed{Front: front, Question: "?"}); !errors.As(err, new(*InputError)) || !strings.Contains(err.Error(), "cannot see") {
		t.Errorf("a model that cannot see: %v", err)
	}
	if lm.calls.Load() != 2 {
		t.Error("it was asked")
	}
}

func TestImageErrors(t *testing.T) {
	p := NewPredict[photographed, answer]("", &PredictOptions{LM: seeing{&answering{}}})
	for want, image := range map[string]any{
		"want a cria.Image, got string": "photo.png",
		"the MIME type":                 Image{"text/plain", []byte("x")},
		"the image is empty":            Image{MIME: "image/png"},
		"want a cria.Image, got <nil>":  nil,
	} {
		_, err := p.Predictor().Request(t.Context(), Example{"front": image, "question": "?"})
		if !errors.As(err, new(*InputError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", image, err, want)
		}
	}
	if _, err := p.Signature().WithDemos(Example{"front": Image{"image/png", []byte("x")}, "answer": "a"}); err == nil {
		t.Error("a demonstration has an image")
	}
	type many struct{ Photos []Image }
	for name, err := range map[string]error{
		"output":  second(SignatureOf[question, struct{ I Image }]("")),
		"list":    second(SignatureOf[many, answer]("")),
		"in text": second(ParseSignature("q -> i: dspy.Image")),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if sig := mustParse(t, "photo: dspy.Image -> a"); sig.Inputs()[0].Type.Kind != KindImage {
		t.Error(sig)
	}
}
