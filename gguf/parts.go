package gguf

import "fmt"

// Parts opens the model at path, all parts of it if it is cut over several
// files, and returns their paths in order. Any part may be named; llama.cpp
// wants the first and finds the others itself. The error is that of [Open], or
// says which part is missing or does not belong to the others.
func Parts(path string) ([]string, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	split := f.Split()
	paths, err := split.Paths(path)
	if err != nil || len(paths) == 1 {
		return paths, err
	}
	for i, p := range paths {
		part, err := Open(p)
		if err != nil {
			return nil, fmt.Errorf("%s is part %d of %d and needs all of them beside it: %w", path, split.Index+1, split.Count, err)
		}
		if s := part.Split(); s.Index != i || s.Count != split.Count {
			return nil, fmt.Errorf("%s: %w", p, invalidf("it says that it is part %d of %d, its name says %d of %d", s.Index+1, s.Count, i+1, split.Count))
		}
	}
	return paths, nil
}
