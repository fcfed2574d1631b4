package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// PartsError says that not all parts of a model that is cut over several files are there. It
// is an [fs.ErrNotExist].
type PartsError struct {
	Path    string   // the part that was named
	Index   int      // which one that is, from 0
	Count   int      // of all parts
	Missing []string // paths at which parts should be
}

func (e *PartsError) Error() string {
	var names []string
	for _, path := range e.Missing[:min(len(e.Missing), 3)] {
		names = append(names, filepath.Base(path))
	}
	if more := len(e.Missing) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%s is part %d of %d and needs all of them beside it: missing are %s; put them there, under these names",
		e.Path, e.Index+1, e.Count, strings.Join(names, ", "))
}

// Is makes the error an [fs.ErrNotExist].
func (e *PartsError) Is(target error) bool { return target == fs.ErrNotExist }

// Parts opens the model at path, all parts of it if it is cut over several
// files, and returns their paths in order. Any part may be named; llama.cpp
// wants the first and finds the others itself. The error is that of [Open], a
// [*PartsError] if parts are missing, or says which one does not belong to the others.
func Parts(path string) ([]string, error) {
	paths, _, err := OpenParts(path)
	return paths, err
}

// OpenParts is [Parts] with what the files say.
func OpenParts(path string) (paths []string, parts []*File, err error) {
	f, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	split := f.Split()
	paths, err = split.Paths(path)
	if err != nil {
		return nil, nil, err
	}
	if len(paths) == 1 {
		return paths, []*File{f}, nil
	}
	missing := &PartsError{Path: path, Index: split.Index, Count: split.Count}
	for i, p := range paths {
		part, err := f, error(nil)
		if i != split.Index {
			part, err = Open(p)
		}
		if errors.Is(err, fs.ErrNotExist) {
			missing.Missing = append(missing.Missing, p)
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s is part %d of %d and needs all of them beside it: %w", path, split.Index+1, split.Count, err)
		}
		if s := part.Split(); s.Index != i || s.Count != split.Count {
			return nil, nil, fmt.Errorf("%s: %w", p, invalidf("it says that it is part %d of %d, its name says %d of %d", s.Index+1, s.Count, i+1, split.Count))
		}
		parts = append(parts, part)
	}
	if missing.Missing != nil {
		return nil, nil, missing
	}
	return paths, parts, nil
}
