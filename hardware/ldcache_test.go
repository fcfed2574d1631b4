package hardware

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// loaderCache writes a table as ldconfig does.
func loaderCache(flags uint32, entries ...[2]string) []byte {
	header := make([]byte, loaderCacheHeader)
	copy(header, loaderCacheMagic)
	binary.NativeEndian.PutUint32(header[20:], uint32(len(entries)))
	texts := loaderCacheHeader + loaderCacheEntry*len(entries)
	var table, strs []byte
	for _, e := range entries {
		entry := make([]byte, loaderCacheEntry)
		binary.NativeEndian.PutUint32(entry, flags|1)
		for i, text := range e {
			binary.NativeEndian.PutUint32(entry[4+4*i:], uint32(texts+len(strs)))
			strs = append(append(strs, text...), 0)
		}
		table = append(table, entry...)
	}
	return append(append(header, table...), strs...)
}

func TestLoaderCache(t *testing.T) {
	machine := loaderCacheMachine[runtime.GOARCH]
	whole := loaderCache(machine, [2]string{"libvulkan.so.1", "/a/libvulkan.so.1"}, [2]string{"libc.so.6", "/a/libc.so.6"}, [2]string{"libc.so.6", "/b/libc.so.6"})
	want := map[string]string{"libvulkan.so.1": "/a/libvulkan.so.1", "libc.so.6": "/a/libc.so.6"}
	if d := cmp.Diff(want, readLoaderCache(whole)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff(want, readLoaderCache(append([]byte("ld.so-1.7.0\x00 an older table"), whole...))); d != "" {
		t.Errorf("behind an older table, -want +got:\n%s", d)
	}
	if got := readLoaderCache(loaderCache(0, [2]string{"libvulkan.so.1", "/lib32/libvulkan.so.1"})); len(got) > 0 {
		t.Errorf("libraries of another machine: %v", got)
	}
	// However it is cut short or changed, it is read without harm.
	for n := range whole {
		readLoaderCache(whole[:n])
		bad := append([]byte(nil), whole...)
		bad[n] ^= 0xff
		readLoaderCache(bad)
	}
}

// A library is looked for where the loader does, in its order, and must be there.
func TestFindLibrary(t *testing.T) {
	file := &fstest.MapFile{}
	root := fstest.MapFS{
		"etc/ld.so.cache": {Data: loaderCache(loaderCacheMachine[runtime.GOARCH],
			[2]string{"libcached.so", "/opt/libcached.so"}, [2]string{"libgone.so", "/opt/libgone.so"}, [2]string{"libboth.so", "/opt/libboth.so"})},
		"opt/libcached.so": file, "opt/libboth.so": file, "first/libboth.so": file, "lib/libplain.so": file, "cwd/libhere.so": file,
	}
	l := &linux{root: root, getenv: func(name string) string {
		return map[string]string{"LD_LIBRARY_PATH": "/none:/first;cwd"}[name]
	}}
	f := l.newLibraryFinder()
	for name, want := range map[string]string{
		"libcached.so": "/opt/libcached.so", "libgone.so": "", "libboth.so": "/first/libboth.so",
		"libplain.so": "/lib/libplain.so", "libnone.so": "", "libhere.so": "",
	} {
		if got := f.find(name); got != want {
			t.Errorf("%s is found at %q, want %q", name, got, want)
		}
	}
	if strings.Contains(strings.Join(f.dirs, " "), "cwd") {
		t.Error("a folder below the current one is looked into")
	}
}
