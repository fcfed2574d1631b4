package hub

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// A Copy is a model that was made on this machine from one in the cache, such as the
// same weights stored as another type. It lives as long as the model.
type Copy struct {
	Kind   string // what it is, such as "Q8_0"
	Path   string
	Digest string // sha256
	Size   int64  // bytes
	Made   time.Time
}

// Copy returns the copy of a cached model that is of a kind, which write makes if it is
// not in the cache: it is called with the file to write, of about size bytes, by one
// process while others that want the same wait. The error is a *[DiskError] when the
// cache cannot be written.
func (h *Hub) Copy(ctx context.Context, m *Model, kind string, size int64, write func(ctx context.Context, to string) error) (*Copy, error) {
	if m.Digest == "" {
		return nil, errors.New("only models of the cache have copies there, " + m.Path + " is a local file")
	}
	key := copyKey(m.Digest, kind)
	if c := h.cachedCopy(key); c != nil {
		return c, nil
	}
	w, err := h.begin(ctx, "copy "+key)
	if err != nil {
		return nil, err
	}
	defer w.end()
	if c := h.cachedCopy(key); c != nil {
		return c, nil // another process was faster
	}
	if err := h.cache.room(size); err != nil {
		return nil, err
	}
	h.note("%s: making a copy of its weights as %s, once", m.Ref, kind)
	dir, err := w.mkdir("copy")
	if err != nil {
		return nil, err
	}
	stem := strings.TrimSuffix(filepath.Base(m.Path), ".gguf")
	path := filepath.Join(dir, stem+"."+kind+".gguf")
	if err := write(ctx, path); err != nil {
		return nil, h.cache.disk(fmt.Errorf("making a copy of %s as %s: %w", m.Ref, kind, err))
	}
	f, err := readStored(ctx, path, m.Ref, h.startLong)
	if err != nil {
		return nil, h.cache.disk(err)
	}
	e := entry{Digest: f.Digest, Files: []stored{f}, Source: m.Digest, Trust: TrustComputed, Fetched: time.Now().UTC()}
	to, err := w.publish(dir, "copies", e.Digest)
	if err != nil {
		return nil, err
	}
	if err := e.restat(to); err != nil {
		return nil, h.cache.disk(err)
	}
	if err := h.cache.updateIndex(ctx, func(x *index) { x.Copies[key] = e }); err != nil {
		return nil, err
	}
	w.finish()
	return h.newCopy(key, e), nil
}

// copyKey is what the index calls a copy.
func copyKey(digest, kind string) string { return digest + "/" + kind }

// cachedCopy returns nil if the cache has no such copy, or a changed one.
func (h *Hub) cachedCopy(key string) *Copy {
	e, ok := h.cache.readIndex().Copies[key]
	if !ok || !e.intact(h.cache.path("copies", e.Digest)) {
		return nil
	}
	return h.newCopy(key, e)
}

func (h *Hub) newCopy(key string, e entry) *Copy {
	_, kind, _ := strings.Cut(key, "/")
	return &Copy{kind, h.cache.path("copies", e.Digest, e.Files[0].Name), e.Digest, e.size(), e.Fetched}
}
