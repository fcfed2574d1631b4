package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/pool"
)

func TestFolder(t *testing.T) {
	if _, err := New(shelf{}, &Options{Folder: filepath.Join(t.TempDir(), "none")}); err == nil || !strings.Contains(err.Error(), "the programs' folder") {
		t.Errorf("a folder that is not there: %v", err)
	}
	folder := t.TempDir()
	for _, name := range []string{"ask", ".hidden", "_x", "with space"} {
		write(t, folder, name, declared("x"))
	}
	if err := os.Mkdir(filepath.Join(folder, "folder.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, shelf{}, Options{Folder: folder})
	var file *FileError
	if status := e.Programs(); len(status) != 3 || status[1].Name != "ask" {
		t.Errorf("programs %+v", status)
	}
	for _, name := range []string{"_x", "with space"} {
		if _, err := e.Run(t.Context(), name, nil); !errors.As(err, &file) || !strings.Contains(err.Error(), name+".json: its name is none for a program: letters, digits") {
			t.Errorf("an unsuitable name: %v", err)
		}
		if err := Add(e, name, cria.NewPredict[question, answer]("", nil), Requirement{}); err == nil || !strings.Contains(err.Error(), nameRule) {
			t.Errorf("an unsuitable name in Go: %v", err)
		}
		if err := os.Remove(filepath.Join(folder, name+".json")); err != nil {
			t.Fatal(err)
		}
	}
	reload(t, e)
	if status := e.Programs(); len(status) != 1 {
		t.Errorf("programs %+v", status)
	}
	if _, err := newEngine(t, shelf{}, Options{}).Run(t.Context(), "with space", nil); err == nil || strings.Contains(err.Error(), "put a file") || !strings.Contains(err.Error(), nameRule) {
		t.Errorf("no program, of an unsuitable name: %v", err)
	}
	if _, err := e.Run(t.Context(), "ask", cria.Example{"question": "?"}); !errors.As(err, new(*ModelError)) || !strings.Contains(err.Error(), "nobody has the model small") {
		t.Errorf("a model that nobody has: %v", err)
	}
}

// wantIrregular has an engine say of a file that it is no regular one.
func wantIrregular(t *testing.T, folder, name string) {
	t.Helper()
	status := make(chan []Status, 1)
	go func() { status <- newEngine(t, shelf{}, Options{Folder: folder}).Programs() }()
	select {
	case s := <-status:
		var file *FileError
		if len(s) != 1 || s[0].Name != name || !errors.As(s[0].Err, &file) || !strings.Contains(s[0].Err.Error(), "it is no regular file") {
			t.Errorf("status %+v", s)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
	}
}

// A file that is written twice within a tick of the file system's clock, at equal size, is
// read twice; but what has not changed is no new version.
func TestFileOfCoarseTime(t *testing.T) {
	folder := t.TempDir()
	e := newEngine(t, shelf{}, Options{Folder: folder})
	at := time.Now()
	for i, content := range []string{"one", "two", "two"} {
		write(t, folder, "ask", declared(content))
		if err := os.Chtimes(filepath.Join(folder, "ask.json"), at, at); err != nil {
			t.Fatal(err)
		}
		reload(t, e)
		if s := e.Programs()[0]; s.Version != min(i+1, 2) {
			t.Errorf("%s: status %+v", content, s)
		}
	}
	synctest.Test(t, func(t *testing.T) { // in which files of now are of the future
		e := newEngine(t, shelf{}, Options{Folder: folder})
		if !e.programs["ask"].file.read {
			t.Error("a file of a clock that is wrong is read all the time")
		}
	})
}

// A file that names a model that nobody has changes nothing, as far as the catalogue knows.
func TestFileWithUnknownModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		of := func(model string) {
			write(t, folder, "ask", fmt.Sprintf(`{"signature": "question -> answer", "model": %q}`, model))
		}
		of("smollm2-135m")
		catalog := []Model{{Name: "smollm2-135m"}, {Name: "smollm2-360m", Unaccepted: true}, {Name: "qwen3-4b"}}
		asked := 0
		e := newEngine(t, withContext{shelf{"smollm2-135m": {reply: "Paris"}}}, Options{Folder: folder, Catalog: func() []Model { asked++; return catalog }})
		for model, want := range map[string]string{
			"smollm2-135":      `nobody has the model "smollm2-135"; near are smollm2-135m, smollm2-360m`,
			"qwen":             `near are qwen3-4b`,
			"x":                `there are smollm2-135m, smollm2-360m, qwen3-4b`,
			"SmolLM2-360m":     "",
			"hf:a/b/c":         "",
			"./model":          "",
			"C:\\model":        "",
			"model.gguf":       "",
			"context-of-small": "",
			"":                 "",
		} {
			of("smollm2-135m")
			reload(t, e)
			good := e.Programs()[0].Version
			of(model)
			reload(t, e)
			s := e.Programs()[0]
			if want == "" && (s.Err != nil || s.Version == good) {
				t.Errorf("%s: status %+v", model, s)
			}
			var file *FileError
			if want != "" && (!errors.As(s.Err, &file) || !strings.Contains(s.Err.Error(), want) || s.Version != good) {
				t.Errorf("%s: status %+v, want %q", model, s, want)
			}
			if want == "" {
				continue
			}
			if answer, err := e.Run(t.Context(), "ask", cria.Example{"question": "?"}); err != nil || answer.Version != good {
				t.Errorf("%s: the earlier version: %v, %v", model, answer, err)
			}
		}
		of("new")
		reload(t, e)
		before := asked
		reload(t, e)
		if asked != before {
			t.Error("the catalogue is asked at each look")
		}
		catalog = append(catalog, Model{Name: "new"})
		time.Sleep(catalogAgain)
		reload(t, e)
		if s := e.Programs()[0]; s.Err != nil {
			t.Errorf("a model that is new in the catalogue: %v", s.Err)
		}
		catalog = nil
		of("any")
		reload(t, e)
		if s := e.Programs()[0]; s.Err != nil {
			t.Errorf("a catalogue that says nothing: %v", s.Err)
		}
	})
}

// withContext has a context that no catalogue knows.
type withContext struct{ shelf }

func (withContext) ContextOf(name string) (string, bool) { return "small", name == "context-of-small" }

// A pool's contexts are known, though they are in no catalogue.
func TestFileWithContextOfPool(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "ask", `{"signature": "question -> answer", "model": "short"}`)
	models := Pool(pool.New(&pool.Models{Contexts: map[string]string{"short": "small"}}, nil))
	e := newEngine(t, models, Options{Folder: folder, Catalog: func() []Model { return []Model{{Name: "small"}} }})
	if s := e.Programs()[0]; s.Err != nil || s.Version != 1 {
		t.Errorf("status %+v", s)
	}
}

// asking is a handler of logs that asks the engine.
type asking struct {
	engine *Engine
	heard  []string
}

func (a *asking) Enabled(context.Context, slog.Level) bool { return true }
func (a *asking) WithAttrs([]slog.Attr) slog.Handler       { return a }
func (a *asking) WithGroup(string) slog.Handler            { return a }

func (a *asking) Handle(ctx context.Context, r slog.Record) error {
	a.heard = append(a.heard, r.Message)
	if a.engine == nil { // it is not made yet
		return nil
	}
	a.engine.Programs()
	_, _ = a.engine.Run(ctx, "ask", cria.Example{"question": "?"})
	return a.engine.Reload()
}

func TestLoggerAsksTheEngine(t *testing.T) {
	folder := t.TempDir()
	a := &asking{}
	e := newEngine(t, shelf{}, Options{Folder: folder, Logger: slog.New(a)})
	a.engine = e
	over := make(chan struct{})
	go func() {
		defer close(over)
		for _, content := range []string{declared("one"), declared("two"), "{"} {
			write(t, folder, "ask", content)
			reload(t, e)
		}
		if err := e.Rollback("ask", 1); err != nil {
			t.Error(err)
		}
		_ = os.Remove(filepath.Join(folder, "ask.json"))
		reload(t, e)
	}()
	select {
	case <-over:
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
	}
	if got := strings.Join(a.heard, "; "); got != "program loaded; program loaded; program not used; program rolled back; program's file is gone" {
		t.Errorf("heard %s", got)
	}
}
