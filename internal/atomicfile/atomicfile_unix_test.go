//go:build unix

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A file's content is for its owner, and may have more readers by the writer's will.
func TestPermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "file")
	if err := errors.Join(WriteFile(path, nil), Replace(other, func(f *os.File) error { return f.Chmod(0o644) })); err != nil {
		t.Fatal(err)
	}
	for p, group := range map[string]fs.FileMode{path: 0, other: 0o044} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != group {
			t.Errorf("%v, want %v for others than the owner", info.Mode(), group)
		}
	}
}
