package hub

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const maxEntries = 10_000 // in one archive; the largest we read has a hundred

// An unpacking takes chosen files out of one archive, into one flat folder. An
// archive that tries to reach outside, holds devices or unpacks to more than
// limit bytes is refused as a whole.
type unpacking struct {
	dir   string
	limit int64
	keep  func(name string) bool // by base name
	names []string               // what was unpacked
	links map[string]string      // link -> file beside it
}

// archive unpacks a .tgz, .tar.gz or .zip file.
func (u *unpacking) archive(ctx context.Context, file string) error {
	u.links = map[string]string{}
	var err error
	if strings.HasSuffix(file, ".zip") {
		err = u.zip(ctx, file)
	} else {
		err = u.tar(ctx, file)
	}
	if err != nil {
		return err
	}
	return u.link()
}

func (u *unpacking) tar(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(&ctxReader{ctx, f})
	if err != nil {
		return err
	}
	limited := &bombReader{r: z, left: u.limit}
	t := tar.NewReader(limited)
	for n := 0; ; n++ {
		head, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil && n == maxEntries {
			err = fmt.Errorf("more than %d entries: refused", maxEntries)
		}
		if err == nil {
			err = checkEntry(head.Name)
		}
		if err != nil {
			return err
		}
		name := path.Base(head.Name)
		switch head.Typeflag {
		case tar.TypeReg:
			err = u.file(name, t)
		case tar.TypeDir, tar.TypeXGlobalHeader:
		case tar.TypeSymlink:
			err = u.noteLink(head.Name, name, head.Linkname)
		default:
			err = fmt.Errorf("%q is a link or a device: refused", head.Name)
		}
		if err != nil {
			return err
		}
	}
}

func (u *unpacking) zip(ctx context.Context, file string) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer z.Close()
	if err := checkZip(z.File, u.limit); err != nil {
		return err
	}
	for _, e := range z.File {
		if e.Mode().IsDir() || !u.keep(path.Base(e.Name)) {
			continue
		}
		r, err := e.Open()
		if err != nil {
			return fmt.Errorf("%q: %w", e.Name, err)
		}
		err = u.file(path.Base(e.Name), &bombReader{r: &ctxReader{ctx, r}, left: u.limit})
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return nil
}

// checkZip refuses a zip file with entries that could do harm.
func checkZip(entries []*zip.File, limit int64) error {
	if len(entries) > maxEntries {
		return fmt.Errorf("%d entries, at most %d are allowed: refused", len(entries), maxEntries)
	}
	left := uint64(limit)
	for _, e := range entries {
		if err := checkEntry(e.Name); err != nil {
			return err
		}
		if !e.Mode().IsRegular() && !e.Mode().IsDir() {
			return fmt.Errorf("%q is a link or a device: refused", e.Name)
		}
		if e.UncompressedSize64 > left {
			return fmt.Errorf("unpacks to more than %d bytes: refused", limit)
		}
		left -= e.UncompressedSize64
	}
	return nil
}

// checkEntry refuses names that reach outside the folder they are unpacked to.
func checkEntry(name string) error {
	clean := strings.ReplaceAll(name, `\`, "/")
	if clean == "" || path.IsAbs(clean) || strings.Contains(clean, "\x00") || strings.Contains(path.Base(clean), ":") ||
		slices.Contains(strings.Split(clean, "/"), "..") {
		return fmt.Errorf("entry %q reaches outside the archive: refused", name)
	}
	return nil
}

// file writes one file, if it is wanted.
func (u *unpacking) file(name string, r io.Reader) error {
	if !u.keep(name) {
		return nil
	}
	if slices.Contains(u.names, name) {
		return fmt.Errorf("%q is there twice: refused", name)
	}
	_, _, err := writeFile(context.Background(), filepath.Join(u.dir, name), r, u.limit, silentTask{})
	u.names = append(u.names, name)
	return err
}

// noteLink accepts one kind of link: libllama.so -> libllama.so.0, beside it.
func (u *unpacking) noteLink(entry, name, target string) error {
	if path.Base(target) != target || checkEntry(target) != nil {
		return fmt.Errorf("link %q to %q reaches outside its folder: refused", entry, target)
	}
	if u.keep(name) {
		u.links[name] = target
	}
	return nil
}

// link makes the noted links as hard links, so that nothing in the cache
// points anywhere.
func (u *unpacking) link() error {
	for name, target := range u.links {
		for hops := 0; u.links[target] != "" && hops < 4; hops++ {
			target = u.links[target]
		}
		if !slices.Contains(u.names, target) {
			return fmt.Errorf("link %q leads to %q, which is not in the archive: refused", name, target)
		}
		if err := os.Link(filepath.Join(u.dir, target), filepath.Join(u.dir, name)); err != nil {
			return err
		}
	}
	for name := range u.links {
		u.names = append(u.names, name)
	}
	return nil
}

// A bombReader fails once more than it should came out of it.
type bombReader struct {
	r    io.Reader
	left int64
}

func (b *bombReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("unpacks to more than it should: refused")
	}
	return n, err
}
