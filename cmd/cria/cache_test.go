package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A batch finds what an earlier one has kept, and a run does where it is asked to.
func TestCacheFlag(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(repliesDir, dir)
	in := write(t, "in.jsonl", reviews(4))
	batch := func(args ...string) string {
		t.Helper()
		code, out, stderr := criaRun(t, "", append([]string{"batch", verdict, "--in", in}, args...)...)
		if wantReviews(t, out, 4); code != 0 {
			t.Errorf("%q: exit code %d, errors %q", args, code, stderr)
		}
		return stderr
	}
	replies := func(want string) {
		t.Helper()
		code, out, stderr := criaRun(t, "", "cache")
		if code != 0 || !strings.HasPrefix(out, dir+": "+want+", ") {
			t.Errorf("exit code %d, output %q, errors %q, want %s", code, out, stderr, want)
		}
	}
	for _, step := range []struct{ args, hits, kept string }{
		{"--cache=off", " 0 cache hits;", "0 replies"},
		{"--cache=read-only", " 0 cache hits;", "0 replies"},
		{"--quiet=false", " 0 cache hits;", "4 replies"},
		{"--concurrency=1", " 4 cache hits;", "4 replies"},
		{"--cache=read-only", " 4 cache hits;", "4 replies"},
		{"--cache=off", " 0 cache hits;", "4 replies"},
		{"--temperature=1", " 0 cache hits;", "4 replies"},
		{"--instructions=Judge.", " 0 cache hits;", "8 replies"},
	} {
		if stderr := batch(step.args); !strings.Contains(stderr, step.hits) {
			t.Errorf("%s: %q, want%s", step.args, stderr, step.hits)
		}
		replies(step.kept)
	}
	for _, step := range []struct{ flag, kept string }{{"--cache=off", "8 replies"}, {"--cache=on", "9 replies"}, {"--cache=on", "9 replies"}} {
		if code, out, stderr := criaRun(t, "", "run", step.flag, "question -> answer", france); code != 0 || !strings.Contains(out, "Paris") {
			t.Errorf("run %s: exit code %d, output %q, errors %q", step.flag, code, out, stderr)
		}
		replies(step.kept)
	}
	if code, out, _ := criaRun(t, "", "cache", "clear"); code != 0 || out != "removed 9 replies\n" {
		t.Errorf("clear: exit code %d, output %q", code, out)
	}
	replies("0 replies")
}

// A folder that cannot be used is said and fails nothing.
func TestCacheFolderOfNoUse(t *testing.T) {
	file := write(t, "file", "")
	t.Setenv(repliesDir, filepath.Join(file, "replies"))
	code, out, stderr := criaRun(t, "", "run", "--cache", "on", "question -> answer", france)
	if code != 0 || !strings.Contains(out, "Paris") || !strings.Contains(stderr, "cria: warning: the cache of replies in "+file) || !strings.Contains(stderr, "kept in memory only") {
		t.Errorf("exit code %d, output %q, errors %q", code, out, stderr)
	}
	if code, _, stderr := criaRun(t, "", "cache", "clear"); code != exitFailure || !strings.Contains(stderr, "cannot use the folder") {
		t.Errorf("clear: exit code %d, errors %q", code, stderr)
	}
	t.Setenv(repliesDir, filepath.Join(t.TempDir(), "gone"))
	if code, out, stderr := criaRun(t, "", "cache"); code != 0 || !strings.HasSuffix(out, ": 0 replies, 0 B\n") {
		t.Errorf("a folder that is not there: exit code %d, output %q, errors %q", code, out, stderr)
	}
	if _, err := os.Stat(os.Getenv(repliesDir)); err == nil {
		t.Error("asking for the size has made the folder")
	}
	for _, value := range []string{"", "never"} {
		if code, _, stderr := criaRun(t, "", "run", "--cache="+value, "q -> a", "q=x"); code != exitUsage || !strings.Contains(stderr, "on, off or read-only") {
			t.Errorf("--cache=%s: exit code %d, errors %q", value, code, stderr)
		}
	}
}
