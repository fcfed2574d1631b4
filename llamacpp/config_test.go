package llamacpp

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The specification's defaults, section "Configuration".
func TestDefaultConfigJSON(t *testing.T) {
	got, err := json.Marshal(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model_name":"llama-qwen2.5-0.5b","max_tokens":512,"temperature":0.7,"top_p":0.9,"top_k":null,` +
		`"repeat_penalty":1.1,"seed":null,"context_length":32768,"token_budget_limit":null,"requests_per_minute":null,` +
		`"max_retries":3,"initial_backoff_ms":100,"max_backoff_ms":5000,"enable_cache":false,"cache_ttl_secs":300,"enable_streaming":false,` +
		`"grammar":"auto","grammar_schema":null,"grammar_gbnf":null}`
	if string(got) != want {
		t.Errorf("JSON = %s\nwant   %s", got, want)
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigJSONRoundTrip(t *testing.T) {
	want := Config{
		ModelName: "m", MaxTokens: 1, Temperature: 0.5, TopP: 0.25, TopK: 7, RepeatPenalty: 1.5, Seed: new(uint32(0)),
		ContextLength: 9, TokenBudget: 10, RequestsPerMinute: 11, MaxRetries: 12, InitialBackoff: 1500 * time.Microsecond,
		MaxBackoff: 14*time.Second + time.Nanosecond, EnableCache: true, CacheTTL: 500 * time.Millisecond, EnableStreaming: true,
		Grammar: GrammarOff, GrammarSchema: json.RawMessage(`{"type":"null"}`), GrammarGBNF: `root ::= "x"`,
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Config
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
	partial := DefaultConfig()
	if err := json.Unmarshal([]byte(`{"max_tokens": 5, "top_k": 3}`), &partial); err != nil {
		t.Fatal(err)
	}
	want = DefaultConfig()
	want.MaxTokens, want.TopK = 5, 3
	if diff := cmp.Diff(want, partial); diff != "" {
		t.Errorf("partial (-want +got):\n%s", diff)
	}
	for _, bad := range []string{`{"max_tokens": "x"}`, `{"max_tokenz": 1}`, `{"token_budget_limit": 0}`, `{"requests_per_minute": 0}`, `{"top_k": 0}`, `{"cache_ttl_secs": 1e11}`, `{"initial_backoff_ms": -1}`, `{"grammar": "on"}`, `{"grammar": 1}`, `{"grammar_gbnf": ""}`} {
		if err := json.Unmarshal([]byte(bad), &partial); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v, want an ErrConfig", bad, err)
		}
	}
	if diff := cmp.Diff(want, partial); diff != "" {
		t.Errorf("after errors (-want +got):\n%s", diff)
	}
}

func TestConfigValidate(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"zero max tokens":           func(c *Config) { c.MaxTokens = 0 },
		"negative max tokens":       func(c *Config) { c.MaxTokens = -1 },
		"negative temperature":      func(c *Config) { c.Temperature = -0.1 },
		"temperature above 2":       func(c *Config) { c.Temperature = 2.1 },
		"NaN temperature":           func(c *Config) { c.Temperature = math.NaN() },
		"infinite temperature":      func(c *Config) { c.Temperature = math.Inf(1) },
		"zero top-p":                func(c *Config) { c.TopP = 0 },
		"top-p above 1":             func(c *Config) { c.TopP = 1.1 },
		"NaN top-p":                 func(c *Config) { c.TopP = math.NaN() },
		"negative top-k":            func(c *Config) { c.TopK = -1 },
		"zero repeat penalty":       func(c *Config) { c.RepeatPenalty = 0 },
		"NaN repeat penalty":        func(c *Config) { c.RepeatPenalty = math.NaN() },
		"zero context":              func(c *Config) { c.ContextLength = 0 },
		"negative budget":           func(c *Config) { c.TokenBudget = -1 },
		"negative rate":             func(c *Config) { c.RequestsPerMinute = -1 },
		"no attempt":                func(c *Config) { c.MaxRetries = 0 },
		"negative backoff":          func(c *Config) { c.InitialBackoff = -1 },
		"max backoff below first":   func(c *Config) { c.MaxBackoff = 1 },
		"cache without an age":      func(c *Config) { c.EnableCache, c.CacheTTL = true, 0 },
		"unknown grammar mode":      func(c *Config) { c.Grammar = 2 },
		"schema with grammar off":   func(c *Config) { c.Grammar, c.GrammarSchema = GrammarOff, json.RawMessage(`{}`) },
		"GBNF with grammar off":     func(c *Config) { c.Grammar, c.GrammarGBNF = GrammarOff, `root ::= "x"` },
		"schema and GBNF":           func(c *Config) { c.GrammarSchema, c.GrammarGBNF = json.RawMessage(`{}`), `root ::= "x"` },
		"empty schema":              func(c *Config) { c.GrammarSchema = json.RawMessage{} },
		"the zero value as a whole": func(c *Config) { *c = Config{} },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: Validate = %v, want an ErrConfig", name, err)
		}
	}
}

// What is wrong with a grammar is said with its place.
func TestConfigValidateGrammar(t *testing.T) {
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"keyword", Config{GrammarSchema: json.RawMessage(`{"properties": {"a": {"type": "strin"}}}`)}, "/properties/a"},
		{"not enforced", Config{GrammarSchema: json.RawMessage(`{"properties": {"a": {"$dynamicRef": "#x"}}}`)}, "/properties/a"},
		{"no JSON", Config{GrammarSchema: json.RawMessage(`{"type"`)}, "grammar schema"},
		{"no value fits", Config{GrammarSchema: json.RawMessage(`false`)}, "grammar schema"},
		{"GBNF", Config{GrammarGBNF: "root ::= \"a\" other"}, "grammar GBNF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultConfig()
			c.GrammarSchema, c.GrammarGBNF = tt.config.GrammarSchema, tt.config.GrammarGBNF
			if err := c.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate = %v, want an ErrConfig that says %q", err, tt.want)
			}
		})
	}
}
