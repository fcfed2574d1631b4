package hub

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An item is an entry of a test archive.
type item struct {
	name, data, link string
	kind             byte // of package tar; 0: regular
}

func tgz(t *testing.T, path string, items ...item) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for _, it := range items {
		kind := it.kind
		if kind == 0 {
			kind = tar.TypeReg
		}
		head := &tar.Header{Name: it.name, Typeflag: kind, Linkname: it.link, Mode: 0o777, Size: int64(len(it.data))}
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(it.data)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	if path != "" {
		if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

func zipFile(t *testing.T, path string, items ...item) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, it := range items {
		head := &zip.FileHeader{Name: it.name}
		if len(it.data) > 1000 {
			head.Method = zip.Deflate
		}
		if it.kind == tar.TypeSymlink {
			head.SetMode(fs.ModeSymlink | 0o777)
		}
		if it.kind == tar.TypeChar {
			head.SetMode(fs.ModeDevice | fs.ModeCharDevice)
		}
		f, err := w.CreateHeader(head)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(it.data + it.link)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestUnpack(t *testing.T) {
	many := make([]item, maxEntries+1)
	for i := range many {
		many[i] = item{name: fmt.Sprint("x/", i)}
	}
	big := strings.Repeat("a", 1<<20)
	good := item{name: "package/bins/libllama.so", data: "code"}
	tests := []struct {
		name  string
		items []item
		want  string // names unpacked
		err   string
	}{
		{"good", []item{{name: "package/", kind: tar.TypeDir}, good, {name: "package/index.js", data: "no"}, {name: "package/LICENSE", data: "MIT"}},
			"LICENSE libllama.so", ""},
		{"parent", []item{good, {name: "../evil"}}, "", "reaches outside"},
		{"parent inside", []item{good, {name: "a/../../libggml.so"}}, "", "reaches outside"},
		{"backslash parent", []item{{name: `a\..\..\evil`}}, "", "reaches outside"},
		{"absolute", []item{{name: "/etc/libllama.so"}}, "", "reaches outside"},
		{"drive", []item{{name: "C:libllama.so"}}, "", "reaches outside"},
		{"device", []item{{name: "libllama.so", kind: tar.TypeChar}}, "", "link or a device"},
		{"bomb", []item{{name: "README", data: big}, good, {name: "libggml.so", data: big}}, "", "unpacks to more"},
		{"too many entries", many, "", "refused"},
		{"twice", []item{good, good}, "", "twice"},
	}
	for _, test := range tests {
		for _, kind := range []string{".tgz", ".zip"} {
			t.Run(test.name+kind, func(t *testing.T) {
				archive := filepath.Join(t.TempDir(), "a"+kind)
				if kind == ".zip" {
					zipFile(t, archive, test.items...)
				} else {
					tgz(t, archive, test.items...)
				}
				names, err := unpackTest(t, archive)
				if test.err != "" {
					wantError(t, err, test.err)
					return
				}
				if got := strings.Join(names, " "); err != nil || got != test.want {
					t.Errorf("unpacked %q, %v; want %q", got, err, test.want)
				}
			})
		}
	}
}

func unpackTest(t *testing.T, archive string) ([]string, error) {
	t.Helper()
	outer := t.TempDir()
	dir := filepath.Join(outer, "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	u := unpacking{dir: dir, limit: 3 << 19, keep: func(name string) bool {
		return isLibrary("linux", name) || name == "LICENSE"
	}}
	err := u.archive(t.Context(), archive)
	if entries, _ := os.ReadDir(outer); len(entries) != 1 {
		t.Errorf("something was written outside: %v", entries)
	}
	slices.Sort(u.names)
	return u.names, err
}

// Release archives have links beside the libraries; no link survives.
func TestUnpackLinks(t *testing.T) {
	link := func(name, to string) item { return item{name: name, link: to, kind: tar.TypeSymlink} }
	for _, test := range []struct {
		name  string
		items []item
		err   string
	}{
		{"chain", []item{link("l/libllama.so", "libllama.so.0"), link("l/libllama.so.0", "libllama.so.0.0.1"), {name: "l/libllama.so.0.0.1", data: "x"}}, ""},
		{"outside", []item{link("l/libllama.so", "../../etc/passwd")}, "outside its folder"},
		{"absolute", []item{link("l/libllama.so", "/etc/passwd")}, "outside its folder"},
		{"unwanted but outside", []item{link("l/x", "/etc/passwd")}, "outside its folder"},
		{"nowhere", []item{link("l/libllama.so", "libllama.so.1")}, "not in the archive"},
		{"circle", []item{link("l/libllama.so", "libllama.so.0"), link("l/libllama.so.0", "libllama.so")}, "not in the archive"},
		{"hard link", []item{{name: "l/libllama.so", link: "/etc/passwd", kind: tar.TypeLink}}, "link or a device"},
		{"fifo", []item{{name: "l/libllama.so", kind: tar.TypeFifo}}, "link or a device"},
	} {
		t.Run(test.name, func(t *testing.T) {
			archive := filepath.Join(t.TempDir(), "a.tar.gz")
			tgz(t, archive, test.items...)
			dir := t.TempDir()
			u := unpacking{dir: dir, limit: 1 << 20, keep: func(name string) bool { return isLibrary("linux", name) }}
			err := u.archive(t.Context(), archive)
			if test.err != "" {
				wantError(t, err, test.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"libllama.so", "libllama.so.0", "libllama.so.0.0.1"} {
				info, err := os.Lstat(filepath.Join(dir, name))
				if err != nil || !info.Mode().IsRegular() {
					t.Errorf("%s: %v, %v", name, info, err)
				}
			}
		})
	}
	archive := filepath.Join(t.TempDir(), "a.zip")
	zipFile(t, archive, item{name: "libllama.so", link: "/etc/passwd", kind: tar.TypeSymlink})
	_, err := unpackTest(t, archive)
	wantError(t, err, "link or a device")
}

func TestUnpackDamaged(t *testing.T) {
	whole := tgz(t, "", item{name: "libllama.so", data: strings.Repeat("code", 1000)})
	for _, test := range []struct {
		name string
		data []byte
	}{
		{"half.tgz", whole[:len(whole)/2]}, {"empty.tgz", nil}, {"html.tgz", []byte("<html>")}, {"html.zip", []byte("<html>")},
	} {
		path := filepath.Join(t.TempDir(), test.name)
		if err := os.WriteFile(path, test.data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := unpackTest(t, path); err == nil {
			t.Errorf("%s: no error", test.name)
		}
	}
}
