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
	Copies  []Copy // made from it here; sorted by kind
}

// Models lists the models in the cache, sorted by their first reference.
func (h *Hub) Models() ([]CachedModel, error) {
	x := h.cache.readIndex()
	models := x.Models
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
		byDigest[e.Digest] = &CachedModel{[]string{ref}, m.Paths, e.Digest, m.Size, e.Source, e.Trust, e.Fetched, h.copies(x, e.Digest)}
	}
	list := make([]CachedModel, 0, len(byDigest))
	for _, m := range byDigest {
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b CachedModel) int { return strings.Compare(a.Refs[0], b.Refs[0]) })
	return list, nil
}

// copies are those of the model with a digest.
func (h *Hub) copies(x index, digest string) (list []Copy) {
	for _, key := range slices.Sorted(maps.Keys(x.Copies)) {
		if e := x.Copies[key]; strings.HasPrefix(key, digest+"/") && exists(h.cache.path("copies", e.Digest)) {
			list = append(list, *h.newCopy(key, e))
		}
	}
	return list
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

// Remove deletes a model from the cache, with every reference to it and every copy
// made of it. ref is one of its references or its digest. The error wraps [ErrUnknown] if the
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
		maps.DeleteFunc(x.Copies, func(key string, _ entry) bool { return strings.HasPrefix(key, m.Digest+"/") })
	})
	if err != nil {
		return err
	}
	// Renamed first: half a model must not be found by its digest.
	gone := w.scratch("removed")
	if err := os.Rename(h.cache.path("models", m.Digest), gone); err != nil {
		return h.cache.disk(fmt.Errorf("removing %s: %w", ref, err))
	}
	errs := []error{os.RemoveAll(gone)}
	for _, c := range m.Copies {
		errs = append(errs, os.RemoveAll(h.cache.path("copies", c.Digest)))
	}
	return h.cache.disk(errors.Join(errs...))
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
	err = h.cache.updateIndex(ctx, func(x *index) {
		for ref, old := range x.Models {
			if old.Digest == m.Digest {
				old.Files = e.Files
				x.Models[ref] = old
			}
		}
	})
	for _, c := range m.Copies {
		err = errors.Join(err, h.verifyCopy(ctx, m, c))
	}
	return err
}

// verifyCopy forgets a copy that is damaged: it is made again when it is next wanted.
func (h *Hub) verifyCopy(ctx context.Context, m CachedModel, c Copy) error {
	f, err := readStored(ctx, c.Path, m.Refs[0], h.start)
	if err == nil && f.Digest == c.Digest {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		err = &DigestError{c.Path, c.Digest, f.Digest}
	}
	gone := h.cache.updateIndex(ctx, func(x *index) { delete(x.Copies, copyKey(m.Digest, c.Kind)) })
	return errors.Join(fmt.Errorf("verifying the copy of %s as %s: %w; it is made again when it is needed", m.Refs[0], c.Kind, err), gone)
}
