package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

// tryTimeout is how long a file may take: minutes, for large ones on slow disks.
const tryTimeout = 5 * time.Minute

// tryAll loads each of the files that have passed in a process of its own, and refuses those
// on which that fails. An error is about none of them.
func (g *globals) tryAll(ctx context.Context, verdicts []fileVerdict) error {
	var libs *hub.Libraries
	for i := range verdicts {
		v := &verdicts[i]
		if !v.OK {
			continue
		}
		if libs == nil { // fetched here, where the progress is seen, and a failure is not a file's
			h, err := g.hub()
			if err != nil {
				return err
			}
			if libs, err = h.Libraries(ctx); err != nil {
				return unavailableError{err}
			}
		}
		cmd, err := g.tryCommand(v.File)
		if err != nil {
			return err
		}
		if v.Tried, v.Reason, err = tryIn(ctx, cmd, tryTimeout); err != nil {
			return err
		}
		v.OK = v.Reason == ""
	}
	return nil
}

// tryCommand is cria models try, with the flags that this process was given.
func (g *globals) tryCommand(path string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	args := []string{"models", "try", "--quiet", "--cache-dir", g.cacheDir, "--llama-dir", g.llamaDir}
	if g.offline {
		args = append(args, "--offline")
	}
	cmd := exec.Command(exe, append(args, "--", path)...)
	cmd.Env = append(os.Environ(), "GGML_NO_BACKTRACE=1", "GOTRACEBACK=none") // what it says is the reason, and no list of calls
	return cmd, nil
}

// triedFile is what the process says, on a line.
type triedFile struct {
	Computed string `json:"computed,omitempty"`
	Error    string `json:"error,omitempty"`
	Machine  string `json:"machine,omitempty"` // an error that is no file's fault
}

// tryIn runs the process, and says what it computed or why the file is refused. An error is
// not about the file. The process has ended when tryIn returns.
func tryIn(parent context.Context, cmd *exec.Cmd, timeout time.Duration) (computed, reason string, err error) {
	ctx, cancel := context.WithTimeout(parent, timeout)
	defer cancel()
	var stdout, stderr head
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	stdin, err := cmd.StdinPipe() // it ends at the end of its input, which comes when this process dies
	if err != nil {
		return "", "", err
	}
	defer stdin.Close()
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return "", "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer stop()
	ended := cmd.Wait()
	if parent.Err() != nil {
		return "", "", context.Cause(parent)
	}
	if ended != nil && ctx.Err() != nil {
		return "", fmt.Sprintf("llama.cpp was not done with it after %v", timeout), nil
	}
	var said triedFile
	if ended != nil || json.Unmarshal(stdout.Bytes(), &said) != nil || said == (triedFile{}) {
		return "", fmt.Sprintf("llama.cpp's process died of it (%v): %s", cmd.ProcessState, lastWords(stderr.String())), nil
	}
	if said.Machine != "" {
		return "", "", unavailableError{errors.New(said.Machine)}
	}
	return said.Computed, said.Error, nil
}

// head keeps the beginning of what is written to it.
type head struct{ bytes.Buffer }

const headSize = 64 << 10

func (h *head) Write(p []byte) (int, error) {
	h.Buffer.Write(p[:min(len(p), headSize-h.Len())])
	return len(p), nil
}

// lastWords are what a process said before it died, without where in its memory that was.
func lastWords(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "PC=") || strings.HasPrefix(line, "goroutine ") || len(words) == 3 {
			break
		}
		if line != "" {
			words = append(words, line)
		}
	}
	return cmp.Or(strings.Join(words, "; "), "it said nothing")
}

// newModelsTry is the process of cria models check --try.
func newModelsTry(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:    "try FILE",
		Short:  "Load a model's file and compute one token (for cria models check --try)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// Who started this process ends it. An interrupt from the terminal goes to both.
			signal.Ignore(os.Interrupt)
			go func() {
				_, _ = io.Copy(io.Discard, g.in) // until there is no such process any more
				os.Exit(exitInterrupted)
			}()
			var said triedFile
			computed, err := g.compute(cmd.Context(), args[0])
			switch {
			case errors.Is(err, llamacpp.ErrBackend):
				said.Machine = message(err)
			case err != nil:
				said.Error = message(err)
			default:
				said.Computed = computed
			}
			line, err := encodeJSON(said)
			if err != nil {
				return err
			}
			return printLine(g.out, line)
		},
	}
}

// tryContext is enough for a token, and little memory.
const tryContext = 64

// compute loads a model and computes a token with it or, if it generates none, an embedding.
func (g *globals) compute(ctx context.Context, path string) (what string, err error) {
	m, failed := llamacpp.Load(ctx, path, &llamacpp.Options{
		Hub: g.hubOptions(), AsShipped: true, ContextLength: tryContext, Slots: 1,
		ChatTemplate: llamacpp.PlainText, // whatever becomes of its own
		Logger:       g.logger(),
	})
	if failed == nil {
		return "a token", cmp.Or(generate(ctx, m), m.Close())
	}
	e, err := llamacpp.LoadEmbedder(ctx, path, &llamacpp.EmbedderOptions{
		Hub: g.hubOptions(), AsShipped: true, MaxLength: tryContext, Logger: g.logger(),
	})
	if err != nil {
		return "", failed
	}
	_, err = e.Embed(ctx, []string{"a"})
	return "an embedding", cmp.Or(err, e.Close())
}

func generate(ctx context.Context, m *llamacpp.LoadedModel) error {
	req := &cria.Request{Chat: cria.Chat{Turns: []cria.Message{{Role: cria.RoleUser, Content: "a"}}}, MaxTokens: 1}
	for _, err := range m.Generate(ctx, req) {
		if err != nil {
			return err
		}
	}
	return nil
}
