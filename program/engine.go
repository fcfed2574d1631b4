package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/pool"
)

// The defaults of [Options].
const (
	DefaultInterval = time.Second
	DefaultKeep     = 10
)

// Options are the settings of an [Engine]. Nil and zero fields mean the defaults.
type Options struct {
	Folder   string        // of the programs' files; empty: there are only those of [Add]
	Interval time.Duration // between two looks at the folder; 0: [DefaultInterval], negative: only [Engine.Reload] looks
	Keep     int           // versions that are kept of each program, besides that in Go; 0: [DefaultKeep]

	// Catalog says what models there are, for requirements without a name and for errors. A
	// file that names a model that it does not list is not used, unless that is a path, a
	// reference or a context of a [Pool]. If it lists none, any name is taken.
	Catalog func() []Model

	// Logger hears of new versions and of files that cannot be used. Its handler may call
	// the engine. Nil: nobody does.
	Logger *slog.Logger
}

// UnknownError says that there is no program of a name.
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	if len(e.Known) == 0 && !programName.MatchString(e.Name) {
		return fmt.Sprintf("there is no program %q, and no other either: %s", e.Name, nameRule)
	}
	if len(e.Known) == 0 {
		return fmt.Sprintf("there is no program %q, and no other either: put a file %s.json into the programs' folder", e.Name, e.Name)
	}
	return fmt.Sprintf("there is no program %q; there are %s", e.Name, strings.Join(e.Known, ", "))
}

// FileError says why a program's file is not used. It wraps the reason.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("the program's file %s: %v", e.Path, e.Err) }

func (e *FileError) Unwrap() error { return e.Err }

// Engine runs programs by name on shared models. It is safe for concurrent use.
type Engine struct {
	models Models
	opts   Options

	reloading sync.Mutex // one look at the folder at a time

	mu       sync.Mutex
	programs map[string]*entry

	stop    context.CancelFunc
	stopped chan struct{} // closed when nobody looks at the folder any more
}

// entry is a program with its versions. Its fields belong to the engine's lock.
type entry struct {
	inGo     *version // nil: only the folder has it
	versions []*version
	current  *version // nil: the file is gone, or was never good
	numbered int
	listed   bool // its file is in the folder
	file     fileState
	again    time.Time // when it is read again, though it has not changed; zero: never
	digest   string    // of the file as it was used last
	err      error     // why the file as it is now is not used
}

// New makes an engine, with the programs that are in the folder. Files that cannot be
// used are no error: [Engine.Programs] says what is wrong with them. opts may be nil.
// Close it when done.
func New(models Models, opts *Options) (*Engine, error) {
	e := &Engine{models: models, programs: map[string]*entry{}, stopped: make(chan struct{})}
	if opts != nil {
		e.opts = *opts
	}
	if e.opts.Interval == 0 {
		e.opts.Interval = DefaultInterval
	}
	if e.opts.Keep <= 0 {
		e.opts.Keep = DefaultKeep
	}
	if e.opts.Logger == nil {
		e.opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := e.Reload(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	go e.watch(ctx)
	return e, nil
}

// Close ends the looking at the folder. Calls go on, and further ones are possible.
func (e *Engine) Close() error {
	e.stop()
	<-e.stopped
	return nil
}

// Add adds a program that is declared in Go: m is a module whose predictors
// [cria.NewProgram] finds. A file of its name in the folder, written by
// [cria.Program.SaveFile], is its first version after that in Go; the error says if that
// file cannot be used, and is no reason not to run the program as it stands in Go.
func Add[In, Out any](e *Engine, name string, m cria.Module[In, Out], require Requirement) error {
	if !programName.MatchString(name) {
		return fmt.Errorf("the program %q: %s", name, nameRule)
	}
	p, err := cria.NewProgram(m)
	if err != nil {
		return err
	}
	v := &version{require: require, program: p, module: func(ctx context.Context, inputs cria.Example) (cria.Example, error) {
		var in In
		if err := inputs.Decode(&in); err != nil {
			return nil, fmt.Errorf("the inputs: %w", err)
		}
		out, err := m.Call(ctx, in)
		if err != nil {
			return nil, err
		}
		return cria.ExampleOf(out)
	}}
	e.mu.Lock()
	if known := e.programs[name]; known != nil && known.inGo != nil {
		e.mu.Unlock()
		return fmt.Errorf("the program %q is added already", name)
	}
	delete(e.programs, name) // its file is read anew
	entry := &entry{inGo: v}
	entry.take(v, e.opts.Keep)
	e.programs[name] = entry
	e.mu.Unlock()
	if err := e.Reload(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return entry.err
}

// Answer is what a program gave.
type Answer struct {
	Outputs cria.Example
	Model   string // that it ran on
	Version int
	Usage   cria.Usage // of all predictors that were called
}

// Run calls a program with inputs by name. Errors are an [*UnknownError], a
// [*RequirementError], a [*ModelError] that wraps those of the pool, that of ctx, a [*cria.StateError] if the program was tuned
// for another model, and those of the program.
func (e *Engine) Run(ctx context.Context, name string, inputs cria.Example) (*Answer, error) {
	v, err := e.version(name)
	if err != nil {
		return nil, err
	}
	var models []Model
	if v.require.Name == "" {
		models = e.catalog()
	}
	model, err := v.require.resolve(name, models)
	if none := (*RequirementError)(nil); errors.As(err, &none) {
		none.NoCatalog = e.opts.Catalog == nil
	}
	if err != nil {
		return nil, err
	}
	answer := &Answer{Model: model, Version: v.Number}
	ctx, trace := cria.WithTrace(ctx)
	ready := false
	err = e.models.Use(ctx, model, func(ctx context.Context, lm cria.LM) (err error) {
		ready = true
		answer.Outputs, err = v.run(ctx, lm, inputs)
		return err
	})
	switch {
	case err == nil:
	case ready, ctx.Err() != nil, errors.Is(err, pool.ErrClosed):
		return nil, err
	default:
		return nil, e.modelError(v, name, model, err)
	}
	answer.Usage = trace.Usage()
	return answer, nil
}

// catalog says what models there are, if anybody does.
func (e *Engine) catalog() []Model {
	if e.opts.Catalog == nil {
		return nil
	}
	return e.opts.Catalog()
}

func (e *Engine) modelError(v *version, program, model string, err error) error {
	failed := &ModelError{Program: program, Path: v.declaredIn, Model: model, Err: err}
	for _, m := range e.catalog() {
		if m.Fits && !m.Unaccepted && m.Name != model && v.require.suits(m) {
			failed.Known = append(failed.Known, m.Name)
		}
	}
	return failed
}

// Run calls a program of an engine with typed inputs and outputs: structs that have the
// program's fields, by the names that [cria.SignatureOf] gives them.
func Run[In, Out any](ctx context.Context, e *Engine, name string, in In) (out Out, err error) {
	inputs, err := cria.ExampleOf(in)
	if err != nil {
		return out, fmt.Errorf("the inputs of the program %s: %w", name, err)
	}
	answer, err := e.Run(ctx, name, inputs)
	if err != nil {
		return out, err
	}
	if err := answer.Outputs.Decode(&out); err != nil {
		return out, fmt.Errorf("the outputs of the program %s: %w", name, err)
	}
	return out, nil
}

// version returns the version of a program that calls run.
func (e *Engine) version(name string) (*version, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	entry := e.programs[name]
	if entry == nil || entry.current == nil {
		if entry != nil && entry.err != nil {
			return nil, entry.err
		}
		return nil, &UnknownError{name, e.names()}
	}
	return entry.current, nil
}

// names are those of the programs that can run. The caller holds e.mu.
func (e *Engine) names() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(e.programs)) {
		if e.programs[name].current != nil {
			names = append(names, name)
		}
	}
	return names
}

// Status is a program of an engine.
type Status struct {
	Name     string
	Version  int   // that calls run; 0: none
	Err      error // why the file as it is now is not used, a [*FileError]; nil: it is
	Versions []Version
}

// Programs returns all programs by name, those whose files cannot be used too.
func (e *Engine) Programs() (all []Status) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(e.programs)) {
		entry := e.programs[name]
		s := Status{Name: name, Err: entry.err}
		for _, v := range entry.versions {
			listed := v.Version
			if listed.Current = v == entry.current; listed.Current {
				s.Version = v.Number
			}
			s.Versions = append(s.Versions, listed)
		}
		all = append(all, s)
	}
	return all
}

// Rollback has calls run an earlier version, until what the program's file has changes
// again; 0 is the one before the current one.
func (e *Engine) Rollback(name string, number int) error {
	number, err := e.rollback(name, number)
	if err == nil {
		e.log(event{slog.LevelInfo, "program rolled back", []any{"program", name, "version", number}})
	}
	return err
}

// rollback returns the number of the version that calls run now.
func (e *Engine) rollback(name string, number int) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	entry := e.programs[name]
	if entry == nil || len(entry.versions) == 0 {
		return 0, &UnknownError{name, e.names()}
	}
	if number == 0 {
		i := slices.Index(entry.versions, entry.current)
		if i < 0 {
			i = len(entry.versions)
		}
		if i == 0 {
			return 0, fmt.Errorf("the program %q has no version before %d", name, entry.versions[0].Number)
		}
		number = entry.versions[i-1].Number
	}
	i := slices.IndexFunc(entry.versions, func(v *version) bool { return v.Number == number })
	if i < 0 {
		return 0, fmt.Errorf("the program %q has no version %d any more; there are %s", name, number, strings.Join(entry.numbers(), ", "))
	}
	entry.current = entry.versions[i]
	return number, nil
}

// take makes a version the current one. The oldest that are more than keep are dropped, but
// never the one in Go. The caller holds the engine's lock.
func (entry *entry) take(v *version, keep int) {
	entry.numbered++
	v.Number, v.Loaded = entry.numbered, time.Now()
	entry.versions = append(entry.versions, v)
	drop := len(entry.versions) - keep
	if entry.inGo != nil {
		drop--
	}
	entry.versions = slices.DeleteFunc(entry.versions, func(old *version) bool {
		if drop <= 0 || old == entry.inGo {
			return false
		}
		drop--
		return true
	})
	entry.current = v
}

// numbers are those of the versions that there are.
func (entry *entry) numbers() (list []string) {
	for _, v := range entry.versions {
		list = append(list, strconv.Itoa(v.Number))
	}
	return list
}
