package llamacpp

import (
	"context"
	"iter"
	"log/slog"

	"github.com/jellydator/ttlcache/v3"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/llama"
)

// DefaultMaxTokens is how many tokens a request may generate that does not say.
const DefaultMaxTokens = 512

// LoadedModel is a model in memory, ready to generate. As a [cria.LM] it has
// plain defaults: greedy, [DefaultMaxTokens], no retries; an [Adapter] gives it
// those of a [Config]. It is safe for concurrent use; Close it when done.
type LoadedModel struct {
	name     string
	path     string
	plan     hardware.Plan
	opts     Options // as it was loaded
	engine   *engine.Engine
	template *chatTemplate
	prefixes *ttlcache.Cache[prefixKey, *keptPrefix]
	grammars *ttlcache.Cache[string, *grammar.Grammar]

	// vocabulary is made while the first prompt is prepared.
	vocabulary func() *grammar.Vocabulary

	ends func() ([]llama.Token, error) // tokens that end a line, or the model's turn

	identity func() string            // see Identity
	parts    map[string]string        // of the identity, set with it
	loras    func() map[string]string // see LoRAs

	log *slog.Logger
}

// Name returns the name that the model was loaded by.
func (m *LoadedModel) Name() string { return m.name }

// Path returns the model's file; the first one if it is split.
func (m *LoadedModel) Path() string { return m.path }

// GPULayers returns how many of the model's layers are on GPUs, the output counted as one.
func (m *LoadedModel) GPULayers() int { return m.plan.GPULayers }

// Plan returns how the model was loaded, and why so.
func (m *LoadedModel) Plan() hardware.Plan { return m.plan }

// ContextLength returns how many tokens a prompt and its reply may have
// together.
func (m *LoadedModel) ContextLength() int { return m.engine.ContextLength() }

// Vocabulary returns the model's tokens, prepared for grammars. It can be used after
// Close, but for encoding texts.
func (m *LoadedModel) Vocabulary() *grammar.Vocabulary { return m.vocabulary() }

// Err returns why the model serves no more requests though nobody has closed it, such as an
// [engine.FileChangedError], which all contexts of the model have then: it can only be
// closed, and loaded again. A pool does that.
func (m *LoadedModel) Err() error { return classify(m.engine.Err()) }

// Close ends running requests with an [ErrModelNotLoaded] and frees the model, its weights
// when no other context has them: see [LoadedModel.NewContext]. It may be called again.
func (m *LoadedModel) Close() error {
	m.vocabulary() // it may be in the making
	return m.engine.Close()
}

// AdapterFor implements [cria.Formatter]: a model with a chat template is asked in lines,
// one without in one text, unless a format is given.
func (m *LoadedModel) AdapterFor(format cria.OutputFormat) (cria.Adapter, error) {
	if format == "" && m.template.plain() {
		format = cria.OutputCompletion
	}
	return format.Adapter(m.describes())
}

// describes reports whether output fields are described to the model: that misleads
// base models. A LoadedModel that is not from [Load] has no template.
func (m *LoadedModel) describes() bool { return m.template != nil && !m.template.plain() }

// Generate implements [cria.LM].
func (m *LoadedModel) Generate(ctx context.Context, req *cria.Request) iter.Seq2[cria.Chunk, error] {
	return func(yield func(cria.Chunk, error) bool) {
		prompt, err := m.prompt(ctx, req, m.ContextLength())
		if err != nil {
			yield(cria.Chunk{}, err)
			return
		}
		output, err := m.grammar(req.Output)
		if err != nil {
			yield(cria.Chunk{}, err)
			return
		}
		for chunk, err := range m.generate(ctx, prompt, output, req) {
			if !yield(chunk, err) {
				return
			}
		}
	}
}

// generate runs a request whose prompt and output are already made; a nil output is
// free text.
func (m *LoadedModel) generate(ctx context.Context, prompt []llama.Token, output *grammar.Grammar, req *cria.Request) iter.Seq2[cria.Chunk, error] {
	return func(yield func(cria.Chunk, error) bool) {
		r := &engine.Request{
			Prompt:    prompt,
			MaxTokens: maxTokens(req.MaxTokens),
			Sampling:  sampling(req.Sampling),
			Stop:      req.Stop,
			LoRA:      engineLoRAs(req.LoRA),
			Salt:      req.Salt,
		}
		var matcher *grammar.Matcher
		if req.Think {
			m.endThinking(r)
		} else if output != nil {
			matcher = output.Matcher(m.vocabulary())
			if req.CloseOnLimit {
				matcher.CloseOnLimit()
			}
			r.Matcher = matcher
		}
		for chunk, err := range m.engine.Generate(ctx, r) {
			c := convert(chunk)
			c.Closed = c.Finish == cria.FinishLength && req.CloseOnLimit && matcher != nil && matcher.MayEnd()
			if !yield(c, classify(err)) {
				return
			}
		}
	}
}

func maxTokens(n int) int {
	if n == 0 {
		return DefaultMaxTokens
	}
	return n
}

func sampling(s *cria.Sampling) engine.Sampling {
	if s == nil {
		return engine.Sampling{}
	}
	return engine.Sampling{
		Temperature:   float32(s.Temperature),
		TopK:          s.TopK,
		TopP:          float32(s.TopP),
		MinP:          float32(s.MinP),
		RepeatPenalty: float32(s.RepeatPenalty),
		Seed:          s.Seed,
	}
}

func convert(c engine.Chunk) cria.Chunk {
	return cria.Chunk{
		Text:   c.Text,
		Finish: cria.FinishReason(c.Finish),
		Usage:  convertUsage(c.Usage),
	}
}

func convertUsage(u engine.Usage) cria.Usage {
	return cria.Usage{PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, CachedTokens: u.CachedTokens}
}
