package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/term"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llama"
	"github.com/cria-lm/cria/llamacpp"
)

// session is what figures share: the model, the peers and an engine.
type session struct {
	options *options
	hub     *hub.Hub
	model   string // path
	peers   peers
	files   llama.Files // the peers' own libraries
	out     io.Writer
	errs    io.Writer
	bars    bool // errs is a terminal

	loaded *engine.Engine
	words  *words
	noted  bool // that our side loads another file
}

// newSession looks for nothing yet.
func newSession(o *options, out, errs io.Writer) (*session, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &session{options: o, out: out, errs: errs, bars: isTerminal(errs)}
	var err error
	s.hub, err = hub.New(&hub.Options{Progress: hub.TerminalProgress(errs, s.bars)})
	return s, err
}

// findModel finds model and peers, and prints what is compared.
func (s *session) findModel(ctx context.Context) (err error) {
	o := s.options
	if s.peers, err = findPeers(o.peers, s.hub.CacheDir()); err != nil {
		return err
	}
	if s.files, err = hub.FindLibraries(s.peers.dir); err != nil {
		return err
	}
	model, err := s.hub.Model(ctx, o.model)
	if err != nil {
		return err
	}
	s.model = model.Path
	size, err := modelSize(s.model)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "model:   %s (%s, %d bytes)\n", s.model, o.model, size)
	fmt.Fprintf(s.out, "peers:   %s\n", s.peers.dir)
	fmt.Fprintf(s.out, "both:    %d threads; at most %d pairs after one that does not count; prompts of random words, fixed seeds\n", o.threads, o.pairs)
	if o.threads > runtime.NumCPU() {
		fmt.Fprintf(s.out, "WARNING: %d threads on %d processors hinder each other\n", o.threads, runtime.NumCPU())
	}
	return nil
}

// describeMachine prints what is measured on.
func (s *session) describeMachine() {
	fmt.Fprintf(s.out, "machine: %s/%s, %d processors, load average %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), loadAverage())
	if why := busy(loadAverage()); why != "" {
		fmt.Fprintln(s.out, "WARNING: "+why)
	}
	fmt.Fprintln(s.out)
}

// modelSize is the size of all files of a model.
func modelSize(path string) (size int64, err error) {
	parts, err := gguf.Parts(path)
	if err != nil {
		return 0, err
	}
	for _, p := range parts {
		info, err := os.Stat(p)
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}

// engine loads the model on the first call. It does not guess ahead, as the peers
// do not.
func (s *session) engine(ctx context.Context) (*engine.Engine, *words, error) {
	if s.loaded != nil {
		return s.loaded, s.words, nil
	}
	e, w, err := s.fresh(ctx, engine.Options{NoSpeculation: true})
	if err != nil {
		return nil, nil, err
	}
	s.loaded, s.words = e, w
	return e, w, nil
}

// fresh loads the model into an engine that the caller closes, with an empty
// cache: what earlier runs left there makes each step dearer. It is the only one
// in this process: OpenMP's threads sleep as soon as those of two engines are more
// than the processors.
func (s *session) fresh(ctx context.Context, o engine.Options) (*engine.Engine, *words, error) {
	s.close()
	o.Threads, o.FixedThreads = s.options.threads, true
	return loadEngine(ctx, s.files, s.model, &o)
}

// usual is fresh for the file that package llamacpp would load, which is what a user of
// Cria gets: of a model whose weights compute slowly it is a copy, see
// [llamacpp.Options].AsShipped.
func (s *session) usual(ctx context.Context, o engine.Options) (*engine.Engine, error) {
	s.close()
	prepared, err := llamacpp.Prepare(ctx, s.options.model, &llamacpp.Options{
		Hub: &hub.Options{LlamaDir: s.peers.dir}, AsShipped: s.options.asShipped,
	})
	if err != nil {
		return nil, err
	}
	path := prepared.Path()
	if path != s.model && !s.noted {
		s.noted = true
		fmt.Fprintf(s.out, "our side loads %s, as package llamacpp does (--as-shipped: not)\n\n", filepath.Base(path))
	}
	o.Threads, o.FixedThreads = s.options.threads, true
	e, _, err := loadEngine(ctx, s.files, path, &o)
	return e, err
}

func loadEngine(ctx context.Context, files llama.Files, model string, o *engine.Options) (*engine.Engine, *words, error) {
	if err := llama.Load(files); err != nil {
		return nil, nil, err
	}
	e, err := engine.Load(ctx, model, o)
	if err != nil {
		return nil, nil, err
	}
	w, err := newWords(e.Vocab())
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	return e, w, nil
}

func (s *session) close() {
	if s.loaded != nil {
		_ = s.loaded.Close() // always nil
		s.loaded = nil
	}
}

// status replaces the line on a terminal that says what is under way; "" clears
// it.
func (s *session) status(format string, args ...any) {
	if s.bars {
		fmt.Fprintf(s.errs, "\r\x1b[2K"+format, args...)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
