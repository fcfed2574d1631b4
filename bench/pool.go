package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/llamacpp"
	"github.com/cria-lm/cria/pool"
	"github.com/cria-lm/cria/program"
)

// poolFigures are about models: how fast one is ready, and how fast another one takes its
// place.
var poolFigures = []figure{
	{"prefill-copy", "prompt tokens/s of the model as package llamacpp loads it, against llama-bench on its own file",
		fmt.Sprintf("a prompt of %d tokens, to its first token, weights copied into a type that this CPU is fast with, against llama-bench -p %[1]d -n 0 on the file as shipped", prefillTokens),
		"ratio >= 2", prefillOfCopy},
	{"cold-start", "milliseconds from process start to the first token, all included",
		fmt.Sprintf("a new process: llamacpp.Load by the model's name, files in the page cache, a prompt of %d tokens, its first output, against the same with llama-completion --no-warmup and its file's path", startTokens),
		"<= 500 ms", coldStart},
	{"switch", "milliseconds by which calls of two programs in turns, each on a model of its own, are longer than of one",
		"program.Engine.Run on a pool with two models that answer at once, against one program on one",
		"<= 1 ms", switchPrograms},
	{"switch-models", "milliseconds by which calls on two loaded models in turns are longer than on one",
		"a choice of two by an adapter for each of two made models of two layers, each of which has its prompt in the cache, against the same on one of them",
		"<= 1 ms", switchModels},
}

// prefillOfCopy is prefill of the file that users get.
func prefillOfCopy(ctx context.Context, s *session) ([]result, error) {
	pairs, err := s.pairs(ctx,
		func(ctx context.Context, run int) (float64, error) {
			e, err := s.usual(ctx, engine.Options{NoSpeculation: true})
			if err != nil {
				return 0, err
			}
			defer e.Close()
			w, err := newWords(e.Vocab())
			if err != nil {
				return 0, err
			}
			if _, err := generate(ctx, e, w.prompt(seed(4, run, 1), prefillTokens), 1); err != nil {
				return 0, err
			}
			g, err := generate(ctx, e, w.prompt(seed(4, run, 0), prefillTokens), 1)
			return prefillTokens / g.first.Seconds(), err
		},
		func(ctx context.Context, _ int) (float64, error) { return s.llamaBench(ctx, prefillTokens, 0) })
	return []result{{name: "prefill-copy", unit: "tokens/s", pairs: pairs}}, err
}

// coldStart measures what a user's program does, as a child.
func coldStart(ctx context.Context, s *session) ([]result, error) {
	_, w, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	prompt, err := w.text(seed(8, 0, 0), startTokens)
	if err != nil {
		return nil, err
	}
	s.close()
	pairs, err := s.pairs(ctx,
		func(ctx context.Context, _ int) (float64, error) {
			p, err := s.child(ctx, "first-answer", "--name", s.options.model, "--llama-dir", s.peers.dir, "--prompt", prompt)
			if err != nil {
				return 0, err
			}
			took, err := p.firstByte()
			return ms(took), err
		},
		s.completion(prompt))
	return []result{{name: "cold-start", unit: "ms", pairs: pairs}}, err
}

// firstAnswer is the child of coldStart.
func firstAnswer(ctx context.Context, c *childOptions) error {
	m, err := llamacpp.Load(ctx, c.name, &llamacpp.Options{Hub: &hub.Options{LlamaDir: c.llamaDir, Offline: true}, Threads: c.threads})
	if err != nil {
		return err
	}
	defer m.Close()
	req := &cria.Request{Chat: cria.Chat{Turns: []cria.Message{{Role: cria.RoleUser, Content: c.prompt}}}, MaxTokens: startOutput}
	for chunk, err := range m.Generate(ctx, req) {
		if err != nil {
			return err
		}
		if _, err := os.Stdout.WriteString(chunk.Text); err != nil {
			return err
		}
	}
	return nil
}

// instant is a model that answers at once.
type instant struct{ canned }

func (instant) Close() error { return nil }

// instants has any model.
type instants struct{ reply string }

func (instants) Need(context.Context, string, pool.Room) (pool.Memory, error) {
	return pool.Memory{pool.Host: 1}, nil
}

func (i instants) Load(context.Context, string, pool.Memory) (instant, error) {
	return instant{canned{reply: i.reply}}, nil
}

// switchPrograms measures milliseconds of a call.
func switchPrograms(ctx context.Context, s *session) (results []result, err error) {
	t, err := newTask(2)
	if err != nil {
		return nil, err
	}
	models := pool.New(instants{t.reply()}, &pool.Options{Budget: pool.Memory{pool.Host: 2}})
	defer models.Close(ctx)
	programs, err := program.New(program.Pool(models), nil)
	if err != nil {
		return nil, err
	}
	defer programs.Close()
	for _, name := range []string{"one", "two"} {
		if err := program.Add(programs, name, t.predict(0), program.Requirement{Name: "model-" + name}); err != nil {
			return nil, err
		}
	}
	call := func(names ...string) side {
		return func(ctx context.Context, _ int) (float64, error) {
			n := 0
			took, err := microseconds(func() error {
				n++
				_, err := programs.Run(ctx, names[n%len(names)], t.inputs)
				return err
			})
			return took / 1000, err
		}
	}
	pairs, err := s.pairs(ctx, call("one", "two"), call("one"))
	return []result{{name: "switch", unit: "ms", pairs: pairs}}, err
}

// switchModels measures milliseconds of a call of adapters that have a loaded model each.
func switchModels(ctx context.Context, s *session) ([]result, error) {
	s.close()
	dir, err := os.MkdirTemp("", "cria-switch-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	sig, err := cria.ParseSignature("review -> sentiment: Literal['positive','negative']")
	if err != nil {
		return nil, err
	}
	predictor, err := cria.NewPredictor(sig, nil)
	if err != nil {
		return nil, err
	}
	inputs := cria.Example{"review": "I loved every minute."}
	var scopes []cria.Scope
	for i := range 2 {
		path := filepath.Join(dir, fmt.Sprintf("%d.gguf", i))
		if err := synth.Write(ctx, path, s.model, synth.Shape{Seed: uint64(i + 1)}, nil); err != nil {
			return nil, err
		}
		m, err := llamacpp.Load(ctx, path, &llamacpp.Options{Hub: &hub.Options{LlamaDir: s.peers.dir}, Threads: 1})
		if err != nil {
			return nil, err
		}
		defer m.Close()
		a, err := llamacpp.NewAdapter(m, nil)
		if err != nil {
			return nil, err
		}
		scopes = append(scopes, cria.Scope{LM: a, Adapter: a})
	}
	call := func(scopes ...cria.Scope) side {
		return func(ctx context.Context, _ int) (float64, error) {
			n := 0
			took, err := microseconds(func() error {
				n++
				_, err := predictor.Call(cria.With(ctx, scopes[n%len(scopes)]), inputs)
				return err
			})
			return took / 1000, err
		}
	}
	pairs, err := s.pairs(ctx, call(scopes...), call(scopes[0]))
	return []result{{name: "switch-models", unit: "ms", pairs: pairs}}, err
}
