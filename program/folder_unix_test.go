//go:build unix

package program

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Of a pipe nobody waits for a writer.
func TestPipe(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantIrregular(t, folder, "pipe")
}

// A file without an end is refused, not read.
func TestFileWithoutEnd(t *testing.T) {
	folder := t.TempDir()
	if err := os.Symlink("/dev/zero", filepath.Join(folder, "zero.json")); err != nil {
		t.Fatal(err)
	}
	wantIrregular(t, folder, "zero")
	if _, err := readFile("/dev/zero"); err == nil || !strings.Contains(err.Error(), "more than 67108864 bytes") {
		t.Errorf("a file that grows: %v", err)
	}
}

// A file that cannot be read is read as soon as it can be, though it has not changed; why
// it cannot be is logged once. (A folder in its place stands in for a lack of permission,
// which root never has.)
func TestFileThatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	var log strings.Builder
	write(t, folder, "kept", declared("one"))
	if err := os.Rename(at("kept.json"), at("kept")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(at("sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := func(to string) {
		t.Helper()
		_ = os.Remove(at("ask.json"))
		if err := os.Symlink(at(to), at("ask.json")); err != nil {
			t.Fatal(err)
		}
	}
	link("sub")
	e := newEngine(t, shelf{}, Options{Folder: folder, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		reload(t, e)
	}
	if s := e.Programs(); len(s) != 1 || s[0].Err == nil || strings.Count(log.String(), "program not used") != 1 {
		t.Errorf("status %+v, log:\n%s", s, log.String())
	}
	if e.programs["ask"].file.read {
		t.Error("what could not be read is taken for read")
	}
	link("kept")
	reload(t, e)
	if s := e.Programs(); s[0].Err != nil || s[0].Version != 1 {
		t.Errorf("status %+v", s)
	}
	// A link to nothing is no file.
	link("nothing")
	reload(t, e)
	if s := e.Programs(); s[0].Err != nil || s[0].Version != 0 {
		t.Errorf("status %+v", s)
	}
}
