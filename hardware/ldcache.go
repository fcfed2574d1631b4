package hardware

import (
	"encoding/binary"
	"path"
	"runtime"
	"strings"
)

// A libraryFinder finds libraries by name as the dynamic loader does (ld.so(8)),
// without loading them: a driver's library may start threads or end the process.
type libraryFinder struct {
	linux *linux
	dirs  []string          // of LD_LIBRARY_PATH
	cache map[string]string // of /etc/ld.so.cache
}

func (l *linux) newLibraryFinder() *libraryFinder {
	f := &libraryFinder{linux: l, cache: readLoaderCache([]byte(l.read("/etc/ld.so.cache")))}
	for dir := range strings.FieldsFuncSeq(l.getenv("LD_LIBRARY_PATH"), func(r rune) bool { return r == ':' || r == ';' }) {
		if path.IsAbs(dir) {
			f.dirs = append(f.dirs, dir)
		}
	}
	return f
}

// systemDirs are where the loader looks last; distributions differ.
var systemDirs = func() []string {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	return []string{
		"/lib/" + arch + "-linux-gnu", "/usr/lib/" + arch + "-linux-gnu",
		"/lib64", "/usr/lib64", "/lib", "/usr/lib",
	}
}()

// find returns a library's path, "" if the loader would not find it.
func (f *libraryFinder) find(name string) string {
	for _, dir := range f.dirs {
		if file := path.Join(dir, name); f.linux.exists(file) {
			return file
		}
	}
	if file := f.cache[name]; file != "" && f.linux.exists(file) {
		return file
	}
	for _, dir := range systemDirs {
		if file := path.Join(dir, name); f.linux.exists(file) {
			return file
		}
	}
	return ""
}

const (
	loaderCacheMagic  = "glibc-ld.so.cache1.1" // what follows stands behind an older table, or alone
	loaderCacheHeader = 48
	loaderCacheEntry  = 24
)

// readLoaderCache reads the table that ldconfig writes (struct cache_file_new of
// glibc's dl-cache.h): a header, entries of flags and two offsets each, and the texts
// they are of. Libraries of other machines are left out. A damaged table is read as
// far as it makes sense.
func readLoaderCache(data []byte) map[string]string {
	at := strings.Index(string(data), loaderCacheMagic)
	if at < 0 || len(data)-at < loaderCacheHeader {
		return nil
	}
	data = data[at:]
	order := binary.NativeEndian
	count := min(int(order.Uint32(data[20:])), (len(data)-loaderCacheHeader)/loaderCacheEntry)
	paths := map[string]string{}
	for i := range count {
		e := data[loaderCacheHeader+i*loaderCacheEntry:]
		name, file := textAt(data, order.Uint32(e[4:])), textAt(data, order.Uint32(e[8:]))
		if paths[name] == "" && order.Uint32(e)&0xff00 == loaderCacheMachine[runtime.GOARCH] {
			paths[name] = file // the first is the one the loader takes
		}
	}
	return paths
}

// loaderCacheMachine is how the flags of an entry name the machine (ldconfig.h).
var loaderCacheMachine = map[string]uint32{"amd64": 0x0300, "arm64": 0x0a00}

// textAt returns the text that begins at an offset and ends at a zero byte.
func textAt(data []byte, offset uint32) string {
	if uint64(offset) >= uint64(len(data)) {
		return ""
	}
	text, _, _ := strings.Cut(string(data[offset:min(len(data), int(offset)+4096)]), "\x00")
	return text
}
