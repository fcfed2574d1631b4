package engine

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/synth"
)

// loraTest is a small model with two adapters, and for some sets of them the model that
// both together are.
type loraTest struct {
	base string
	a, b string
	sets []loraCase
}

type loraCase struct {
	loras []LoRA
	ref   *reference
}

func newLoRATest(t *testing.T) *loraTest {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	l := &loraTest{base: path("base"), a: path("a"), b: path("b")}
	must(synth.Write(t.Context(), l.base, soakModel(t, synth.Llama), synth.Shape{KVHeads: 2}, nil))
	must(synth.WriteAdapter(l.a, l.base, synth.Adapter{Rank: 4, Alpha: 6, Seed: 1}))
	must(synth.WriteAdapter(l.b, l.base, synth.Adapter{Rank: 2, Seed: 2, Tensors: func(string) bool { return true }}))
	must(synth.Merge(path("a1"), l.base, l.a, 1))
	must(synth.Merge(path("a-0.5"), l.base, l.a, -0.5))
	must(synth.Merge(path("a1 b0.5"), path("a1"), l.b, 0.5))
	for _, set := range []struct {
		model string
		loras []LoRA
	}{
		{"base", nil},
		{"a1", []LoRA{{Name: "a"}}},
		{"a-0.5", []LoRA{{Name: "a", Scale: -0.5}}},
		{"a1 b0.5", []LoRA{{Name: "b", Scale: 0.5}, {Name: "a", Scale: 1}}},
	} {
		l.sets = append(l.sets, loraCase{set.loras, newReferenceOf(t, path(set.model))})
	}
	return l
}

func (l *loraTest) engine(t *testing.T, o Options) *Engine {
	t.Helper()
	o.Threads, o.BatchSize = 1, smallBatch
	if o.LoRAs == nil {
		o.LoRAs = map[string]string{"a": l.a, "b": l.b}
	}
	e, err := Load(t.Context(), l.base, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func (c loraCase) check(t *testing.T, r result) {
	t.Helper()
	if r.err != nil || r.last.Finish != FinishLength {
		t.Errorf("%v: %d tokens, %+v, %v", c.loras, len(r.output), r.last, r.err)
		return
	}
	c.ref.checkWithin(t, r.prompt, r.output, soakFirst, c.ref.end(), memoryTolerance)
}

// A model with adapters generates what one with the changed weights does, whoever else
// runs with others.
func TestLoRA(t *testing.T) {
	t.Parallel()
	l := newLoRATest(t)
	t.Run("alone", l.alone)
	t.Run("together", l.together)
	t.Run("interrupted", l.interrupted)
	t.Run("grown", l.grown)
	t.Run("shared", l.shared)
	t.Run("shared weights", l.sharedWeights)
	t.Run("pinned", l.pinned)
	t.Run("scored", l.scored)
	t.Run("samples", l.samples)
	t.Run("turns", l.turns)
	t.Run("errors", l.errors)
}

func (l *loraTest) alone(t *testing.T) {
	e := l.engine(t, Options{ContextLength: 256})
	if got := e.LoRAs(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("its adapters are %v", got)
	}
	outputs := map[string]bool{}
	for _, set := range l.sets {
		prompt := story(t, e, 0, 20)
		text, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 4, LoRA: set.loras, Matcher: &recorder{}, Logprobs: true})
		if err != nil {
			t.Fatal(err)
		}
		outputs[text] = true
		logits, sum := set.ref.logits(t, prompt), 0.0
		for _, v := range logits {
			sum += math.Exp(float64(v))
		}
		for c, err := range e.Generate(t.Context(), &Request{Prompt: prompt, MaxTokens: 1, LoRA: set.loras, Logprobs: true}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range c.Logprobs {
				if want := float64(logits[p.Token]) - math.Log(sum); math.Abs(want-float64(p.Logprob)) > 0.02 {
					t.Errorf("%v: token %d has the log probability %v, want %v", set.loras, p.Token, p.Logprob, want)
				}
			}
		}
		if last.Usage.CachedTokens > 0 {
			t.Errorf("%v: %d tokens were computed with other adapters", set.loras, last.Usage.CachedTokens)
		}
		set.check(t, together(t, e, []*Request{{Prompt: prompt, MaxTokens: 20, LoRA: set.loras}})[0])
	}
	if len(outputs) != len(l.sets) {
		t.Errorf("%d sets of adapters gave only %d outputs", len(l.sets), len(outputs))
	}
}

// requests are n for each set of adapters, in turns, which all begin alike.
func (l *loraTest) requests(t *testing.T, e *Engine, n, common, output int) (requests []*Request) {
	for i := range n {
		for _, set := range l.sets {
			prompt := slices.Concat(story(t, e, 0, common), story(t, e, 1+i, 10))
			requests = append(requests, &Request{Prompt: prompt, MaxTokens: output, LoRA: set.loras})
		}
	}
	return requests
}

func (l *loraTest) check(t *testing.T, results []result) {
	t.Helper()
	for i, r := range results {
		l.sets[i%len(l.sets)].check(t, r)
	}
}

func (l *loraTest) together(t *testing.T) {
	e := l.engine(t, Options{ContextLength: 256})
	for range 2 { // the second time, what the first has left is there
		l.check(t, together(t, e, l.requests(t, e, 3, 40, 30)))
	}
}

// The memory has no room now and then, steps are interrupted, and the slots are few.
func (l *loraTest) interrupted(t *testing.T) {
	e := l.engine(t, Options{ContextLength: 256, Slots: 5})
	f := &faulty{codes: []int32{0, 0, 0, 0, 1, 1, 1, 0, 1, 2, 0, 0, 2, 2, 1, 1, 0, 1, 0, 2}}
	f.beside(e)
	l.check(t, together(t, e, l.requests(t, e, 3, 20, 20)))
}

// A context that grows has the adapters that the old one had.
func (l *loraTest) grown(t *testing.T) {
	set := l.sets[1]
	e := l.engine(t, Options{ContextLength: 512, CacheLength: 4096})
	set.check(t, together(t, e, []*Request{{Prompt: story(t, e, 0, 200), MaxTokens: 10, LoRA: set.loras}})[0])
	var requests []*Request
	for i := range 4 {
		requests = append(requests, &Request{Prompt: story(t, e, i, 250), MaxTokens: 100, LoRA: set.loras})
	}
	for _, r := range together(t, e, requests) {
		set.check(t, r)
	}
	if e.sched.cells == firstCells {
		t.Error("the cache has not grown")
	}
	l.check(t, together(t, e, l.requests(t, e, 2, 200, 50)))
}

// What was computed with some adapters is used again with the same ones only.
func (l *loraTest) shared(t *testing.T) {
	e := l.engine(t, Options{ContextLength: 256})
	prompt := story(t, e, 0, 60)
	a, b := l.sets[1].loras, []LoRA{{Name: "b"}}
	for _, tt := range []struct {
		loras []LoRA
		salt  string
		found bool
	}{
		{nil, "", false}, {nil, "", true},
		{a, "", false}, {a, "", true},
		{[]LoRA{{Name: "a", Scale: 1}}, "", true}, {[]LoRA{{Name: "a", Scale: 0.5}}, "", false},
		{b, "", false}, {b, "s", false}, {b, "s", true},
		{nil, "s", false}, {a, "s", false}, {[]LoRA{}, "", true},
		{append(b, a...), "", false}, {append(slices.Clone(a), b...), "", true},
	} {
		r := together(t, e, []*Request{{Prompt: prompt, MaxTokens: 2, LoRA: tt.loras, Salt: tt.salt}})[0]
		if got := r.last.Usage.CachedTokens; r.err != nil || got > 0 != tt.found {
			t.Errorf("%v, salt %q: %d tokens were found, %v", tt.loras, tt.salt, got, r.err)
		}
	}
}

func (l *loraTest) pinned(t *testing.T) {
	snapshot := filepath.Join(t.TempDir(), "prefix")
	swapped := map[string]string{"a": l.b, "b": l.a}
	a := l.sets[1].loras
	for _, tt := range []struct {
		name     string
		files    map[string]string
		loras    []LoRA
		restored bool
	}{
		{"first", nil, a, false},
		{"again", nil, a, true},
		{"without", nil, nil, false}, // overwrites it
		{"with again", nil, a, false},
		{"another file", swapped, a, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := l.engine(t, Options{ContextLength: 256, LoRAs: tt.files})
			prefix := story(t, e, 0, 60)
			p := pin(t, e, prefix, &PinOptions{Snapshot: snapshot, LoRA: tt.loras})
			if p.Restored() != tt.restored {
				t.Errorf("restored: %t", p.Restored())
			}
			for _, set := range l.sets {
				r := together(t, e, []*Request{{Prompt: slices.Concat(prefix, story(t, e, 1, 5)), MaxTokens: 5, LoRA: set.loras}})[0]
				if got := r.last.Usage.CachedTokens; got > 0 != slices.Equal(set.loras, tt.loras) {
					t.Errorf("%v: %d tokens of the prefix were there", set.loras, got)
				}
				if tt.files == nil {
					set.check(t, r)
				}
			}
		})
	}
}

func (l *loraTest) scored(t *testing.T) {
	e := l.engine(t, Options{ContextLength: 256})
	prompt := story(t, e, 0, 30)
	options := [][]Token{encode(t, e, "abcd"), encode(t, e, "abce"), encode(t, e, "gh")}
	for _, set := range l.sets {
		got, err := e.Score(t.Context(), &ScoreRequest{Prompt: prompt, Options: options, LoRA: set.loras})
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range options {
			want := 0.0
			for depth := range o {
				want += set.ref.branch(t, prompt, options, nil, o, depth)
			}
			if math.Abs(want-got.Logprobs[i]) > 0.05 {
				t.Errorf("%v: option %d has the log probability %.3f, want %.3f", set.loras, i, got.Logprobs[i], want)
			}
		}
	}
}

func (l *loraTest) samples(t *testing.T) {
	e := l.engine(t, Options{ContextLength: 256})
	want, _, err := collect(t.Context(), e, &Request{Prompt: story(t, e, 0, 30), MaxTokens: 10, LoRA: l.sets[1].loras})
	if err != nil {
		t.Fatal(err)
	}
	texts := [3]string{}
	for s, err := range e.Samples(t.Context(), &Request{Prompt: story(t, e, 0, 30), MaxTokens: 10, LoRA: l.sets[1].loras}, len(texts)) {
		if err != nil {
			t.Fatal(err)
		}
		texts[s.Index] += s.Text
	}
	for i, text := range texts {
		if text != want {
			t.Errorf("sample %d is %q, want %q", i, text, want)
		}
	}
}

// A request with other adapters than a long one has waits for its turn, not for its end;
// and they do not change at every step.
func (l *loraTest) turns(t *testing.T) {
	e := l.engine(t, Options{ContextLength: 512, NoSpeculation: true})
	const step = 5 * time.Millisecond
	changes, last, steps := 0, "", 0
	running := make(chan struct{})
	beforeSteps(e, func(n int) {
		time.Sleep(step)
		if n == 3 {
			close(running)
		}
		if key := e.loras.key(); key != last {
			changes, last = changes+1, key
		}
		steps = n
	})
	var long, short result
	var both sync.WaitGroup
	both.Go(func() {
		long = together(t, e, []*Request{{Prompt: story(t, e, 0, 20), MaxTokens: 120}})[0]
	})
	<-running
	start := time.Now()
	var took time.Duration
	both.Go(func() {
		short = together(t, e, []*Request{{Prompt: story(t, e, 1, 20), MaxTokens: 8, LoRA: l.sets[1].loras}})[0]
		took = time.Since(start)
	})
	both.Wait()
	l.sets[0].check(t, long)
	l.sets[1].check(t, short)
	if took < setTime/2 {
		t.Errorf("the short one waited for %v only, a turn is %v", took, setTime)
	}
	if changes < 2 || changes > 4 || steps < 120 { // 4: if steps take long here
		t.Errorf("the adapters changed %d times in %d steps, want 2: there and back", changes, steps)
	}
}

func (l *loraTest) errors(t *testing.T) {
	e := l.engine(t, Options{ContextLength: 256})
	none, err := Load(t.Context(), l.base, &Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	nan := float32(math.NaN())
	for _, tt := range []struct {
		e     *Engine
		loras []LoRA
		field string
		want  string
	}{
		{e, []LoRA{{Name: "c"}}, "LoRA[0].Name", `no adapter "c"; there are a, b`},
		{e, []LoRA{{Name: "a"}, {Name: ""}}, "LoRA[1].Name", `no adapter ""`},
		{none, []LoRA{{Name: "a"}}, "LoRA[0].Name", "nor any other"},
		{e, []LoRA{{Name: "a"}, {Name: "b"}, {Name: "a", Scale: 2}}, "LoRA[2].Name", "twice"},
		{e, []LoRA{{Name: "a", Scale: nan}}, "LoRA[0].Scale", "NaN"},
		{e, []LoRA{{Name: "a", Scale: 101}}, "LoRA[0].Scale", "-100 to 100"},
	} {
		prompt := []Token{20, 21}
		_, _, generated := collect(t.Context(), tt.e, &Request{Prompt: prompt, MaxTokens: 1, LoRA: tt.loras})
		_, scored := tt.e.Score(t.Context(), &ScoreRequest{Prompt: prompt, Options: [][]Token{{20}, {21}}, LoRA: tt.loras})
		_, pinned := tt.e.Pin(t.Context(), prompt, &PinOptions{LoRA: tt.loras})
		for _, err := range []error{generated, scored, pinned} {
			var bad *RequestError
			if !errors.As(err, &bad) || bad.Field != tt.field || !strings.Contains(bad.Reason, tt.want) {
				t.Errorf("%v: %v, want %q in it", tt.loras, err, tt.want)
			}
		}
	}
	if _, err := e.LoRAFingerprint("c"); err == nil {
		t.Error("an adapter that is not there has a fingerprint")
	}

	// What cannot be used is refused by name, and engines that run go on.
	path := filepath.Join(t.TempDir(), "bad")
	for name, tt := range map[string]struct {
		file func() []byte // nil: there is none
		want string
	}{
		"missing":   {nil, "no such file"},
		"truncated": {func() []byte { return fileOf(t, l.a)[:1000] }, "not a whole GGUF"},
		"a model":   {func() []byte { return fileOf(t, l.base) }, `key "general.type"`},
		"NaN alpha": {func() []byte { return l.changed(t, nan, nil) }, `key "adapter.lora.alpha": is NaN`},
		"another model's": {func() []byte {
			return l.changed(t, 1, func(t *gguf.TensorData) { t.Name = strings.Replace(t.Name, "blk.1.", "blk.2.", 1) })
		}, "the model has no tensor"},
		"wrong shapes": {func() []byte {
			return l.changed(t, 1, func(t *gguf.TensorData) { t.Dims[0] *= 2 })
		}, "has the shape"},
		"a missing half": {func() []byte {
			return l.changed(t, 1, func(t *gguf.TensorData) { t.Name = strings.Replace(t.Name, ".lora_b", "_norm.weight", 1) })
		}, "there is no"},
	} {
		_ = os.Remove(path)
		if tt.file != nil {
			if err := os.WriteFile(path, tt.file(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Load(t.Context(), l.base, &Options{Threads: 1, LoRAs: map[string]string{"a": l.a, "bad": path}})
		var bad *LoRAError
		if !errors.As(err, &bad) || bad.Name != "bad" || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q in it", name, err, tt.want)
		}
	}
	l.replaced(t, e)
	var option *OptionError
	if _, err := Load(t.Context(), l.base, &Options{LoRAs: map[string]string{"": l.a}}); !errors.As(err, &option) {
		t.Errorf("an adapter without a name: %v", err)
	}
	l.check(t, together(t, e, l.requests(t, e, 1, 20, 5)))

	// One whose weights are no numbers fails the requests that use it.
	if err := os.WriteFile(path, l.changed(t, math.MaxFloat32, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	wild := l.engine(t, Options{ContextLength: 256, LoRAs: map[string]string{"wild": path, "a": l.a, "b": l.b}})
	if _, _, err := collect(t.Context(), wild, &Request{Prompt: story(t, wild, 0, 20), MaxTokens: 4, LoRA: []LoRA{{Name: "wild", Scale: 100}}}); err == nil {
		t.Error("an adapter that makes logits infinite has an output")
	}
	l.check(t, together(t, wild, l.requests(t, wild, 1, 20, 5)))
}

// An adapter is checked by the file that is opened first, and not loaded from another that
// has taken its place since.
func (l *loraTest) replaced(t *testing.T, e *Engine) {
	base, err := e.weights.headers()
	if err != nil {
		t.Fatal(err)
	}
	good := fileOf(t, l.a)
	bad := l.changed(t, float32(math.NaN()), nil)
	for _, tt := range []struct {
		name          string
		first, second []byte
		changed       bool // else the first is refused for what it is
	}{
		{"a good one by another good one", good, fileOf(t, l.b), true},
		{"a good one by a bad one", good, bad, true},
		{"a bad one by a good one", bad, good, false},
	} {
		dir := t.TempDir()
		path, next := filepath.Join(dir, "adapter"), filepath.Join(dir, "next")
		for path, data := range map[string][]byte{path: tt.first, next: tt.second} {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		files, err := openFiles([]string{path})
		if err != nil {
			t.Fatal(err)
		}
		replaceErr := os.Rename(next, path)
		if replaceErr == nil {
			_, err = newAdapter(e.weights.model, base, files)
		}
		files.close()
		if replaceErr != nil { // Windows does not have files replaced that are open
			return
		}
		var changed *FileChangedError
		var refused *gguf.LoRAError
		if errors.As(err, &changed) != tt.changed || errors.As(err, &refused) == tt.changed {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := openFiles([]string{t.TempDir()}); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
}

func fileOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// changed returns the adapter a with another alpha, ones as weights, and tensors that
// were changed.
func (l *loraTest) changed(t *testing.T, alpha float32, change func(*gguf.TensorData)) []byte {
	t.Helper()
	f, err := gguf.Open(l.a)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []gguf.TensorData
	for _, of := range f.Tensors() {
		data := gguf.TensorData{Name: of.Name, Type: of.Type, Dims: of.Dims}
		if change != nil {
			change(&data)
		} else {
			data.Data = slices.Repeat([]byte{0, 0, 0x80, 0x3f}, int(of.Size)/4)
		}
		tensors = append(tensors, data)
	}
	var b strings.Builder
	if err := gguf.Write(&b, []gguf.KeyValue{
		{Key: "general.architecture", Value: "llama"}, {Key: "general.type", Value: "adapter"},
		{Key: "adapter.type", Value: "lora"}, {Key: "adapter.lora.alpha", Value: alpha},
	}, tensors); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}
