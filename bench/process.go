package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// process is a child in a process group of its own: the group ends when the
// context does, and when this process dies where the system allows it.
type process struct {
	*exec.Cmd
	ctx    context.Context
	said   tail
	ended  chan struct{}
	result error // after ended
}

func newProcess(ctx context.Context, path string, args ...string) *process {
	p := &process{Cmd: exec.CommandContext(ctx, path, args...), ctx: ctx, ended: make(chan struct{})}
	p.Stderr = &p.said
	p.WaitDelay = 5 * time.Second
	return p
}

// start returns once the child runs.
func (p *process) start() error {
	g := newGroup(p.Cmd)
	p.Cancel = g.kill
	started := make(chan error, 1)
	go func() {
		// On Linux the child dies with the thread that started it, so that
		// thread waits for it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		defer g.close()
		if err := p.Cmd.Start(); err != nil {
			started <- err
			return
		}
		if err := g.adopt(); err != nil {
			_ = p.Process.Kill()
			_ = p.Cmd.Wait()
			started <- err
			return
		}
		started <- nil
		p.result = p.Cmd.Wait()
		_ = g.kill() // what the child left behind
	}()
	return <-started
}

// wait returns when the child has ended; the error has the last lines it wrote.
func (p *process) wait() error {
	<-p.ended
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	if p.result != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(p.Path), p.result, p.said.last(3))
	}
	return nil
}

// run is start and wait.
func (p *process) run() error {
	if err := p.start(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(p.Path), err)
	}
	return p.wait()
}

// output runs the child and returns what it wrote to standard output.
func (p *process) output() ([]byte, error) {
	var out bytes.Buffer
	p.Stdout = &out
	err := p.run()
	return out.Bytes(), err
}

// firstByte runs the child to its end and returns the time from before its
// start to its first output.
func (p *process) firstByte() (time.Duration, error) {
	first := &firstWrite{}
	p.Stdout = first
	start := time.Now()
	if err := p.run(); err != nil {
		return 0, err
	}
	if first.at.IsZero() {
		return 0, fmt.Errorf("%s wrote nothing: %s", filepath.Base(p.Path), p.said.last(3))
	}
	return first.at.Sub(start), nil
}

// firstWrite notes when it was first written to.
type firstWrite struct{ at time.Time }

func (w *firstWrite) Write(p []byte) (int, error) {
	if w.at.IsZero() && len(p) > 0 {
		w.at = time.Now()
	}
	return len(p), nil
}

// peer is one of llama.cpp's programs. Settings that its user may have in the
// environment would change what is compared.
func (s *session) peer(ctx context.Context, name string, args ...string) *process {
	p := newProcess(ctx, s.peers.programs[name], args...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "LLAMA_ARG_") {
			p.Env = append(p.Env, kv)
		}
	}
	return p
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailSize; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

// last returns the last n lines on one line.
func (t *tail) last(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(string(t.text)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return "it said nothing"
	}
	return strings.Join(lines[max(0, len(lines)-n):], " / ")
}

var _ io.Writer = (*tail)(nil)

// errEnded is why a server is no longer there.
var errEnded = errors.New("the process has ended")
