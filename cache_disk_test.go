package cria

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// entryFiles returns the files of all entries in a cache's folder.
func entryFiles(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestEntry(t *testing.T) {
	key := cacheKey{1, 2, 3}
	want := &cacheEntry{text: "a\xff\n\"é", usage: Usage{PromptTokens: 1, CompletionTokens: 2, CachedTokens: 1}, made: time.Unix(12, 34)}
	data, err := want.encode(key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeEntry(data, key)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(cacheEntry{})); err != nil || diff != "" {
		t.Errorf("read back, %v (-want +got):\n%s", err, diff)
	}
	if _, err := decodeEntry(data, cacheKey{9}); err == nil {
		t.Error("it is read as that of another key")
	}
	for i := range data {
		broken := bytes.Clone(data)
		broken[i] ^= 0x10
		if _, err := decodeEntry(broken, key); err == nil {
			t.Errorf("it is read with byte %d changed", i)
		}
		if _, err := decodeEntry(data[:i], key); err == nil {
			t.Errorf("it is read cut to %d bytes", i)
		}
	}
}

func TestCacheTTLOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, lm := t.TempDir(), echo()
		call := func() bool {
			t.Helper()
			_, cached := mustGenerate(t, openCache(t, dir, &CacheOptions{TTL: time.Minute}).LM(named{lm, "m"}), ask("x"))
			return cached
		}
		call()
		time.Sleep(59 * time.Second)
		last := openCache(t, dir, &CacheOptions{TTL: time.Minute}).LM(named{lm, "m"})
		if _, cached := mustGenerate(t, last, ask("x")); !cached || !call() {
			t.Error("a reply is gone before its time")
		}
		time.Sleep(2 * time.Second)
		if _, cached := mustGenerate(t, last, ask("x")); cached {
			t.Error("a reply that memory had from the disk outlives its time")
		}
		time.Sleep(2 * time.Minute)
		if call() {
			t.Error("a reply on the disk outlives its time")
		}
	})
}

// What is damaged is no reply, fails no call, is said once, and is replaced.
func TestCacheDamagedFiles(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"cut in half": func(path string) error { return os.Truncate(path, 60) },
		"empty":       func(path string) error { return os.Truncate(path, 0) },
		"other bytes": func(path string) error { return os.WriteFile(path, []byte("not a reply of any kind"), 0o600) },
		"a folder": func(path string) error {
			return errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "in", "it"), 0o700))
		},
		"a link that leads nowhere": func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink(path+"-gone", path))
		},
	} {
		if runtime.GOOS == "windows" && strings.HasPrefix(name, "a link") {
			continue
		}
		dir, lm := t.TempDir(), echo()
		mustGenerate(t, openCache(t, dir, nil).LM(named{lm, "m"}), ask("x"))
		paths := entryFiles(t, dir)
		if len(paths) != 1 {
			t.Fatalf("the folder has %q", paths)
		}
		if err := damage(paths[0]); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		for range 2 { // of which the second shows that a file was replaced
			cache := openCache(t, dir, &CacheOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			cached := cache.LM(named{lm, "m"})
			for range 3 {
				if text, _ := mustGenerate(t, cached, ask("x")); text != "x" {
					t.Errorf("%s: reply %q", name, text)
				}
			}
			if e := (*CacheError)(nil); cache.Err() != nil && !errors.As(cache.Err(), &e) {
				t.Errorf("%s: Err() = %v", name, cache.Err())
			}
		}
		want := int32(2)
		if name == "a folder" { // which stays
			want = 3
		}
		if n := lm.calls.Load(); n != want {
			t.Errorf("%s: %d calls, want %d", name, n, want)
		}
		if n := strings.Count(log.String(), `cannot read a reply`); n != int(want)-1 {
			t.Errorf("%s: it was said %d times:\n%s", name, n, &log)
		}
	}
}

// fullFile is a file on a disk that has room for a few bytes.
type fullFile struct {
	*os.File
	room int
}

func (f *fullFile) Write(b []byte) (int, error) {
	if len(b) > f.room {
		n, _ := f.File.Write(b[:f.room])
		return n, syscall.ENOSPC
	}
	return f.File.Write(b)
}

func TestCacheDiskFull(t *testing.T) {
	dir, lm := t.TempDir(), echo()
	var log strings.Builder
	cache := openCache(t, dir, &CacheOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	cache.disk.create = func(dir string) (cacheFile, error) {
		f, err := os.CreateTemp(dir, tempPrefix+"*")
		return &fullFile{f, 50}, err
	}
	cached := cache.LM(named{lm, "m"})
	for i := range 5 {
		mustGenerate(t, cached, ask(fmt.Sprint(i)))
	}
	if _, hit := mustGenerate(t, cached, ask("0")); !hit {
		t.Error("memory does not serve without a disk")
	}
	if e := (*CacheError)(nil); !errors.As(cache.Err(), &e) || e.Dir != dir || !errors.Is(e, syscall.ENOSPC) || !strings.Contains(e.Error(), "cannot keep a reply") {
		t.Errorf("Err() = %v", cache.Err())
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("it was said %d times:\n%s", n, &log)
	}
	if left := entryFiles(t, dir); len(left) > 0 {
		t.Errorf("halves of files were left: %q", left)
	}
	for cause, create := range map[error]func(dir string) (cacheFile, error){
		syscall.EROFS: func(string) (cacheFile, error) { return nil, syscall.EROFS },
		syscall.ENOSPC: func(dir string) (cacheFile, error) {
			f, err := os.CreateTemp(dir, tempPrefix+"*")
			return &fullFile{f, 0}, err
		},
	} {
		cache.disk.create = create
		err := cache.disk.open()
		if e := (*CacheError)(nil); !errors.As(err, &e) || !errors.Is(err, cause) || !strings.Contains(err.Error(), "ReadOnly") {
			t.Errorf("opening a folder that cannot be written, for %v: %v", cause, err)
		}
	}
}

func TestOpenCacheErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		dir  string
		opts *CacheOptions
	}{
		"a file":               {file, nil},
		"below a file":         {filepath.Join(file, "x"), nil},
		"not there, read-only": {file + "-gone", &CacheOptions{ReadOnly: true}},
	} {
		cache, err := OpenCache(tt.dir, tt.opts)
		if e := (*CacheError)(nil); !errors.As(err, &e) || e.Dir != tt.dir || cache != nil {
			t.Errorf("%s: %v, %v", name, cache, err)
		}
	}
}

// A folder that may only be read serves what it has, and nothing in it changes.
func TestCacheReadOnlyFolder(t *testing.T) {
	dir, lm := t.TempDir(), echo()
	mustGenerate(t, openCache(t, dir, nil).LM(named{lm, "m"}), ask("x"))
	if os.Getuid() > 0 { // nothing is read-only for root
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(dir, 0o700)
		if _, err := OpenCache(dir, nil); !errors.As(err, new(*CacheError)) {
			t.Errorf("opened for writing: %v", err)
		}
	}
	cache := openCache(t, dir, &CacheOptions{ReadOnly: true})
	cache.disk.create = func(string) (cacheFile, error) {
		t.Error("it writes")
		return nil, syscall.EROFS
	}
	cached := cache.LM(named{lm, "m"})
	if _, hit := mustGenerate(t, cached, ask("x")); !hit {
		t.Error("what the folder has is not used")
	}
	mustGenerate(t, cached, ask("y"))
	if _, hit := mustGenerate(t, cached, ask("y")); !hit {
		t.Error("memory keeps nothing")
	}
	if n := len(entryFiles(t, dir)); n != 1 || cache.Err() != nil {
		t.Errorf("the folder has %d files, %v", n, cache.Err())
	}
}

// The folder stays within its bound; the oldest replies go first, and only files of the
// cache.
func TestCacheDiskBound(t *testing.T) {
	const limit = 4 << 20
	dir, lm := t.TempDir(), echo()
	cache := openCache(t, dir, &CacheOptions{DiskBytes: limit, MemoryBytes: 1})
	cached := cache.LM(named{lm, "m"})
	mustGenerate(t, cached, ask("first"))
	first := entryFiles(t, dir)[0]
	shard := filepath.Dir(first)
	longAgo := time.Now().Add(-2 * tempAge)
	for name, at := range map[string]time.Time{
		filepath.Join(shard, "tmp-dead"):   longAgo,
		filepath.Join(shard, "tmp-alive"):  time.Now(),
		filepath.Join(shard, "README"):     longAgo,
		filepath.Join(shard, "0123456789"): longAgo,
	} {
		if err := os.WriteFile(name, make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(first, longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 10_000)
	for i := range 600 { // of 16 KiB each: more than twice the bound
		mustGenerate(t, cached, ask(fmt.Sprint(i, long)))
		if _, bytes, _ := cache.Size(); bytes > limit {
			t.Fatalf("after %d replies there are %d bytes, more than %d", i+1, bytes, limit)
		}
	}
	n, bytes, err := cache.Size()
	if err != nil || cache.Err() != nil || bytes < limit/2 || n < 128 {
		t.Errorf("%d replies of %d bytes are left, %v, %v", n, bytes, err, cache.Err())
	}
	if _, hit := mustGenerate(t, cached, ask(fmt.Sprint(599, long))); !hit {
		t.Error("the last reply is not kept")
	}
	if _, hit := mustGenerate(t, cached, ask("first")); hit {
		t.Error("the first reply is still there")
	}
	for name, stays := range map[string]bool{"tmp-dead": false, "tmp-alive": true, "README": true, "0123456789": true} {
		if _, err := os.Stat(filepath.Join(shard, name)); (err == nil) != stays {
			t.Errorf("%s: %v, want it to stay: %t", name, err, stays)
		}
	}
	mustGenerate(t, cached, ask(strings.Repeat("x", limit))) // is larger than it may be
	if _, bytes, _ := cache.Size(); bytes > limit || cache.Err() != nil {
		t.Errorf("a reply that is too large: %d bytes, %v", bytes, cache.Err())
	}
	if err := cache.Clear(); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := cache.Size(); n != 0 {
		t.Errorf("%d replies are left of a cache that was cleared", n)
	}
	if _, err := os.Stat(filepath.Join(shard, "README")); err != nil {
		t.Error("clearing removed what is not the cache's:", err)
	}
}

// What is too old is removed when others are written.
func TestCacheSweepsOldFiles(t *testing.T) {
	dir := t.TempDir()
	cache := openCache(t, dir, &CacheOptions{TTL: time.Hour})
	var old, new cacheKey
	new[31] = 1 // in the same folder
	if err := cache.disk.put(old, &cacheEntry{made: time.Now()}); err != nil {
		t.Fatal(err)
	}
	longAgo := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "0", hex.EncodeToString(old[:])), longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
	if err := openCache(t, dir, &CacheOptions{TTL: time.Hour}).disk.put(new, &cacheEntry{made: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := cache.Size(); n != 1 {
		t.Errorf("%d replies are left, want the new one", n)
	}
}

// A folder that is removed under a cache is made again.
func TestCacheFolderRemoved(t *testing.T) {
	dir, lm := filepath.Join(t.TempDir(), "a", "b"), echo()
	cache := openCache(t, dir, nil)
	cached := cache.LM(named{lm, "m"})
	mustGenerate(t, cached, ask("x"))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	mustGenerate(t, cached, ask("y"))
	if n, _, err := cache.Size(); n != 1 || err != nil || cache.Err() != nil {
		t.Errorf("%d replies, %v, %v", n, err, cache.Err())
	}
}

// A folder that could not hold one reply is refused, not left empty.
func TestDiskThatIsTooSmall(t *testing.T) {
	for bytes, ok := range map[int64]bool{1: false, 16*fileBlock - 1: false, 16 * fileBlock: true} {
		_, err := OpenCache(t.TempDir(), &CacheOptions{DiskBytes: bytes})
		if ok != (err == nil) || !ok && (!errors.As(err, new(*CacheError)) || !strings.Contains(err.Error(), "65536 at least")) {
			t.Errorf("%d bytes: %v", bytes, err)
		}
	}
}
