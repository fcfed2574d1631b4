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
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/gguf"
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

// A model whose file is damaged while it is in the pool is an error that says what to do,
// until the file is whole; another goes on.
func TestModelFileDamaged(t *testing.T) {
	testmodel.Lock(t)
	dir := t.TempDir()
	path, spare, other := filepath.Join(dir, "model.gguf"), filepath.Join(dir, "spare.gguf"), filepath.Join(dir, "other.gguf")
	for _, path := range []string{path, spare, other} {
		if err := synth.Write(t.Context(), path, testmodel.Model(t), synth.Shape{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	p := pool.New(&pool.Models{Options: func(string) *llamacpp.Options {
		return &llamacpp.Options{ContextLength: 256, ChatTemplate: llamacpp.PlainText}
	}}, nil)
	defer func() {
		if err := p.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	ask := func(name string) error {
		return p.Use(t.Context(), name, func(ctx context.Context, m *llamacpp.LoadedModel) error {
			chat := cria.Chat{Turns: []cria.Message{{Role: cria.RoleUser, Content: "Who?"}}}
			for _, err := range m.Generate(ctx, &cria.Request{Chat: chat, MaxTokens: 4}) {
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	serves := func(name string) {
		t.Helper()
		if err := ask(name); err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
	}
	serves(path)
	serves(other)
	if err := os.Truncate(path, 100_000); err != nil {
		t.Fatal(err)
	}
	if err := ask(path); !errors.Is(err, llamacpp.ErrModelNotLoaded) || !errors.As(err, new(*engine.FileChangedError)) {
		t.Errorf("the file in use was cut short: %v", err)
	}
	serves(other)
	if err := ask(path); !errors.As(err, new(*pool.LoadError)) || !errors.Is(err, gguf.ErrInvalid) {
		t.Errorf("the file is not whole: %v", err)
	}
	serves(other)
	if err := os.Rename(spare, path); err != nil {
		t.Fatal(err)
	}
	serves(path)
	serves(other)
	if s := p.Status(); s.Loaded != 3 {
		t.Errorf("%d models were loaded", s.Loaded)
	}
}
