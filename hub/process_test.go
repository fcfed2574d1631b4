package hub

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A process that is killed in the middle of a download leaves nothing that is
// used; the next one goes on where it was.
func TestKilledDownload(t *testing.T) {
	cleanEnv(t)
	data := testModel(6 << 20)
	s := serveSlowly(t, data, 5*time.Millisecond)
	dir := t.TempDir()
	ref := s.URL + "/m.gguf"

	cmd, _ := child(t, dir, ref)
	waitFor(t, "two megabytes", func() bool { return folderSize(filepath.Join(dir, "work")) > 2<<20 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if found, _ := filepath.Glob(filepath.Join(dir, "models", "*")); len(found) != 0 {
		t.Fatalf("a half model was published: %q", found)
	}
	_, _, before := s.seen()
	cmd, out := child(t, dir, ref)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, out.String(), data)
	_, ranges, after := s.seen()
	if len(ranges) != 2 || !strings.HasPrefix(ranges[1], "bytes=") {
		t.Errorf("ranges asked for: %q", ranges)
	}
	if after-before > 5<<20 {
		t.Errorf("the second process downloaded %d bytes", after-before)
	}
}

// Two processes that start at once on an empty cache share one download.
func TestTwoAtOnce(t *testing.T) {
	cleanEnv(t)
	data := testModel(4 << 20)
	s := serveSlowly(t, data, 10*time.Millisecond)
	dir := t.TempDir()
	a, outA := child(t, dir, s.URL+"/m.gguf")
	b, outB := child(t, dir, s.URL+"/m.gguf")
	for _, cmd := range []*exec.Cmd{a, b} {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	wantFile(t, outA.String(), data)
	if outA.String() != outB.String() {
		t.Errorf("paths differ: %s and %s", outA, outB)
	}
	if gets, _, _ := s.seen(); gets != 1 {
		t.Errorf("%d downloads, want one", gets)
	}
}
