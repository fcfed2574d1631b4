//go:build unix

package program

import (
	"path/filepath"
	"syscall"
	"testing"
)

// Of a pipe nobody waits for a writer.
func TestPipe(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe.json"), 0o600); err != nil {
		t.Skip(err)
	}
	wantIrregular(t, folder, "pipe")
}
