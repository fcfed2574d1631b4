//go:build unix

package cria

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A file that is there keeps its permissions, and a link is not replaced.
func TestSaveFileKeeps(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real.json"), filepath.Join(dir, "link.json")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chmod(file, 0o664), os.Symlink("real.json", link)); err != nil {
		t.Fatal(err)
	}
	if err := mustProgram(t, newJudge()).SaveFile(link, nil, nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(file)
	if err != nil || info.Mode() != 0o664 || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
	if to, err := os.Readlink(link); err != nil || to != "real.json" {
		t.Errorf("the link is to %q: %v", to, err)
	}
}
