package llamacpp

import (
	"os"
	"slices"
	"sync"
)

// check refuses a model that llama.cpp would not survive, before it sees one of its files.
// What has passed is noted: for ever by the digest of a model of the cache, and for
// this process by what files of the user's own were. A model that has passed is loaded only
// if its files are still what they were before the check: package engine sees to that.
func (f *fetched) check() error {
	path, digest := f.model.Path, f.model.Digest
	if digest != "" && f.hub.Checked(digest) {
		return nil
	}
	known, _ := checked.Load(path)
	if was, ok := known.([]os.FileInfo); ok && digest == "" && slices.EqualFunc(was, f.file.was, same) {
		return nil
	}
	if err := f.headers[0].Validate(f.headers[1:]...); err != nil {
		return err
	}
	checked.Store(path, f.file.was)
	if digest != "" {
		f.hub.NoteChecked(digest)
	}
	return nil
}

// checked has what the files of models were that have passed, by the path of the first.
var checked sync.Map

// same reports whether a file was not written to, nor replaced.
func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// fileOf is a model's file as it is now.
func fileOf(path string, paths []string) (f modelFile, err error) {
	f = modelFile{path: path, paths: paths}
	f.was, err = stat(paths)
	return f, err
}

// stat says what files are now.
func stat(paths []string) (infos []os.FileInfo, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}
