package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/cria-lm/cria/llama"
)

// Libraries are llama.cpp's, ready to be loaded.
type Libraries struct {
	Files   llama.Files
	Dir     string // the folder they are in
	Release string // llama.cpp's, such as "v0.5.0"; empty for a folder the user named
	Source  string // where they came from, for people
}

// Libraries returns llama.cpp libraries for this machine: those of
// [Options].LlamaDir if it is set, else cached ones, else it fetches them
// through npm or from llama.cpp's own releases. The error is a *[FetchError]
// when no source worked, a *[DiskError] when the cache cannot be written; it
// wraps [ErrOffline] if they are only not fetched yet, and not if they are in
// LlamaDir and cannot be used.
func (h *Hub) Libraries(ctx context.Context) (*Libraries, error) {
	if dir := h.opts.LlamaDir; dir != "" {
		files, err := FindLibraries(dir)
		if err != nil {
			return nil, err
		}
		return &Libraries{Files: files, Dir: filepath.Dir(files.Llama), Source: "folder " + dir}, nil
	}
	e, err := h.librarySet(ctx, &librarySet{
		key:     host,
		what:    "llama.cpp libraries for " + host,
		sources: h.platform.sources(),
		keep:    func(name string) bool { return isLibrary(runtime.GOOS, name) },
		check: func(dir string) error {
			_, err := FindLibraries(dir)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	dir := h.cache.path("libraries", e.Digest)
	files, err := FindLibraries(dir)
	if err != nil {
		return nil, err
	}
	return &Libraries{Files: files, Dir: dir, Release: e.Release, Source: e.Source}, nil
}

const host = runtime.GOOS + "/" + runtime.GOARCH

// A librarySet is libraries that are fetched together.
type librarySet struct {
	key     string // in the index
	what    string // for people
	sources []librarySource
	keep    func(name string) bool // whether a file of the archive is wanted
	check   func(dir string) error // whether what came out of it is whole
	spare   bool                   // it can be done without: after a failure it is not tried for a while
}

// librarySet returns cached libraries, or fetches them.
func (h *Hub) librarySet(ctx context.Context, s *librarySet) (entry, error) {
	if e, ok := h.cachedSet(s); ok {
		return e, nil
	}
	if len(s.sources) == 0 {
		return entry{}, fmt.Errorf("no prebuilt %s are known: build llama.cpp and name its folder with CRIA_LLAMA_DIR", s.what)
	}
	if h.opts.Offline {
		err := fmt.Errorf("%s are not in the cache and fetching is off (%w): run once with fetching on (without CRIA_OFFLINE or --offline), or set CRIA_LLAMA_DIR", s.what, ErrOffline)
		if failed := h.recentFailure(s); failed != nil {
			err = fmt.Errorf("%w; %w", err, failed)
		}
		return entry{}, err
	}
	if err := h.recentFailure(s); err != nil {
		return entry{}, err
	}
	w, err := h.begin(ctx, s.what)
	if err != nil {
		return entry{}, err
	}
	defer w.end()
	if e, ok := h.cachedSet(s); ok {
		return e, nil // another process was faster
	}
	if err := h.recentFailure(s); err != nil {
		return entry{}, err // so was its failure
	}
	failed := &FetchError{What: s.what, Hint: "check the connection and try again, or build llama.cpp and name its folder with CRIA_LLAMA_DIR"}
	for _, source := range s.sources {
		e, err := h.fetchSet(ctx, w, s, source)
		if err == nil {
			w.finish()
			return e, nil
		}
		if final(ctx, err) {
			return entry{}, fmt.Errorf("fetching %s from %s: %w", s.what, source, err)
		}
		h.log.Warn("source passed over", "source", source.String(), "err", err)
		failed.Attempts = append(failed.Attempts, Attempt{source.String(), err})
	}
	if s.spare && !errors.Is(failed, errNoClient) {
		h.noteFailure(s, failed)
	}
	return entry{}, failed
}

// A librarySource can put an archive with libraries into a work folder.
type librarySource interface {
	fmt.Stringer
	fetch(context.Context, *Hub, *work) (archive string, err error)
	pinned() (digest, release string)
	unpacked() int64 // bytes that may come out of the archive
	room() int64     // bytes of disk needed
}

func (p platform) sources() (all []librarySource) {
	if p.npm != nil {
		all = append(all, p.npm)
	}
	if p.archive != nil {
		all = append(all, p.archive)
	}
	return all
}

func (p *npmPackage) fetch(ctx context.Context, h *Hub, w *work) (string, error) {
	return h.npmPack(ctx, w, p)
}
func (p *npmPackage) pinned() (digest, release string) { return p.sha256, p.release }
func (p *npmPackage) unpacked() int64                  { return p.content + 1<<20 } // headers and padding
func (p *npmPackage) room() int64                      { return 2*p.size + p.content }

func (a *releaseArchive) String() string { return "llama.cpp release " + a.tag }
func (a *releaseArchive) fetch(ctx context.Context, h *Hub, w *work) (string, error) {
	got, err := h.download(ctx, w, download{
		url: h.opts.ReleaseURL + "/" + a.tag + "/" + a.name, name: a.name,
		label: "llama.cpp " + a.release + " from " + a.String(), size: a.size,
	})
	if err != nil {
		return "", err
	}
	archive := w.scratch(a.name)
	return archive, os.Rename(got.path, archive)
}
func (a *releaseArchive) pinned() (digest, release string) { return a.sha256, a.release }
func (a *releaseArchive) unpacked() int64                  { return 10*a.size + 1<<20 } // programs shrink to a third
func (a *releaseArchive) room() int64                      { return 4 * a.size }

// fetchSet gets one source's archive, verifies it, unpacks what is needed and publishes
// it.
func (h *Hub) fetchSet(ctx context.Context, w *work, s *librarySet, source librarySource) (e entry, err error) {
	if err := h.cache.room(source.room()); err != nil {
		return e, err
	}
	archive, err := source.fetch(ctx, h, w)
	if err != nil {
		return e, h.cache.disk(err)
	}
	want, release := source.pinned()
	digest, _, err := hashFile(ctx, archive, silentTask{})
	if err != nil {
		return e, h.cache.disk(err)
	}
	if digest != want {
		return e, &DigestError{filepath.Base(archive), want, digest}
	}
	dir, err := w.mkdir("libraries")
	if err != nil {
		return e, err
	}
	unpack := unpacking{dir: dir, limit: source.unpacked(), keep: func(name string) bool {
		return s.keep(name) || strings.HasPrefix(strings.ToUpper(name), "LICENSE")
	}}
	if err := unpack.archive(ctx, archive); err != nil {
		return e, h.cache.disk(fmt.Errorf("unpacking %s: %w", filepath.Base(archive), err))
	}
	if err := s.check(dir); err != nil {
		return e, err
	}
	e = entry{Digest: digest, Source: source.String(), Release: release, Trust: TrustPinned, Fetched: time.Now().UTC()}
	for _, name := range unpack.names {
		e.Files = append(e.Files, stored{Name: name})
	}
	if dir, err = w.publish(dir, "libraries", digest); err != nil {
		return e, err
	}
	if err := e.restat(dir); err != nil {
		return e, h.cache.disk(err)
	}
	return e, h.cache.updateIndex(ctx, func(x *index) { x.Libraries[s.key] = e })
}

// cachedSet reports false if the cache has no such libraries, or others than this version
// of cria knows, or changed ones.
func (h *Hub) cachedSet(s *librarySet) (entry, bool) {
	e, ok := h.cache.readIndex().Libraries[s.key]
	if !ok || !e.intact(h.cache.path("libraries", e.Digest)) {
		return entry{}, false
	}
	for _, source := range s.sources {
		if digest, _ := source.pinned(); digest == e.Digest {
			return e, true
		}
	}
	return entry{}, false
}

// begin is cache.begin, with a word to the user when another process is
// fetching the same.
func (h *Hub) begin(ctx context.Context, what string) (*work, error) {
	return h.cache.begin(ctx, what, func() { h.note("waiting for another process that fetches %s", what) })
}
