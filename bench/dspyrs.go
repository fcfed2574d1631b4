package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/cria-lm/cria"
)

// dspyrsVersion is the release of dspy-rs that the overhead is compared with, as
// dspyrs/Cargo.toml has it.
const dspyrsVersion = "0.7.3"

// dspyrsQuoted is what it took on another machine, in microseconds by the number of
// demonstrations: for those who have no cargo.
var dspyrsQuoted = map[int]string{0: "10.4", 2: "19.2", 16: "92.8"}

//go:embed dspyrs/Cargo.toml dspyrs/src/main.rs
var dspyrsSource embed.FS

// dspyrs is the program beside this one that measures dspy-rs.
type dspyrs struct{ program string }

// dspyrs builds the program with cargo, once. If that cannot be, why says so.
func (s *session) dspyrs(ctx context.Context) (_ *dspyrs, why string, err error) {
	cargo, err := exec.LookPath("cargo")
	if err != nil {
		return nil, "cargo is not installed", nil
	}
	program, err := s.buildDspyrs(ctx, cargo)
	if ctx.Err() != nil {
		return nil, "", context.Cause(ctx)
	}
	if err != nil {
		return nil, "it could not be built: " + err.Error(), nil
	}
	return &dspyrs{program}, "", nil
}

// buildDspyrs has cargo decide what is left to be done, which is nothing from the second
// time on.
func (s *session) buildDspyrs(ctx context.Context, cargo string) (program string, err error) {
	dir := filepath.Join(s.hub.CacheDir(), "peers", "dspy-rs-"+dspyrsVersion)
	if err := writeDspyrs(dir); err != nil {
		return "", err
	}
	target := filepath.Join(dir, "target")
	program = filepath.Join(target, "release", "dspyrs")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(s.errs, "building dspy-rs %s with cargo in %s: this takes minutes, once\n", dspyrsVersion, dir)
	}
	p := newProcess(ctx, cargo, "build", "--release", "--manifest-path", filepath.Join(dir, "dspyrs", "Cargo.toml"))
	p.Env = append(os.Environ(), "CARGO_TARGET_DIR="+target)
	return program, p.run()
}

// writeDspyrs writes the program's source. A file that is there already keeps its time,
// by which cargo goes.
func writeDspyrs(dir string) error {
	return fs.WalkDir(dspyrsSource, ".", func(name string, d fs.DirEntry, err error) error {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(path, 0o755))
		}
		data, err := dspyrsSource.ReadFile(name)
		if err != nil {
			return err
		}
		if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, data) {
			return nil
		}
		return os.WriteFile(path, data, 0o644)
	})
}

// measure returns the microseconds of one operation, in a process of its own.
func (d *dspyrs) measure(ctx context.Context, t *task) (float64, error) {
	work, err := json.Marshal(struct {
		Demos   []cria.Example `json:"demos"`
		Inputs  cria.Example   `json:"inputs"`
		Outputs cria.Example   `json:"outputs"`
		Seconds float64        `json:"seconds"`
	}{append([]cria.Example{}, t.demos...), t.inputs, t.outputs, turn.Seconds()})
	if err != nil {
		return 0, err
	}
	p := newProcess(ctx, d.program)
	p.Stdin = bytes.NewReader(work)
	out, err := p.output()
	if err != nil {
		return 0, err
	}
	return parseDspyrs(out, len(t.demos))
}

// parseDspyrs reads what the program writes, and checks that it formatted what it was
// to: instruction, demonstrations of two turns each, and inputs.
func parseDspyrs(out []byte, demos int) (microseconds float64, err error) {
	var measured struct {
		Messages     int     `json:"messages"`
		Microseconds float64 `json:"microseconds"`
	}
	if err := json.Unmarshal(out, &measured); err != nil {
		return 0, fmt.Errorf("dspy-rs did not write JSON: %w: %.200q", err, out)
	}
	if want := 2 + 2*demos; measured.Messages != want {
		return 0, fmt.Errorf("dspy-rs formatted %d messages instead of %d", measured.Messages, want)
	}
	if measured.Microseconds <= 0 {
		return 0, fmt.Errorf("dspy-rs measured %v us, which cannot be", measured.Microseconds)
	}
	return measured.Microseconds, nil
}
