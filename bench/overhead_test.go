package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cria-lm/cria"
)

func TestParseDspyrs(t *testing.T) {
	for _, test := range []struct {
		name, out string
		want      float64
		err       string
	}{
		{"measured", `{"messages":6,"microseconds":19.25}` + "\n", 19.25, ""},
		{"other demonstrations", `{"messages":2,"microseconds":19.25}`, 0, "2 messages instead of 6"},
		{"no time", `{"messages":6}`, 0, "measured 0 us"},
		{"no JSON", "thread 'main' panicked", 0, "did not write JSON"},
		{"nothing", "", 0, "did not write JSON"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseDspyrs([]byte(test.out), 2)
			wantError(t, err, test.err)
			if got != test.want {
				t.Errorf("%v us, want %v", got, test.want)
			}
		})
	}
}

// Without cargo the figures are measured all the same, and what the peer took is quoted.
func TestWithoutCargo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var errs bytes.Buffer
	s, err := newSession(&options{pairs: 1, threads: 1, model: "none"}, &errs, &errs)
	if err != nil {
		t.Fatal(err)
	}
	peer, why, err := s.dspyrs(t.Context())
	if peer != nil || why != "cargo is not installed" || err != nil {
		t.Errorf("peer %v, %q, %v without cargo", peer, why, err)
	}
	results, err := s.againstDspyrs(t.Context(), "none", []int{2}, func(*task) func() error {
		return func() error { return nil }
	})
	if err != nil || len(results) != 1 {
		t.Fatalf("%v, %v", results, err)
	}
	if line := results[0].line(); !strings.HasPrefix(line, "BENCH none-2 ours=") || !strings.HasSuffix(line, "peer=- ratio=-") {
		t.Errorf("line %q", line)
	}
	if note := results[0].notes[0]; !strings.Contains(note, "19.2 us on another machine: quoted") {
		t.Errorf("note %q", note)
	}
}

// The source that is built is the one beside this program, of the version that is said,
// and is not written again, lest cargo build it again.
func TestWriteDspyrs(t *testing.T) {
	dir := t.TempDir()
	if err := writeDspyrs(dir); err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(dir, "dspyrs", "Cargo.toml")
	data, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if want := `dspy-rs = "=` + dspyrsVersion + `"`; !bytes.Contains(data, []byte(want)) {
		t.Errorf("the manifest has no %s:\n%s", want, data)
	}
	old := time.Unix(1, 0)
	if err := os.Chtimes(manifest, old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dspyrs", "src", "main.rs"), []byte("fn main() {}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeDspyrs(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(manifest); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("the manifest was written again: %v, %v", info, err)
	}
	main, err := os.ReadFile(filepath.Join(dir, "dspyrs", "src", "main.rs"))
	if err != nil || !bytes.Contains(main, []byte(taskInstruction)) {
		t.Errorf("a program of another version stays, or has another instruction: %v\n%s", err, main)
	}
}

// What is measured does what it is to do.
func TestTask(t *testing.T) {
	for _, demos := range []int{0, 16} {
		task, err := newTask(demos)
		if err != nil {
			t.Fatal(err)
		}
		if err := task.formatAndParse(cria.Lines{})(); err != nil {
			t.Errorf("%d demonstrations: format and parse: %v", demos, err)
		}
		if err := task.call(t.Context())(); err != nil {
			t.Errorf("%d demonstrations: call: %v", demos, err)
		}
		req, err := cria.Lines{}.Format(task.sig, task.inputs)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(req.Chat.Messages()); n != 2+2*demos {
			t.Errorf("%d demonstrations: %d messages", demos, n)
		}
		formatAndParse := task.formatAndParse(cria.Lines{})
		task.outputs["answer"] = "Another."
		wantError(t, formatAndParse(), "the reply was read as")
	}
}

// The figures of the overhead run without a model, without the peers and with an empty
// cache.
func TestOverheadNeedsNothing(t *testing.T) {
	t.Setenv("CRIA_CACHE_DIR", t.TempDir())
	t.Setenv("CRIA_OFFLINE", "1")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"adapter-memory", "--pairs", "1", "--model", "none"}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	if !strings.Contains(out.String(), "\nBENCH adapter-memory ours=") {
		t.Errorf("output %s", &out)
	}
}

// Names of figures are those of commands: one that is there twice would hide the other.
func TestFigureNames(t *testing.T) {
	seen := map[string]bool{"peers": true, "synth": true}
	for _, topic := range topics {
		names := []string{topic.name}
		for _, f := range topic.figures {
			names = append(names, f.name)
		}
		for _, name := range names {
			if seen[name] {
				t.Errorf("two commands are named %q", name)
			}
			seen[name] = true
		}
	}
	var out bytes.Buffer
	if err := list(&out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"decode", "structure", "masks", "overhead", "format-parse", "call", "call-allocs", "adapter-64", "adapter-memory", "prompt", "concurrent"} {
		if !seen[name] || !strings.Contains(out.String(), "\n"+name+" ") {
			t.Errorf("no figure %q in the list:\n%s", name, &out)
		}
	}
}
