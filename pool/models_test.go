package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
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
	need, err := source.Need(t.Context(), names[0], pool.Room{})
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
	ask := func(name string) error { return ask(t.Context(), p, name) }
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

// A file that is damaged ends the model and its contexts. All are loaded anew, the model once,
// when the file is whole, and needs are those of what it is then.
func TestModelFileDamagedWithContexts(t *testing.T) {
	testmodel.Lock(t)
	dir := t.TempDir()
	path, spare := filepath.Join(dir, "model.gguf"), filepath.Join(dir, "spare.gguf")
	if err := errors.Join(
		synth.Write(t.Context(), path, testmodel.Model(t), synth.Shape{}, nil),
		synth.Write(t.Context(), spare, testmodel.Model(t), synth.Shape{Embedding: 128}, nil),
	); err != nil {
		t.Fatal(err)
	}
	source := &counted{Models: &pool.Models{
		Contexts: map[string]string{"chat": path, "classifier": path},
		Options: func(string) *llamacpp.Options {
			return &llamacpp.Options{ContextLength: 256, ChatTemplate: llamacpp.PlainText}
		},
	}}
	p := pool.New(source, nil)
	defer func() {
		if err := p.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	// uses asks the contexts and the model, and returns what the pool counts for them.
	uses := func() uint64 {
		t.Helper()
		sum := uint64(0)
		for _, name := range []string{"chat", "classifier", path} {
			if err := ask(t.Context(), p, name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		s := p.Status()
		for _, m := range s.Models {
			need, err := source.Need(t.Context(), m.Name, pool.Room{})
			if err != nil || need[pool.Host] != m.Need[pool.Host] {
				t.Errorf("%s needs %v, %v; the pool has %v", m.Name, need, err, m.Need)
			}
			sum += need[pool.Host]
		}
		if len(s.Models) != 3 || s.Used[pool.Host] != sum {
			t.Errorf("%+v", s)
		}
		return sum
	}
	before := uses()
	if err := os.Truncate(path, 100_000); err != nil {
		t.Fatal(err)
	}
	if err := ask(t.Context(), p, "chat"); !errors.Is(err, llamacpp.ErrModelNotLoaded) || !errors.As(err, new(*engine.FileChangedError)) {
		t.Errorf("the file in use was cut short: %v", err)
	}
	for _, name := range []string{"classifier", path, "chat"} {
		if err := ask(t.Context(), p, name); !errors.As(err, new(*pool.LoadError)) || !errors.Is(err, gguf.ErrInvalid) {
			t.Errorf("the file is not whole: %s: %v", name, err)
		}
	}
	if err := os.Rename(spare, path); err != nil {
		t.Fatal(err)
	}
	if after := uses(); after <= before {
		t.Errorf("%d bytes are counted of a larger model, %d before", after, before)
	}
	original, err := os.ReadFile(testmodel.Model(t))
	if err == nil {
		err = os.WriteFile(path, original, 0o600) // while the model has it mapped
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(t.Context(), p, "classifier"); !errors.As(err, new(*engine.FileChangedError)) {
		t.Errorf("the file in use was overwritten: %v", err)
	}
	uses() // the model has failed, but is there until now
	if source.loads.Load() != 3 || source.contexts.Load() != 6 {
		t.Errorf("%d models and %d contexts were loaded", source.loads.Load(), source.contexts.Load())
	}
}

// ask has a model of a pool say something.
func ask(ctx context.Context, p *pool.Pool[*llamacpp.LoadedModel], name string) error {
	return p.Use(ctx, name, func(ctx context.Context, m *llamacpp.LoadedModel) error {
		chat := cria.Chat{Turns: []cria.Message{{Role: cria.RoleUser, Content: "Who?"}}}
		for _, err := range m.Generate(ctx, &cria.Request{Chat: chat, MaxTokens: 4}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// What is wrong with a model is an error of its own type that says what would help. The
// default model goes on in the same pool.
func TestBadModels(t *testing.T) {
	testmodel.Lock(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, metadata []gguf.KeyValue) {
		t.Helper()
		var b bytes.Buffer
		if err := errors.Join(gguf.Write(&b, metadata, nil), os.WriteFile(at(name), b.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("newer.gguf", []gguf.KeyValue{{Key: "general.architecture", Value: "llama9"}})
	write("m-00001-of-00002.gguf", []gguf.KeyValue{{Key: "split.no", Value: uint16(0)}, {Key: "split.count", Value: uint16(2)}})
	if err := errors.Join(
		synth.Write(t.Context(), at("adapted.gguf"), testmodel.Model(t), synth.Shape{}, nil),
		synth.Write(t.Context(), at("other.gguf"), testmodel.Model(t), synth.Shape{Embedding: 128}, nil),
		synth.WriteAdapter(at("lora.gguf"), at("other.gguf"), synth.Adapter{}),
	); err != nil {
		t.Fatal(err)
	}
	loras := map[string]string{"mine": at("lora.gguf")}
	p := pool.New(&pool.Models{Options: func(name string) *llamacpp.Options {
		o := &llamacpp.Options{ContextLength: 256}
		if name == at("adapted.gguf") {
			o.LoRAs = loras
		}
		return o
	}}, &pool.Options{Budget: pool.Memory{pool.Host: 1 << 30}})
	defer func() {
		if err := p.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	if err := ask(t.Context(), p, hub.DefaultModel); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		model string
		is    error
		as    any
		says  []string
	}{
		"an architecture that is not known": {at("newer.gguf"), gguf.ErrUnknownArchitecture, new(*gguf.Error), []string{`"llama9"`, "newer release"}},
		"a part missing":                    {at("m-00001-of-00002.gguf"), fs.ErrNotExist, new(*gguf.PartsError), []string{"m-00002-of-00002.gguf", "put them there"}},
		"an adapter for another model":      {at("adapted.gguf"), llamacpp.ErrModelNotLoaded, new(*gguf.LoRAError), []string{`"mine"`, "load the adapter with the model that it was trained on"}},
		"no such model":                     {"smollm2-136m-instruct", hub.ErrUnknown, new(*pool.LoadError), []string{"did you mean smollm2-135m-instruct"}},
		"no such file":                      {at("none.gguf"), fs.ErrNotExist, new(*pool.LoadError), []string{at("none.gguf")}},
	} {
		err := ask(t.Context(), p, tt.model)
		if !errors.Is(err, llamacpp.ErrModelNotLoaded) || !errors.Is(err, tt.is) || !errors.As(err, tt.as) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, text := range tt.says {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q is not in %q", name, text, err)
			}
		}
		if err := ask(t.Context(), p, hub.DefaultModel); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	delete(loras, "mine")
	if err := ask(t.Context(), p, at("adapted.gguf")); err != nil {
		t.Errorf("without the adapter: %v", err)
	}
	if s := p.Status(); s.Loaded != 2 {
		t.Errorf("%d models were loaded", s.Loaded)
	}
}

// What can never fit is refused at once, with what it needs and what there is, also while
// the budget is in use. What fits goes on.
func TestModelTooLarge(t *testing.T) {
	testmodel.Lock(t)
	small := filepath.Join(t.TempDir(), "small.gguf")
	if err := synth.Write(t.Context(), small, testmodel.Model(t), synth.Shape{}, nil); err != nil {
		t.Fatal(err)
	}
	source := &pool.Models{Options: func(string) *llamacpp.Options { return &llamacpp.Options{ContextLength: 256} }}
	budget := pool.Memory{pool.Host: 64 << 20}
	p := pool.New(source, &pool.Options{Budget: budget})
	defer func() {
		if err := p.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	lease, err := p.Get(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	for what, err := range map[string]error{"asked for": ask(t.Context(), p, hub.DefaultModel), "preloaded": p.Preload(t.Context(), hub.DefaultModel)} {
		var large *pool.TooLargeError
		if !errors.As(err, &large) || large.Need[pool.Host] < 90<<20 || large.Budget[pool.Host] != budget[pool.Host] {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for _, text := range []string{hub.DefaultModel, "more than the pool's budget", budget.String(), "raise the budget", "shorter context", "smaller quantization"} {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q is not in %q", what, text, err)
			}
		}
	}
	if err := ask(t.Context(), p, small); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// counted is a source that counts what it does.
type counted struct {
	*pool.Models
	loads, contexts atomic.Int32
}

func (c *counted) Load(ctx context.Context, name string, need pool.Memory) (*llamacpp.LoadedModel, error) {
	c.loads.Add(1)
	return c.Models.Load(ctx, name, need)
}

func (c *counted) NewContext(ctx context.Context, name string, model *llamacpp.LoadedModel) (*llamacpp.LoadedModel, error) {
	c.contexts.Add(1)
	return c.Models.NewContext(ctx, name, model)
}

// answer is what a model says to a question, greedily.
func answer(ctx context.Context, m *llamacpp.LoadedModel) (text string, err error) {
	req := &cria.Request{
		Chat:      cria.Chat{Turns: []cria.Message{{Role: cria.RoleUser, Content: "Which city is the capital of France?"}}},
		Prefill:   "The capital of France is", // what follows is certain: batches of other sizes do not change it
		MaxTokens: 12,
	}
	for chunk, err := range m.Generate(ctx, req) {
		if err != nil {
			return text, err
		}
		text += chunk.Text
	}
	return text, nil
}

// Two contexts of the default model share its weights and answer as it does, at the same
// time and when the other is closed.
func TestModelsContexts(t *testing.T) {
	testmodel.Lock(t)
	model := testmodel.Model(t)
	source := &counted{Models: &pool.Models{
		Contexts: map[string]string{"chat": model, "classifier": model, "broken": model, "elsewhere": model},
		Options: func(name string) *llamacpp.Options {
			o := &llamacpp.Options{Backend: hardware.BackendCPU, Threads: 1, ContextLength: 512}
			switch name {
			case "chat":
				o.ContextLength = 4096
			case "classifier":
				o.ContextLength, o.Slots = 256, 32
			case "broken":
				o.LoRAs = map[string]string{"l": filepath.Join(t.TempDir(), "missing")}
			case "elsewhere":
				o.Backend = hardware.BackendCUDA
			}
			return o
		},
	}}
	all := pool.Memory{}
	need := map[string]uint64{}
	for _, name := range []string{model, "chat", "classifier"} {
		n, err := source.Need(t.Context(), name, pool.Room{})
		if err != nil {
			t.Fatal(err)
		}
		need[name] = n[pool.Host]
		all[pool.Host] += n[pool.Host]
	}
	file, err := os.Stat(model)
	if err != nil {
		t.Fatal(err)
	}
	// A cell of the cache takes 22.5 KiB.
	if d := need["chat"] - need["classifier"]; need[model] < uint64(file.Size()) || d < 15*1024*22<<10 || d > 2*15*1024*22<<10 {
		t.Errorf("needs %v, the model has %d bytes", need, file.Size())
	}

	p := pool.New(source, &pool.Options{Budget: all})
	use := func(name string, f func(*llamacpp.LoadedModel)) {
		err := p.Use(t.Context(), name, func(_ context.Context, m *llamacpp.LoadedModel) error {
			f(m)
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var want string
	use(model, func(m *llamacpp.LoadedModel) {
		if want, err = answer(t.Context(), m); err != nil || want == "" {
			t.Errorf("it says %q, %v", want, err)
		}
	})
	for _, name := range []string{"broken", "elsewhere"} {
		if _, err := p.Get(t.Context(), name); !errors.As(err, new(*pool.LoadError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Get(ended, "chat"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if s := p.Status(); len(s.Models) != 1 || s.Used[pool.Host] != need[model] {
		t.Errorf("after contexts that failed: %+v", s)
	}
	source.contexts.Store(0)

	var together sync.WaitGroup
	for _, name := range []string{"chat", "classifier", model} {
		together.Go(func() {
			use(name, func(m *llamacpp.LoadedModel) {
				for range 2 {
					if got, err := answer(t.Context(), m); err != nil || got != want {
						t.Errorf("%s says %q, %v, want %q", name, got, err, want)
					}
				}
			})
		})
	}
	together.Wait()
	if s := p.Status(); len(s.Models) != 3 || s.Used[pool.Host] != all[pool.Host] || source.loads.Load() != 1 || source.contexts.Load() != 2 {
		t.Errorf("%d models and %d contexts were loaded: %+v", source.loads.Load(), source.contexts.Load(), s)
	}
	use("chat", func(m *llamacpp.LoadedModel) {
		if m.ContextLength() != 4096 {
			t.Errorf("a context of %d tokens", m.ContextLength())
		}
		p.Evict() // the classifier, and no more
		if got, err := answer(t.Context(), m); err != nil || got != want {
			t.Errorf("then the chat says %q, %v", got, err)
		}
	})
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if s := p.Status(); len(s.Models) > 0 || len(s.Used) > 0 {
		t.Errorf("the closed pool has %+v", s)
	}
}
