package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cria-lm/cria/gguf"
)

func TestGenerate(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "The capital of France is")
	text, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 2})
	if err != nil || text != " Paris." {
		t.Errorf("%q, %v", text, err)
	}
	want := Chunk{Finish: FinishLength, Usage: Usage{PromptTokens: len(prompt), CompletionTokens: 2}}
	if last.Finish != want.Finish || last.Usage != want.Usage {
		t.Errorf("last chunk %+v, want %+v", last, want)
	}
}

func TestGenerateAgreesWithReference(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "Once upon a time")
	m := &recorder{}
	if _, _, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 24, Matcher: m}); err != nil {
		t.Fatal(err)
	}
	newReference(t).check(t, prompt, m.tokens)
}

// recorder is a matcher that allows everything but ends and notes the tokens.
type recorder struct{ tokens []Token }

func (*recorder) Forced() []Token      { return nil }
func (*recorder) Allowed(t Token) bool { return t > 16 }
func (m *recorder) Accept(t Token) bool {
	m.tokens = append(m.tokens, t)
	return true
}
func (*recorder) Done() bool { return false }
func (*recorder) Err() error { return nil }

func TestGenerateEndToken(t *testing.T) {
	e := testEngine(t)
	v := e.Vocab()
	start, _ := v.Special("<|im_start|>")
	end, _ := v.Special("<|im_end|>")
	prompt := append([]Token{start}, encode(t, e, "user\nSay only: yes")...)
	prompt = append(append(prompt, end), encode(t, e, "\n")...)
	prompt = append(append(prompt, start), encode(t, e, "assistant\n")...)
	text, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 200})
	if err != nil || last.Finish != FinishStop || strings.Contains(text, "<|") {
		t.Errorf("%q, %+v, %v", text, last, err)
	}
	if got := len(encode(t, e, text)); last.Usage.CompletionTokens < got-2 || last.Usage.CompletionTokens > got+2 {
		t.Errorf("usage %d, the text has %d tokens", last.Usage.CompletionTokens, got)
	}
}

func TestGenerateStop(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "The capital of France is")
	for _, tt := range []struct {
		stop []string
		text string
	}{
		{[]string{"."}, " Paris"},
		{[]string{"ris."}, " Pa"}, // over two tokens
		{[]string{"no such", " Paris"}, ""},
	} {
		text, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 8, Stop: tt.stop})
		if err != nil || text != tt.text || last.Finish != FinishStop {
			t.Errorf("stop %q: %q, %+v, %v", tt.stop, text, last, err)
		}
	}
}

func TestGenerateSeed(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "Once upon a time")
	run := func(seed uint32) string {
		text, _, err := collect(t.Context(), e, &Request{
			Prompt: prompt, MaxTokens: 20, Sampling: Sampling{Temperature: 1.5, TopP: 0.95, RepeatPenalty: 1.1, Seed: &seed},
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	a, b, c := run(1), run(1), run(2)
	if a != b {
		t.Errorf("seed 1 gave %q, then %q", a, b)
	}
	if a == c {
		t.Errorf("seeds 1 and 2 gave %q", a)
	}
	if !utf8.ValidString(a + c) {
		t.Errorf("not valid UTF-8: %q, %q", a, c)
	}
}

// The context's end ends the output, wherever the batches are cut.
func TestGenerateFillsContext(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 100, BatchSize: 16})
	defer e.Close()
	if e.ContextLength() != 100 {
		t.Fatalf("context length %d", e.ContextLength())
	}
	prompt := make([]Token, 90)
	for i := range prompt {
		prompt[i] = Token(1000 + i)
	}
	for n, want := range map[int]int{90: 10, 99: 1, 16: 84, 1: 99} {
		p := prompt
		for len(p) < n {
			p = append(p, 2000)
		}
		_, last, err := collect(t.Context(), e, &Request{Prompt: p[:n], MaxTokens: 1 << 30, Matcher: &recorder{}})
		if err != nil || last.Finish != FinishLength || last.Usage.CompletionTokens != want {
			t.Errorf("prompt of %d: %+v, %v; want %d tokens", n, last, err, want)
		}
	}
	var long *ContextTooLongError
	if _, _, err := collect(t.Context(), e, &Request{Prompt: make([]Token, 100), MaxTokens: 1}); !errors.As(err, &long) || long.Length != 100 || long.Limit != 100 {
		t.Errorf("prompt of 100: %v", err)
	}
}

func TestGenerateManyAtOnce(t *testing.T) {
	e := testEngine(t)
	prompts := []string{"The capital of France is", "The capital of Italy is", "Two plus two is"}
	want := map[string]string{}
	for _, p := range prompts {
		text, _, err := collect(t.Context(), e, &Request{Prompt: encode(t, e, p), MaxTokens: 6})
		if err != nil {
			t.Fatal(err)
		}
		want[p] = text
	}
	var readers sync.WaitGroup
	for i := range 6 {
		readers.Go(func() {
			p := prompts[i%len(prompts)]
			text, _, err := collect(t.Context(), e, &Request{Prompt: encode(t, e, p), MaxTokens: 6})
			if err != nil || text != want[p] {
				t.Errorf("%s: %q, %v; alone %q", p, text, err, want[p])
			}
		})
	}
	readers.Wait()
}

func TestQueueFull(t *testing.T) {
	e := testEngine(t)
	r := &Request{Prompt: encode(t, e, "Once upon a time"), MaxTokens: 400, Matcher: &recorder{}}
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var mu sync.Mutex
	overloaded, cancelled := 0, 0
	for range 30 { // one runs, if the owner is quick enough, and eight wait
		readers.Go(func() {
			_, last, err := collect(ctx, e, &Request{Prompt: r.Prompt, MaxTokens: 900, Matcher: &recorder{}})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, ErrOverloaded):
				overloaded++
			case errors.Is(err, context.Canceled) && last.Finish == FinishCancelled:
				cancelled++
			default:
				t.Errorf("%+v, %v", last, err)
			}
			if overloaded == 21 {
				cancel()
			}
		})
	}
	readers.Wait()
	cancel()
	if overloaded < 21 || overloaded+cancelled != 30 {
		t.Errorf("%d overloaded, %d cancelled; want at least 21, and 30 in all", overloaded, cancelled)
	}
	if text, _, err := collect(t.Context(), e, &Request{Prompt: r.Prompt, MaxTokens: 1}); err != nil || text == "" {
		t.Errorf("afterwards: %q, %v", text, err)
	}
}

func TestCancel(t *testing.T) {
	e := testEngine(t)
	long := make([]Token, 1000)
	for i := range long {
		long[i] = Token(1000 + i)
	}
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, last, err := collect(ctx, e, &Request{Prompt: long, MaxTokens: 5})
		if !errors.Is(err, context.Canceled) || last.Finish != FinishCancelled || last.Usage.PromptTokens != 1000 {
			t.Errorf("%+v, %v", last, err)
		}
	})
	t.Run("prefill", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, last, err := collect(ctx, e, &Request{Prompt: long, MaxTokens: 5})
		if !errors.Is(err, context.DeadlineExceeded) || last.Finish != FinishCancelled || last.Usage.CompletionTokens != 0 {
			t.Errorf("%+v, %v", last, err)
		}
	})
	t.Run("output", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last Chunk
		var lastErr error
		text := ""
		for c, err := range e.Generate(ctx, &Request{Prompt: long[:5], MaxTokens: 900, Matcher: &recorder{}}) {
			text += c.Text
			last, lastErr = c, err
			if len(text) > 10 {
				cancel()
			}
		}
		if !errors.Is(lastErr, context.Canceled) || last.Finish != FinishCancelled || last.Usage.CompletionTokens == 0 || last.Usage.CompletionTokens > 800 {
			t.Errorf("%+v, %v", last, lastErr)
		}
	})
	t.Run("waiting", func(t *testing.T) {
		for range e.Generate(t.Context(), &Request{Prompt: long[:5], MaxTokens: 1000, Matcher: &recorder{}}) {
			// The first runs while this one waits.
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			_, last, err := collect(ctx, e, &Request{Prompt: long[:5], MaxTokens: 5})
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || last.Finish != FinishCancelled {
				t.Errorf("%+v, %v", last, err)
			}
			break
		}
	})
	t.Run("break", func(t *testing.T) {
		for range e.Generate(t.Context(), &Request{Prompt: long[:5], MaxTokens: 1000, Matcher: &recorder{}}) {
			break
		}
		e.queue.mu.Lock()
		running := len(e.queue.running)
		e.queue.mu.Unlock()
		if running > 0 {
			t.Error("the request still runs after the break")
		}
	})
	t.Run("panic in the loop", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		for range e.Generate(t.Context(), &Request{Prompt: long[:5], MaxTokens: 1000, Matcher: &recorder{}}) {
			panic("reader")
		}
	})
	if text, _, err := collect(t.Context(), e, &Request{Prompt: encode(t, e, "The capital of France is"), MaxTokens: 1}); err != nil || text != " Paris" {
		t.Errorf("afterwards: %q, %v", text, err)
	}
}

// A reader that takes its time gets all of it, and does not hold up others.
func TestSlowReader(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "Once upon a time")
	want, _, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 30})
	if err != nil {
		t.Fatal(err)
	}
	got, first := "", true
	for c, err := range e.Generate(t.Context(), &Request{Prompt: prompt, MaxTokens: 30}) {
		if err != nil {
			t.Fatal(err)
		}
		got += c.Text
		if !first {
			continue
		}
		first = false
		if text, _, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 30}); err != nil || text != want {
			t.Errorf("another request meanwhile: %q, %v", text, err)
		}
	}
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestClose(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 1024})
	prompt := encode(t, e, "Once upon a time")
	results := make(chan error, 3)
	started := make(chan struct{})
	var once sync.Once
	var readers sync.WaitGroup
	for range 3 { // one runs, two wait
		readers.Go(func() {
			var last error
			for _, err := range e.Generate(t.Context(), &Request{Prompt: prompt, MaxTokens: 1000, Matcher: &recorder{}}) {
				last = err
				once.Do(func() { close(started) })
			}
			results <- last
		})
	}
	<-started
	var closers sync.WaitGroup
	for range 3 {
		closers.Go(func() { e.Close() })
	}
	closers.Wait()
	readers.Wait()
	for range 3 {
		if err := <-results; !errors.Is(err, ErrClosed) {
			t.Errorf("request ended with %v", err)
		}
	}
	if _, _, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("Generate after Close: %v", err)
	}
	if _, err := e.Vocab().Encode("text"); !errors.Is(err, ErrClosed) {
		t.Errorf("Encode after Close: %v", err)
	}
	if len(e.Vocab().Piece(prompt[0])) == 0 {
		t.Error("the tables are gone after Close")
	}
}

func TestCloseWithinIteration(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 512})
	var last error
	for _, err := range e.Generate(t.Context(), &Request{Prompt: encode(t, e, "Once upon a time"), MaxTokens: 400, Matcher: &recorder{}}) {
		e.Close()
		last = err
	}
	if !errors.Is(last, ErrClosed) {
		t.Errorf("ended with %v", last)
	}
}

func TestLoadErrors(t *testing.T) {
	path := testModelPath(t)
	dir := t.TempDir()
	file := func(name, content string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, tt := range []struct {
		path string
		opts *Options
		want string
	}{
		{filepath.Join(dir, "none.gguf"), nil, "no such file"},
		{dir, nil, "is a folder"},
		{os.DevNull, nil, "not a regular file"},
		{file("empty.gguf", ""), nil, "empty.gguf: not a whole GGUF file: it is empty"},
		{file("text.gguf", "hello world"), nil, "not a whole GGUF file"},
		{file("short.gguf", "GGUF"), nil, "download is not complete"},
		{patched(t, "llama.block_count", uint32(0)), nil, "llama.block_count"},
		{patched(t, "llama.block_count", uint32(math.MaxInt32)), nil, "llama.block_count"},
		{patched(t, "llama.block_count", uint32(math.MaxUint32)), nil, "llama.block_count"},
		{patched(t, "llama.attention.layer_norm_rms_epsilon", float32(math.NaN())), nil, "NaN"},
		{patched(t, "llama.attention.layer_norm_rms_epsilon", float32(-1e-5)), nil, "layer_norm_rms_epsilon"},
		{patched(t, "llama.context_length", uint32(math.MaxUint32)), nil, "llama.context_length"},
		{path, &Options{Threads: -1}, "option Threads"},
	} {
		e, err := Load(t.Context(), tt.path, tt.opts)
		if err == nil {
			e.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", filepath.Base(tt.path), err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled load: %v", err)
	}
}

// patched is a copy of the default model's metadata, padded with zeros to its
// length, in which the number behind a key is replaced.
func patched(t *testing.T, key string, value any) string {
	t.Helper()
	data, err := os.ReadFile(testModelPath(t))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte(key))
	if at < 0 {
		t.Fatalf("the model has no key %s", key)
	}
	at += len(key) + 4 // behind the type
	if _, err := binary.Encode(data[at:], binary.LittleEndian, value); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "patched.gguf")
	if err := os.WriteFile(path, data[:4<<20], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(data))); err != nil {
		t.Fatal(err)
	}
	return path
}

// The parts of a split model are whole, and all there, before llama.cpp sees
// the first.
func TestLoadSplit(t *testing.T) {
	testModelPath(t)
	dir := t.TempDir()
	var paths []string
	for i := range 2 {
		var b bytes.Buffer
		if err := gguf.Write(&b, []gguf.KeyValue{{Key: "split.no", Value: uint16(i)}, {Key: "split.count", Value: uint16(2)}}, nil); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fmt.Sprintf("m-%05d-of-00002.gguf", i+1))
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	load := func(want string) {
		t.Helper()
		if _, err := Load(t.Context(), paths[1], nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	load("cannot be loaded") // nothing in them, says llama.cpp
	if err := os.Truncate(paths[0], 10); err != nil {
		t.Fatal(err)
	}
	load("m-00001-of-00002.gguf: not a whole GGUF file")
	if err := os.Remove(paths[0]); err != nil {
		t.Fatal(err)
	}
	load("needs all of them beside it")
}

// A reader that leaves early knows what was used until then.
func TestUsageSoFar(t *testing.T) {
	e := testEngine(t)
	prompt := encode(t, e, "Once upon a time")
	var usage Usage
	for c, err := range e.Generate(t.Context(), &Request{Prompt: prompt, MaxTokens: 500, Matcher: &recorder{}}) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Usage.PromptTokens != len(prompt) || c.Usage.CompletionTokens <= usage.CompletionTokens {
			t.Fatalf("%+v after %+v", c.Usage, usage)
		}
		if usage = c.Usage; usage.CompletionTokens > 5 {
			break
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	e := testEngine(b)
	r := &Request{Prompt: encode(b, e, "Once upon a time"), MaxTokens: 100, Matcher: &recorder{tokens: make([]Token, 0, 1<<20)}}
	b.ReportAllocs()
	tokens := 0
	for b.Loop() {
		for c, err := range e.Generate(b.Context(), r) {
			if err != nil {
				b.Fatal(err)
			}
			tokens += c.Usage.CompletionTokens
		}
	}
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
}
