package llamacpp

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/hub"
)

func parseSignature(t testing.TB, s string) *cria.Signature {
	t.Helper()
	sig, err := cria.ParseSignature(s)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// greedy is the default configuration with repeatable answers.
func greedy() Config {
	c := DefaultConfig()
	c.Temperature, c.RepeatPenalty = 0, 1
	return c
}

func newAdapter(t testing.TB, change func(*Config)) *Adapter {
	t.Helper()
	c := greedy()
	if change != nil {
		change(&c)
	}
	a, err := NewAdapter(loadShared(t), &c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var (
	qa     = "question -> answer"
	france = cria.Example{"question": "What is the capital of France?"}
)

func TestAdapterCall(t *testing.T) {
	a := newAdapter(t, nil)
	p, err := a.Call(t.Context(), parseSignature(t, qa), france)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.Value.Text("answer"), "Paris") {
		t.Errorf("answer = %q, want one that says Paris", p.Value["answer"])
	}
	if p.Finish != cria.FinishStop || !strings.HasPrefix(p.Text, "answer:") {
		t.Errorf("finish %q, text %q", p.Finish, p.Text)
	}
}

func TestAdapterTokenCounts(t *testing.T) {
	a := newAdapter(t, nil)
	sig := parseSignature(t, qa)
	req, err := a.Format(sig, france)
	if err != nil {
		t.Fatal(err)
	}
	want, err := a.Model().CountTokens(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Call(t.Context(), sig, france)
	if err != nil {
		t.Fatal(err)
	}
	if p.Usage.PromptTokens != want || p.Usage.CompletionTokens == 0 || p.Usage.TotalTokens() != want+p.Usage.CompletionTokens {
		t.Errorf("usage = %+v, want %d prompt tokens and some completion tokens", p.Usage, want)
	}
	a = newAdapter(t, func(c *Config) { c.MaxTokens = 2 })
	p, err = a.Call(t.Context(), sig, cria.Example{"question": "Tell me a long story about a dragon."})
	if err != nil {
		t.Fatal(err)
	}
	if p.Usage.CompletionTokens != 2 || p.Finish != cria.FinishLength {
		t.Errorf("with two tokens at most: %+v, finish %q", p.Usage, p.Finish)
	}
}

func TestAdapterGetters(t *testing.T) {
	a := newAdapter(t, func(c *Config) { c.ModelName = "mine" })
	if a.Name() != "mine" || a.GPULayers() != 0 || a.Model() != loadShared(t) || a.Config().ModelName != "mine" {
		t.Errorf("getters: %q, %d, %v, %+v", a.Name(), a.GPULayers(), a.Model(), a.Config())
	}
	a, err := NewAdapter(loadShared(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.ModelName = loadShared(t).Name()
	if diff := cmp.Diff(want, a.Config()); diff != "" {
		t.Errorf("config of a nil config (-want +got):\n%s", diff)
	}
}

func TestNewAdapterErrors(t *testing.T) {
	if _, err := NewAdapter(nil, nil); !errors.Is(err, ErrModelNotLoaded) {
		t.Errorf("NewAdapter without a model = %v, want an ErrModelNotLoaded", err)
	}
	if _, err := NewAdapter(loadShared(t), &Config{}); !errors.Is(err, ErrConfig) {
		t.Errorf("NewAdapter with the zero config = %v, want an ErrConfig", err)
	}
}

func TestConfigureAndPredict(t *testing.T) {
	t.Cleanup(func() { cria.Configure(cria.Scope{}) })
	cria.Configure(cria.Scope{Adapter: newAdapter(t, nil)})
	type question struct{ Question string }
	type answer struct{ Answer string }
	got, err := cria.NewPredict[question, answer]("", nil).Call(t.Context(), question{"What is the capital of Italy?"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.Answer, "Rome") {
		t.Errorf("answer = %q, want one that says Rome", got.Answer)
	}
}

func TestChainOfThought(t *testing.T) {
	type question struct{ Question string }
	type answer struct{ Answer string }
	ctx := cria.With(t.Context(), cria.Scope{LM: loadShared(t)})
	got, err := cria.NewChainOfThought[question, answer]("", nil).Call(ctx, question{"What is 7 plus 5?"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Reasoning == "" || got.Value.Answer == "" {
		t.Errorf("reasoning %q, answer %q", got.Reasoning, got.Value.Answer)
	}
}

// Closed sets, numbers and booleans cannot fail to parse, whatever the text.
func TestTypedOutputsAlwaysParse(t *testing.T) {
	sig := parseSignature(t, "text -> mood: Literal['very good', 'very bad', 'so-so'], ok: bool, stars: int, title, share: float, tags: list[str]")
	ctx := cria.With(t.Context(), cria.Scope{LM: loadShared(t), CloseOnLimit: true, MaxTokens: 80, Sampling: &cria.Sampling{Temperature: 2, Seed: new(uint32(1))}})
	for _, format := range cria.OutputFormats() {
		p, err := cria.NewPredictor(sig, &cria.PredictOptions{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"", "Wonderful!", "{\"mood\":", "日本語", "mood: awful\nstars: many", strings.Repeat("no ", 50)} {
			got, err := p.Call(ctx, cria.Example{"text": text})
			if err != nil {
				t.Errorf("%s: %q: %v", format, text, err)
			} else if len(got.Value) != 6 {
				t.Errorf("%s: %q: %v", format, text, got.Value)
			}
		}
	}
}

// What a struct says of elements and of types of its own holds while the model writes.
func TestStructOutputsAlwaysParse(t *testing.T) {
	type in struct {
		Text string `json:"t" alias:"text"`
	}
	type out struct {
		Codes  []string           `json:"c" alias:"codes" pattern:"[A-Z]{2}-[0-9]{1,3}" len:"1..2"`
		Levels []int              `json:"levels" min:"1" max:"5" len:"1..3"`
		Shares map[string]float64 `json:"shares" max:"1" len:"..2"`
		Addr   netip.Addr         `json:"addr" format:"ipv4"`
		Raw    json.RawMessage    `json:"raw"`
	}
	ctx := cria.With(t.Context(), cria.Scope{LM: loadShared(t), CloseOnLimit: true, MaxTokens: 120, Sampling: &cria.Sampling{Temperature: 2, Seed: new(uint32(1))}})
	for _, format := range cria.OutputFormats() {
		p := cria.NewPredict[in, out]("", &cria.PredictOptions{Format: format})
		for _, text := range []string{"Two boxes, AB-1.", "raw: {"} {
			got, err := p.Call(ctx, in{text})
			if err != nil || len(got.Codes) == 0 || len(got.Levels) == 0 || !got.Addr.Is4() || !json.Valid(got.Raw) {
				t.Errorf("%s: %q: %+v, %v", format, text, got, err)
			}
		}
	}
}

// Whatever the format, the model reads the inputs and a closed set has a distribution.
func TestFormatsAnswer(t *testing.T) {
	sig := parseSignature(t, "review -> sentiment: Literal['positive', 'negative']")
	for _, format := range cria.OutputFormats() {
		p, err := cria.NewPredictor(sig, &cria.PredictOptions{Format: format, LM: loadShared(t)})
		if err != nil {
			t.Fatal(err)
		}
		for review, want := range map[string]string{"I loved every minute.": "positive", "A terrible waste of time.": "negative"} {
			got, err := p.Call(t.Context(), cria.Example{"review": review})
			if err != nil || got.Choice == nil {
				t.Errorf("%s: %q: %+v, %v", format, review, got, err)
			} else if format != cria.OutputMarkers && got.Value["sentiment"] != want { // too much of it for so small a model
				t.Errorf("%s: %q is %v", format, review, got.Value["sentiment"])
			}
		}
	}
}

func TestAdapterTools(t *testing.T) {
	_, err := newAdapter(t, nil).Call(t.Context(), parseSignature(t, qa), france, noTool{})
	if !errors.Is(err, ErrInvalidParameter) {
		t.Errorf("Call with a tool = %v, want an ErrInvalidParameter", err)
	}
}

type noTool struct{}

func (noTool) Name() string        { return "none" }
func (noTool) Description() string { return "does nothing" }
func (noTool) Call(context.Context, json.RawMessage) (json.RawMessage, error) {
	return nil, nil
}

// text collects a reply and counts its chunks.
func text(t testing.TB, lm cria.LM, req *cria.Request) (reply string, chunks int, last cria.Chunk) {
	t.Helper()
	for chunk, err := range lm.Generate(t.Context(), req) {
		if err != nil {
			t.Fatal(err)
		}
		reply += chunk.Text
		chunks++
		last = chunk
	}
	return reply, chunks, last
}

func TestStreaming(t *testing.T) {
	whole := newAdapter(t, nil)
	req, err := whole.Format(parseSignature(t, qa), france)
	if err != nil {
		t.Fatal(err)
	}
	want, chunks, last := text(t, whole, req)
	if chunks != 1 || last.Finish != cria.FinishStop {
		t.Errorf("without streaming: %d chunks, finish %q", chunks, last.Finish)
	}
	streamed := newAdapter(t, func(c *Config) { c.EnableStreaming = true })
	got, chunks, last := text(t, streamed, req)
	if got != want || chunks < 3 || last.Usage.CompletionTokens == 0 {
		t.Errorf("streaming: %q in %d chunks, usage %+v, want %q in several", got, chunks, last.Usage, want)
	}
	for range streamed.Generate(t.Context(), req) {
		break // the rest is cancelled, and the next request is not disturbed
	}
	if again, _, _ := text(t, streamed, req); again != want {
		t.Errorf("after breaking out: %q, want %q", again, want)
	}
}

func TestCancel(t *testing.T) {
	a := newAdapter(t, func(c *Config) { c.EnableStreaming = true; c.MaxTokens = 2000 })
	req, err := a.Format(parseSignature(t, "topic -> story"), cria.Example{"topic": "dragons"})
	if err != nil {
		t.Fatal(err)
	}
	req.Output = nil // free text, which goes on for long
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range a.Generate(ctx, req) {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("the stream ended with %v, want context.Canceled", last)
	}
}

func TestSeedRepeats(t *testing.T) {
	run := func(seed *uint32) string {
		a := newAdapter(t, func(c *Config) { c.Temperature, c.Seed, c.MaxTokens = 1.5, seed, 20 })
		req, err := a.Format(parseSignature(t, "topic -> story"), cria.Example{"topic": "dragons"})
		if err != nil {
			t.Fatal(err)
		}
		reply, _, _ := text(t, a, req)
		return reply
	}
	if a, b := run(new(uint32(7))), run(new(uint32(7))); a != b {
		t.Errorf("the same seed gave %q and %q", a, b)
	}
	if a, b := run(new(uint32(7))), run(new(uint32(8))); a == b {
		t.Errorf("two seeds both gave %q", a)
	}
	if a, b := run(nil), run(nil); a == b {
		t.Errorf("no seed gave %q twice", a)
	}
}

func TestAdapterCache(t *testing.T) {
	a := newAdapter(t, func(c *Config) { c.EnableCache = true; c.TokenBudget = 200 })
	sig := parseSignature(t, qa)
	first, err := a.Call(t.Context(), sig, france)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 { // more than the budget would pay for
		again, err := a.Call(t.Context(), sig, france)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Usage.Cached || again.Text != first.Text {
			t.Errorf("again = %+v, want the first from the cache", again)
		}
	}
}

func TestAdapterBudget(t *testing.T) {
	a := newAdapter(t, func(c *Config) { c.TokenBudget = 100 })
	sig := parseSignature(t, qa)
	var err error
	calls := 0
	for ; err == nil && calls < 20; calls++ {
		_, err = a.Call(t.Context(), sig, france)
	}
	var budget *TokenBudgetError
	if !errors.As(err, &budget) || budget.Limit != 100 || budget.Used+budget.Prompt < 100 || calls < 2 {
		t.Errorf("after %d calls: %v, want a TokenBudgetError with a limit of 100", calls, err)
	}
}

func TestAdapterRateLimit(t *testing.T) {
	a := newAdapter(t, func(c *Config) { c.RequestsPerMinute = 1 })
	sig := parseSignature(t, qa)
	if _, err := a.Call(t.Context(), sig, france); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := a.Call(ctx, sig, france); !errors.Is(err, ErrRateLimit) {
		t.Errorf("second call = %v, want an ErrRateLimit", err)
	}
}

func TestContextLimits(t *testing.T) {
	model := loadShared(t)
	sig := parseSignature(t, qa)
	long := func(words int) cria.Example {
		return cria.Example{"question": strings.Repeat("word ", words)}
	}
	adapter, err := model.AdapterFor("")
	if err != nil {
		t.Fatal(err)
	}
	req, err := adapter.Format(sig, long(100))
	if err != nil {
		t.Fatal(err)
	}
	n, err := model.CountTokens(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	fits := newAdapter(t, func(c *Config) { c.ContextLength = n + 1 })
	if p, err := fits.Call(t.Context(), sig, long(100)); err != nil {
		t.Errorf("a prompt of one token less than the limit: %v", err)
	} else if p.Usage.CompletionTokens != 1 {
		t.Errorf("%d tokens generated, want the one that is left", p.Usage.CompletionTokens)
	}
	full := newAdapter(t, func(c *Config) { c.ContextLength = n })
	_, err = full.Call(t.Context(), sig, long(100))
	var tooLong *ContextTooLongError
	if !errors.As(err, &tooLong) || tooLong.Length != n || tooLong.Limit != n {
		t.Errorf("a prompt that fills the limit: %v, want a ContextTooLongError", err)
	}
	_, err = newAdapter(t, nil).Call(t.Context(), sig, long(20000))
	if !errors.As(err, &tooLong) || tooLong.Limit != model.ContextLength() || !strings.Contains(err.Error(), "shorten it by at least") {
		t.Errorf("a prompt over the context: %v, want a ContextTooLongError", err)
	}
	_, err = newAdapter(t, nil).Call(t.Context(), sig, long(1_000_000))
	if !errors.As(err, &tooLong) || !tooLong.AtLeast || tooLong.Length > 1_000_100 {
		t.Errorf("megabytes: %v, want a ContextTooLongError that says at least", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newAdapter(t, nil).Call(ctx, sig, long(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v, want context.Canceled", err)
	}
}

// A consumer that breaks out has used what was generated, not what was reserved.
func TestBreakingOutSettlesTheBudget(t *testing.T) {
	a := newAdapter(t, func(c *Config) { c.EnableStreaming = true; c.TokenBudget = 1000 })
	req, err := a.Format(parseSignature(t, "topic -> story"), cria.Example{"topic": "dragons"})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 { // each reserves 512 tokens and a prompt
		for _, err := range a.Generate(t.Context(), req) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
}

// Requests that run at once wait for each other's reservations.
func TestConcurrentCallsShareTheBudget(t *testing.T) {
	a := newAdapter(t, func(c *Config) { c.TokenBudget = 1000 })
	sig := parseSignature(t, qa)
	var calls sync.WaitGroup
	for range 6 {
		calls.Go(func() {
			if _, err := a.Call(t.Context(), sig, france); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
}

func TestClosedModel(t *testing.T) {
	m, err := Load(t.Context(), "", &Options{ContextLength: 256})
	if err != nil {
		t.Fatal(err)
	}
	req, err := cria.Lines{}.Format(parseSignature(t, qa), france)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range m.Generate(t.Context(), req) {
		if !errors.Is(err, ErrModelNotLoaded) {
			t.Errorf("Generate after Close = %v, want an ErrModelNotLoaded", err)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	loadShared(t) // the libraries
	for name, tt := range map[string]struct {
		ref  string
		opts *Options
		kind error
	}{
		"unknown name":     {"smollm2-135m-instrukt", nil, ErrModelNotLoaded},
		"no such file":     {"./none.gguf", nil, ErrModelNotLoaded},
		"no libraries":     {"", &Options{Hub: &hub.Options{LlamaDir: t.TempDir()}}, ErrBackend},
		"negative context": {"", &Options{ContextLength: -1}, ErrConfig},
		"too many threads": {"", &Options{Threads: 10_000}, ErrConfig},
		"unknown template": {"", &Options{ChatTemplate: "chatlm"}, ErrConfig},
	} {
		if _, err := Load(t.Context(), tt.ref, tt.opts); !errors.Is(err, tt.kind) {
			t.Errorf("%s: %v, want %v", name, err, tt.kind)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, "", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled load: %v, want context.Canceled", err)
	}
}
