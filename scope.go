package cria

import (
	"cmp"
	"context"
	"sync/atomic"
)

// Scope is what a call carries besides its inputs. Fields that are zero leave
// the choice to the next level: a scope in the context ([With]) comes before the
// predictor's options, those before the process-wide defaults ([Configure]),
// those before the LM's own.
type Scope struct {
	LM        LM
	Adapter   Adapter      // decides about the format, unless it leaves that to Format
	Format    OutputFormat // of the replies
	Sampling  *Sampling    // replaces lower levels as a whole; new(Sampling) is greedy
	MaxTokens int          // generated tokens at most; must not be negative

	// LoRA are the adapters that the model has for the call, of those that it was loaded
	// with (see [Adapted]); empty but not nil is the model alone. An LM that does not have
	// them is a *[LoRAError].
	LoRA []LoRA

	// ThinkTokens lets a reasoning model think before it answers, in a block
	// <think>...</think> of at most so many tokens, which MaxTokens does not count.
	// Nothing is forced of what it thinks; the answer is held to the outputs' types as
	// ever. 0 is no thinking: the answer is opened at once.
	ThinkTokens int

	// CloseOnLimit has a reply that runs out of tokens end as the outputs' types
	// allow, if any level says so: the value is then cut short but whole, and its
	// Finish is [FinishLength]. Otherwise a value other than text that was cut off
	// is a *[ParseError].
	CloseOnLimit bool

	// Calibration corrects the scores of a closed set; see [Calibrate].
	Calibration *Calibration

	Cache       *Cache      // stands before the LM, for what CachePolicy says
	CachePolicy CachePolicy // zero at all levels: [CacheOn]

	// Salt keeps tenants apart: nothing that was computed for one is used for another,
	// neither replies of a cache nor what a model has computed of a prompt.
	Salt string

	// Rollout asks for another reply to the same request: each number has a reply of
	// its own, which repeats, since with a temperature and no seed the number is the
	// seed too. 0 is the ordinary call: with a temperature and no seed its reply is
	// random, and then repeats as long as a cache keeps it.
	Rollout int

	attempt bool // one of several: it must not be as the others, even if the call is greedy
}

// over returns s with its zero fields taken from lower.
func (s Scope) over(lower Scope) Scope {
	if s.LM == nil {
		s.LM = lower.LM
	}
	if s.Adapter == nil {
		s.Adapter = lower.Adapter
	}
	s.Sampling = cmp.Or(s.Sampling, lower.Sampling)
	s.Format = cmp.Or(s.Format, lower.Format)
	s.MaxTokens = cmp.Or(s.MaxTokens, lower.MaxTokens)
	if s.LoRA == nil {
		s.LoRA = lower.LoRA
	}
	s.ThinkTokens = cmp.Or(s.ThinkTokens, lower.ThinkTokens)
	s.CloseOnLimit = s.CloseOnLimit || lower.CloseOnLimit
	s.Calibration = cmp.Or(s.Calibration, lower.Calibration)
	s.Cache, s.CachePolicy = cmp.Or(s.Cache, lower.Cache), cmp.Or(s.CachePolicy, lower.CachePolicy)
	s.Salt, s.Rollout = cmp.Or(s.Salt, lower.Salt), cmp.Or(s.Rollout, lower.Rollout)
	s.attempt = s.attempt || lower.attempt
	return s
}

type scopeKey struct{}

// With returns a context whose calls use the scope. Scopes nest: fields that
// are zero keep what an outer With set.
func With(ctx context.Context, s Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, s.over(scopeOf(ctx)))
}

func scopeOf(ctx context.Context) Scope {
	s, _ := ctx.Value(scopeKey{}).(Scope)
	return s
}

var defaults atomic.Pointer[Scope]

// Configure sets the process-wide defaults, replacing earlier ones as a whole.
// It is safe for concurrent use; calls that already run keep what they have.
func Configure(s Scope) { defaults.Store(&s) }

func configured() Scope {
	if s := defaults.Load(); s != nil {
		return *s
	}
	return Scope{}
}

// resolve settles which LM, adapter and sampling a call uses. An adapter that
// brings its own model (it is an LM too) needs no LM besides.
func resolve(ctx context.Context, predictor Scope) (Scope, error) {
	s := scopeOf(ctx).over(predictor).over(configured())
	if s.LM == nil {
		s.LM, _ = s.Adapter.(LM)
	}
	if s.LM == nil {
		return s, ErrNoLM
	}
	if sampler, ok := s.LM.(Sampler); ok && s.Sampling == nil {
		sampling := sampler.DefaultSampling()
		s.Sampling = &sampling
	}
	var err error
	switch a, ok := s.Adapter.(Formatter); {
	case s.Adapter == nil:
		s.Adapter, err = adapterFor(s.LM, s.Format)
	case ok && s.Format != "":
		s.Adapter, err = a.AdapterFor(s.Format)
	}
	s.LM = s.Cache.before(s.LM)
	return s, err
}

// Sampler is an [LM] that samples otherwise than greedily if a request leaves that open.
type Sampler interface {
	DefaultSampling() Sampling
}

// Formatter is an [LM], or an [Adapter], that knows how its model is best asked.
type Formatter interface {
	// AdapterFor returns the adapter that suits the model, of the format unless that
	// is empty.
	AdapterFor(OutputFormat) (Adapter, error)
}

func adapterFor(lm LM, format OutputFormat) (Adapter, error) {
	if f, ok := lm.(Formatter); ok {
		return f.AdapterFor(format)
	}
	return format.Adapter(false)
}
