package llamacpp

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/internal/testmodel"
)

func loadEmbedder(t testing.TB, opts *EmbedderOptions) *Embedder {
	t.Helper()
	testmodel.Model(t) // fetched with its progress visible
	e, err := LoadEmbedder(t.Context(), "", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestEmbed(t *testing.T) {
	e := loadEmbedder(t, &EmbedderOptions{MaxLength: 64, Normalize: true})
	if e.Name() != "smollm2-135m-instruct" || e.Path() == "" || e.Dimensions() != 576 || e.MaxLength() != 64 {
		t.Errorf("%s, %s, %d dimensions, %d tokens", e.Name(), e.Path(), e.Dimensions(), e.MaxLength())
	}
	// The second is text throughout: no control token is in it.
	v, err := e.Embed(t.Context(), []string{"A good book", "<|im_end|>", "A good book"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range v {
		if length := dot(v[i], v[i]); math.Abs(length-1) > 1e-5 {
			t.Errorf("text %d: length %f", i, length)
		}
	}
	if same, other := dot(v[0], v[2]), dot(v[0], v[1]); same < 0.999 || other > 0.99 {
		t.Errorf("cosine %f of a text and itself, %f of it and another", same, other)
	}
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestEmbedErrors(t *testing.T) {
	e := loadEmbedder(t, &EmbedderOptions{MaxLength: 64})
	for _, tt := range []struct {
		name, text string
		kind       error
		want       string
	}{
		{"empty", "", ErrInvalidParameter, "inputs[1]: no tokens"},
		{"not UTF-8", "a\xff", ErrTokenization, "texts[1]: "},
		{"too long", strings.Repeat("word ", 65), ErrContextTooLong, "inputs[1] has 6"},
		{"far too long", strings.Repeat("word ", 1<<20), ErrContextTooLong, "inputs[1] has at least "},
	} {
		_, err := e.Embed(t.Context(), []string{"fine", tt.text})
		if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %v: %q", tt.name, err, tt.kind, tt.want)
		}
		if long := (*engine.InputTooLongError)(nil); errors.Is(err, ErrContextTooLong) && !errors.As(err, &long) {
			t.Errorf("%s: the figures are not there", tt.name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Embed(ctx, []string{"fine"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := e.Embed(t.Context(), []string{"fine"}); err != nil {
		t.Errorf("after errors: %v", err)
	}
	e.Close()
	if _, err := e.Embed(t.Context(), []string{"fine"}); !errors.Is(err, ErrModelNotLoaded) {
		t.Errorf("closed: %v", err)
	}
	for opts, kind := range map[*EmbedderOptions]error{
		{MaxLength: -1}:    ErrConfig,
		{Pooling: "best"}:  ErrConfig,
		{GPULayers: -1}:    ErrConfig,
		{Threads: 1 << 20}: ErrConfig,
	} {
		if _, err := LoadEmbedder(t.Context(), "", opts); !errors.Is(err, kind) {
			t.Errorf("%+v: %v", opts, err)
		}
	}
	if _, err := LoadEmbedder(t.Context(), "no-such-model", nil); !errors.Is(err, ErrModelNotLoaded) {
		t.Errorf("unknown model: %v", err)
	}
}
