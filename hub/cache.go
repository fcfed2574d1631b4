package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// A cache is a folder shared by all processes of a user:
//
//	index.json             what each reference resolved to
//	libraries/<sha256>/    libraries, under the digest of their archive
//	models/<sha256>/       one model each, under its digest
//	copies/<sha256>/       a copy each that was made here of a model
//	calibrations/          what package hardware has measured
//	failures/<sha256>      why an archive that can be done without was not fetched, for a day
//	checked/<sha256>.<rules>  empty: the model has passed gguf.Check
//	work/<key>/            a fetch under way; work/<key>.lock is held meanwhile
//
// A folder under libraries, models or copies appears whole, by rename, and is never
// changed afterwards: processes have its files mapped. They are read-only, so that nobody
// else writes to them by mistake.
type cache struct {
	dir   string
	space func(dir string) (free int64, err error) // replaced by tests
}

func newCache(dir string) *cache { return &cache{dir, freeSpace} }

func (c *cache) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

// A work is one process's right to fetch one thing, and the folder to do it
// in. What lies there belongs to the holder: partial downloads of an earlier
// try may be resumed.
type work struct {
	cache *cache
	dir   string
	lock  *flock.Flock
}

// begin takes the lock for a key, waiting while another process holds it. What
// clients of dead processes left behind is removed. waiting is called once if
// it takes more than a moment.
func (c *cache) begin(ctx context.Context, key string, waiting func()) (*work, error) {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:10])
	if err := os.MkdirAll(c.path("work"), 0o755); err != nil {
		return nil, c.disk(fmt.Errorf("making the cache directory: %w; set CRIA_CACHE_DIR to another folder", err))
	}
	w := &work{c, c.path("work", name), flock.New(c.path("work", name+".lock"))}
	if err := lock(ctx, w.lock, waiting); err != nil {
		return nil, c.disk(fmt.Errorf("locking %s: %w", w.lock.Path(), err))
	}
	c.sweep(name)
	if err := os.RemoveAll(w.scratch()); err != nil {
		w.end()
		return nil, c.disk(err)
	}
	if err := os.MkdirAll(w.scratch(), 0o755); err != nil {
		w.end()
		return nil, c.disk(err)
	}
	return w, nil
}

// lock takes l, polling while another process has it. waiting is called before
// the second look again, since a sweep holds locks for a moment.
func lock(ctx context.Context, l *flock.Flock, waiting func()) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for try := 0; ; try++ {
		if ok, err := l.TryLock(); ok || err != nil {
			return err
		}
		if try == 1 {
			waiting()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// scratch is a folder that nothing survives in: what clients write, and what
// is about to be published.
func (w *work) scratch(elem ...string) string {
	return filepath.Join(append([]string{w.dir, "scratch"}, elem...)...)
}

// mkdir makes a folder in scratch.
func (w *work) mkdir(name string) (string, error) {
	dir := w.scratch(name)
	return dir, w.cache.disk(os.MkdirAll(dir, 0o755))
}

// end gives the lock back; partial downloads stay, everything else goes.
func (w *work) end() {
	_ = os.RemoveAll(w.scratch())
	_ = os.Remove(w.dir) // only if empty
	_ = w.lock.Unlock()
}

// finish is end after success: nothing is left to resume.
func (w *work) finish() { _ = os.RemoveAll(w.dir) }

// sweep removes what dead processes left: scratch folders whose lock is free,
// and partial downloads nobody came back to for two weeks.
func (c *cache) sweep(except string) {
	entries, _ := os.ReadDir(c.path("work"))
	for _, e := range entries {
		name, isLock := strings.CutSuffix(e.Name(), ".lock")
		if !isLock || name == except {
			continue
		}
		info, err := os.Stat(c.path("work", name))
		if err != nil {
			continue // nothing there
		}
		l := flock.New(c.path("work", e.Name()))
		if ok, _ := l.TryLock(); !ok {
			continue // alive
		}
		_ = os.RemoveAll(c.path("work", name, "scratch"))
		if time.Since(info.ModTime()) > 14*24*time.Hour {
			_ = os.RemoveAll(c.path("work", name))
		}
		_ = l.Unlock()
	}
}

// publish moves a finished folder to kind/digest. A folder that is already
// there makes way: its owner found it wanting, or it is the same.
func (w *work) publish(from, kind, digest string) (string, error) {
	to := w.cache.path(kind, digest)
	protect(from)
	err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), syncDir(from))
	if err == nil && exists(to) {
		err = os.Rename(to, w.scratch("old"))
	}
	if err == nil {
		err = os.Rename(from, to)
	}
	if err == nil {
		err = syncDir(filepath.Dir(to))
	}
	return to, w.cache.disk(err)
}

// protect makes the files in a folder read-only, as far as the file system can.
func protect(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if info, err := d.Info(); err == nil {
			_ = os.Chmod(path, info.Mode()&^0o222)
		}
		return nil
	})
}

// room fails if the disk lacks the bytes that a fetch will need.
func (c *cache) room(need int64) error {
	free, err := c.space(c.dir)
	if err != nil || need <= 0 || free >= need {
		return nil // an unknown amount of space is not a reason to refuse
	}
	return c.noRoom(need, free)
}

// hashFile reads a file and returns its sha256 and size, telling task how far
// it is.
func hashFile(ctx context.Context, path string, task Task) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(h, &taskWriter{task: task}), &ctxReader{ctx, f})
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// writeFile copies r to a new file, at most limit bytes, and returns the
// sha256. The file is on disk when it returns.
func writeFile(ctx context.Context, path string, r io.Reader, limit int64, task Task) (digest string, size int64, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return "", 0, err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h, &taskWriter{task: task}), io.LimitReader(&ctxReader{ctx, r}, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%s is larger than the %d bytes it should have at most", filepath.Base(path), limit)
	}
	if err == nil {
		err = f.Sync()
	}
	return hex.EncodeToString(h.Sum(nil)), n, errors.Join(err, f.Close())
}

// A ctxReader ends a copy when its context does.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *ctxReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
