package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llamacpp"
	"github.com/cria-lm/cria/pool"
)

// Three models, of which two fit, take turns in answering.
func TestModels(t *testing.T) {
	testmodel.Lock(t)
	dir := t.TempDir()
	var names []string
	for i := range 3 {
		path := filepath.Join(dir, fmt.Sprintf("model%d.gguf", i))
		if err := synth.Write(t.Context(), path, testmodel.Model(t), synth.Shape{Seed: uint64(i + 1)}, nil); err != nil {
			t.Fatal(err)
		}
		names = append(names, path)
	}
	source := &pool.Models{Options: func(string) *llamacpp.Options {
		return &llamacpp.Options{ContextLength: 256, ChatTemplate: llamacpp.PlainText}
	}}
	need, err := source.Need(t.Context(), names[0])
	if err != nil {
		t.Fatal(err)
	}
	if file, err := os.Stat(names[0]); err != nil || need[pool.Host] < uint64(file.Size())*9/10 {
		t.Errorf("a model of %d bytes needs %v", file.Size(), need)
	}
	p := pool.New(source, &pool.Options{Budget: pool.Memory{pool.Host: need[pool.Host] * 5 / 2}})
	if _, err := p.Get(t.Context(), filepath.Join(dir, "none.gguf")); !errors.As(err, new(*pool.LoadError)) || !errors.Is(err, llamacpp.ErrModelNotLoaded) {
		t.Errorf("a model that is not there: %v", err)
	}
	sig, err := cria.ParseSignature("question -> answer")
	if err != nil {
		t.Fatal(err)
	}
	predictor, err := cria.NewPredictor(sig, &cria.PredictOptions{MaxTokens: 4})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for g := range 6 {
		all.Go(func() {
			for i := range 3 {
				err := p.Use(t.Context(), names[(g+i)%3], func(ctx context.Context, m *llamacpp.LoadedModel) error {
					_, err := predictor.Call(cria.With(ctx, cria.Scope{LM: m}), cria.Example{"question": "Who?"})
					return err
				})
				if err != nil && !strings.Contains(err.Error(), "answer") { // random weights may end at once
					t.Errorf("a call: %v", err)
				}
			}
		})
	}
	all.Wait()
	if s := p.Status(); s.Evicted == 0 || s.Loaded < 3 || s.Failed != 0 || len(s.Models) != 2 {
		t.Errorf("status %+v", s)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
