package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cria-lm/cria"
)

// script is an LM that writes what it is given, and notes what it was asked.
type script struct {
	identity string
	reply    string
	mu       sync.Mutex
	asked    []*cria.Request
}

func (s *script) Generate(_ context.Context, req *cria.Request) iter.Seq2[cria.Chunk, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, req)
	return func(yield func(cria.Chunk, error) bool) {
		yield(cria.Chunk{Text: s.reply, Finish: cria.FinishStop, Usage: cria.Usage{PromptTokens: 3, CompletionTokens: 2}}, nil)
	}
}

func (s *script) Identity() string { return s.identity }

// system is the system turn of the last request.
func (s *script) system() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1].Chat.Messages()[0].Content
}

// shelf has models ready.
type shelf map[string]*script

func (s shelf) Use(ctx context.Context, name string, f func(context.Context, cria.LM) error) error {
	lm := s[name]
	if lm == nil {
		return fmt.Errorf("nobody has the model %s", name)
	}
	return f(ctx, lm)
}

func write(t *testing.T, folder, name, content string) {
	t.Helper()
	path := filepath.Join(folder, name+".json")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	tick++ // times of files are coarse
	if err := os.Chtimes(path, time.Time{}, time.Unix(tick, 0)); err != nil {
		t.Fatal(err)
	}
}

var tick = int64(1e9)

func newEngine(t *testing.T, models Models, opts Options) *Engine {
	t.Helper()
	if opts.Interval == 0 {
		opts.Interval = -1
	}
	e, err := New(models, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func reload(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.Reload(); err != nil {
		t.Fatal(err)
	}
}

func declared(instruction string) string {
	return fmt.Sprintf(`{"signature": "question -> answer, score: int", "instruction": %q, "model": "small"}`, instruction)
}

type question struct {
	Question string `json:"question"`
}

type answer struct {
	Answer string `json:"answer"`
	Score  int    `json:"score"`
}

func TestDeclaredProgram(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "ask", declared("Be short."))
	lm := &script{reply: " Paris\nscore: 5"}
	e := newEngine(t, shelf{"small": lm}, Options{Folder: folder})
	got, err := e.Run(t.Context(), "ask", cria.Example{"question": "What?"})
	if err != nil {
		t.Fatal(err)
	}
	want := &Answer{Outputs: cria.Example{"answer": "Paris", "score": int64(5)}, Model: "small", Version: 1, Usage: cria.Usage{PromptTokens: 3, CompletionTokens: 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if lm.system() != "Be short." {
		t.Errorf("instruction %q", lm.system())
	}
	typed, err := Run[question, answer](t.Context(), e, "ask", question{"What?"})
	if err != nil || typed != (answer{"Paris", 5}) {
		t.Errorf("typed: %v, %v", typed, err)
	}
	var input *cria.InputError
	if _, err := e.Run(t.Context(), "ask", cria.Example{"text": "What?"}); !errors.As(err, &input) {
		t.Errorf("another input: %v", err)
	}
	var unknown *UnknownError
	if _, err := e.Run(t.Context(), "asks", nil); !errors.As(err, &unknown) || err.Error() != `there is no program "asks"; there are ask` {
		t.Errorf("another program: %v", err)
	}
}

func TestDeclarations(t *testing.T) {
	for _, tt := range []struct{ name, file, err string }{
		{"signature as JSON", `{"signature": {"inputs":[{"name":"q","type":{"kind":"str"}}],"outputs":[{"name":"a","type":{"kind":"str"}}]}}`, ""},
		{"everything", `{"signature":"q -> a","instruction":"x","reasoning":true,"model":{"capabilities":["chat"]},"options":{"format":"json","max_tokens":5,"demos":[{"q":"1","a":"2"}]}}`, ""},
		{"cut", `{"signature": "q -> a"`, "not whole, or not JSON"},
		{"empty", ``, "not whole, or not JSON"},
		{"no signature", `{"model":"small"}`, `"signature" is missing`},
		{"bad signature", `{"signature":"q ->"}`, "signature: "},
		{"unknown member", `{"signature":"q -> a","modell":"small"}`, `unknown field "modell"`},
		{"both", `{"signature":"q -> a","model":{"name":"x","capabilities":["chat"]}}`, "by its name or by capabilities, not both"},
		{"bad options", `{"signature":"q -> a","options":{"demos":[{"q":"1","b":"2"}]}}`, "options: "},
		{"saved", `{"cria_program":1,"predictors":{}}`, "none in Go has its name"},
		{"two values", `{"signature":"q -> a"} {}`, "not whole, or not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			write(t, folder, "p", tt.file)
			status := newEngine(t, shelf{}, Options{Folder: folder}).Programs()
			if len(status) != 1 {
				t.Fatalf("programs %+v", status)
			}
			err := status[0].Err
			if tt.err == "" && (err != nil || status[0].Version != 1) {
				t.Errorf("status %+v", status[0])
			}
			var file *FileError
			if tt.err != "" && (!errors.As(err, &file) || !strings.Contains(err.Error(), tt.err) || status[0].Version != 0) {
				t.Errorf("status %+v, want %q", status[0], tt.err)
			}
		})
	}
}

func TestHotReload(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "ask", declared("one"))
	lm := &script{reply: " Paris\nscore: 5"}
	e := newEngine(t, shelf{"small": lm}, Options{Folder: folder, Keep: 3})
	ask := func(want string) {
		t.Helper()
		if _, err := e.Run(t.Context(), "ask", cria.Example{"question": "?"}); err != nil {
			t.Fatal(err)
		}
		if lm.system() != want {
			t.Errorf("it runs %q, want %q", lm.system(), want)
		}
	}
	ask("one")
	write(t, folder, "ask", declared("two"))
	ask("one")
	reload(t, e)
	ask("two")

	// A file that cannot be used, such as one that is being written, changes nothing.
	write(t, folder, "ask", declared("three")[:20])
	reload(t, e)
	ask("two")
	if s := e.Programs()[0]; s.Err == nil || s.Version != 2 {
		t.Errorf("status %+v", s)
	}
	write(t, folder, "ask", declared("three"))
	reload(t, e)
	ask("three")
	if s := e.Programs()[0]; s.Err != nil || s.Version != 3 {
		t.Errorf("status %+v", s)
	}
	// What has not changed but in time is no new version.
	write(t, folder, "ask", declared("three"))
	reload(t, e)
	if s := e.Programs()[0]; len(s.Versions) != 3 {
		t.Errorf("status %+v", s)
	}

	if err := e.Rollback("ask", 0); err != nil {
		t.Fatal(err)
	}
	ask("two")
	reload(t, e)
	ask("two")
	if err := e.Rollback("ask", 1); err != nil {
		t.Fatal(err)
	}
	ask("one")
	if err := e.Rollback("ask", 0); err == nil || err.Error() != `the program "ask" has no version before 1` {
		t.Errorf("before the first: %v", err)
	}
	if err := e.Rollback("ask", 7); err == nil || err.Error() != `the program "ask" has no version 7 any more; there are 1, 2, 3` {
		t.Errorf("a version that never was: %v", err)
	}
	write(t, folder, "ask", declared("four"))
	reload(t, e)
	ask("four")
	want := []Version{{Number: 2}, {Number: 3}, {Number: 4, Current: true}}
	if diff := cmp.Diff(want, e.Programs()[0].Versions, cmpopts.IgnoreFields(Version{}, "Digest", "Loaded")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}

	if err := os.Remove(filepath.Join(folder, "ask.json")); err != nil {
		t.Fatal(err)
	}
	reload(t, e)
	var unknown *UnknownError
	if _, err := e.Run(t.Context(), "ask", nil); !errors.As(err, &unknown) {
		t.Errorf("a program whose file is gone: %v", err)
	}
	if err := e.Rollback("ask", 3); err != nil {
		t.Fatal(err)
	}
	ask("three")
}

// The folder is looked at without being asked to, while calls go on.
func TestWatch(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "ask", declared("one"))
	lm := &script{reply: " Paris\nscore: 5"}
	e := newEngine(t, shelf{"small": lm}, Options{Folder: folder, Interval: time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	write(t, folder, "ask", declared("two"))
	for version := 0; version != 2; {
		answer, err := e.Run(ctx, "ask", cria.Example{"question": "?"})
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			t.Fatal(err)
		}
		version = answer.Version
	}
}

func TestProgramInGo(t *testing.T) {
	folder := t.TempDir()
	lm := &script{identity: "weights", reply: " Paris\nscore: 5"}
	e := newEngine(t, shelf{"small": lm, "other": &script{identity: "others", reply: lm.reply}}, Options{Folder: folder})
	module := cria.NewPredict[question, answer]("As in Go.", nil)
	if err := Add(e, "ask", module, Requirement{Name: "small"}); err != nil {
		t.Fatal(err)
	}
	if err := Add(e, "ask", module, Requirement{Name: "small"}); err == nil {
		t.Error("a program was added twice")
	}
	ask := func(want string) {
		t.Helper()
		got, err := e.Run(t.Context(), "ask", cria.Example{"question": "?"})
		if err != nil {
			t.Fatal(err)
		}
		if lm.system() != want || got.Outputs["answer"] != "Paris" {
			t.Errorf("it runs %q, want %q: %v", lm.system(), want, got)
		}
	}
	ask("As in Go.")
	p, err := cria.NewProgram(module)
	if err != nil {
		t.Fatal(err)
	}
	save := func(instruction string, lm cria.LM) {
		t.Helper()
		data, err := p.Save(cria.Candidate{"predict": {Instruction: instruction}}, lm)
		if err != nil {
			t.Fatal(err)
		}
		write(t, folder, "ask", string(data))
		reload(t, e)
	}
	save("As saved.", lm)
	ask("As saved.")
	save("For others.", &script{identity: "others"})
	var state *cria.StateError
	if _, err := e.Run(t.Context(), "ask", cria.Example{"question": "?"}); !errors.As(err, &state) {
		t.Errorf("a program that was tuned for another model: %v", err)
	}
	if err := e.Rollback("ask", 0); err != nil {
		t.Fatal(err)
	}
	ask("As saved.")
	if err := os.Remove(filepath.Join(folder, "ask.json")); err != nil {
		t.Fatal(err)
	}
	reload(t, e)
	ask("As in Go.")

	// Beside a program in Go a declaration is a mistake, and no reason not to run it.
	write(t, folder, "late", declared("In a file."))
	var file *FileError
	if err := Add(e, "late", module, Requirement{Name: "small"}); !errors.As(err, &file) {
		t.Errorf("beside a declaration: %v", err)
	}
	if _, err := e.Run(t.Context(), "late", cria.Example{"question": "?"}); err != nil {
		t.Error(err)
	}
}

type task struct {
	Limit time.Duration `json:"limit"`
	ID    int64         `json:"id"`
}

type done struct {
	Took  time.Duration `json:"took"`
	Ticks []int64       `json:"ticks"`
}

// byPointer is a module of the user's own.
type byPointer struct{ Inner *cria.Predict[task, done] }

func (m *byPointer) Call(ctx context.Context, in *task) (*done, error) {
	out, err := m.Inner.Call(ctx, *in)
	return &out, err
}

// Values pass between structs and programs as they are: durations, and numbers that
// float64 has not.
func TestValuesOfStructs(t *testing.T) {
	const large = 1<<53 + 1
	want := done{90 * time.Minute, []int64{large}}
	lm := &script{reply: fmt.Sprintf(" 1h30m\nticks: [%d]", int64(large))}
	folder := t.TempDir()
	write(t, folder, "file", `{"signature": "limit: timedelta, id: int -> took: timedelta, ticks: list[int]", "model": "small"}`)
	e := newEngine(t, shelf{"small": lm}, Options{Folder: folder})
	predict := cria.NewPredict[task, done]("", nil)
	if err := Add(e, "go", predict, Requirement{Name: "small"}); err != nil {
		t.Fatal(err)
	}
	if err := Add(e, "pointers", &byPointer{predict}, Requirement{Name: "small"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "go", "pointers"} {
		got, err := Run[task, done](t.Context(), e, name, task{time.Hour, large})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		// As a request in JSON has them.
		answer, err := e.Run(t.Context(), name, cria.Example{"limit": "1h", "id": json.Number("9007199254740993")})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if asked := lm.asked[len(lm.asked)-1].Chat.Messages(); !strings.Contains(asked[len(asked)-1].Content, fmt.Sprint(large)) {
			t.Errorf("%s: asked %q", name, asked)
		}
		if data, err := json.Marshal(answer.Outputs); err != nil || string(data) != `{"ticks":[9007199254740993],"took":"1h30m"}` {
			t.Errorf("%s: %s, %v", name, data, err)
		}
	}
	if _, err := e.Run(t.Context(), "go", cria.Example{"limit": "soon", "id": "x"}); err == nil || !strings.Contains(err.Error(), `field "limit"`) || !strings.Contains(err.Error(), `field "id"`) {
		t.Errorf("values that do not fit: %v", err)
	}
}

func TestRequirements(t *testing.T) {
	models := []Model{
		{"large", 7e9, []string{"chat", "tools"}, true, false},
		{"small", 1e8, []string{"chat"}, true, false},
		{"medium", 1e9, []string{"chat", "tools"}, true, false},
		{"huge", 7e10, []string{"chat", "images"}, false, false},
		{"tiny", 1e7, []string{"chat", "tools"}, true, true},
	}
	for _, tt := range []struct {
		require   Requirement
		want, err string
	}{
		{Requirement{Name: "huge"}, "huge", ""},
		{Requirement{}, "small", ""},
		{Requirement{Capabilities: []string{"tools"}}, "medium", ""},
		{Requirement{Capabilities: []string{"tools", "images"}}, "", "the program p cannot run: no model has all of tools, images; name a model in its declaration"},
		{Requirement{Capabilities: []string{"images"}}, "", "no model has all of images and fits this machine: too large are huge"},
	} {
		got, err := tt.require.resolve("p", models)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%+v: %q, %v", tt.require, got, err)
		}
	}
	// Without a catalogue nothing is known but names.
	folder := t.TempDir()
	write(t, folder, "p", `{"signature":"q -> a"}`)
	var none *RequirementError
	if _, err := newEngine(t, shelf{}, Options{Folder: folder}).Run(t.Context(), "p", nil); !errors.As(err, &none) || !none.NoCatalog || !strings.Contains(err.Error(), "names no model, and no catalogue") {
		t.Errorf("without a catalogue: %v", err)
	}
	empty := Options{Folder: folder, Catalog: func() []Model { return nil }}
	if _, err := newEngine(t, shelf{}, empty).Run(t.Context(), "p", nil); !errors.As(err, &none) || none.NoCatalog || !strings.Contains(err.Error(), "no model fits this machine") {
		t.Errorf("with an empty one: %v", err)
	}
}

// A folder that is gone is logged once, and again when it has been there meanwhile.
func TestFolderGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "programs")
		there := func() {
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		gone := func() {
			if err := os.Remove(folder); err != nil {
				t.Fatal(err)
			}
		}
		there()
		var log strings.Builder
		e, err := New(shelf{}, &Options{Folder: folder, Interval: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range []func(){gone, there, gone} {
			change()
			time.Sleep(5*time.Second + time.Millisecond)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "programs cannot be read"); n != 2 {
			t.Errorf("logged %d times:\n%s", n, log.String())
		}
	})
}

// On a file whose time has changed, and not its content, a rollback holds.
func TestRollbackHolds(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "ask", declared("one"))
	e := newEngine(t, shelf{}, Options{Folder: folder})
	want := func(version, of int) {
		t.Helper()
		reload(t, e)
		if s := e.Programs()[0]; s.Version != version || len(s.Versions) != of {
			t.Errorf("status %+v, want version %d of %d", s, version, of)
		}
	}
	write(t, folder, "ask", declared("two"))
	want(2, 2)
	if err := e.Rollback("ask", 1); err != nil {
		t.Fatal(err)
	}
	write(t, folder, "ask", declared("two"))
	want(1, 2)
	write(t, folder, "ask", declared("two")[:9]) // it is being written
	want(1, 2)
	write(t, folder, "ask", declared("two"))
	want(1, 2)
	write(t, folder, "ask", declared("one")) // what calls run already
	want(1, 2)
	write(t, folder, "ask", declared("two"))
	want(3, 3)
	// When a file comes back, it is new.
	if err := e.Rollback("ask", 1); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(folder, "ask.json")); err != nil {
		t.Fatal(err)
	}
	want(0, 3)
	write(t, folder, "ask", declared("two"))
	want(4, 4)
}

// The version in Go is kept, however many files come after it.
func TestVersionInGoIsKept(t *testing.T) {
	folder := t.TempDir()
	e := newEngine(t, shelf{"small": {identity: "weights", reply: " Paris\nscore: 5"}}, Options{Folder: folder, Keep: 2})
	module := cria.NewPredict[question, answer]("As in Go.", nil)
	if err := Add(e, "ask", module, Requirement{Name: "small"}); err != nil {
		t.Fatal(err)
	}
	p, err := cria.NewProgram(module)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		data, err := p.Save(cria.Candidate{"predict": {Instruction: fmt.Sprint(i)}}, e.models.(shelf)["small"])
		if err != nil {
			t.Fatal(err)
		}
		write(t, folder, "ask", string(data))
		reload(t, e)
	}
	want := []Version{{Number: 1}, {Number: 4}, {Number: 5, Current: true}}
	if diff := cmp.Diff(want, e.Programs()[0].Versions, cmpopts.IgnoreFields(Version{}, "Digest", "Loaded")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if err := e.Rollback("ask", 3); err == nil || err.Error() != `the program "ask" has no version 3 any more; there are 1, 4, 5` {
		t.Error(err)
	}
	if err := e.Rollback("ask", 1); err != nil {
		t.Error(err)
	}
}

// Calls, changes and rollbacks at once.
func TestManyAtOnce(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "ask", declared("0"))
	e := newEngine(t, shelf{"small": {reply: " Paris\nscore: 5"}}, Options{Folder: folder, Interval: time.Millisecond, Keep: 2})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				if _, err := e.Run(t.Context(), "ask", cria.Example{"question": "?"}); err != nil {
					t.Error(err)
				}
				e.Programs()
			}
		})
	}
	for i := range 20 {
		write(t, folder, "ask", declared(fmt.Sprint(i)))
		reload(t, e)
		_ = e.Rollback("ask", 0) // the first has none before it
	}
	all.Wait()
}
