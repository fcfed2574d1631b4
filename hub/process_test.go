package hub

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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

// A client ends with the process that started it, however that ends.
func TestClientDiesWithParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs the death signal of Linux")
	}
	cleanEnv(t)
	fakeClients(t, "python3")
	pid := filepath.Join(t.TempDir(), "pid")
	t.Setenv("FAKE_PID", pid)
	t.Setenv("FAKE_PIP", "hang")
	dir := t.TempDir()
	cmd, _ := child(t, dir, "pip:a==1/m.gguf")
	half := func() string {
		found, _ := filepath.Glob(filepath.Join(dir, "work", "*", "scratch", "pip", "half"))
		return strings.Join(found, "")
	}
	waitFor(t, "the client", func() bool { return half() != "" })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	data, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the client's end", func() bool {
		state, err := os.ReadFile("/proc/" + string(data) + "/stat")
		return err != nil || strings.Contains(string(state), ") Z ")
	})
	// What it left is removed by the next fetch, also of something else.
	h := testHub(t, Options{CacheDir: dir})
	w, err := h.begin(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	w.end()
	if left := half(); left != "" {
		t.Errorf("%s was left behind", left)
	}
}
