package llamacpp

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

	"github.com/jellydator/ttlcache/v3"

	"github.com/cria-lm/cria/chattemplate"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llama"
)

// Options are the settings of [Load]. Nil and zero fields mean the defaults.
type Options struct {
	// Hub says where llama.cpp's libraries and models come from and who is
	// shown the progress of a download.
	Hub *hub.Options

	ContextLength int // tokens of a prompt and its reply together, at most what the model was trained with; 0: that, as memory allows
	CacheLength   int // tokens that the cache holds of all requests together, at least ContextLength; 0: those of up to four requests, as memory allows
	Threads       int // for computing on the CPU; 0: as planned, fewer while other processes are busy
	Slots         int // requests computed at once, at most 64; 0: [engine.DefaultSlots]
	GPULayers     int // most layers to put on GPUs, the output counted as one; 0: as many as fit

	// Backend computes: Vulkan, CUDA, Metal or the CPU. Empty: the GPU that is here, by
	// Vulkan or Metal, and the CPU where there is none. See [LoadedModel.Plan].
	Backend hardware.Backend

	// LoRAs are files with LoRA adapters for the model, in GGUF, by the names that calls
	// choose them by: see [cria.Scope]. All are loaded with the model.
	LoRAs map[string]string

	// AsShipped loads the model's own file, even where [Load] would make and use a copy
	// with weights of another type that this machine computes faster.
	AsShipped bool

	// ChatTemplate replaces the model's own chat template: the text of a template (see
	// package chattemplate), the name of one of llama.cpp's built-in ones (see
	// [llama.BuiltinChatTemplates]), or [PlainText].
	ChatTemplate string

	// CopyWeights reads the weights into memory, instead of mapping the model's file. The
	// file may then be changed while the model is in use, which otherwise ends the model, or
	// even the process: see [engine.FileChangedError]. Loading takes longer (of
	// 140 MB 150 ms instead of 100), and processes that have the same model do not share its
	// memory.
	CopyWeights bool

	// batch is how many tokens an embedder computes at once; 0: the plan's choice.
	batch int

	// Logger receives warnings and llama.cpp's own log. Nil: nothing is logged.
	Logger *slog.Logger
}

// Load makes a model ready, fetching what is missing: llama.cpp's libraries
// (once per machine) and the model that ref names, in one of the forms of
// [hub.Hub.Model]; an empty ref is [hub.DefaultModel]. It is loaded as planned for this
// machine: see [LoadedModel.Plan]. A model
// of the cache whose weights compute slowly on a CPU is copied once, see
// [Options].AsShipped. Cancelling ctx stops it at any point, but for the second or a few
// that making the copy takes. Errors are an [ErrBackend] for the libraries, an
// [ErrModelNotLoaded] for the model and its adapters (an [engine.LoRAError]), an [ErrConfig] for the options and an
// [ErrOther] for a cache directory that cannot be written.
func Load(ctx context.Context, ref string, opts *Options) (*LoadedModel, error) {
	p, err := Prepare(ctx, ref, opts)
	if err != nil {
		return nil, err
	}
	return p.Load(ctx)
}

// Prepared is a model that has everything at hand to be loaded, and a plan for that.
type Prepared struct {
	name    string
	opts    Options
	from    *fetched
	file    modelFile // from's, or that of a copy
	headers []*gguf.File
	plan    hardware.Plan
	kept    *hardware.Calibration // that the plan follows
}

// Prepare does what [Load] does before it loads the model, so that loading it later needs
// neither a network nor a cache that can be written.
func Prepare(ctx context.Context, ref string, opts *Options) (*Prepared, error) {
	return PrepareIn(ctx, ref, opts, nil)
}

// PrepareIn is Prepare on a machine that has other memory than it has now: room changes
// what was found of it before the plan is made. A pool says so what it could make free. Nil
// changes nothing.
func PrepareIn(ctx context.Context, ref string, opts *Options, room func(*hardware.Machine)) (*Prepared, error) {
	if opts == nil {
		opts = &Options{}
	}
	f, err := fetch(ctx, ref, opts)
	if err != nil {
		return nil, err
	}
	m, err := hardware.Detect(ctx)
	if err != nil {
		return nil, err
	}
	kept := calibrated(f.hub, m, f.model, opts.logger())
	if m, err = opts.withDevices(ctx, f.hub, f.libs, m, kept); err != nil {
		return nil, err
	}
	if room != nil {
		room(&m)
	}
	return opts.prepare(ctx, f, m, kept)
}

// withDevices loads the backend for the GPUs of a machine, and returns the machine with
// llama.cpp's devices.
func (o *Options) withDevices(ctx context.Context, h *hub.Hub, libs *hub.Libraries, m hardware.Machine, kept *hardware.Calibration) (hardware.Machine, error) {
	switch err := loadBackends(ctx, h, libs, m, o.Backend, kept); {
	case ctx.Err() != nil:
		return m, context.Cause(ctx)
	case err != nil && o.Backend != "":
		return m, wrapFetch(ErrBackend, err)
	case err != nil:
		o.logger().Warn("the GPU is not used", "err", err)
	}
	return hardware.Detect(ctx)
}

// Machine returns this machine with the devices that llama.cpp shows on it, whose libraries
// are fetched if they are missing, and loaded. Errors are those of [Load].
func Machine(ctx context.Context, opts *hub.Options) (m hardware.Machine, err error) {
	h, err := hub.New(opts)
	if err != nil {
		return m, wrap(ErrConfig, err)
	}
	libs, err := h.Libraries(ctx)
	if err != nil {
		return m, wrapFetch(ErrBackend, err)
	}
	if err := llama.Load(libs.Files); err != nil {
		return m, wrap(ErrBackend, err)
	}
	if m, err = hardware.Detect(ctx); err != nil {
		return m, err
	}
	return (&Options{}).withDevices(ctx, h, libs, m, nil)
}

// Path returns the file that is loaded, of a split model the first.
func (p *Prepared) Path() string { return p.file.path }

// Plan returns how the model is loaded, if the memory is there then.
func (p *Prepared) Plan() hardware.Plan { return p.plan }

// Stale reports whether a file was changed since, so that Load would refuse it.
func (p *Prepared) Stale() bool {
	now, err := stat(p.file.paths)
	return err != nil || !slices.EqualFunc(now, p.file.was, same)
}

// Load loads the model as it was prepared, smaller if the memory that was there has gone.
// The errors are those of [Load].
func (p *Prepared) Load(ctx context.Context) (*LoadedModel, error) { return p.LoadIn(ctx, nil) }

// LoadIn is Load on a machine that is less than it is: limit changes what is found of it,
// if the model has to be planned anew. A pool keeps it so within the memory that the model
// was admitted for. Nil changes nothing.
func (p *Prepared) LoadIn(ctx context.Context, limit func(*hardware.Machine)) (*LoadedModel, error) {
	template, err := newTemplate(p.name, p.headers[0].ChatTemplate(), p.opts.ChatTemplate)
	if err != nil {
		return nil, err
	}
	log := p.opts.logger()
	var e *engine.Engine
	plan, err := p.fit(ctx, limit, func(plan *hardware.Plan) error {
		opts := p.opts.engineOptions(plan)
		opts.Files = p.file.was
		e, err = engine.Load(ctx, p.file.path, opts)
		return err
	})
	if err != nil {
		return nil, wrapLoad(err)
	}
	m := newLoadedModel(&LoadedModel{name: p.name, path: p.file.path, plan: plan, opts: p.opts, engine: e, template: template, log: log})
	m.vocabulary = sync.OnceValue(func() *grammar.Vocabulary { return grammar.NewVocabulary(tokenizer{e.Vocab()}) })
	go m.vocabulary()
	return m, nil
}

// Plan says how [Load] would load a model on a machine, and why so. It fetches the model if
// that is missing, and nothing else; llama.cpp is not asked, so m says what devices there
// are ([hardware.Detect] knows those of the libraries that are loaded). The error wraps a
// [*hardware.FitError] if the model has no place in the memory that is free.
func Plan(ctx context.Context, m hardware.Machine, ref string, opts *Options) (plan hardware.Plan, err error) {
	if opts == nil {
		opts = &Options{}
	}
	f, err := find(ctx, ref, opts)
	if err != nil {
		return plan, err
	}
	return opts.plan(f, m, calibrated(f.hub, m, f.model, opts.logger()))
}

// modelFile is what a model is loaded from.
type modelFile struct {
	path  string        // of a split model, of the first part
	paths []string      // of all parts
	was   []os.FileInfo // what they were as they were checked
}

// prepare plans for a machine, and makes the copy of the weights that the plan wants.
func (o *Options) prepare(ctx context.Context, f *fetched, m hardware.Machine, kept *hardware.Calibration) (*Prepared, error) {
	p := &Prepared{name: f.name, opts: *o, from: f, file: f.file, headers: f.headers, kept: kept}
	var err error
	if p.plan, err = o.plan(f, m, kept); err != nil {
		return nil, err
	}
	if p.plan.Weights == 0 {
		return p, nil
	}
	copied, err := copyWeights(ctx, f, p.plan.Weights, m.CPU.Threads())
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil: // no reason to fail
		o.logger().Warn("the model is used as it was shipped", "model", f.name, "err", err)
		shipped := *o
		shipped.AsShipped = true
		if p.plan, err = shipped.plan(f, m, kept); err != nil {
			return nil, err
		}
		return p, nil
	}
	p.file, p.headers = copied.file, copied.headers
	return p, nil
}

// fetched is a model's files, which have passed the check, beside llama.cpp's libraries,
// which are loaded.
type fetched struct {
	name    string // that it was asked for by
	hub     *hub.Hub
	libs    *hub.Libraries
	model   *hub.Model
	file    modelFile
	headers []*gguf.File
}

// find gets a model's files and reads their headers.
func find(ctx context.Context, ref string, o *Options) (f *fetched, err error) {
	if err := o.validate(); err != nil {
		return nil, wrap(ErrConfig, err)
	}
	f = &fetched{name: cmp.Or(ref, hub.DefaultModel)}
	if f.hub, err = hub.New(o.Hub); err != nil {
		return nil, wrap(ErrConfig, err)
	}
	if f.model, err = f.hub.Model(ctx, f.name); err != nil {
		return nil, wrapFetch(ErrModelNotLoaded, err)
	}
	if err := f.read(); err != nil {
		return nil, wrap(ErrModelNotLoaded, err)
	}
	return f, nil
}

// read notes what the model's files are now and reads their headers.
func (f *fetched) read() (err error) {
	if f.file, err = fileOf(f.model.Path, f.model.Paths); err != nil {
		return err
	}
	_, f.headers, err = gguf.OpenParts(f.model.Path)
	return err
}

// fetch finds a model, checks it and loads the libraries, but no GPU's backend.
func fetch(ctx context.Context, ref string, o *Options) (f *fetched, err error) {
	// The model comes first: an unknown name is then said before any download.
	if f, err = find(ctx, ref, o); err != nil {
		return nil, err
	}
	if f.libs, err = f.hub.Libraries(ctx); err != nil {
		return nil, wrapFetch(ErrBackend, err)
	}
	if err := f.check(); err != nil {
		return nil, wrap(ErrModelNotLoaded, err)
	}
	if o.Logger != nil {
		llama.SetLogger(o.Logger)
	}
	if err := llama.Load(f.libs.Files); err != nil {
		return nil, wrap(ErrBackend, err)
	}
	return f, nil
}

func (o *Options) validate() error {
	switch {
	case o.ContextLength < 0:
		return fmt.Errorf("context length %d is negative; 0 is the default", o.ContextLength)
	case o.CacheLength < 0:
		return fmt.Errorf("cache length %d is negative; 0 is the default", o.CacheLength)
	case o.Threads < 0:
		return fmt.Errorf("threads %d is negative; 0 is the default", o.Threads)
	case o.Slots < 0 || o.Slots > 64:
		return fmt.Errorf("slots %d is not in 0 to 64; 0 is the default", o.Slots)
	case o.Backend != "" && !slices.Contains(hardware.Backends, o.Backend):
		return fmt.Errorf("backend %q is not known; there are %v, and the empty one for the best that is here", o.Backend, hardware.Backends)
	case o.GPULayers < 0:
		return fmt.Errorf("GPU layers %d is negative; 0 is as many as fit, and the backend %q none", o.GPULayers, hardware.BackendCPU)
	}
	return nil
}

// newLoadedModel adds what is made of an engine and a template, but for the vocabulary,
// which contexts share.
func newLoadedModel(m *LoadedModel) *LoadedModel {
	vocab := m.engine.Vocab()
	m.template.forVocabulary(vocab)
	m.prefixes = ttlcache.New(ttlcache.WithCapacity[prefixKey, *keptPrefix](maxPrefixes))
	m.grammars = ttlcache.New(ttlcache.WithCapacity[string, *grammar.Grammar](maxGrammars))
	m.ends = sync.OnceValues(func() ([]llama.Token, error) { return endTokens(vocab) })
	m.identity, m.loras = sync.OnceValue(m.identify), sync.OnceValue(m.digestLoRAs)
	return m
}

func (o *Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

// wrapLoad wraps an error of an engine that was not loaded.
func wrapLoad(err error) error {
	if errors.As(err, new(*kindError)) { // of a plan
		return err
	}
	if option := (*engine.OptionError)(nil); errors.As(err, &option) {
		return wrap(ErrConfig, err)
	}
	return wrap(ErrModelNotLoaded, err)
}

// newTemplate settles the chat template before the model is loaded: the one asked
// for, or the model's own, or none. One that cannot be read is an error, not a
// silent fallback that would answer worse.
func newTemplate(name, own, asked string) (*chatTemplate, error) {
	builtin := llama.BuiltinChatTemplates()
	switch {
	case asked == PlainText:
		return &chatTemplate{}, nil
	case slices.Contains(builtin, asked):
		return &chatTemplate{builtin: asked, source: asked}, nil
	case strings.Contains(asked, "{{") || strings.Contains(asked, "{%"):
		t, err := chattemplate.Parse(asked)
		if err != nil {
			return nil, wrap(ErrConfig, err)
		}
		return &chatTemplate{jinja: t, source: asked}, nil
	case asked != "":
		return nil, wrap(ErrConfig, fmt.Errorf("unknown chat template %q; the templates are %s and %s, or the text of one", asked, PlainText, strings.Join(builtin, ", ")))
	}
	if own == "" {
		return &chatTemplate{}, nil
	}
	t, err := chattemplate.Parse(own)
	if err != nil {
		return nil, wrap(ErrModelNotLoaded, fmt.Errorf("the chat template of %s cannot be used: %w: load it with a template of your own, with the built-in one that its family uses (%s), or with %q for plain text",
			name, err, strings.Join(builtin, ", "), PlainText))
	}
	return &chatTemplate{jinja: t, source: own}, nil
}

// forVocabulary tells the template the model's control tokens.
func (t *chatTemplate) forVocabulary(v *engine.Vocab) {
	t.specials = v.Specials()
	for _, s := range t.specials {
		switch s.Token {
		case v.BOS():
			t.bos = s.Text
		case v.EOS():
			t.eos = s.Text
		}
	}
	if v.EOS() == v.BOS() {
		t.eos = t.bos
	}
}
