package peersource

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnpack(t *testing.T) {
	pack := func(name string, size int) (path, digest string) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(size), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Close(), z.Close()); err != nil {
			t.Fatal(err)
		}
		path = filepath.Join(t.TempDir(), "package.tgz")
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b.Bytes())
		return path, hex.EncodeToString(sum[:])
	}
	whole, wholeDigest := pack(bundleName, bundleSize)
	short, shortDigest := pack(bundleName, 100)
	other, otherDigest := pack("package/index.js", 100)
	for _, test := range []struct{ name, path, digest, err string }{
		{"whole", whole, wholeDigest, ""},
		{"other digest", whole, shortDigest, "damaged or not the right one"},
		{"short", short, shortDigest, "does not have 35273016 bytes"},
		{"without bundle", other, otherDigest, "has no " + bundleName},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := unpack(t.Context(), test.path, test.digest, filepath.Join(t.TempDir(), "bundle"))
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want one with %q", err, test.err)
			}
		})
	}
}
