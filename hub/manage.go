package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// A CachedModel is a model in the cache.
type CachedModel struct {
	Refs    []string // what it was fetched as; sorted
	Paths   []string // its files
	Digest  string   // sha256; of a split model, of its parts' digests
	Size    int64    // bytes, all parts
	Source  string   // where it came from, for people
	Trust   Trust    // how Digest was checked
	Fetched time.Time
}

// Models lists the models in the cache, sorted by their first reference.
func (h *Hub) Models() ([]CachedModel, error) {
	models := h.cache.readIndex().Models
	byDigest := map[string]*CachedModel{}
	for _, ref := range slices.Sorted(maps.Keys(models)) {
		e := models[ref]
		if !exists(h.cache.path("models", e.Digest)) {
			continue // removed by hand
		}
		if m := byDigest[e.Digest]; m != nil {
			m.Refs = append(m.Refs, ref)
			continue
		}
		m := h.newModel(ref, nil, e)
		byDigest[e.Digest] = &CachedModel{[]string{ref}, m.Paths, e.Digest, m.Size, e.Source, e.Trust, e.Fetched}
	}
	list := make([]CachedModel, 0, len(byDigest))
	for _, m := range byDigest {
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b CachedModel) int { return strings.Compare(a.Refs[0], b.Refs[0]) })
	return list, nil
}

// cached finds a model of the cache by one of its references or its digest.
func (h *Hub) cached(ref string) (*CachedModel, error) {
	if card := h.card(ref); card != nil {
		ref = card.Name
	}
	models, err := h.Models()
	if err != nil {
		return nil, err
	}
	names := []string{}
	for i, m := range models {
		if slices.Contains(m.Refs, ref) || m.Digest == ref {
			return &models[i], nil
		}
		names = append(names, m.Refs...)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w %q: the cache %s has no model", ErrUnknown, ref, h.opts.CacheDir)
	}
	return nil, fmt.Errorf("%w %q: the cache has %s", ErrUnknown, ref, strings.Join(names, ", "))
}

// Remove deletes a model from the cache, with every reference to it. ref is
// one of its references or its digest. The error wraps [ErrUnknown] if the
// cache has no such model.
func (h *Hub) Remove(ctx context.Context, ref string) error {
	m, err := h.cached(ref)
	if err != nil {
		return err
	}
	w, err := h.begin(ctx, "model "+m.Refs[0])
	if err != nil {
		return err
	}
	defer w.end()
	err = h.cache.updateIndex(ctx, func(x *index) {
		maps.DeleteFunc(x.Models, func(_ string, e entry) bool { return e.Digest == m.Digest })
	})
	if err != nil {
		return err
	}
	// Renamed first: half a model must not be found by its digest.
	gone := w.scratch("removed")
	if err := os.Rename(h.cache.path("models", m.Digest), gone); err != nil {
		return h.cache.disk(fmt.Errorf("removing %s: %w", ref, err))
	}
	return h.cache.disk(os.RemoveAll(gone))
}

// Verify reads models of the cache again and compares their digests, all
// models if no refs are given. The error names every damaged one.
func (h *Hub) Verify(ctx context.Context, refs ...string) error {
	var models []CachedModel
	for _, ref := range refs {
		m, err := h.cached(ref)
		if err != nil {
			return err
		}
		models = append(models, *m)
	}
	if len(refs) == 0 {
		all, err := h.Models()
		if err != nil {
			return err
		}
		models = all
	}
	var errs []error
	for _, m := range models {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		errs = append(errs, h.verify(ctx, m))
	}
	return errors.Join(errs...)
}

func (h *Hub) verify(ctx context.Context, m CachedModel) error {
	e, err := h.readEntry(ctx, h.cache.path("models", m.Digest), m.Refs[0], h.start)
	if err != nil {
		return fmt.Errorf("verifying %s: %w", m.Refs[0], err)
	}
	if e.Digest != m.Digest {
		return fmt.Errorf("verifying %s: %w; remove it and fetch it again", m.Refs[0], &DigestError{m.Paths[0], m.Digest, e.Digest})
	}
	return h.cache.updateIndex(ctx, func(x *index) {
		for ref, old := range x.Models {
			if old.Digest == m.Digest {
				old.Files = e.Files
				x.Models[ref] = old
			}
		}
	})
}
