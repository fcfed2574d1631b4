package llamacpp

import (
	"os"
	"slices"
	"sync"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hub"
)

// checkModel refuses a model that llama.cpp would not survive, before it sees one of its
// files. What has passed is noted: for ever by the digest of a model of the cache, and for
// this process by what files of the user's own were. A model that has passed is loaded only
// if its files are still what they were before the check: package engine sees to that.
func checkModel(h *hub.Hub, digest string, paths []string, was []os.FileInfo) error {
	if digest != "" && h.Checked(digest) {
		return nil
	}
	known, _ := checked.Load(paths[0])
	if infos, ok := known.([]os.FileInfo); ok && digest == "" && slices.EqualFunc(infos, was, same) {
		return nil
	}
	if _, err := gguf.Check(paths[0]); err != nil {
		return err
	}
	checked.Store(paths[0], was)
	if digest != "" {
		h.NoteChecked(digest)
	}
	return nil
}

// checked has what the files of models were that have passed, by the path of the first.
var checked sync.Map

// same reports whether a file was not written to, nor replaced.
func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
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
