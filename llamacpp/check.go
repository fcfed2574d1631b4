package llamacpp

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hub"
)

// checkModel refuses a model that llama.cpp would not survive, before it sees one of its
// files. What has passed is noted: for ever by the digest of a model of the cache, and for
// this process by the sizes and times of files of the user's own.
func checkModel(h *hub.Hub, digest string, paths []string) error {
	if digest != "" && h.Checked(digest) {
		return nil
	}
	state, err := stateOf(paths)
	if err != nil {
		return err
	}
	if _, ok := checked.Load(state); ok && digest == "" {
		return nil
	}
	if _, err := gguf.Check(paths[0]); err != nil {
		return err
	}
	checked.Store(state, true)
	if digest != "" {
		h.NoteChecked(digest)
	}
	return nil
}

// checked has what [stateOf] says of models that have passed.
var checked sync.Map

// stateOf changes when one of the files does.
func stateOf(paths []string) (string, error) {
	var state strings.Builder
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&state, "%s\x00%d %d\x00", path, info.Size(), info.ModTime().UnixNano())
	}
	return state.String(), nil
}
