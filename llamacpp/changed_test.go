package llamacpp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/internal/testmodel"
)

// changedEnv makes the test binary a process of its own that changes the file of a model
// while it is in use, see [changeFile]: the name of the change and the file. [TestMain]
// looks at it.
const changedEnv = "CRIA_TEST_CHANGED"

// changes are what may happen to the file of a model in use.
var changes = map[string]func(path string) error{
	"truncated": func(path string) error { return os.Truncate(path, 1<<20) },
	"emptied":   func(path string) error { return os.Truncate(path, 0) },
	"overwritten": func(path string) error {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(bytes.Repeat([]byte{0x5a}, 64<<20), 8<<20)
		return errors.Join(err, f.Close())
	},
	"replaced": func(path string) error {
		other := path + ".new"
		return errors.Join(os.WriteFile(other, []byte("GGUF of another model"), 0o600), os.Rename(other, path))
	},
	"removed": os.Remove,
}

// changeResult is what [changeFile] found.
type changeResult struct {
	Before, After, Other string         // replies: to the model, to it after the change, and to another model
	Errors               []changedError // of the model after the change, asked twice, of its Err, and of an embedder
}

// changedError is what a test looks at of an error.
type changedError struct {
	Text      string
	NotLoaded bool   // it is an ErrModelNotLoaded
	Path      string // of the [engine.FileChangedError]
}

func (r *changeResult) add(err error) {
	if err == nil {
		return
	}
	e := changedError{Text: err.Error(), NotLoaded: errors.Is(err, ErrModelNotLoaded)}
	if changed := (*engine.FileChangedError)(nil); errors.As(err, &changed) {
		e.Path = changed.Path
	}
	r.Errors = append(r.Errors, e)
}

// changeFile is the main function of a process that loads a model of the user's own, as a
// model and as an embedder, and another model, changes the file of the first and asks all.
func changeFile(arg string) error {
	name, path, _ := strings.Cut(arg, " ")
	name, copied := strings.CutSuffix(name, "-copied")
	go func() { // ends with the test
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	ctx := context.Background()
	m, err := Load(ctx, path, &Options{CopyWeights: copied})
	if err != nil {
		return err
	}
	embedder, err := LoadEmbedder(ctx, path, &EmbedderOptions{CopyWeights: copied})
	if err != nil {
		return err
	}
	other, err := Load(ctx, "", nil)
	if err != nil {
		return err
	}
	var r changeResult
	if r.Before, err = reply(ctx, m); err != nil {
		return err
	}
	if err := changes[name](path); err != nil {
		return err
	}
	r.After, err = reply(ctx, m)
	r.add(err)
	_, err = reply(ctx, m)
	r.add(err)
	r.add(m.Err())
	_, err = embedder.Embed(ctx, []string{"a text"})
	r.add(err)
	if r.Other, err = reply(ctx, other); err != nil {
		return fmt.Errorf("the other model: %w", err)
	}
	return errors.Join(m.Close(), embedder.Close(), other.Close(), json.NewEncoder(os.Stdout).Encode(r))
}

// reply asks a model something.
func reply(ctx context.Context, lm cria.LM) (text string, err error) {
	chat := cria.Chat{Turns: []cria.Message{{Role: cria.RoleUser, Content: "What is the capital of France?"}}}
	// What follows is certain: batches of other sizes do not change it.
	for c, err := range lm.Generate(ctx, &cria.Request{Chat: chat, Prefill: "The capital of France is", MaxTokens: 12}) {
		if err != nil {
			return text, err
		}
		text += c.Text
	}
	return text, nil
}

// inProcess changes the file of a model in a process of its own, which may die of it.
func inProcess(t *testing.T, change, path string) (r changeResult) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s", changedEnv, change, path), "GGML_NO_BACKTRACE=1")
	var said, out bytes.Buffer
	cmd.Stderr, cmd.Stdout = &said, &out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Run(); err != nil {
		lines := strings.Split(said.String(), "\n")
		t.Fatalf("the process died: %v\n%s", err, strings.Join(lines[:min(len(lines), 8)], "\n"))
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// copyModel returns a file with the default model that a test may change.
func copyModel(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(testmodel.Model(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "own.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A model whose file is written to while it is in use gives an error that says so, whatever
// is asked of it, and nothing that was computed with other weights. Other models go on. A
// file that takes the place of another changes nothing.
func TestFileChangedInUse(t *testing.T) {
	testmodel.Libraries(t)
	harmless := map[string]bool{"replaced": true, "removed": true}
	for name := range changes {
		t.Run(name, func(t *testing.T) {
			path := copyModel(t)
			r := inProcess(t, name, path)
			if r.Other == "" || r.Before == "" {
				t.Errorf("%+v", r)
			}
			if harmless[name] {
				if r.After != r.Before || r.Errors != nil {
					t.Errorf("%+v", r)
				}
				return
			}
			if r.After != "" || len(r.Errors) != 4 {
				t.Errorf("after the change: %q, %d errors of 4", r.After, len(r.Errors))
			}
			for _, err := range r.Errors {
				if !err.NotLoaded || err.Path != path || !strings.Contains(err.Text, "load the model again") {
					t.Errorf("%+v", err)
				}
			}
		})
	}
}

// Weights that were copied are nobody's but the model's.
func TestFileOfCopiedWeightsChanged(t *testing.T) {
	testmodel.Libraries(t)
	for _, name := range []string{"emptied", "overwritten"} {
		if r := inProcess(t, name+"-copied", copyModel(t)); r.After != r.Before || r.Before == "" || r.Errors != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A reply under way ends with the error, and with what was generated before.
func TestFileChangedWhileGenerating(t *testing.T) {
	testmodel.Libraries(t)
	path := copyModel(t)
	m, err := Load(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	chat := cria.Chat{Turns: []cria.Message{{Role: cria.RoleUser, Content: "Count from one to a hundred."}}}
	var last error
	text := ""
	for c, err := range m.Generate(t.Context(), &cria.Request{Chat: chat, MaxTokens: 500}) {
		if text == "" && c.Text != "" {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = f.WriteString("more")
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		text += c.Text
		last = err
	}
	if changed := (*engine.FileChangedError)(nil); text == "" || !errors.Is(last, ErrModelNotLoaded) || !errors.As(last, &changed) || changed.Path != path {
		t.Errorf("%q, %v", text, last)
	}
	if _, err := reply(t.Context(), loadShared(t)); err != nil {
		t.Errorf("another model: %v", err)
	}
}

// A file that takes the place of one that has passed the check does not reach llama.cpp,
// which would not survive it.
func TestFileReplacedAfterCheck(t *testing.T) {
	testmodel.Libraries(t)
	path := copyModel(t)
	p, err := Prepare(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := copyModel(t)
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	var changed *engine.FileChangedError
	if m, err := p.Load(t.Context()); !errors.Is(err, ErrModelNotLoaded) || !errors.As(err, &changed) || !changed.Loading {
		t.Errorf("%v, %v", m, err)
	}
	m, err := Load(t.Context(), path, nil) // it is checked anew
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
}
