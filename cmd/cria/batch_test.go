package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cria-lm/cria/internal/testmodel"
)

const verdict = "review -> sentiment: Literal['positive','negative']"

// reviews is n records with ids, no two alike.
func reviews(n int) string {
	words := []string{"I loved every minute of", "I hated every minute of"}
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"id\": %d, \"review\": \"%s film %d.\"}\n", i, words[i%2], i)
	}
	return b.String()
}

type batchLine struct {
	ID        any
	Sentiment string
	Error     string
}

func batchLines(t testing.TB, out string) []batchLine {
	t.Helper()
	if out != "" && !strings.HasSuffix(out, "\n") {
		t.Errorf("the output ends in half a line: %q", out)
	}
	var lines []batchLine
	for text := range strings.Lines(out) {
		var line batchLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("line %q: %v", text, err)
		}
		lines = append(lines, line)
	}
	return lines
}

// wantReviews checks the answers to the first n of reviews, each once.
func wantReviews(t testing.TB, out string, n int) {
	t.Helper()
	lines := batchLines(t, out)
	if len(lines) != n {
		t.Errorf("%d lines, want %d", len(lines), n)
	}
	for i, line := range lines {
		if line.ID != float64(i) || line.Error != "" || line.Sentiment != "positive" && line.Sentiment != "negative" {
			t.Errorf("line %d is %+v", i+1, line)
		}
	}
}

func TestBatch(t *testing.T) {
	if code, _, stderr := criaRun(t, "", "pull"); code != 0 { // what is fetched first is said, and there is no more to say below
		t.Fatal(stderr)
	}
	in := write(t, "in.jsonl", reviews(20))
	file := filepath.Join(t.TempDir(), "out.jsonl")
	code, out, stderr := criaRun(t, "", "batch", verdict, "--in", in, "--out", file)
	if code != 0 || out != "" || !strings.HasPrefix(stderr, "cria: 20 records, 0 failed, 0 cache hits; ") || strings.Count(stderr, "\n") != 1 {
		t.Fatalf("exit code %d, output %q, errors %q", code, out, stderr)
	}
	concurrent := read(t, file)
	wantReviews(t, concurrent, 20)
	code, out, stderr = criaRun(t, reviews(20), "batch", "-q", verdict, "--concurrency", "1")
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, errors %q", code, stderr)
	}
	if diff := cmp.Diff(concurrent, out); diff != "" {
		t.Errorf("other answers one at a time (-concurrent +single):\n%s", diff)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A record that fails has its line, its id where it could be read, and leaves
// the others alone. Blank lines are none.
func TestBatchFailures(t *testing.T) {
	in := "\ufeff\n" + `{"id": "a<b", "review": "I loved it."}
{"id": 12345678901234567890, "text": "no review"}

not JSON
null
[1]
{"review": "I loved it.", "extra": 1}
` + "{\"review\": \"\xff\"}\r\n" + `{"review": "I loved it."}`
	code, out, stderr := criaRun(t, in, "batch", "--concurrency", "1", verdict)
	want := []string{
		`^{"id":"a<b","sentiment":"positive"}$`,
		`^{"id":12345678901234567890,"error":"line 3: inputs do not fit the signature: input \"review\" is missing; unknown input`,
		`^{"error":"line 5: want a JSON object of fields, got \"not JSON\""}$`,
		`^{"error":"line 6: want a JSON object of fields, got \"null\""}$`,
		`^{"error":"line 7: want a JSON object of fields, got \"[1]\""}$`,
		`^{"error":"line 8: inputs do not fit the signature: unknown input \"extra\"`,
		`^{"error":"line 9: not valid UTF-8"}$`,
		`^{"sentiment":"positive"}$`,
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("output %q, want %d lines", out, len(want))
	}
	for i, line := range lines {
		text := "^" + line + "$"
		if !strings.HasPrefix(text, want[i]) {
			t.Errorf("line %d is %s, want %s", i+1, line, want[i])
		}
	}
	if code != exitFailure || !strings.Contains(stderr, "\ncria: 6 records failed; the output says why (first: line 3: inputs do not fit") || !strings.Contains(stderr, "8 records, 6 failed, 1 cache hit;") {
		t.Errorf("exit code %d, errors %q", code, stderr)
	}
}

func TestBatchLongLine(t *testing.T) {
	in := `{"review": "` + strings.Repeat("x", maxInput) + "\"}\n" + reviews(1)
	code, out, stderr := criaRun(t, in, "batch", "-q", verdict)
	lines := batchLines(t, out)
	if code != exitFailure || len(lines) != 2 || lines[0].Error != "line 1: longer than 16 MiB" || lines[1].Sentiment == "" {
		t.Errorf("exit code %d, output %q, errors %q", code, out, stderr)
	}
}

// An id that is an input is that and nothing else.
func TestBatchIDs(t *testing.T) {
	for signature, want := range map[string]string{
		"id -> flag: Literal['x']": `{"flag":"x"}`,
		"-> id: Literal['x']":      `{"error":"line 1: inputs do not fit the signature: unknown input \"id\" (the signature is \"-> id: Literal['x']\")"}`,
		"-> flag: Literal['x']":    `{"id":{"a":null},"flag":"x"}`,
	} {
		_, out, stderr := criaRun(t, `{"id": {"a": null}}`, "batch", "-q", "--", signature)
		if out != want+"\n" {
			t.Errorf("%s: output %q, want %q, errors %q", signature, out, want, stderr)
		}
	}
}

func TestBatchSaysWhatIsCutOff(t *testing.T) {
	code, out, stderr := criaRun(t, `{"topic": "dragons"}`, "batch", "--max-tokens", "3", "topic -> story")
	if code != 0 || out == "" || !strings.Contains(stderr, "1 cut off") {
		t.Errorf("exit code %d, output %q, errors %q", code, out, stderr)
	}
}

// A batch that is killed and resumed answers every record once.
func TestBatchResumeAfterKill(t *testing.T) {
	testmodel.Model(t)
	const records = 24
	in, file := reviews(records), filepath.Join(t.TempDir(), "out.jsonl")
	child := exec.Command(os.Args[0], "batch", "-q", verdict, "--out", file)
	child.Env = append(os.Environ(), asCommand+"=1")
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	// The input has no end yet, so that the child cannot come to its own.
	if _, err := io.WriteString(stdin, in[:len(in)*3/4]); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if data, _ := os.ReadFile(file); bytes.Count(data, []byte("\n")) >= 4 {
			break
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = child.Wait() // killed
	before := read(t, file)
	n := strings.Count(before, "\n")
	if n < 4 || n >= records {
		t.Fatalf("killed after %d lines", n)
	}
	wantReviews(t, before, n)

	torn := before + `{"id":` // as a full disk leaves it
	if err := os.WriteFile(file, []byte(torn), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"batch", verdict, "--in", write(t, "in.jsonl", in), "--out", file}
	if code, _, stderr := criaRun(t, "", args...); code != exitUsage || !strings.Contains(stderr, "out.jsonl exists: give --resume") || read(t, file) != torn {
		t.Errorf("without --resume: exit code %d, errors %q", code, stderr)
	}
	args = append(args, "--resume")
	code, _, stderr := criaRun(t, "", args...)
	if want := fmt.Sprintf("cria: %d records, 0 failed", records-n); code != 0 || !strings.HasPrefix(stderr, want) {
		t.Errorf("exit code %d, errors %q, want %q", code, stderr, want)
	}
	wantReviews(t, read(t, file), records)
	if code, _, stderr := criaRun(t, "", args...); code != 0 || !strings.HasPrefix(stderr, "cria: nothing left to do: the output has all 24 records") {
		t.Errorf("with nothing left: exit code %d, errors %q", code, stderr)
	}
	wantReviews(t, read(t, file), records)
}

// Failures that are there before a resume count at its end; an output that is
// not there begins.
func TestBatchResume(t *testing.T) {
	in := "{\"id\": 0}\n\n" + reviews(3)
	file := filepath.Join(t.TempDir(), "out.jsonl")
	first := strings.Join(strings.SplitAfter(in, "\n")[:3], "")
	if code, _, stderr := criaRun(t, first, "batch", "--resume", verdict, "--out", file); code != exitFailure {
		t.Fatalf("exit code %d, errors %q", code, stderr)
	}
	code, _, stderr := criaRun(t, in, "batch", "--resume", verdict, "--out", file)
	if code != exitFailure || !strings.HasSuffix(stderr, "cria: 1 record failed, 1 of them before --resume; the output says why (first: line 1: inputs do not fit the signature: input \"review\" is missing)\n") {
		t.Errorf("exit code %d, errors %q", code, stderr)
	}
	_, answers, _ := strings.Cut(read(t, file), "\n")
	wantReviews(t, answers, 3)

	// Too few inputs: said before the model is loaded if they can be counted.
	for name, args := range map[string][]string{"file": {"--in", write(t, "in.jsonl", first)}, "standard input": nil} {
		args = append([]string{"batch", "-q", "--resume", verdict, "--out", file}, args...)
		if code, _, stderr := criaRun(t, first, args...); code != exitUsage || !strings.Contains(stderr, "the output has 4 lines, but the input only 2") {
			t.Errorf("%s: exit code %d, errors %q", name, code, stderr)
		}
	}
}

// An output that answers other records is left alone.
func TestBatchResumeOfOtherRecords(t *testing.T) {
	const had = `{"id":7,"sentiment":"positive"}` + "\n"
	file := write(t, "out.jsonl", had)
	for name, in := range map[string]string{"another id": reviews(2), "of the same length": reviews(1), "no id": "{\"review\": \"a\"}\n{\"review\": \"b\"}\n"} {
		code, _, stderr := criaRun(t, "", "batch", verdict, "--in", write(t, "in.jsonl", in), "--out", file, "--resume")
		if code != exitUsage || !strings.Contains(stderr, "line 1 of the output has the id 7, line 1 of the input") || read(t, file) != had {
			t.Errorf("%s: exit code %d, errors %q, output %q", name, code, stderr, read(t, file))
		}
	}
}

// cancelAfter cancels once it was written to n times.
type cancelAfter struct {
	bytes.Buffer
	n      int
	cancel context.CancelFunc
}

func (w *cancelAfter) Write(p []byte) (int, error) {
	if w.n--; w.n == 0 {
		w.cancel()
	}
	return w.Buffer.Write(p)
}

// An interrupt leaves whole lines in order, also while the input has no more to
// read and no end.
func TestBatchInterrupted(t *testing.T) {
	testmodel.Model(t)
	for name, records := range map[string]int{"many left": 500, "waiting for input": 5} {
		t.Run(name, func(t *testing.T) {
			in, feed := io.Pipe()
			defer in.Close()
			go func() { _, _ = io.WriteString(feed, reviews(records)) }()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &cancelAfter{n: 5, cancel: cancel}
			var stderr bytes.Buffer
			code := run(ctx, []string{"batch", verdict}, streams{in: in, out: out, err: &stderr})
			if code != exitInterrupted || !strings.HasSuffix(stderr.String(), "\ncria: interrupted\n") {
				t.Errorf("exit code %d, errors %q", code, stderr.String())
			}
			n := strings.Count(out.String(), "\n")
			if n < 5 || n > 50 {
				t.Errorf("%d lines, want little more than 5", n)
			}
			wantReviews(t, out.String(), n)
		})
	}
}

// Who interrupts a batch with a file is told how to go on.
func TestBatchInterruptedWithFile(t *testing.T) {
	testmodel.Model(t)
	in, feed := io.Pipe()
	defer in.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, _ = io.WriteString(feed, reviews(1))
		cancel()
	}()
	var stderr bytes.Buffer
	file := filepath.Join(t.TempDir(), "out.jsonl")
	code := run(ctx, []string{"batch", verdict, "--out", file}, streams{in: in, out: io.Discard, err: &stderr})
	if code != exitInterrupted || !strings.HasSuffix(stderr.String(), "cria: interrupted; the same command with --resume goes on\n") {
		t.Errorf("exit code %d, errors %q", code, stderr.String())
	}
}

// brokenWriter takes n writes.
type brokenWriter struct{ n int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.n--; w.n < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestBatchOutputFails(t *testing.T) {
	testmodel.Model(t)
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"batch", "-q", verdict}, streams{in: strings.NewReader(reviews(500)), out: &brokenWriter{2}, err: &stderr})
	if code != exitFailure || stderr.String() != "cria: no space left\n" {
		t.Errorf("exit code %d, errors %q", code, stderr.String())
	}
}

func TestBatchMistakes(t *testing.T) {
	in := write(t, "in.jsonl", reviews(2))
	other := write(t, "notes.txt", "my notes")
	answered := write(t, "answered.jsonl", `{"id":0,"sentiment":"positive"}`+"\n")
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no signature":         {nil, "batch needs one signature"},
		"inputs as arguments":  {[]string{verdict, "review=x"}, "batch needs one signature"},
		"no such input":        {[]string{verdict, "--in", "/no/such/file"}, "no such file"},
		"input is a folder":    {[]string{verdict, "--in", t.TempDir()}, "is a directory"},
		"no such folder":       {[]string{verdict, "--out", "/no/such/file"}, "no such file"},
		"zero concurrency":     {[]string{verdict, "--concurrency", "0"}, "--concurrency 0 is not from 1 to 256"},
		"much concurrency":     {[]string{verdict, "--concurrency", "257"}, "--concurrency 257 is not from 1 to 256"},
		"resume nothing":       {[]string{verdict, "--resume"}, "--resume needs --out"},
		"onto itself":          {[]string{verdict, "--in", in, "--out", in, "--resume"}, "the same file"},
		"input as argument":    {[]string{verdict, in}, "did you mean --in " + in + "?"},
		"onto another's file":  {[]string{verdict, "--in", in, "--out", other, "--resume"}, "notes.txt: line 1 is not an answer"},
		"another signature":    {[]string{"review -> stars: int", "--in", in, "--out", answered, "--resume"}, "line 1 is not an answer to"},
		"an output error":      {[]string{"q -> error"}, `an output named "error"`},
		"zero max tokens":      {[]string{verdict, "--max-tokens", "0"}, "--max-tokens 0"},
		"negative temperature": {[]string{verdict, "--temperature", "-1"}, "temperature -1"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, stderr := criaRun(t, "", append([]string{"batch"}, tt.args...)...)
			if code != exitUsage || out != "" || !strings.HasPrefix(stderr, "cria: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit code %d, output %q, standard error %q, want one line with %q", code, out, stderr, tt.want)
			}
		})
	}
	if got := read(t, other); got != "my notes" {
		t.Errorf("a file of another's now has %q", got)
	}
}

// What cannot even begin leaves no file that the next run would refuse.
func TestBatchThatCannotBeginLeavesNoFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.jsonl")
	code, _, stderr := criaRun(t, reviews(1), "batch", "-m", "no-such-model", verdict, "--out", file)
	if _, err := os.Stat(file); code != exitUnavailable || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("exit code %d, errors %q, the file: %v", code, stderr, err)
	}
	if code, _, stderr := criaRun(t, "", "batch", verdict, "--out", file); code != 0 || read(t, file) != "" {
		t.Errorf("no records: exit code %d, errors %q", code, stderr)
	}
}

// numbers sends 0 to n-1 and counts what was taken.
func numbers(ctx context.Context, n int, taken *atomic.Int32) <-chan int {
	to := make(chan int)
	go func() {
		defer close(to)
		for i := range n {
			select {
			case to <- i:
				taken.Store(int32(i) + 1)
			case <-ctx.Done():
				return
			}
		}
	}()
	return to
}

func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var taken, running, most atomic.Int32
		work := func(_ context.Context, i int) (int, error) {
			defer running.Add(-1)
			n := running.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
			return i * i, nil
		}
		var got, want []int
		for i := range 1000 {
			want = append(want, i*i)
		}
		err := inOrder(t.Context(), 7, 20, numbers(t.Context(), 1000, &taken), work, func(i int) error {
			got = append(got, i)
			return nil
		})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
		if n := most.Load(); n != 7 {
			t.Errorf("%d at once, want 7", n)
		}
	})
}

// Behind a slow item no more than the window is taken, and nothing emitted.
func TestInOrderWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var taken, emitted atomic.Int32
		work := func(_ context.Context, i int) (int, error) {
			if i == 3 {
				time.Sleep(time.Hour)
			}
			time.Sleep(time.Millisecond)
			return i, nil
		}
		done := make(chan error, 1)
		go func() {
			done <- inOrder(t.Context(), 4, 10, numbers(t.Context(), 100, &taken), work, func(int) error {
				emitted.Add(1)
				return nil
			})
		}()
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if taken.Load() != 13 || emitted.Load() != 3 {
			t.Errorf("%d taken and %d emitted, want 13 and 3", taken.Load(), emitted.Load())
		}
		if err := <-done; err != nil || taken.Load() != 100 || emitted.Load() != 100 {
			t.Errorf("%d taken and %d emitted, error %v", taken.Load(), emitted.Load(), err)
		}
	})
}

func TestInOrderEnds(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		failWork, failEmit, cancelAt int
		want                         error
		emitted                      int
	}{
		"work fails": {failWork: 5, want: broken, emitted: 5},
		"emit fails": {failEmit: 5, want: broken, emitted: 5},
		"cancelled":  {cancelAt: 5, want: context.Canceled, emitted: 6},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var taken atomic.Int32
				emitted := 0
				work := func(ctx context.Context, i int) (int, error) {
					if tt.failWork > 0 && i == tt.failWork {
						return 0, broken
					}
					select {
					case <-time.After(time.Duration(i+1) * time.Second):
						return i, nil
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				}
				err := inOrder(ctx, 4, 8, numbers(ctx, 100, &taken), work, func(i int) error {
					if tt.failEmit > 0 && i == tt.failEmit {
						return broken
					}
					emitted++
					if tt.cancelAt > 0 && i == tt.cancelAt {
						cancel()
					}
					return nil
				})
				if !errors.Is(err, tt.want) || emitted != tt.emitted || taken.Load() > 16 {
					t.Errorf("error %v, %d emitted, %d taken; want %v and %d", err, emitted, taken.Load(), tt.want, tt.emitted)
				}
			})
		})
	}
}
