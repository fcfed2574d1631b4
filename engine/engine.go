package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/llama"
)

// The defaults of [Options].
const (
	DefaultContextLength = 4096
	DefaultBatchSize     = 512
	DefaultQueueLength   = 256
	DefaultSlots         = 16

	// DefaultPoll lets threads sleep as soon as a step is computed; with ggml's
	// 50 they spin between steps and after the last, on a core that another
	// process may need. Measured with two threads on two idle cores, medians of
	// 15 interleaved runs: decoding 82.6 tokens/s against 83.0, prefill 219
	// against 221. Beside a busy process spinning holds its core better: 27
	// tokens/s against 33.
	DefaultPoll = 0
)

// Options adjusts an [Engine]. A zero field means its default.
type Options struct {
	// ContextLength is the most tokens of a prompt and its output together. If
	// zero, it is the length the model was trained with, at most
	// [DefaultContextLength]; more than the model was trained with is reduced to
	// that.
	ContextLength int

	// CacheLength is the most tokens that the KV cache holds of all requests at
	// once, and of finished ones whose prefixes may be used again: requests that
	// do not fit beside others wait. Each 1,024 cost memory, 22 MiB for a model of
	// 135M parameters, but only when they are needed: the cache begins small and
	// grows. If zero, it is 4 times ContextLength. It is never less than ContextLength.
	CacheLength int

	// WholeCache makes the cache as large as it may become at once. On a GPU, what is free
	// now may be another's by the time that it is needed.
	WholeCache bool

	// Slots is how many requests run at once, at most 64. If zero,
	// [DefaultSlots].
	Slots int

	// Threads is the most threads that compute a step of one token, and
	// PrefillThreads that compute one of several. On Linux there are fewer while
	// other processes are busy: a thread without a core to itself holds all others
	// up. If Threads is zero, [hardware.Threads]; if PrefillThreads is zero, as many
	// as Threads.
	Threads, PrefillThreads int

	// FixedThreads keeps the numbers of threads while other processes are busy.
	FixedThreads bool

	// NoSpeculation switches off that what may follow is guessed from the text so
	// far and computed along, which is faster where it is measured to be, and does
	// not change the output.
	NoSpeculation bool

	// BatchSize is the most tokens of one step. If zero, [DefaultBatchSize].
	BatchSize int

	// MicroBatch is the most of them that llama.cpp computes at once, which its buffers
	// are made for. If zero, [DefaultBatchSize].
	MicroBatch int

	// GPULayers is how many layers are put on GPUs, the output counted as one; 0 is none,
	// and then no GPU computes at all.
	GPULayers int

	// Devices names the GPUs that get layers, as [llama.Device.Name] does. If there are
	// none, llama.cpp chooses among all.
	Devices []string

	// Split is the share of the layers of each of Devices. If there is none, they are
	// shared in proportion to the free memory.
	Split []float32

	// KV is the type of cached keys and values: F16, which the zero value means, or Q8_0,
	// which takes half of the memory and needs FlashAttention.
	KV gguf.TensorType

	// FlashAttention is whether attention is computed without its matrix in memory. If
	// nil, llama.cpp does so where the device can.
	FlashAttention *bool

	// Poll says how long threads without work spin before they sleep, 0 (not at
	// all) to 100. If nil, [DefaultPoll]. Libraries built with OpenMP do not look
	// at it: see OMP_WAIT_POLICY.
	Poll *int

	// CopyWeights reads the weights into memory instead of mapping the file, so that the
	// file may be changed while the engine lives. It takes longer, and the memory is not
	// shared with other processes that have the model.
	CopyWeights bool

	// Files are what the model's files were when they were checked, all parts in their
	// order. Others are not loaded: that is a [*FileChangedError]. If nil, any are.
	Files []os.FileInfo

	// QueueLength is how many requests may wait. If zero, [DefaultQueueLength].
	QueueLength int

	// LoRAs are files with LoRA adapters for the model, in GGUF, by the names that
	// requests choose them by. All are in memory for the life of the engine.
	LoRAs map[string]string

	// Logger gets a line when the model is loaded and when decoding fails, and at
	// the debug level how many tokens each step has computed and how long llama.cpp
	// took; nil discards. llama.cpp's own log goes where [llama.SetLogger] says.
	Logger *slog.Logger
}

// Engine is a loaded model and the goroutine that computes with it.
type Engine struct {
	weights  *weights
	model    *llama.Model // of the weights
	vocab    *Vocab       // of the weights
	adapters adapters
	template string
	limit    int  // tokens of a sequence
	states   bool // a sequence has a state of all its tokens, instead of cells or beside them
	log      *slog.Logger
	queue    *queue

	closing sync.Once
	ended   chan struct{} // closed by the owner when all is freed

	// Of the owner.
	params llama.ContextParams
	llm    *llama.Context
	loras  *loraSet // that the context has
	gov    *governor
	mem    *llama.Memory
	pool   *llama.ThreadPool
	batch  *llama.Batch
	sched  scheduler
	lost   error // why it ends by itself; nil while it does not
}

// Load loads the model in the GGUF file at path (of a split model, any part;
// all must be beside it) and starts its engine; [llama.Load] must have
// succeeded before. Weights are mapped from the file: if somebody writes to it the engine
// ends with a [*FileChangedError], and if somebody cuts it short while it computes the
// process does. See Options.CopyWeights. Cancelling ctx gives the load up. The error is an
// [*OptionError] for an unusable option, a [*LoRAError] for an unusable adapter, and
// wraps [gguf.ErrInvalid] for a file that is not a whole GGUF.
func Load(ctx context.Context, path string, opts *Options) (*Engine, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	start := time.Now()
	gov := newGovernor(o.threads(), o.FixedThreads)
	w, err := loadWeights(ctx, path, &o)
	if err != nil {
		gov.close()
		return nil, err
	}
	e, err := open(w, &o, gov)
	if err != nil {
		return nil, err
	}
	o.Logger.Info("model loaded", "path", path, "model", e.model.Desc(), "context", e.limit, "threads", gov.now().decode, "prefill_threads", gov.now().prefill, "took", time.Since(start))
	goOwner(e.own)
	return e, nil
}

// Share starts another engine over the weights of e, which stay in memory once. It has
// a context and a cache, slots, threads, a queue and adapters of its own, and computes
// at the same time as e. Each is closed by itself; the weights are freed with the last
// one, and if somebody writes to their file all end. Where they are is settled: GPULayers,
// Devices, Split, CopyWeights and Files of opts say nothing. To load an adapter waits for
// what the other engines compute at the moment, and they for it. Errors are as for [Load],
// and [ErrClosed] if the weights are freed.
func (e *Engine) Share(ctx context.Context, opts *Options) (*Engine, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	start := time.Now()
	gov := newGovernor(o.threads(), o.FixedThreads)
	other, err := open(e.weights, &o, gov)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		other.free()
		return nil, err
	}
	o.Logger.Info("context made", "path", e.weights.files.paths[0], "model", e.model.Desc(), "context", other.limit, "threads", gov.now().decode, "prefill_threads", gov.now().prefill, "took", time.Since(start))
	goOwner(other.own)
	return other, nil
}

// open makes an engine of weights and a governor, which it has from then on, also if it
// fails. Its owner is not started.
func open(w *weights, o *Options, gov *governor) (*Engine, error) {
	e := &Engine{weights: w, model: w.model, gov: gov, log: o.Logger, queue: newQueue(o.QueueLength), ended: make(chan struct{})}
	err := w.join(e)
	if err == nil {
		e.adapters, err = loadAdapters(w, o.LoRAs)
	}
	if err == nil {
		if err = e.start(o); err != nil {
			err = fmt.Errorf("%s: %w", w.files.paths[0], err)
		}
	}
	if err != nil {
		e.free()
		return nil, err
	}
	return e, nil
}

// fail ends the engine by itself, soon.
func (e *Engine) fail(why error) {
	e.queue.doom(why, func() { e.lost = why })
}

// lengthFor returns how many tokens a model may have before it at once: what was
// asked for or the default, but no more than it was trained with.
func lengthFor(model *llama.Model, asked, def int) int {
	length := cmp.Or(asked, def)
	if trained := model.NCtxTrain(); trained > 0 {
		length = min(length, trained)
	}
	return length
}

// newPool returns threads for a governor, nil if it has only one or OpenMP has
// the threads.
func newPool(gov *governor, poll int) (*llama.ThreadPool, error) {
	if gov.most() < 2 || openMP() {
		return nil, nil
	}
	return llama.NewThreadPool(llama.ThreadPoolParams{Threads: gov.most(), Poll: poll})
}

func (o *Options) setDefaults() error {
	for _, f := range []struct {
		name  string
		v     *int
		least int
		most  int
		def   int
	}{
		{"ContextLength", &o.ContextLength, 0, 1 << 24, 0},
		{"CacheLength", &o.CacheLength, 0, 1 << 28, 0},
		{"Threads", &o.Threads, 0, 512, 0},
		{"PrefillThreads", &o.PrefillThreads, 0, 512, 0},
		{"BatchSize", &o.BatchSize, 0, 1 << 16, DefaultBatchSize},
		{"MicroBatch", &o.MicroBatch, 0, 1 << 16, DefaultBatchSize},
		{"GPULayers", &o.GPULayers, 0, 1 << 20, 0},
		{"Slots", &o.Slots, 0, 64, DefaultSlots},
		{"QueueLength", &o.QueueLength, 0, 1 << 24, DefaultQueueLength},
	} {
		if *f.v < f.least || *f.v > f.most {
			return &OptionError{f.name, fmt.Sprintf("%d is not in %d to %d", *f.v, f.least, f.most)}
		}
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	poll := DefaultPoll
	if o.Poll != nil {
		poll = *o.Poll
	}
	if poll < 0 || poll > 100 {
		return &OptionError{"Poll", fmt.Sprintf("%d is not in 0 to 100", poll)}
	}
	o.Poll = &poll
	if o.KV != 0 && o.KV != gguf.F16 && o.KV != gguf.Q8_0 {
		return &OptionError{"KV", fmt.Sprintf("%v is neither F16 nor Q8_0", o.KV)}
	}
	if len(o.Split) > 0 && len(o.Split) != len(o.Devices) {
		return &OptionError{"Split", fmt.Sprintf("%d shares for %d devices", len(o.Split), len(o.Devices))}
	}
	if _, ok := o.LoRAs[""]; ok {
		return &OptionError{"LoRAs", "an adapter has no name"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// threads are the most that compute.
func (o *Options) threads() threads {
	n := o.Threads
	if n == 0 {
		n = hardware.Threads()
	}
	return threads{n, cmp.Or(o.PrefillThreads, n)}
}

// devices are those of the options that get layers: nil is llama.cpp's choice.
func (o *Options) devices() ([]llama.Device, error) {
	if o.GPULayers == 0 {
		return []llama.Device{}, nil
	}
	var list []llama.Device
	all := llama.Devices()
	for _, name := range o.Devices {
		i := slices.IndexFunc(all, func(d llama.Device) bool { return d.Name() == name })
		if i < 0 {
			var names []string
			for _, d := range all {
				names = append(names, d.Name())
			}
			return nil, &OptionError{"Devices", fmt.Sprintf("llama.cpp has no device %q; it has %s", name, strings.Join(names, ", "))}
		}
		list = append(list, all[i])
	}
	return list, nil
}

// start makes everything that belongs to the engine's context.
func (e *Engine) start(o *Options) (err error) {
	model := e.model
	if !model.HasDecoder() || model.HasEncoder() || model.IsDiffusion() || model.Vocab().Type() == llama.VocabNone {
		return errors.New("engine: this model does not generate text token by token")
	}
	e.template, _ = model.ChatTemplate("")
	e.limit = lengthFor(model, o.ContextLength, DefaultContextLength)

	// The tables of the vocabulary take about as long as the context.
	var tables sync.WaitGroup
	tables.Go(func() { e.vocab = e.weights.vocabulary() })
	defer tables.Wait()

	mostCells := max(e.limit, cmp.Or(o.CacheLength, 4*e.limit))
	slots := min(o.Slots, o.BatchSize, mostCells)
	sequences := min(slots+maxCached, llama.MaxSequences())
	if e.states = model.IsRecurrent() || model.IsHybrid(); e.states {
		sequences = slots // each has a state of its own, and none can be kept for its prefix
	}
	p := llama.DefaultContextParams()
	p.NBatch = uint32(min(o.BatchSize, mostCells))
	p.NUbatch = min(uint32(o.MicroBatch), p.NBatch)
	if o.KV != 0 {
		p.TypeK, p.TypeV = int32(o.KV), int32(o.KV)
	}
	p.FlashAttnType = flashType(o.FlashAttention)
	p.NSeqMax = uint32(sequences)
	p.NOutputsMax = uint32(max(maxRows, sequences))
	p.KVUnified = true
	e.gov.update(minInterval) // loading the model was perhaps long enough to see what others do
	now := e.gov.now()
	p.NThreads, p.NThreadsBatch = int32(now.decode), int32(now.prefill)
	e.params = p
	if e.pool, err = newPool(e.gov, *o.Poll); err != nil {
		return err
	}
	e.sched = newScheduler(e, slots, sequences, mostCells)
	e.sched.speculate = !o.NoSpeculation
	cells := min(max(firstCells, int(p.NBatch)), mostCells)
	if o.WholeCache {
		cells = mostCells
	}
	if err = e.newContext(cells); err != nil {
		return err
	}
	e.batch = llama.NewBatch(min(e.llm.NBatch(), int(p.NBatch)))
	return nil
}

// flashType is llama_flash_attn_type.
func flashType(on *bool) int32 {
	switch {
	case on == nil:
		return -1 // llama.cpp's choice
	case *on:
		return 1
	}
	return 0
}

// free releases all that the engine has, in order.
func (e *Engine) free() {
	e.gov.close()
	if e.sched.crew != nil {
		e.sched.crew.close()
	}
	if e.batch != nil {
		e.batch.Free()
	}
	if e.llm != nil {
		e.llm.Free()
	}
	if e.pool != nil {
		e.pool.Free()
	}
	e.adapters.free()
	e.weights.release(e, cmp.Or(e.lost, ErrClosed))
}

// Close ends the running and the waiting requests with [ErrClosed], waits for
// the owner and releases the model, unless another engine shares it (see
// [Engine.Share]). It may be called more than once and from within an iteration over
// [Engine.Generate]; every call returns when the engine has ended. The error is always
// nil.
func (e *Engine) Close() error {
	e.closing.Do(func() {
		for _, j := range e.queue.stop() {
			j.finish(FinishCancelled, j.usage, ErrClosed)
		}
	})
	<-e.ended
	return nil
}

// Shutdown is Close when the running and the waiting requests are over; further
// ones get [ErrClosed] at once. If ctx ends first, so do they, and its error is
// returned.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.queue.drain()
	select {
	case <-e.ended:
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), e.Close())
	}
}

// Err returns why the engine has ended by itself, such as a [*FileChangedError]; nil if it
// has not. It then serves no requests, and is to be closed.
func (e *Engine) Err() error { return e.queue.failure() }

// Vocab returns the model's vocabulary. Its tables may be used after
// [Engine.Close], its tokenizer only while another engine shares the weights.
func (e *Engine) Vocab() *Vocab { return e.vocab }

// Headers reads the headers of the model's files, all parts in their order: of those that
// were loaded, also when others have taken their place. If those are not there any more,
// which [Options].CopyWeights allows, or the model is freed, that is an error.
func (e *Engine) Headers() ([]*gguf.File, error) { return e.weights.headers() }

// ContextLength returns the most tokens of a prompt and its output together.
func (e *Engine) ContextLength() int { return e.limit }

// ChatTemplate returns the model's chat template (Jinja source), "" if it has
// none.
func (e *Engine) ChatTemplate() string { return e.template }
