package hardware

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares what a test made with a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

// A tree is a recorded part of a machine's file system: a comment with settings, then
// files, each behind a line of its name ("-- proc/meminfo --").
type tree struct {
	files    fstest.MapFS
	settings map[string]string // "allowed: 0-3", "unusable: /dev/dri/renderD128", "env HOME: /root"
}

func readTree(t *testing.T, text string) tree {
	t.Helper()
	tr := tree{fstest.MapFS{}, map[string]string{}}
	var file *fstest.MapFile
	for line := range strings.Lines(text) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		name, end := strings.CutSuffix(name, " --")
		switch {
		case ok && end:
			file = &fstest.MapFile{Mode: 0o644}
			tr.files[name] = file
		case file != nil:
			file.Data = append(file.Data, line...)
		default:
			key, value, _ := strings.Cut(line, ": ")
			tr.settings[key] = strings.TrimSpace(value)
		}
	}
	return tr
}

func (tr tree) linux(t *testing.T) *linux {
	t.Helper()
	allowed, err := ParseCPUSet(tr.settings["allowed"])
	if err != nil {
		t.Fatal(err)
	}
	return &linux{
		root:    fs.FS(tr.files),
		allowed: allowed,
		getenv:  func(name string) string { return tr.settings["env "+name] },
		usable:  func(path string) bool { return path != tr.settings["unusable"] },
	}
}

// Each recorded tree is read as the table beside it says.
func TestTrees(t *testing.T) {
	files, err := filepath.Glob("testdata/trees/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(readTree(t, string(text)).linux(t).machine(), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, ".txtar")+".json", string(got)+"\n")
		})
	}
}
