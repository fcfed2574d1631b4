package llamacpp

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/time/rate"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/grammar"
)

// Adapter is the specification's LlamaCppAdapter: a model with a configuration.
// It formats and parses as [cria.Lines] does unless a scope says otherwise (the specification's parse_response
// is Parse), and as a [cria.LM] adds to its model the sampling of the [Config]
// (a temperature of 0.7 by default), retries, a token budget, a rate limit and a
// cache. It is safe for concurrent use and owns no goroutine.
//
//	adapter, err := llamacpp.NewAdapter(model, nil)
//	...
//	cria.Configure(cria.Scope{Adapter: adapter})
type Adapter struct {
	cria.Lines
	model   *LoadedModel
	config  Config
	grammar *grammar.Grammar // of every reply; nil: see config.Grammar
	budget  *budget          // nil: no limit
	limiter *rate.Limiter    // nil: no limit
	lm      cria.Scorer      // attempts, with the cache in front if it is enabled
}

// NewAdapter makes an adapter. A nil config means [DefaultConfig] under the
// model's name. The error is an [ErrConfig], or an [ErrModelNotLoaded] if model
// is nil.
func NewAdapter(model *LoadedModel, config *Config) (*Adapter, error) {
	if model == nil {
		return nil, wrap(ErrModelNotLoaded, errors.New("NewAdapter needs a model from Load"))
	}
	if config == nil {
		c := DefaultConfig()
		c.ModelName = model.Name()
		config = &c
	}
	if err := config.Validate(); err != nil {
		return nil, err
	}
	a := &Adapter{Lines: cria.Lines{Describe: model.describes()}, model: model, config: *config}
	a.config.GrammarSchema = bytes.Clone(config.GrammarSchema)
	a.grammar, _ = a.config.grammar() // it is valid
	if n := config.TokenBudget; n > 0 {
		a.budget = newBudget(n)
	}
	if n := config.RequestsPerMinute; n > 0 {
		a.limiter = rate.NewLimiter(rate.Limit(float64(n)/60), 1)
	}
	a.lm = attempts{a}
	if config.EnableCache {
		cache, err := cria.OpenCache("", &cria.CacheOptions{TTL: config.CacheTTL})
		if err != nil {
			return nil, wrap(ErrConfig, err)
		}
		a.lm = cache.LM(a.lm).(cria.Scorer) // as what is behind it
	}
	return a, nil
}

// Name returns the configuration's model name.
func (a *Adapter) Name() string { return a.config.ModelName }

// GPULayers returns how many of the model's layers are on GPUs.
func (a *Adapter) GPULayers() int { return a.model.GPULayers() }

// Config returns the configuration.
func (a *Adapter) Config() Config { return a.config }

// Model returns the model.
func (a *Adapter) Model() *LoadedModel { return a.model }

// Call formats the inputs, asks the model and parses its reply. Tools are
// refused with an [ErrInvalidParameter]: the model cannot call any yet.
func (a *Adapter) Call(ctx context.Context, sig *cria.Signature, inputs cria.Example, tools ...cria.Tool) (*cria.Prediction, error) {
	if len(tools) > 0 {
		return nil, wrap(ErrInvalidParameter, fmt.Errorf("%d tools were given, but this adapter cannot call tools; call it without", len(tools)))
	}
	p, err := cria.NewPredictor(sig, nil)
	if err != nil {
		return nil, err
	}
	return p.Call(cria.With(ctx, cria.Scope{LM: a, Adapter: a}), inputs)
}
