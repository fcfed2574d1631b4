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

	ContextLength int // tokens of a prompt and its reply together; 0: see [engine.Options]
	Threads       int // for computing on the CPU; 0: one for each physical core, fewer while other processes are busy
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

	// Logger receives warnings and llama.cpp's own log. Nil: nothing is logged.
	Logger *slog.Logger
}

// Load makes a model ready, fetching what is missing: llama.cpp's libraries
// (once per machine) and the model that ref names, in one of the forms of
// [hub.Hub.Model]; an empty ref is [hub.DefaultModel]. A model of the cache whose weights
// compute slowly on a CPU is copied once, see [Options].AsShipped. Cancelling ctx stops
// it at any point, but for the second or a few that making the copy takes. Errors are an [ErrBackend] for the libraries, an
// [ErrModelNotLoaded] for the model and its adapters (an [engine.LoRAError]), an [ErrConfig] for the options and an
// [ErrOther] for a cache directory that cannot be written.
func Load(ctx context.Context, ref string, opts *Options) (*LoadedModel, error) {
	if opts == nil {
		opts = &Options{}
	}
	p, err := prepare(ctx, ref, opts)
	if err != nil {
		return nil, err
	}
	return open(ctx, named(ref), p, opts)
}

// Prepare does what [Load] does before it loads the model, so that a later Load needs
// neither a network nor a cache that can be written. It returns the file that Load would
// load.
func Prepare(ctx context.Context, ref string, opts *Options) (path string, err error) {
	if opts == nil {
		opts = &Options{}
	}
	p, err := prepare(ctx, ref, opts)
	if errors.As(err, new(*hardware.FitError)) {
		return p.path, nil // there may be room for it later
	}
	return p.path, err
}

// Plan says how [Load] would load a model here and now, and why so. It fetches what is
// missing. The error wraps a [*hardware.FitError] if the model has no place in the memory
// that is free.
func Plan(ctx context.Context, ref string, opts *Options) (hardware.Plan, error) {
	if opts == nil {
		opts = &Options{}
	}
	p, err := prepare(ctx, ref, opts)
	return p.plan, err
}

// prepared is a model that can be loaded.
type prepared struct {
	modelFile
	plan hardware.Plan
}

// modelFile is the file that a model is loaded from.
type modelFile struct {
	path string        // of a split model, of the first part
	was  []os.FileInfo // what all parts were as they were checked
}

// prepare gets the libraries and a model's file, or the copy of it that is fastest on the
// CPU if there is nothing else, and plans how to load it. A model that does not fit is an error
// that wraps a [*hardware.FitError], with its file.
func prepare(ctx context.Context, ref string, opts *Options) (p prepared, err error) {
	if err := opts.validate(); err != nil {
		return p, wrap(ErrConfig, err)
	}
	h, model, err := fetch(ctx, ref, opts.Hub, opts.Backend, opts.Logger)
	if err != nil {
		return p, err
	}
	file := model.file()
	if !opts.AsShipped && (opts.Backend == hardware.BackendCPU || !hasGPU()) {
		if file, err = requantized(ctx, h, model, opts.Logger); err != nil {
			return p, err
		}
	}
	plan, err := opts.plan(ctx, named(ref), file.path)
	return prepared{file, plan}, err
}

// hasGPU reports whether llama.cpp has a GPU to put layers on.
func hasGPU() bool {
	return slices.ContainsFunc(llama.Devices(), func(d llama.Device) bool {
		return d.Type() == llama.DeviceGPU || d.Type() == llama.DeviceIGPU
	})
}

// named returns the model that a reference names.
func named(ref string) string { return cmp.Or(ref, hub.DefaultModel) }

// checkedModel is a model that has passed the check.
type checkedModel struct {
	*hub.Model
	was []os.FileInfo // what its files were as they were checked
}

func (m *checkedModel) file() modelFile { return modelFile{m.Path, m.was} }

// fetch gets a model's file, checks it and loads the libraries.
func fetch(ctx context.Context, ref string, opts *hub.Options, backend hardware.Backend, log *slog.Logger) (h *hub.Hub, model *checkedModel, err error) {
	if h, err = hub.New(opts); err != nil {
		return nil, nil, wrap(ErrConfig, err)
	}
	// The model comes first: an unknown name is then said before any download.
	m, err := h.Model(ctx, named(ref))
	if err != nil {
		return nil, nil, wrapFetch(ErrModelNotLoaded, err)
	}
	was, err := stat(m.Paths)
	if err != nil {
		return nil, nil, wrap(ErrModelNotLoaded, err)
	}
	libs, err := h.Libraries(ctx)
	if err != nil {
		return nil, nil, wrapFetch(ErrBackend, err)
	}
	if err := checkModel(h, m.Digest, m.Paths, was); err != nil {
		return nil, nil, wrap(ErrModelNotLoaded, err)
	}
	if log != nil {
		llama.SetLogger(log)
	}
	if err := llama.Load(libs.Files); err != nil {
		return nil, nil, wrap(ErrBackend, err)
	}
	switch err := LoadBackends(ctx, h, libs, backend); {
	case ctx.Err() != nil:
		return nil, nil, context.Cause(ctx)
	case err != nil && backend != "":
		return nil, nil, wrapFetch(ErrBackend, err)
	case err != nil && log != nil:
		log.Warn("the GPU is not used", "err", err)
	}
	return h, &checkedModel{m, was}, nil
}

func (o *Options) validate() error {
	switch {
	case o.ContextLength < 0:
		return fmt.Errorf("context length %d is negative; 0 is the default", o.ContextLength)
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

// open loads a model file once the libraries are there.
func open(ctx context.Context, name string, p prepared, opts *Options) (*LoadedModel, error) {
	header, err := gguf.Open(p.path)
	if err != nil {
		return nil, wrap(ErrModelNotLoaded, err)
	}
	template, err := newTemplate(name, header.ChatTemplate(), opts.ChatTemplate)
	if err != nil {
		return nil, err
	}
	log := opts.logger()
	e, plan, err := opts.loadEngine(ctx, p, log)
	if err != nil {
		return nil, wrapLoad(err)
	}
	m := newLoadedModel(&LoadedModel{name: name, path: p.path, plan: plan, opts: *opts, engine: e, template: template, log: log})
	m.vocabulary = sync.OnceValue(func() *grammar.Vocabulary { return grammar.NewVocabulary(tokenizer{e.Vocab()}) })
	go m.vocabulary()
	return m, nil
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
