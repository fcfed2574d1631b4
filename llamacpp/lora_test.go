package llamacpp

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
)

// A call with an adapter is answered, and scored, as by a model with the changed weights.
func TestLoRA(t *testing.T) {
	dir := t.TempDir()
	base, lora, merged := filepath.Join(dir, "base.gguf"), filepath.Join(dir, "lora.gguf"), filepath.Join(dir, "merged.gguf")
	if err := errors.Join(
		synth.Write(t.Context(), base, testmodel.Model(t), synth.Shape{}, nil),
		synth.WriteAdapter(lora, base, synth.Adapter{Alpha: 2, Seed: 1}),
		synth.Merge(merged, base, lora, 1.5),
	); err != nil {
		t.Fatal(err)
	}
	load := func(path string, loras map[string]string) *LoadedModel {
		m, err := Load(t.Context(), path, &Options{Threads: 1, LoRAs: loras})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	with, without, want := load(base, map[string]string{"l": lora}), load(base, nil), load(merged, nil)
	choose, err := cria.NewPredictor(parseSignature(t, "text -> mood: Literal['good', 'bad', 'so-so']"), nil)
	if err != nil {
		t.Fatal(err)
	}
	write, err := cria.NewPredictor(parseSignature(t, "text -> title"), &cria.PredictOptions{MaxTokens: 12})
	if err != nil {
		t.Fatal(err)
	}
	type reply struct {
		text  string
		probs []float64
	}
	ask := func(lm cria.LM, loras []cria.LoRA) (r reply) {
		ctx := cria.With(t.Context(), cria.Scope{LM: lm, LoRA: loras})
		written, err := write.Call(ctx, cria.Example{"text": "The sea was calm."})
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := choose.Call(ctx, cria.Example{"text": "The sea was calm."})
		if err != nil {
			t.Fatal(err)
		}
		return reply{written.Text, chosen.Choice.Probs}
	}
	same := func(a, b reply) bool {
		return a.text == b.text && slices.EqualFunc(a.probs, b.probs, func(p, q float64) bool { return math.Abs(p-q) < 0.01 })
	}
	c := greedy()
	adapter, err := NewAdapter(with, &c)
	if err != nil {
		t.Fatal(err)
	}
	l := []cria.LoRA{{Name: "l", Scale: 1.5}}
	changed, plain := ask(want, nil), ask(without, nil)
	if same(changed, plain) {
		t.Errorf("the adapter changes nothing: %v", plain)
	}
	for name, tt := range map[string]struct {
		lm    cria.LM
		loras []cria.LoRA
		want  reply
	}{
		"with the adapter":        {with, l, changed},
		"through a configuration": {adapter, l, changed},
		"without":                 {with, nil, plain},
		"with nearly nothing":     {with, []cria.LoRA{{Name: "l", Scale: 1e-60}}, plain},
	} {
		if got := ask(tt.lm, tt.loras); !same(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}

	// What a call asks for in vain is said before the model is, also without a predictor.
	ctx := cria.With(t.Context(), cria.Scope{LoRA: []cria.LoRA{{Name: "m"}}})
	unknown := (*cria.LoRAError)(nil)
	if _, err := write.Call(cria.With(ctx, cria.Scope{LM: with}), cria.Example{"text": ""}); !errors.As(err, &unknown) || !slices.Equal(unknown.Known, []string{"l"}) {
		t.Errorf("an unknown adapter: %v", err)
	}
	for _, lm := range []cria.Scorer{without, adapter} {
		req := &cria.Request{Chat: cria.Chat{Turns: []cria.Message{{Role: cria.RoleUser, Content: "?"}}}, LoRA: []cria.LoRA{{Name: "m"}}}
		var generated error
		for _, generated = range lm.Generate(t.Context(), req) {
		}
		_, scored := lm.Score(t.Context(), req, []string{"a", "b"})
		for _, err := range []error{generated, scored} {
			if !errors.Is(err, ErrInvalidParameter) || !strings.Contains(err.Error(), `"m"`) {
				t.Errorf("an unknown adapter in a request: %v", err)
			}
		}
	}

	// One for another model is refused, with its name, and the others go on.
	var unfit *engine.LoRAError
	var why *gguf.LoRAError
	if _, err := Load(t.Context(), testmodel.Model(t), &Options{LoRAs: map[string]string{"l": lora}}); !errors.Is(err, ErrModelNotLoaded) || !errors.As(err, &unfit) || unfit.Name != "l" || !errors.As(err, &why) {
		t.Errorf("an adapter of another model: %v", err)
	}
	if got := ask(with, l); !same(got, changed) {
		t.Errorf("afterwards: %v, want %v", got, changed)
	}

	// The model is the same with and without adapters; each of these is known by its file.
	if with.Identity() != without.Identity() || with.Identity() == want.Identity() {
		t.Error("adapters are part of the model's identity")
	}
	if digests := adapter.LoRAs(); len(digests) != 1 || len(digests["l"]) != 64 || len(without.LoRAs()) != 0 {
		t.Errorf("its adapters are %v", digests)
	}
}
