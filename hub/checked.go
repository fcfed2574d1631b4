package hub

import (
	"os"

	"github.com/cria-lm/cria/gguf"
)

// Checked reports whether a model of the cache has passed [gguf.Check] of this release, as
// [Hub.NoteChecked] has noted.
func (h *Hub) Checked(digest string) bool { return exists(h.checkedPath(digest)) }

// NoteChecked notes that the model with a digest has passed [gguf.Check]. If the cache
// cannot be written it is not noted: the model is then checked again.
func (h *Hub) NoteChecked(digest string) {
	err := os.MkdirAll(h.cache.path("checked"), 0o755)
	if err == nil {
		err = os.WriteFile(h.checkedPath(digest), nil, 0o644)
	}
	if err != nil {
		h.log.Warn("a check is not noted", "err", err)
	}
}

// checkedPath is an empty file for each model that has passed. A file needs no lock, unlike
// the index.
func (h *Hub) checkedPath(digest string) string {
	return h.cache.path("checked", digest+"."+gguf.CheckVersion)
}
