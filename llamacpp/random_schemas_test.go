package llamacpp

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/internal/schematest"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llama"
)

// schemasEnv gives the seeds of TestRandomSchemas: "0-14000" is what the figure of
// 10,000 schemas is taken from, in a few minutes.
const schemasEnv = "CRIA_TEST_SCHEMAS"

// usualSchemas takes about 20 s on two cores.
const usualSchemas = 600

func schemaSeeds(t *testing.T) (from, to uint64) {
	t.Helper()
	text, ok := os.LookupEnv(schemasEnv)
	if !ok {
		return 0, usualSchemas
	}
	if n, err := fmt.Sscanf(text, "%d-%d", &from, &to); n != 2 || err != nil || to <= from {
		t.Fatalf("%s=%s; want two numbers like 0-14000", schemasEnv, text)
	}
	return from, to
}

// schemaClients is how many requests run at the same time.
const schemaClients = 16

// What models that write at random write under random schemas is valid, says another
// validator: many requests at the same time, with shared prefixes and with guesses.
func TestRandomSchemas(t *testing.T) {
	from, to := schemaSeeds(t)
	architectures := []synth.Architecture{synth.Llama, synth.Gemma3, synth.Mamba, synth.Jamba}
	complete, cached, guessed := 0, 0, 0
	for i, a := range architectures {
		t.Run(string(a), func(t *testing.T) {
			m := newNonsense(t, synth.Shape{Architecture: a, Embedding: 32, Seed: from})
			m.each(from, to, func(seed uint64) {
				if seed%uint64(len(architectures)) == uint64(i) {
					m.one(t, seed)
				}
			})
			t.Logf("%d outputs complete, %d cut short, %d schemas refused; of the prompts' %d tokens %d were shared, of %d written %d guessed",
				m.complete, m.cut, m.refused, m.usage.PromptTokens, m.usage.CachedTokens, m.usage.CompletionTokens, m.usage.GuessedTokens)
			if m.complete < 4*m.cut {
				t.Errorf("only %d outputs are complete, %d are not", m.complete, m.cut)
			}
			complete, cached, guessed = complete+m.complete, cached+m.usage.CachedTokens, guessed+m.usage.GuessedTokens
		})
	}
	t.Logf("%d outputs are complete and valid", complete)
	if cached == 0 || guessed == 0 {
		t.Errorf("%d tokens were shared and %d guessed", cached, guessed)
	}
}

// nonsense is a model with random weights, and what came of its requests.
type nonsense struct {
	engine     *engine.Engine
	vocabulary *grammar.Vocabulary

	mu                     sync.Mutex
	complete, cut, refused int
	usage                  engine.Usage
}

func newNonsense(t *testing.T, shape synth.Shape) *nonsense {
	t.Helper()
	if err := llama.Load(testmodel.Libraries(t)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := synth.Write(t.Context(), path, testmodel.Model(t), shape, nil); err != nil {
		t.Fatal(err)
	}
	e, err := engine.Load(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return &nonsense{engine: e, vocabulary: grammar.NewVocabulary(tokenizer{e.Vocab()})}
}

// each does something with many seeds, several at the same time.
func (m *nonsense) each(from, to uint64, do func(seed uint64)) {
	var next atomic.Uint64
	next.Store(from)
	var clients sync.WaitGroup
	for range schemaClients {
		clients.Go(func() {
			for seed := next.Add(1) - 1; seed < to; seed = next.Add(1) - 1 {
				do(seed)
			}
		})
	}
	clients.Wait()
}

// one generates under the schema of a seed. What is cut short has no verdict.
func (m *nonsense) one(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	schema, err := json.Marshal(schematest.Random(r, 2))
	if err != nil {
		t.Error(err)
		return
	}
	g, err := grammar.Compile(grammar.JSONSchema{Schema: schema})
	if err != nil { // package grammar's own test looks at why
		m.count(func() { m.refused++ })
		return
	}
	matcher := g.Matcher(m.vocabulary)
	req, err := m.request(r, schema, matcher)
	if err != nil {
		t.Error(err)
		return
	}
	text, last, err := writeAll(t.Context(), m.engine, req)
	if err != nil {
		t.Errorf("seed %d, schema %s: %v", seed, schema, err)
		return
	}
	complete := last.Finish == engine.FinishStop || matcher.MayEnd()
	m.count(func() {
		m.usage.PromptTokens += last.Usage.PromptTokens
		m.usage.CachedTokens += last.Usage.CachedTokens
		m.usage.CompletionTokens += last.Usage.CompletionTokens
		m.usage.GuessedTokens += last.Usage.GuessedTokens
		if complete {
			m.complete++
		} else {
			m.cut++
		}
	})
	if !complete {
		return
	}
	if err := schematest.Validator(t, schema)(text); err != nil {
		t.Errorf("seed %d, schema %s, %+v: %s is not valid: %v", seed, schema, req.Sampling, text, err)
	}
}

func (m *nonsense) count(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// request is a generation of one of several kinds. Most come to an end in time.
func (m *nonsense) request(r *rand.Rand, schema []byte, matcher *grammar.Matcher) (*engine.Request, error) {
	tasks := []string{"Write what the schema says. ", "Fill in the form, and be brief. ", "Schema: "}
	prompt := tasks[r.IntN(len(tasks))] + "An example is {\"a\":1,\"b\":[1,1,1,1]}.\n" + string(schema) + "\n"
	tokens, err := m.engine.Vocab().Encode(prompt)
	if err != nil {
		return nil, err
	}
	if r.IntN(8) > 0 {
		matcher.CloseOnLimit()
	}
	req := &engine.Request{Prompt: tokens, MaxTokens: 32 + r.IntN(64), Matcher: matcher, Sampling: randomSampling(r)}
	if req.Sampling.Temperature == 0 { // in time it repeats itself, which can be guessed
		req.MaxTokens *= 3
	}
	return req, nil
}

func randomSampling(r *rand.Rand) engine.Sampling {
	seed := r.Uint32()
	return []engine.Sampling{
		{},
		{},
		{RepeatPenalty: 1.1},
		{Temperature: 0.8},
		{Temperature: 1.5},
		{Temperature: 1, TopP: 0.9, TopK: 40},
		{Temperature: 3, Seed: &seed},
	}[r.IntN(7)]
}

// writeAll returns all of an output, and its last chunk.
func writeAll(ctx context.Context, e *engine.Engine, req *engine.Request) (text string, last engine.Chunk, err error) {
	for last, err = range e.Generate(ctx, req) {
		if err != nil {
			return text, last, err
		}
		text += last.Text
	}
	return text, last, nil
}
