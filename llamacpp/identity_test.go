package llamacpp

import (
	"testing"

	"github.com/cria-lm/cria"
)

// What determines replies determines the identity, and nothing else does.
func TestIdentity(t *testing.T) {
	m := loadShared(t)
	model := m.Identity()
	if model == "" || model != m.Identity() {
		t.Fatalf("the model's identity is %q, then %q", model, m.Identity())
	}
	other := *m
	other.template = &chatTemplate{source: "chatml"}
	if id := other.identify(); id == "" || id == model {
		t.Errorf("another chat template has the identity %q", id)
	}
	if again := *m; again.identify() != model {
		t.Error("the same model has another identity")
	}
	parts := m.Describe()
	for _, name := range []string{"weights", "llama.cpp", "chat template"} {
		if parts[name] == "" {
			t.Errorf("the identity has no %s: %v", name, parts)
		}
	}
	if was := newAdapter(t, func(*Config) {}).Describe()["config"]; was == "" || was == newAdapter(t, func(c *Config) { c.TopK = 5 }).Describe()["config"] {
		t.Errorf("two configurations are described as %q", was)
	}
	adapter := func(change func(*Config)) string { return newAdapter(t, change).Identity() }
	base := adapter(func(*Config) {})
	for name, change := range map[string]func(*Config){
		"name": func(c *Config) { c.ModelName = "other" }, "budget": func(c *Config) { c.TokenBudget = 1000 },
		"rate": func(c *Config) { c.RequestsPerMinute = 1000 }, "retries": func(c *Config) { c.MaxRetries = 7 },
		"cache": func(c *Config) { c.EnableCache = true }, "streaming": func(c *Config) { c.EnableStreaming = true },
	} {
		if adapter(change) != base {
			t.Errorf("with another %s it has another identity", name)
		}
	}
	seen := map[string]string{model: "the model", base: "the defaults"}
	for name, change := range map[string]func(*Config){
		"temperature": func(c *Config) { c.Temperature = 0.1 }, "max tokens": func(c *Config) { c.MaxTokens = 7 },
		"context": func(c *Config) { c.ContextLength = 512 }, "seed": func(c *Config) { c.Seed = new(uint32(1)) },
		"top-p": func(c *Config) { c.TopP = 0.5 }, "top-k": func(c *Config) { c.TopK = 5 },
		"repeat penalty": func(c *Config) { c.RepeatPenalty = 1.5 }, "grammar": func(c *Config) { c.Grammar = GrammarOff },
		"GBNF": func(c *Config) { c.GrammarGBNF = `root ::= "a"` },
	} {
		id := adapter(change)
		if was, dup := seen[id]; dup {
			t.Errorf("with another %s it has the identity of %s", name, was)
		}
		seen[id] = name
	}
}

// A model that is loaded again finds on the disk what it answered before, scores included.
func TestCacheOnDisk(t *testing.T) {
	m := loadShared(t)
	dir := t.TempDir()
	for name, signature := range map[string]string{"generated": "question -> answer", "scored": "question -> answer: Literal['Paris', 'Rome']"} {
		p, err := cria.NewPredictor(parseSignature(t, signature), nil)
		if err != nil {
			t.Fatal(err)
		}
		var first *cria.Prediction
		for i := range 2 {
			cache, err := cria.OpenCache(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Call(cria.With(t.Context(), cria.Scope{LM: m, Cache: cache}), france)
			if err != nil || got.Usage.Cached != (i == 1) {
				t.Fatalf("%s, call %d: %+v, %v", name, i+1, got, err)
			}
			if i == 0 {
				first = got
			} else if got.Text != first.Text || (got.Choice == nil) != (first.Choice == nil) || got.Choice != nil && got.Choice.Margin() != first.Choice.Margin() {
				t.Errorf("%s: %+v, want %+v", name, got, first)
			}
		}
	}
}

// What was computed for one tenant is not used for another, generated or scored.
func TestSalt(t *testing.T) {
	m := loadShared(t)
	for name, signature := range map[string]string{"generated": "question -> answer", "scored": "question -> answer: Literal['Paris', 'Rome']"} {
		p, err := cria.NewPredictor(parseSignature(t, signature), nil)
		if err != nil {
			t.Fatal(err)
		}
		reused := func(salt string) int {
			t.Helper()
			got, err := p.Call(cria.With(t.Context(), cria.Scope{LM: m, Salt: salt}), france)
			if err != nil {
				t.Fatal(err)
			}
			return got.Usage.CachedTokens
		}
		a := name + " for a"
		if n := reused(a); n != 0 {
			t.Errorf("%s: the first call of a tenant reused %d tokens", name, n)
		}
		if n := reused(a); n == 0 {
			t.Errorf("%s: the second call reused nothing", name)
		}
		if n := reused(name + " for b"); n != 0 {
			t.Errorf("%s: another tenant's call reused %d tokens", name, n)
		}
	}
}
