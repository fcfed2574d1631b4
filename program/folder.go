package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// maxFile is the most bytes of a program's file.
const maxFile = 64 << 20

// coarse is the coarsest time of modification that file systems note (FAT): a younger file
// may be written to once more without any trace.
const coarse = 2 * time.Second

// catalogAgain is after how long a file is read again whose model is not in the catalogue,
// which may change.
const catalogAgain = 10 * time.Second

// fileState tells whether a file may have changed.
type fileState struct {
	read     bool // the rest is of what has been read, and says if that changes
	modified time.Time
	size     int64
}

var programName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

const nameRule = "its name is none for a program: letters, digits, dots, underscores and hyphens, of which a letter or digit comes first"

// watch looks at the folder from time to time: that works wherever files do, on network
// file systems too, which a notification of the system does not.
func (e *Engine) watch(ctx context.Context) {
	defer close(e.stopped)
	if e.opts.Folder == "" || e.opts.Interval < 0 {
		return
	}
	tick := time.NewTicker(e.opts.Interval)
	defer tick.Stop()
	logged := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			text := ""
			if err := e.Reload(); err != nil {
				text = err.Error()
			}
			if text != logged && text != "" {
				e.log(event{slog.LevelWarn, "programs cannot be read", []any{"error", text}})
			}
			logged = text
		}
	}
}

// event is what the logger hears. It is told without any lock: a handler may ask the engine.
type event struct {
	level slog.Level
	text  string
	args  []any
}

func (e *Engine) log(events ...event) {
	for _, event := range events {
		e.opts.Logger.Log(context.Background(), event.level, event.text, event.args...)
	}
}

// Reload looks at the folder now, and reads the files that have changed. The error is of
// the folder; those of files are in [Engine.Programs].
func (e *Engine) Reload() error {
	if e.opts.Folder == "" {
		return nil
	}
	events, err := e.reload()
	e.log(events...)
	return err
}

func (e *Engine) reload() ([]event, error) {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	listed, err := os.ReadDir(e.opts.Folder)
	if err != nil {
		return nil, fmt.Errorf("the programs' folder: %w", err)
	}
	r := inspection{engine: e, catalog: sync.OnceValue(e.catalog)}
	there := map[string]bool{}
	for _, f := range listed {
		name, isJSON := strings.CutSuffix(f.Name(), ".json")
		if !isJSON || strings.HasPrefix(name, ".") || f.IsDir() { // hidden files are of editors and systems
			continue
		}
		there[name] = r.look(name, filepath.Join(e.opts.Folder, f.Name()))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, entry := range e.programs {
		if !there[name] && entry.listed {
			r.events = append(r.events, event{slog.LevelInfo, "program's file is gone", []any{"program", name}})
			entry.listed, entry.file, entry.digest, entry.err = false, fileState{}, "", nil
			if entry.current = entry.inGo; entry.inGo == nil && len(entry.versions) == 0 {
				delete(e.programs, name)
			}
		}
	}
	return r.events, nil
}

// inspection is one look at the folder.
type inspection struct {
	engine  *Engine
	catalog func() []Model // asked once, if at all
	events  []event
}

// look reads a program's file if it may have changed, and reports whether there is one.
// What is wrong with it is noted; a file that is being written is read again when it has
// grown, one that could not be read at the next look.
func (r *inspection) look(name, path string) bool {
	e, began := r.engine, time.Now()
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false // since it was listed, or it is a link to nothing
	}
	var now fileState
	if err == nil {
		now = fileState{modified: info.ModTime(), size: info.Size()}
		now.read = began.Sub(now.modified).Abs() >= coarse
	}
	e.mu.Lock()
	known := e.programs[name]
	if known == nil {
		known = &entry{}
		e.programs[name] = known
	}
	known.listed = true
	inGo, same := known.inGo, now.read && known.file == now && (known.again.IsZero() || began.Before(known.again))
	e.mu.Unlock()
	if same {
		return true
	}
	var v *version
	var data []byte
	var again time.Time
	switch {
	case err != nil:
	case !programName.MatchString(name):
		err = errors.New(nameRule)
	case !info.Mode().IsRegular(): // which may have no end, or wait for a writer
		err, now.read = fmt.Errorf("it is no regular file (%v)", info.Mode().Type()), false
	default:
		if data, err = readFile(path); err != nil {
			now.read = false // its permissions may change, and nothing else
			break
		}
		if v, err = readVersion(path, data, inGo); err == nil {
			if err = r.checkModel(v); err != nil {
				again = began.Add(catalogAgain)
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known.file, known.again = now, again
	if err != nil {
		r.refuse(name, known, &FileError{path, err})
		return true
	}
	known.err = nil
	r.accept(name, known, v)
	return true
}

// readFile reads a file that is not too large, also if it grows meanwhile.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return data, err
}

// checkModel reports whether a declaration names a model, or asks for a capability, that
// nobody has, as far as that is known: files and references are not in the catalogue, nor are contexts.
func (r *inspection) checkModel(v *version) error {
	if v.declaredIn == "" {
		return nil
	}
	if len(v.require.Capabilities) > 0 {
		return v.require.unknownCapability(r.catalog())
	}
	name := v.require.Name
	if name == "" || strings.ContainsAny(name, `:/\`) || strings.HasSuffix(name, ".gguf") {
		return nil
	}
	if c, ok := r.engine.models.(contexts); ok {
		if _, ok := c.ContextOf(name); ok {
			return nil
		}
	}
	return unknownModel(name, r.catalog())
}

// refuse notes why a program's file is not used, and logs it if that is new. The caller
// holds the engine's lock.
func (r *inspection) refuse(name string, known *entry, err error) {
	if known.err == nil || known.err.Error() != err.Error() {
		r.events = append(r.events, event{slog.LevelWarn, "program not used", []any{"program", name, "error", err}})
	}
	known.err = err
}

// accept makes what was read from a program's file the current version, unless it is what
// the file had before. The caller holds the engine's lock.
func (r *inspection) accept(name string, known *entry, v *version) {
	if known.digest == v.Digest {
		return // of calls that were rolled back, too
	}
	known.digest = v.Digest
	if known.current != nil && known.current.Digest == v.Digest {
		return
	}
	known.take(v, r.engine.opts.Keep)
	r.events = append(r.events, event{slog.LevelInfo, "program loaded", []any{"program", name, "version", v.Number}})
}
