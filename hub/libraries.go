package hub

import (
	"context"
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
	if l := h.cachedLibraries(); l != nil {
		return l, nil
	}
	const what = "llama.cpp libraries for " + runtime.GOOS + "/" + runtime.GOARCH
	sources := h.platform.sources()
	if len(sources) == 0 {
		return nil, fmt.Errorf("no prebuilt %s are known: build llama.cpp and name its folder with CRIA_LLAMA_DIR", what)
	}
	if h.opts.Offline {
		return nil, fmt.Errorf("%s are not in the cache and fetching is off (%w): run once with fetching on (without CRIA_OFFLINE or --offline), or set CRIA_LLAMA_DIR", what, ErrOffline)
	}
	w, err := h.begin(ctx, what)
	if err != nil {
		return nil, err
	}
	defer w.end()
	if l := h.cachedLibraries(); l != nil {
		return l, nil // another process was faster
	}
	failed := &FetchError{What: what, Hint: "check the connection and try again, or build llama.cpp and name its folder with CRIA_LLAMA_DIR"}
	for _, s := range sources {
		l, err := h.fetchLibraries(ctx, w, s)
		if err == nil {
			w.finish()
			return l, nil
		}
		if final(ctx, err) {
			return nil, fmt.Errorf("fetching %s from %s: %w", what, s, err)
		}
		h.log.Warn("source passed over", "source", s.String(), "err", err)
		failed.Attempts = append(failed.Attempts, Attempt{s.String(), err})
	}
	return nil, failed
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

// fetchLibraries gets one source's archive, verifies it, unpacks what is
// needed and publishes it.
func (h *Hub) fetchLibraries(ctx context.Context, w *work, s librarySource) (*Libraries, error) {
	if err := h.cache.room(s.room()); err != nil {
		return nil, err
	}
	archive, err := s.fetch(ctx, h, w)
	if err != nil {
		return nil, h.cache.disk(err)
	}
	want, release := s.pinned()
	digest, _, err := hashFile(ctx, archive, silentTask{})
	if err != nil {
		return nil, h.cache.disk(err)
	}
	if digest != want {
		return nil, &DigestError{filepath.Base(archive), want, digest}
	}
	dir, err := w.mkdir("libraries")
	if err != nil {
		return nil, err
	}
	unpack := unpacking{dir: dir, limit: s.unpacked(), keep: func(name string) bool {
		return isLibrary(runtime.GOOS, name) || strings.HasPrefix(strings.ToUpper(name), "LICENSE")
	}}
	if err := unpack.archive(ctx, archive); err != nil {
		return nil, h.cache.disk(fmt.Errorf("unpacking %s: %w", filepath.Base(archive), err))
	}
	if _, err := FindLibraries(dir); err != nil {
		return nil, err
	}
	e := entry{Digest: digest, Source: s.String(), Release: release, Trust: TrustPinned, Fetched: time.Now().UTC()}
	for _, name := range unpack.names {
		e.Files = append(e.Files, stored{Name: name})
	}
	if dir, err = w.publish(dir, "libraries", digest); err != nil {
		return nil, err
	}
	if err := e.restat(dir); err != nil {
		return nil, h.cache.disk(err)
	}
	err = h.cache.updateIndex(ctx, func(x *index) { x.Libraries[runtime.GOOS+"/"+runtime.GOARCH] = e })
	if err != nil {
		return nil, err
	}
	return h.libraries(e)
}

// cachedLibraries returns nil if the cache has no libraries, or others than
// this version of cria knows, or changed ones.
func (h *Hub) cachedLibraries() *Libraries {
	e, ok := h.cache.readIndex().Libraries[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok || !e.intact(h.cache.path("libraries", e.Digest)) {
		return nil
	}
	for _, s := range h.platform.sources() {
		if digest, _ := s.pinned(); digest == e.Digest {
			if l, err := h.libraries(e); err == nil {
				return l
			}
		}
	}
	return nil
}

func (h *Hub) libraries(e entry) (*Libraries, error) {
	dir := h.cache.path("libraries", e.Digest)
	files, err := FindLibraries(dir)
	if err != nil {
		return nil, err
	}
	return &Libraries{Files: files, Dir: dir, Release: e.Release, Source: e.Source}, nil
}

// begin is cache.begin, with a word to the user when another process is
// fetching the same.
func (h *Hub) begin(ctx context.Context, what string) (*work, error) {
	return h.cache.begin(ctx, what, func() { h.note("waiting for another process that fetches %s", what) })
}
