package llamacpp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llama"
)

// EmbedderOptions are the settings of [LoadEmbedder]. Nil and zero fields mean
// the defaults.
type EmbedderOptions struct {
	// Hub is as in [Options], as are AsShipped, CopyWeights, Threads and Logger.
	Hub         *hub.Options
	AsShipped   bool
	CopyWeights bool

	MaxLength int            // tokens of one text; 0: see [engine.EmbedderOptions], which says what they cost
	Pooling   engine.Pooling // how a text's tokens become one embedding; empty: as the model was made for
	Normalize bool           // scale every embedding to length 1

	// Where it computes is as in [Options].
	Threads   int
	Backend   hardware.Backend
	GPULayers int
	Logger    *slog.Logger
}

// Embedder is a model in memory that turns texts into vectors, so that texts
// that mean nearly the same have vectors that point nearly the same way. It is
// safe for concurrent use; Close it when done.
type Embedder struct {
	name   string
	path   string
	plan   hardware.Plan
	engine *engine.Embedder
}

// LoadEmbedder makes a model ready to embed texts, as [Load] does to generate,
// from the same references and with the same errors. A model made for embeddings
// says how its tokens become one embedding; of one that generates, such as
// [hub.DefaultModel], they are averaged, which tells topics apart but is no
// match for it.
func LoadEmbedder(ctx context.Context, ref string, opts *EmbedderOptions) (*Embedder, error) {
	if opts == nil {
		opts = &EmbedderOptions{}
	}
	length := cmp.Or(opts.MaxLength, engine.DefaultMaxLength)
	p, err := Prepare(ctx, ref, &Options{
		Hub: opts.Hub, Logger: opts.Logger, AsShipped: opts.AsShipped, Threads: opts.Threads,
		Backend: opts.Backend, GPULayers: opts.GPULayers, ContextLength: length, batch: length,
	})
	if err != nil {
		return nil, err
	}
	var e *engine.Embedder
	plan, err := p.fit(ctx, nil, func(plan *hardware.Plan) error {
		e, err = engine.LoadEmbedder(ctx, p.file.path, &engine.EmbedderOptions{
			MaxLength:      opts.MaxLength,
			Pooling:        opts.Pooling,
			Normalize:      opts.Normalize,
			Threads:        plan.PrefillThreads,
			FixedThreads:   opts.Threads != 0,
			GPULayers:      plan.GPULayers,
			Devices:        plan.Devices,
			Split:          plan.Split,
			FlashAttention: flashAttention(plan),
			CopyWeights:    opts.CopyWeights,
			Files:          p.file.was,
			Logger:         opts.Logger,
		})
		return err
	})
	if err != nil {
		return nil, wrapLoad(err)
	}
	return &Embedder{name: p.name, path: p.file.path, plan: plan, engine: e}, nil
}

// Name returns the name that the model was loaded by.
func (e *Embedder) Name() string { return e.name }

// Path returns the model's file; the first one if it is split.
func (e *Embedder) Path() string { return e.path }

// Plan returns how the model was loaded, and why so.
func (e *Embedder) Plan() hardware.Plan { return e.plan }

// Dimensions returns how many numbers an embedding has.
func (e *Embedder) Dimensions() int { return e.engine.Dimensions() }

// MaxLength returns the most tokens of one text, those included that the model
// wants around it.
func (e *Embedder) MaxLength() int { return e.engine.MaxLength() }

// Close ends running calls with an [ErrModelNotLoaded] and frees the model. It
// may be called again.
func (e *Embedder) Close() error { return e.engine.Close() }

// Embed returns the embedding of each text, which may not be empty. Texts are
// computed together, also with those of other calls. An error is for all of
// them and says which text it is about: an [ErrInvalidParameter], an
// [ErrTokenization], an [ErrContextTooLong], which wraps an
// [engine.InputTooLongError], or an [ErrInference]. No text is shortened.
func (e *Embedder) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	inputs := make([][]llama.Token, len(texts))
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		if inputs[i], err = e.tokenize(i, text); err != nil {
			return nil, classifyEmbedding(err)
		}
	}
	embeddings, err := e.engine.Embed(ctx, inputs)
	return embeddings, classifyEmbedding(err)
}

// tokenize returns the tokens of the text at an index. One that cannot fit is
// refused by its length, as tokenizing takes seconds for megabytes and cannot be
// interrupted.
func (e *Embedder) tokenize(i int, text string) ([]llama.Token, error) {
	if least := e.engine.Vocab().MinTokens(text); least > e.MaxLength() {
		return nil, &engine.InputTooLongError{Index: i, Length: least, AtLeast: true, Limit: e.MaxLength()}
	}
	tokens, err := e.engine.Encode(text)
	if err != nil && !errors.Is(err, engine.ErrClosed) {
		return nil, wrap(ErrTokenization, fmt.Errorf("texts[%d]: %w", i, err))
	}
	return tokens, err
}

// classifyEmbedding is classify for an embedder's errors.
func classifyEmbedding(err error) error {
	if long := (*engine.InputTooLongError)(nil); errors.As(err, &long) {
		return wrap(ErrContextTooLong, err)
	}
	return classify(err)
}
