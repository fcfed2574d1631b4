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
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := e.Reload(); err != nil {
				e.opts.Logger.Warn("programs cannot be read", "error", err)
			}
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
		there[name] = true
		e.look(name, filepath.Join(e.opts.Folder, f.Name()))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, entry := range e.programs {
		if !there[name] && entry.file != (fileState{}) {
			e.opts.Logger.Info("program's file is gone", "program", name)
			entry.file, entry.err = fileState{}, nil
			if entry.current = entry.inGo; entry.inGo == nil && len(entry.versions) == 0 {
				delete(e.programs, name)
			}
		}
	}
	return nil
}

// look reads a program's file if it may have changed. What is wrong with it is noted; a
// file that is being written is read again when it has grown.
func (e *Engine) look(name, path string) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return // since it was listed; the next look finds that out
	}
	var state fileState
	if err == nil {
		state = fileState{info.ModTime(), info.Size()}
	}
	e.mu.Lock()
	known := e.programs[name]
	if known == nil {
		known = &entry{}
		e.programs[name] = known
	}
	inGo, same := known.inGo, err == nil && known.file == state
	e.mu.Unlock()
	if same {
		return
	}
	var v *version
	var data []byte
	switch {
	case err != nil:
	case state.size > maxFile:
		err = fmt.Errorf("it has %d bytes, more than %d", state.size, maxFile)
	default:
		if data, err = os.ReadFile(path); err == nil {
			v, err = readVersion(path, data, inGo)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known.file = state
	if err != nil {
		known.err = &FileError{path, err}
		e.opts.Logger.Warn("program not used", "program", name, "error", known.err)
		return
	}
	known.err = nil
	if known.current != nil && known.current.Digest == v.Digest {
		return
	}
	known.take(v, e.opts.Keep)
	e.opts.Logger.Info("program loaded", "program", name, "version", v.Number)
}
