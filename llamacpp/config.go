package llamacpp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cria-lm/cria"
)

// Config is how an [Adapter] uses its model. Start from [DefaultConfig]: the
// zero value is not valid, since it allows no token. In JSON, durations are
// numbers in the units that the names say, and fields that are absent keep the
// value they had.
type Config struct {
	// ModelName identifies the model in logs.
	ModelName string

	// MaxTokens is how many tokens one request may generate; more than 0.
	MaxTokens int
	// Temperature flattens (above 1) or sharpens (below 1) the choice of
	// tokens; 0 always takes the most probable one. 0 to 2.
	Temperature float64
	// TopP keeps the most probable tokens that together reach this probability;
	// above 0, at most 1, which keeps all.
	TopP float64
	// TopK keeps this many of the most probable tokens; 0 keeps all.
	TopK int
	// RepeatPenalty makes tokens of the last 64 less probable; above 0, 1 is
	// none.
	RepeatPenalty float64
	// Seed makes the choice of tokens repeat from call to call; nil takes
	// another one for each request.
	Seed *uint32

	// ContextLength caps prompt and reply together, in tokens, below what the
	// model was loaded with; it cannot raise that. More than 0.
	ContextLength int

	// TokenBudget is how many tokens, prompts and replies, all requests of the
	// adapter may use together; 0 is no limit. A request that no longer fits
	// fails with [ErrTokenBudget]; one that nearly fits may generate what is
	// left. Replies from the cache are free.
	TokenBudget int
	// RequestsPerMinute spaces requests out evenly: one that comes too early
	// waits its turn, or fails at once with [ErrRateLimit] if its context would
	// end before; 0 is no limit.
	RequestsPerMinute int

	// MaxRetries counts attempts, the first included: 3 are at most 3 attempts;
	// at least 1. Only an [ErrInference] whose cause can pass is tried again, and
	// only while no text of the failed attempt was handed out.
	MaxRetries int
	// InitialBackoff is the wait before the second attempt; it doubles with
	// each further one.
	InitialBackoff time.Duration
	// MaxBackoff is the longest wait between two attempts.
	MaxBackoff time.Duration

	// EnableCache answers a request that this adapter answered before from memory: see
	// [cria.Cache]. A cache that others share belongs into a [cria.Scope].
	EnableCache bool
	// CacheTTL is how long the cache keeps a reply; more than 0 if it is
	// enabled.
	CacheTTL time.Duration

	// EnableStreaming hands out text as it is generated; otherwise
	// [Adapter.Generate] yields the reply in one piece when it is complete,
	// and an attempt that fails in the middle can be tried again unseen.
	EnableStreaming bool

	// Grammar says what is forced of a reply. [GrammarAuto] is the output that the
	// signature asks for.
	Grammar GrammarMode
	// GrammarSchema is a JSON Schema: each reply is one JSON value that it describes,
	// written compactly, instead of what Grammar would force; see
	// [grammar.JSONSchema]. Parse reads an object that has the outputs' names, or
	// any value if there is one output. Nil is none.
	GrammarSchema json.RawMessage
	// GrammarGBNF is a grammar in llama.cpp's notation: each reply is a text of it;
	// see [grammar.GBNF]. "" is none.
	GrammarGBNF string
}

// DefaultConfig returns the specification's defaults, which are those for
// Qwen2.5-0.5B.
func DefaultConfig() Config {
	return Config{
		ModelName:      "llama-qwen2.5-0.5b",
		MaxTokens:      512,
		Temperature:    0.7,
		TopP:           0.9,
		RepeatPenalty:  1.1,
		ContextLength:  32768,
		MaxRetries:     3,
		InitialBackoff: 100 * time.Millisecond,
		MaxBackoff:     5 * time.Second,
		CacheTTL:       300 * time.Second,
	}
}

// Validate reports the first field that is out of range, as an [ErrConfig].
func (c Config) Validate() error {
	if err := c.check(); err != nil {
		return wrap(ErrConfig, err)
	}
	return nil
}

func (c Config) check() error {
	if err := c.sampling().Validate(); err != nil {
		return err
	}
	switch {
	case c.MaxTokens <= 0:
		return fmt.Errorf("max tokens %d must be more than 0 (start from DefaultConfig)", c.MaxTokens)
	case c.Temperature > 2:
		return fmt.Errorf("temperature %v is above 2", c.Temperature)
	case c.TopP == 0:
		return fmt.Errorf("top-p 0 keeps no token; 1 keeps all")
	case c.RepeatPenalty == 0:
		return fmt.Errorf("repeat penalty 0 must be more than 0; 1 is none")
	case c.ContextLength <= 0:
		return fmt.Errorf("context length %d must be more than 0", c.ContextLength)
	case c.TokenBudget < 0:
		return fmt.Errorf("token budget %d is negative; 0 is no limit", c.TokenBudget)
	case c.RequestsPerMinute < 0:
		return fmt.Errorf("requests per minute %d is negative; 0 is no limit", c.RequestsPerMinute)
	case c.MaxRetries < 1:
		return fmt.Errorf("max retries %d must be at least 1, which is the one attempt", c.MaxRetries)
	case c.InitialBackoff < 0:
		return fmt.Errorf("initial backoff %v is negative", c.InitialBackoff)
	case c.MaxBackoff < c.InitialBackoff:
		return fmt.Errorf("max backoff %v is less than the initial backoff %v", c.MaxBackoff, c.InitialBackoff)
	case c.EnableCache && c.CacheTTL <= 0:
		return fmt.Errorf("cache TTL %v must be more than 0", c.CacheTTL)
	}
	_, err := c.grammar()
	return err
}

func (c Config) sampling() cria.Sampling {
	return cria.Sampling{
		Temperature:   c.Temperature,
		TopK:          c.TopK,
		TopP:          c.TopP,
		RepeatPenalty: c.RepeatPenalty,
		Seed:          c.Seed,
	}
}

// configJSON is Config under the names and in the units of the specification.
type configJSON struct {
	ModelName         string  `json:"model_name"`
	MaxTokens         int     `json:"max_tokens"`
	Temperature       float64 `json:"temperature"`
	TopP              float64 `json:"top_p"`
	TopK              *int    `json:"top_k"` // null: all
	RepeatPenalty     float64 `json:"repeat_penalty"`
	Seed              *uint32 `json:"seed"`
	ContextLength     int     `json:"context_length"`
	TokenBudget       *int    `json:"token_budget_limit"`  // null: none
	RequestsPerMinute *int    `json:"requests_per_minute"` // null: none
	MaxRetries        int     `json:"max_retries"`
	InitialBackoffMS  float64 `json:"initial_backoff_ms"`
	MaxBackoffMS      float64 `json:"max_backoff_ms"`
	EnableCache       bool    `json:"enable_cache"`
	CacheTTLSecs      float64 `json:"cache_ttl_secs"`
	EnableStreaming   bool    `json:"enable_streaming"`

	Grammar       GrammarMode     `json:"grammar"`
	GrammarSchema json.RawMessage `json:"grammar_schema"` // null: none
	GrammarGBNF   *string         `json:"grammar_gbnf"`   // null: none
}

func (c Config) toJSON() configJSON {
	return configJSON{
		ModelName: c.ModelName, MaxTokens: c.MaxTokens, Temperature: c.Temperature, TopP: c.TopP, TopK: limit(c.TopK),
		RepeatPenalty: c.RepeatPenalty, Seed: c.Seed, ContextLength: c.ContextLength, TokenBudget: limit(c.TokenBudget),
		RequestsPerMinute: limit(c.RequestsPerMinute), MaxRetries: c.MaxRetries,
		InitialBackoffMS: in(c.InitialBackoff, time.Millisecond), MaxBackoffMS: in(c.MaxBackoff, time.Millisecond),
		EnableCache: c.EnableCache, CacheTTLSecs: in(c.CacheTTL, time.Second), EnableStreaming: c.EnableStreaming,
		Grammar: c.Grammar, GrammarSchema: c.GrammarSchema, GrammarGBNF: limit(c.GrammarGBNF),
	}
}

func (j configJSON) check() error {
	for name, n := range map[string]*int{"top_k": j.TopK, "token_budget_limit": j.TokenBudget, "requests_per_minute": j.RequestsPerMinute} {
		if n != nil && *n <= 0 {
			return fmt.Errorf("%s %d must be more than 0; null is no limit", name, *n)
		}
	}
	if j.GrammarGBNF != nil && *j.GrammarGBNF == "" {
		return errors.New("grammar_gbnf is empty; null is none")
	}
	for name, n := range map[string]float64{"initial_backoff_ms": j.InitialBackoffMS, "max_backoff_ms": j.MaxBackoffMS, "cache_ttl_secs": j.CacheTTLSecs} {
		if n < 0 || n > maxDuration {
			return fmt.Errorf("%s %v is not between 0 and %v", name, n, float64(maxDuration))
		}
	}
	return nil
}

// maxDuration bounds durations in JSON, in seconds or milliseconds: 31 years are
// as good as for ever and fit a [time.Duration].
const maxDuration = 1e9

// in returns a duration in a unit.
func in(d, unit time.Duration) float64 { return float64(d) / float64(unit) }

// of is the inverse of in.
func of(n float64, unit time.Duration) time.Duration {
	return time.Duration(math.Round(n * float64(unit)))
}

func (j configJSON) config() Config {
	if string(j.GrammarSchema) == "null" {
		j.GrammarSchema = nil
	}
	return Config{
		ModelName: j.ModelName, MaxTokens: j.MaxTokens, Temperature: j.Temperature, TopP: j.TopP, TopK: unlimit(j.TopK),
		RepeatPenalty: j.RepeatPenalty, Seed: j.Seed, ContextLength: j.ContextLength, TokenBudget: unlimit(j.TokenBudget),
		RequestsPerMinute: unlimit(j.RequestsPerMinute), MaxRetries: j.MaxRetries,
		InitialBackoff: of(j.InitialBackoffMS, time.Millisecond), MaxBackoff: of(j.MaxBackoffMS, time.Millisecond),
		EnableCache: j.EnableCache, CacheTTL: of(j.CacheTTLSecs, time.Second), EnableStreaming: j.EnableStreaming,
		Grammar: j.Grammar, GrammarSchema: j.GrammarSchema, GrammarGBNF: unlimit(j.GrammarGBNF),
	}
}

// limit and unlimit move between a zero value and null, which both mean none.
func limit[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

func unlimit[T any](v *T) T {
	if v == nil {
		return *new(T)
	}
	return *v
}

// MarshalJSON writes the configuration under the specification's names.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.toJSON()) }

// UnmarshalJSON reads what MarshalJSON wrote; fields that are absent keep the
// value they had, so decode into [DefaultConfig]. Unknown fields and limits of 0
// are errors; c then stays as it was.
func (c *Config) UnmarshalJSON(data []byte) error {
	j := c.toJSON()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(&j)
	if err == nil {
		err = j.check()
	}
	if err != nil {
		return wrap(ErrConfig, fmt.Errorf("reading it from JSON: %w", err))
	}
	*c = j.config()
	return nil
}
