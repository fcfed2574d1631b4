package engine

import (
	"fmt"
	"os"

	"github.com/cria-lm/cria/gguf"
)

// FileChangedError says that a model's file was written to while the model was in use,
// which ends the engine, or was not the same all the time while the model was loaded. It is
// an [ErrClosed].
type FileChangedError struct {
	Path    string
	Loading bool // it was found while the model was loaded
}

func (e *FileChangedError) Error() string {
	if e.Loading {
		return fmt.Sprintf("engine: %s was changed or replaced while the model was loaded: load it again once the file stays as it is", e.Path)
	}
	return fmt.Sprintf("engine: %s was changed or cut short while the model was in use, so the model was closed: make the file whole and load the model again; "+
		"to replace the file of a model in use, rename another onto it, or load the model with Options.CopyWeights", e.Path)
}

// Is makes the error an [ErrClosed].
func (e *FileChangedError) Is(target error) bool { return target == ErrClosed }

// modelFiles are the files of a model as they were when it was loaded. They stay open
// while its weights are mapped from them: what happens to them, under whatever name, is
// seen then, while a file that has taken their place under the old name does no harm.
type modelFiles struct {
	paths []string
	infos []os.FileInfo
	open  []*os.File
}

func openFiles(paths []string) (files modelFiles, err error) {
	files.paths = paths
	defer func() {
		if err != nil {
			files.close()
		}
	}()
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return files, err
		case info.IsDir():
			return files, fmt.Errorf("%s is a folder; name the .gguf file in it", path)
		case !info.Mode().IsRegular(): // opening a pipe would wait for its other end
			return files, fmt.Errorf("%s is not a regular file", path)
		}
		file, err := os.Open(path)
		if err != nil {
			return files, err
		}
		files.open = append(files.open, file)
		if info, err = file.Stat(); err != nil {
			return files, err
		}
		files.infos = append(files.infos, info)
	}
	return files, nil
}

// expect reports whether the files are those that they are said to be, in the same order;
// nothing said is no reason to refuse them.
func (f *modelFiles) expect(infos []os.FileInfo) error {
	for i, path := range f.paths {
		if infos != nil && (i >= len(infos) || !same(infos[i], f.infos[i])) {
			return &FileChangedError{path, true}
		}
	}
	return nil
}

// stayed reports whether what is at the files' paths has stayed the same while they were
// loaded from there.
func (f *modelFiles) stayed() error {
	for i := range f.paths {
		if f.check(i) != nil {
			return &FileChangedError{f.paths[i], true}
		}
	}
	return nil
}

// headers reads those of the files that were loaded, also when others have taken their place
// meanwhile, unless the files are not open any more.
func (f *modelFiles) headers() (all []*gguf.File, err error) {
	for i := range f.paths {
		file, err := f.header(i)
		if err != nil {
			return nil, err
		}
		all = append(all, file)
	}
	return all, nil
}

func (f *modelFiles) header(i int) (*gguf.File, error) {
	if f.open != nil {
		file, err := gguf.Read(f.open[i], f.infos[i].Size())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.paths[i], err)
		}
		return file, nil
	}
	file, err := gguf.Open(f.paths[i])
	if changed := f.check(i); changed != nil {
		return nil, changed
	}
	return file, err
}

// changed reports whether an open file was written to since the model was loaded. It takes
// less than a microsecond and allocates nothing.
func (f *modelFiles) changed() error {
	for i, file := range f.open {
		was := stamp{f.infos[i].Size(), f.infos[i].ModTime().UnixNano()}
		if now, err := stampOf(file); err != nil || now != was {
			return &FileChangedError{Path: f.paths[i]}
		}
	}
	return nil
}

// close closes the open files.
func (f *modelFiles) close() {
	for _, file := range f.open {
		_ = file.Close() // it was only read
	}
	f.open = nil
}

// check reports whether the file at a path is the one that was loaded still.
func (f *modelFiles) check(i int) error {
	now, err := os.Stat(f.paths[i])
	if err != nil {
		return err
	}
	if !same(f.infos[i], now) {
		return fmt.Errorf("%s is not the file any more that was loaded", f.paths[i])
	}
	return nil
}

// stamp changes when somebody writes to a file.
type stamp struct {
	size     int64
	modified int64 // ns since 1970
}

func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
