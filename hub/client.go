package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// Without a byte for so long, the client hangs. pip itself gives up on a
	// host that does not answer, after as long as its user has told it to.
	npmQuiet   = time.Minute
	pipQuiet   = 3 * time.Minute
	clientPoll = 200 * time.Millisecond
)

// A client is one run of a package client. It is a child in its own process
// group: it ends when the context does, and when this process dies.
type client struct {
	path  string
	args  []string
	dir   string   // working directory; private, so that no project's settings apply
	env   []string // added to the environment
	watch string   // the folder where the download grows
	quiet time.Duration
}

// errNoClient is why nothing was tried, which takes no time.
var errNoClient = errors.New("is not installed")

// errQuiet is why a client that makes no headway was ended.
var errQuiet = errors.New("nothing arrived for too long")

// run waits for the client and returns what it wrote to standard output. Since
// clients hide their progress from a pipe, the size of what they write is
// polled and told to task.
func (c *client) run(ctx context.Context, task Task) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var stdout, stderr tail
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, &stdout, &stderr
	cmd.Env = append(withoutSecrets(os.Environ()), c.env...)
	cmd.WaitDelay = 3 * time.Second
	group := newGroup(cmd)
	cmd.Cancel = group.kill

	ended := make(chan error, 1)
	go func() {
		// On Linux the child is killed when the thread that started it ends,
		// so that thread waits.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ended <- group.run()
	}()
	err := c.follow(ctx, cancel, ended, task)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return nil, cause
	}
	if err != nil {
		return nil, clientError(err, stdout.Bytes(), stderr.String())
	}
	return stdout.Bytes(), nil
}

// follow polls the size of the watched folder until the client has ended.
func (c *client) follow(ctx context.Context, cancel context.CancelCauseFunc, ended <-chan error, task Task) error {
	tick := time.NewTicker(clientPoll)
	defer tick.Stop()
	size, changed := int64(0), time.Now()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
		}
		if n := folderSize(c.watch); n > size { // clients tidy up at the end
			size, changed = n, time.Now()
			task.Set(n)
		}
		if time.Since(changed) > c.quiet && ctx.Err() == nil {
			cancel(fmt.Errorf("%s: %w (%v)", filepath.Base(c.path), errQuiet, c.quiet))
		}
	}
}

var brokenConnection = regexp.MustCompile(`connection broken by '(?:.*>: )?([^']*)'`)

// clientError finds in what a client said the reason for its failure: npm's is
// in its answer, pip's on its last lines, except that a lost connection is
// only a warning there.
func clientError(err error, stdout []byte, stderr string) error {
	var answer struct{ Error struct{ Summary string } }
	_ = json.Unmarshal(stdout, &answer)
	said := answer.Error.Summary
	if m := brokenConnection.FindStringSubmatch(stderr); m != nil && said == "" {
		said = "no connection to the package index: " + m[1]
	}
	if said == "" {
		said = lastLines(stderr, 3)
	}
	if strings.Contains(said, "ENOSPC") || strings.Contains(stderr, "No space left on device") {
		return fmt.Errorf("%s: %w", said, syscall.ENOSPC)
	}
	if said == "" {
		return err
	}
	return fmt.Errorf("%s (%w)", said, err)
}

func lastLines(text string, n int) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], " / ")
}

// withoutSecrets drops what clients have no business with.
func withoutSecrets(env []string) []string {
	kept := env[:0:0]
	for _, kv := range env {
		if !strings.HasPrefix(kv, "HF_TOKEN=") {
			kept = append(kept, kv)
		}
	}
	return kept
}

// folderSize is the total size of the files under dir; files that come and go
// meanwhile are no error.
func folderSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	return size
}

// A tail keeps the end of what is written to it.
type tail struct{ bytes.Buffer }

const tailSize = 1 << 20

func (t *tail) Write(p []byte) (int, error) {
	n, _ := t.Buffer.Write(p)
	if over := t.Len() - tailSize; over > 0 {
		t.Next(over)
	}
	return n, nil
}
