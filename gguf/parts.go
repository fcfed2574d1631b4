package gguf

import "fmt"

// Parts opens the model at path, all parts of it if it is cut over several
// files, and returns their paths in order. Any part may be named; llama.cpp
// wants the first and finds the others itself. The error is that of [Open], or
// says which part is missing or does not belong to the others.
func Parts(path string) ([]string, error) {
	paths, _, err := openParts(path)
	return paths, err
}

// openParts opens all parts of a model; any may be named.
func openParts(path string) (paths []string, parts []*File, err error) {
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
	for i, p := range paths {
		part, err := f, error(nil)
		if i != split.Index {
			part, err = Open(p)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s is part %d of %d and needs all of them beside it: %w", path, split.Index+1, split.Count, err)
		}
		if s := part.Split(); s.Index != i || s.Count != split.Count {
			return nil, nil, fmt.Errorf("%s: %w", p, invalidf("it says that it is part %d of %d, its name says %d of %d", s.Index+1, s.Count, i+1, split.Count))
		}
		parts = append(parts, part)
	}
	return paths, parts, nil
}
