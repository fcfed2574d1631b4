package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/cria-lm/cria/llama"
)

// DefaultMaxLength is how many tokens an input of an [Embedder] may have unless
// told otherwise, which is what most encoders are trained with.
const DefaultMaxLength = 512

// EmbedderOptions adjusts an [Embedder]. A zero field means its default.
type EmbedderOptions struct {
	// MaxLength is the most tokens of one input, and of all inputs computed at
	// once. Memory grows with it: with a model that generates by 8 bytes for
	// each token of its vocabulary (512 cost 200 MB with one of 49,000), with an
	// encoder by half of that. If zero, it is the length the model was trained
	// with, at most [DefaultMaxLength]; more than the model was trained with is
	// reduced to that.
	MaxLength int

	// Pooling makes one embedding of those of an input's tokens. If empty, it is
	// what the model was made for; [PoolingMean] for a model that does not say.
	Pooling Pooling

	// Normalize scales every embedding to length 1, so that the dot product of
	// two is the cosine of their angle.
	Normalize bool

	// Threads is as in [Options], for steps of any length; FixedThreads is as there, as
	// are the following.
	Threads        int
	FixedThreads   bool
	GPULayers      int
	Devices        []string
	Split          []float32
	FlashAttention *bool
	Poll           *int
	CopyWeights    bool
	Files          []os.FileInfo

	// QueueLength is how many calls of [Embedder.Embed] may run or wait. If zero,
	// [DefaultQueueLength].
	QueueLength int

	Logger *slog.Logger
}

// Embedder is a loaded model that makes embeddings, and the goroutine that
// computes with it. All methods may be called from any goroutine.
type Embedder struct {
	weights    *weights
	model      *llama.Model
	vocab      *Vocab
	dimensions int
	limit      int // tokens of an input, and of a batch
	pooling    Pooling
	normalize  bool
	log        *slog.Logger
	queue      *embedQueue

	ended chan struct{} // closed by the owner when all is freed

	// Of the owner.
	llm   *llama.Context
	gov   *governor
	mem   *llama.Memory // nil: an encoder, which needs none
	pool  *llama.ThreadPool
	batch *llama.Batch
	run   func(*llama.Batch) int32 // the context's Decode or Encode
}

// LoadEmbedder loads the model in the GGUF file at path and starts its embedder:
// an encoder, or a model that generates. Files, ctx and errors are as for [Load].
// A model that scores pairs of texts, and one that decodes what it has encoded,
// are refused.
func LoadEmbedder(ctx context.Context, path string, opts *EmbedderOptions) (*Embedder, error) {
	var o EmbedderOptions
	if opts != nil {
		o = *opts
	}
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	start := time.Now()
	gov := newGovernor((&Options{Threads: o.Threads}).threads(), o.FixedThreads)
	w, err := loadWeights(ctx, path, &Options{
		GPULayers: o.GPULayers, Devices: o.Devices, Split: o.Split, CopyWeights: o.CopyWeights, Files: o.Files,
	})
	if err != nil {
		gov.close()
		return nil, err
	}
	e, err := newEmbedder(w, &o, gov)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	o.Logger.Info("embedder loaded", "path", path, "model", e.model.Desc(), "pooling", e.pooling,
		"max_length", e.limit, "threads", gov.now().prefill, "took", time.Since(start))
	goOwner(e.own)
	return e, nil
}

// setDefaults has [Options] check what both have.
func (o *EmbedderOptions) setDefaults() error {
	if o.MaxLength < 0 || o.MaxLength > 1<<16 {
		return &OptionError{"MaxLength", fmt.Sprintf("%d is not in 0 to %d", o.MaxLength, 1<<16)}
	}
	if _, ok := poolings[o.Pooling]; !ok && o.Pooling != "" {
		return &OptionError{"Pooling", fmt.Sprintf("%q is not known; there are %q, %q and %q", o.Pooling, PoolingMean, PoolingCLS, PoolingLast)}
	}
	common := Options{Threads: o.Threads, GPULayers: o.GPULayers, Devices: o.Devices, Split: o.Split, Poll: o.Poll, QueueLength: o.QueueLength, Logger: o.Logger}
	if err := common.setDefaults(); err != nil {
		return err
	}
	o.Poll, o.QueueLength, o.Logger = common.Poll, common.QueueLength, common.Logger
	return nil
}

// newEmbedder makes an embedder of weights and a governor, which it has from then on,
// also if it fails. Its owner is not started.
func newEmbedder(w *weights, o *EmbedderOptions, gov *governor) (*Embedder, error) {
	e := &Embedder{
		weights: w, model: w.model, pooling: o.Pooling, normalize: o.Normalize, gov: gov, log: o.Logger, ended: make(chan struct{}),
		dimensions: w.model.NEmbdOut(), limit: lengthFor(w.model, o.MaxLength, DefaultMaxLength),
	}
	if err := e.start(o); err != nil {
		e.free()
		return nil, err
	}
	return e, nil
}

// start makes everything that belongs to the embedder's context.
func (e *Embedder) start(o *EmbedderOptions) (err error) {
	if err = e.weights.join(e); err != nil {
		return err
	}
	if err = checkEmbeds(e.model); err != nil {
		return err
	}
	if e.pooling == "" {
		if e.pooling, err = ownPooling(e.model); err != nil {
			return err
		}
	}
	if e.llm, err = newEmbeddingContext(e.model, e.pooling, e.limit, e.gov, o.FlashAttention); err != nil {
		return err
	}
	if err = e.llm.EnableAbort(); err != nil {
		return err
	}
	e.mem, e.run = e.llm.Memory(), e.llm.Decode
	if e.mem == nil || !e.model.HasDecoder() {
		e.run = e.llm.Encode
	}
	if e.pool, err = newPool(e.gov, *o.Poll); err != nil {
		return err
	}
	if e.pool != nil {
		e.llm.AttachThreadPool(e.pool, nil)
	}
	e.batch = llama.NewBatch(e.limit)
	e.vocab = e.weights.vocabulary()
	e.queue = newEmbedQueue(o.QueueLength, e.llm.NSeqMax(), e.llm.Abort, e.llm.ClearAbort)
	return nil
}

// free releases all that the embedder has, in order.
func (e *Embedder) free() {
	e.gov.close()
	if e.batch != nil {
		e.batch.Free()
	}
	if e.llm != nil {
		e.llm.Free()
	}
	if e.pool != nil {
		e.pool.Free()
	}
	e.weights.release(e, ErrClosed)
}

// fail ends all calls, and with them the owner.
func (e *Embedder) fail(why error) { e.queue.close(why) }

// Close ends the running and the waiting calls with [ErrClosed], waits for the
// owner and releases the model. It may be called more than once; every call
// returns when the embedder has ended. The error is always nil.
func (e *Embedder) Close() error {
	e.queue.close(ErrClosed)
	<-e.ended
	return nil
}

// Vocab returns the model's vocabulary. Its tables may be used after
// [Embedder.Close], its tokenizer not.
func (e *Embedder) Vocab() *Vocab { return e.vocab }

// Dimensions returns how many numbers an embedding has.
func (e *Embedder) Dimensions() int { return e.dimensions }

// MaxLength returns the most tokens of one input.
func (e *Embedder) MaxLength() int { return e.limit }

// Pooling returns how the embeddings of an input's tokens become one.
func (e *Embedder) Pooling() Pooling { return e.pooling }
