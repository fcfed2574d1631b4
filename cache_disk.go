package cria

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// diskCache is a folder with one file for each entry, in one of 16 folders by the first
// digit of its key. A file is written under another name and then renamed, so it is whole
// or not there, whatever happens to the process; what processes do at the same time needs
// no lock, since a file's name says its contents.
//
// The size is bounded per folder, as keys spread evenly: from time to time whoever writes
// looks what is there, and removes the oldest.
type diskCache struct {
	dir      string
	limit    int64 // bytes of each folder
	ttl      time.Duration
	readOnly bool

	create func(dir string) (cacheFile, error) // makes a file of a new name; tests have others

	mu     sync.Mutex
	unseen map[string]int64 // bytes written into each folder since it was looked through
}

// cacheFile is what of an [os.File] is used.
type cacheFile interface {
	io.WriteCloser
	Name() string
}

const (
	shardNames = "0123456789abcdef"
	fileBlock  = 4096 // what file systems round the size of a file up to

	// How often a folder is looked through: when this share of its limit was written. It
	// is emptied to as much below the limit; so the limit holds for one process, and with
	// more it may be exceeded by as much for each.
	sweepShare = 16

	tempPrefix = "tmp-"
	tempAge    = time.Hour // a file that is still not renamed then belongs to a dead process
)

func newDiskCache(dir string, o CacheOptions) *diskCache {
	return &diskCache{
		dir: dir, limit: o.DiskBytes / int64(len(shardNames)), ttl: o.TTL, readOnly: o.ReadOnly,
		create: func(dir string) (cacheFile, error) { return os.CreateTemp(dir, tempPrefix+"*") },
		unseen: map[string]int64{},
	}
}

// open finds out whether the folder can be used.
func (d *diskCache) open() error {
	if d.readOnly {
		if _, err := os.ReadDir(d.dir); err != nil {
			return d.error("read the folder", err)
		}
		return nil
	}
	err := os.MkdirAll(d.dir, 0o700)
	if err == nil {
		_, err = os.ReadDir(d.dir)
	}
	if err != nil {
		return d.error("use the folder (another one, or \"\" for memory only, would do)", err)
	}
	temp, err := d.writeTemp(d.dir, []byte(entryMagic))
	if err == nil {
		err = os.Remove(temp)
	}
	if err != nil {
		return d.error("write to the folder (CacheOptions.ReadOnly uses what it has)", err)
	}
	return nil
}

func (d *diskCache) error(op string, err error) error {
	return &CacheError{Dir: d.dir, Op: op, Err: err}
}

// place returns the folder and the name of an entry's file.
func (d *diskCache) place(key cacheKey) (shard, path string) {
	name := hex.EncodeToString(key[:])
	shard = filepath.Join(d.dir, name[:1])
	return shard, filepath.Join(shard, name)
}

// get returns an entry, nil if there is none.
func (d *diskCache) get(key cacheKey) (*cacheEntry, error) {
	_, path := d.place(key)
	e, err := d.read(key, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case time.Since(e.made).Abs() >= d.ttl: // of the future too, which no clock made
		return nil, nil
	}
	return e, nil
}

// errDamaged marks files that are of no use.
var errDamaged = errors.New("the file is of no use and was left out")

func (d *diskCache) read(key cacheKey, path string) (*cacheEntry, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular(): // a pipe would never end
		return nil, fmt.Errorf("%s: %w", path, errDamaged)
	case info.Size() > d.limit: // a process with another limit wrote it
		return nil, fs.ErrNotExist
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	e, err := decodeEntry(data, key)
	if err != nil {
		if !d.readOnly {
			_ = os.Remove(path) // or it would be read again each time
		}
		return nil, fmt.Errorf("%s: %w: %w", path, errDamaged, err)
	}
	return e, nil
}

// put writes an entry. One that is larger than a folder may be is left out.
func (d *diskCache) put(key cacheKey, e *cacheEntry) error {
	data, err := e.encode(key)
	if err != nil || onDisk(int64(len(data))) > d.limit {
		return err
	}
	shard, path := d.place(key)
	if err := os.MkdirAll(shard, 0o700); err != nil {
		return err
	}
	temp, err := d.writeTemp(shard, data)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		if _, missing := os.Lstat(path); missing == nil {
			return nil // Windows replaces no file that is being read, and it is the same one
		}
		return err
	}
	if !d.due(shard, onDisk(int64(len(data)))) {
		return nil
	}
	return d.sweep(shard)
}

// writeTemp writes a file under a name that no entry has. If it fails no file is left.
func (d *diskCache) writeTemp(dir string, data []byte) (path string, err error) {
	f, err := d.create(dir)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// onDisk is about how much of the disk a file takes.
func onDisk(size int64) int64 { return (size + fileBlock - 1) / fileBlock * fileBlock }

// due notes that a file was written and reports whether its folder is to be looked
// through. The first file of a process is a reason too: it may be one of many processes.
func (d *diskCache) due(shard string, size int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	unseen, seen := d.unseen[shard]
	if unseen += size; !seen || unseen > d.limit/sweepShare {
		d.unseen[shard] = 0
		return true
	}
	d.unseen[shard] = unseen
	return false
}

// cachedFile is a file in a folder of the cache.
type cachedFile struct {
	path    string
	temp    bool  // it is not an entry yet
	size    int64 // on the disk
	written time.Time
}

func (f cachedFile) beingWritten() bool { return f.temp && time.Since(f.written) < tempAge }

// files returns the files of a folder that are the cache's. What else is there is left
// alone.
func files(shard string) ([]cachedFile, error) {
	entries, err := os.ReadDir(shard)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []cachedFile
	for _, e := range entries {
		temp := strings.HasPrefix(e.Name(), tempPrefix)
		if key, err := hex.DecodeString(e.Name()); !temp && (err != nil || len(key) != len(cacheKey{})) {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() { // another process has removed it
			continue
		}
		list = append(list, cachedFile{filepath.Join(shard, e.Name()), temp, onDisk(info.Size()), info.ModTime()})
	}
	return list, err
}

// sweep removes from a folder what is too old, and then the oldest until there is room.
func (d *diskCache) sweep(shard string) error {
	list, err := files(shard)
	if err != nil {
		return err
	}
	var total int64
	for _, f := range list {
		total += f.size
	}
	slices.SortFunc(list, func(a, b cachedFile) int { return a.written.Compare(b.written) })
	for _, f := range list {
		age := time.Since(f.written)
		if f.beingWritten() {
			continue
		}
		if total <= d.limit-d.limit/sweepShare && age < d.ttl && !f.temp {
			continue
		}
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		total -= f.size
	}
	return nil
}

func (d *diskCache) size() (replies int, bytes int64, err error) {
	for _, name := range shardNames {
		list, failed := files(filepath.Join(d.dir, string(name)))
		err = cmp.Or(err, failed)
		for _, f := range list {
			bytes += f.size
			if !f.temp {
				replies++
			}
		}
	}
	if err != nil {
		return replies, bytes, d.error("read the folder", err)
	}
	return replies, bytes, nil
}

func (d *diskCache) clear() error {
	for _, name := range shardNames {
		list, err := files(filepath.Join(d.dir, string(name)))
		for _, f := range list {
			if f.beingWritten() {
				continue
			}
			if failed := os.Remove(f.path); failed != nil && !errors.Is(failed, fs.ErrNotExist) {
				err = cmp.Or(err, failed)
			}
		}
		if err != nil {
			return d.error("clear the folder", err)
		}
	}
	return nil
}
