package program

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// maxFile is the most bytes of a program's file.
const maxFile = 64 << 20

// fileState tells whether a file may have changed.
type fileState struct {
	read     bool // the rest is of what has been read
	modified time.Time
	size     int64
}

var programName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

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
				e.opts.Logger.Warn("programs cannot be read", "error", text)
			}
			logged = text
		}
	}
}

// Reload looks at the folder now, and reads the files that have changed. The error is of
// the folder; those of files are in [Engine.Programs].
func (e *Engine) Reload() error {
	if e.opts.Folder == "" {
		return nil
	}
	e.reloading.Lock()
	defer e.reloading.Unlock()
	listed, err := os.ReadDir(e.opts.Folder)
	if err != nil {
		return fmt.Errorf("the programs' folder: %w", err)
	}
	there := map[string]bool{}
	for _, f := range listed {
		name, isJSON := strings.CutSuffix(f.Name(), ".json")
		if !isJSON || !programName.MatchString(name) || f.IsDir() {
			continue
		}
		there[name] = e.look(name, filepath.Join(e.opts.Folder, f.Name()))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, entry := range e.programs {
		if !there[name] && entry.listed {
			e.opts.Logger.Info("program's file is gone", "program", name)
			entry.listed, entry.file, entry.digest, entry.err = false, fileState{}, "", nil
			if entry.current = entry.inGo; entry.inGo == nil && len(entry.versions) == 0 {
				delete(e.programs, name)
			}
		}
	}
	return nil
}

// look reads a program's file if it may have changed, and reports whether there is one.
// What is wrong with it is noted; a file that is being written is read again when it has
// grown, one that could not be read at the next look.
func (e *Engine) look(name, path string) bool {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false // since it was listed, or it is a link to nothing
	}
	var now fileState
	if err == nil {
		now = fileState{read: true, modified: info.ModTime(), size: info.Size()}
	}
	e.mu.Lock()
	known := e.programs[name]
	if known == nil {
		known = &entry{}
		e.programs[name] = known
	}
	known.listed = true
	inGo, same := known.inGo, err == nil && known.file == now
	e.mu.Unlock()
	if same {
		return true
	}
	var v *version
	var data []byte
	switch {
	case err != nil:
	case now.size > maxFile:
		err = fmt.Errorf("it has %d bytes, more than %d", now.size, maxFile)
	default:
		if data, err = os.ReadFile(path); err != nil {
			now.read = false // its permissions may change, and nothing else
			break
		}
		v, err = readVersion(path, data, inGo)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known.file = now
	if err != nil {
		e.refuse(name, known, &FileError{path, err})
		return true
	}
	known.err = nil
	e.accept(name, known, v)
	return true
}

// refuse notes why a program's file is not used, and logs it if that is new. The caller
// holds the engine's lock.
func (e *Engine) refuse(name string, known *entry, err error) {
	if known.err == nil || known.err.Error() != err.Error() {
		e.opts.Logger.Warn("program not used", "program", name, "error", err)
	}
	known.err = err
}

// accept makes what was read from a program's file the current version, unless it is what
// the file had before. The caller holds the engine's lock.
func (e *Engine) accept(name string, known *entry, v *version) {
	if known.digest == v.Digest {
		return // of calls that were rolled back, too
	}
	known.digest = v.Digest
	if known.current != nil && known.current.Digest == v.Digest {
		return
	}
	known.take(v, e.opts.Keep)
	e.opts.Logger.Info("program loaded", "program", name, "version", v.Number)
}
