package synth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llama"
)

func TestMain(m *testing.M) { os.Exit(testmodel.Main(m)) }

// write writes a shape into a folder of the test's.
func write(t testing.TB, s Shape) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := Write(t.Context(), path, testmodel.Model(t), s, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// load loads a model and makes a context for it.
func load(t testing.TB, path string, adjust func(*llama.ContextParams)) (*llama.Model, *llama.Context) {
	t.Helper()
	if err := llama.Load(testmodel.Libraries(t)); err != nil {
		t.Fatal(err)
	}
	m, err := llama.LoadModel(path, llama.DefaultModelParams(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	p := llama.DefaultContextParams()
	p.NThreads, p.NThreadsBatch = 1, 1
	if adjust != nil {
		adjust(&p)
	}
	x, err := llama.NewContext(m, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Free)
	return m, x
}

// generate appends n greedy tokens to a prompt and returns them, and the
// standard deviation of the first logits.
func generate(t testing.TB, x *llama.Context, prompt string, n int) (tokens []llama.Token, deviation float64) {
	t.Helper()
	x.Memory().Clear(true)
	pending := x.Model().Vocab().Tokenize(nil, prompt, false, false)
	b := llama.NewBatch(len(pending))
	defer b.Free()
	for pos := 0; len(tokens) < n; {
		b.Clear()
		for i, token := range pending {
			b.Add(token, llama.Pos(pos), 0, i == len(pending)-1)
			pos++
		}
		if rc := x.Decode(b); rc != 0 {
			t.Fatalf("Decode: %d", rc)
		}
		best, d := best(t, x.LogitsIth(-1))
		if len(tokens) == 0 {
			deviation = d
		}
		tokens = append(tokens, best)
		pending = tokens[len(tokens)-1:]
	}
	return tokens, deviation
}

// best is the token of the largest logit; all must be finite.
func best(t testing.TB, logits []float32) (token llama.Token, deviation float64) {
	t.Helper()
	sum, squares := 0.0, 0.0
	for i, v := range logits {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			t.Fatalf("logit %d is %v", i, v)
		}
		if v > logits[token] {
			token = llama.Token(i)
		}
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(logits))
	return token, math.Sqrt(squares/n - sum/n*sum/n)
}

// checkText fails unless a model generates text that goes on and depends on its
// prompt.
func checkText(t *testing.T, x *llama.Context) {
	t.Helper()
	const n = 24
	one, deviation := generate(t, x, "The fox and the river.", n)
	other, _ := generate(t, x, "Seven birds met the old river.", n)
	seen, same := map[llama.Token]bool{}, 0
	for i, token := range one {
		seen[token] = true
		if other[i] == token {
			same++
		}
	}
	if len(seen) < n/2 || same > n/4 {
		t.Errorf("%d of %d tokens are different, %d as behind another prompt", len(seen), n, same)
	}
	checkDeviation(t, deviation)
}

func checkDeviation(t *testing.T, got float64) {
	t.Helper()
	if got < logitDeviation*0.9 || got > logitDeviation*1.1 {
		t.Errorf("the logits have a standard deviation of %.2f, want about %d", got, logitDeviation)
	}
}

func TestArchitectures(t *testing.T) {
	for _, test := range []struct {
		shape             Shape
		swa               int
		recurrent, hybrid bool
	}{
		{shape: Shape{}},
		{shape: Shape{Layers: 1, KVHeads: 2, FeedForward: 96}},
		{shape: Shape{Architecture: Gemma3, KVHeads: 1, Window: 16}, swa: 16},
		{shape: Shape{Architecture: Gemma3, Layers: 7}, swa: 512},
		{shape: Shape{Architecture: Mamba}, recurrent: true},
		{shape: Shape{Architecture: Mamba, Layers: 1, Embedding: 32}, recurrent: true},
		{shape: Shape{Architecture: Jamba, KVHeads: 2}, hybrid: true},
	} {
		t.Run(fmt.Sprintf("%s of %d layers", cmp.Or(test.shape.Architecture, Llama), cmp.Or(test.shape.Layers, 2)), func(t *testing.T) {
			m, x := load(t, write(t, test.shape), nil)
			if m.NSWA() != test.swa || m.IsRecurrent() != test.recurrent || m.IsHybrid() != test.hybrid || !m.HasDecoder() {
				t.Errorf("window %d, recurrent %v, hybrid %v, decoder %v", m.NSWA(), m.IsRecurrent(), m.IsHybrid(), m.HasDecoder())
			}
			checkText(t, x)
		})
	}
}

func TestShapeIsInTheFile(t *testing.T) {
	s := Shape{Layers: 3, Embedding: 128, Heads: 8, KVHeads: 2, FeedForward: 192, Context: 300, Type: gguf.Q8_0}
	path := write(t, s)
	m, _ := load(t, path, nil)
	if m.NLayer() != 3 || m.NEmbd() != 128 || m.NHead() != 8 || m.NHeadKV() != 2 || m.NCtxTrain() != 300 {
		t.Errorf("%d layers, %d wide, %d heads, %d KV heads, context %d", m.NLayer(), m.NEmbd(), m.NHead(), m.NHeadKV(), m.NCtxTrain())
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	from, err := gguf.Open(testmodel.Model(t))
	if err != nil {
		t.Fatal(err)
	}
	if f.VocabularySize() != from.VocabularySize() || f.ChatTemplate() != from.ChatTemplate() || f.ChatTemplate() == "" {
		t.Error("the vocabulary or the template is not the other model's")
	}
	text := "Añadir 12 tokens, please."
	if tokens := m.Vocab().Tokenize(nil, text, false, false); len(tokens) < 5 || len(tokens) > 15 {
		t.Errorf("%q has the tokens %v", text, tokens)
	}
	for _, tensor := range f.Tensors() {
		if want := (len(tensor.Dims) == 2); (tensor.Type == gguf.Q8_0) != want {
			t.Errorf("%s of %v is %v", tensor.Name, tensor.Dims, tensor.Type)
		}
	}
}

// All types give weights of the same size: the logits say so.
func TestTypes(t *testing.T) {
	for _, typ := range Types {
		t.Run(typ.String(), func(t *testing.T) {
			_, x := load(t, write(t, Shape{Embedding: 256, FeedForward: 512, Type: typ}), nil)
			_, deviation := generate(t, x, "The fox and the river.", 1)
			checkDeviation(t, deviation)
		})
	}
}

func TestDeterministic(t *testing.T) {
	read := func(s Shape) []byte {
		b, err := os.ReadFile(write(t, s))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, s := range []Shape{{Architecture: Jamba}, {Type: gguf.Q4_0}} {
		one := read(s)
		if !bytes.Equal(one, read(s)) {
			t.Errorf("%+v gives other bytes the second time", s)
		}
		s.Seed = 1
		if other := read(s); len(other) != len(one) || bytes.Equal(other, one) {
			t.Errorf("another seed gives %d bytes, the same: %v; want %d", len(other), bytes.Equal(other, one), len(one))
		}
	}
}

func TestBadShapes(t *testing.T) {
	for _, test := range []struct {
		shape Shape
		want  string
	}{
		{Shape{Architecture: "gpt5"}, `architecture "gpt5" is not known; there are llama, gemma3`},
		{Shape{Type: gguf.I32}, "type I32 cannot be written; there are F32, F16"},
		{Shape{Layers: -1}, "layers: -1 is not in 1 to 512"},
		{Shape{Layers: 513}, "layers: 513 is not in 1 to 512"},
		{Shape{Architecture: Jamba, Layers: 1}, "layers: 1 is not in 2 to 512"},
		{Shape{Architecture: Gemma3, Layers: 1}, "layers: 1 is not in 2 to 512"},
		{Shape{Embedding: -64}, "embedding: -64 is not in 2 to"},
		{Shape{Embedding: 1 << 40}, "embedding:"},
		{Shape{Embedding: 64, Heads: 5}, "heads: 5 do not divide an embedding of 64"},
		{Shape{Embedding: 64, Heads: 64}, "parts of even width"},
		{Shape{Heads: 4, KVHeads: 3}, "KV heads: 3 do not divide 4 heads"},
		{Shape{Heads: 4, KVHeads: 8}, "KV heads: 8 do not divide 4 heads"},
		{Shape{Heads: -4}, "heads: -4 is not in 1 to"},
		{Shape{FeedForward: -1}, "feed-forward: -1 is not"},
		{Shape{Context: 1 << 25}, "context: 33554432 is not"},
		{Shape{Embedding: 72, Type: gguf.Q8_0}, "embedding: 72 is not a multiple of 32, the block of Q8_0"},
		{Shape{Embedding: 128, Type: gguf.Q4_K}, "embedding: 128 is not a multiple of 256, the block of Q4_K"},
		{Shape{FeedForward: 100, Type: gguf.Q4_0}, "feed-forward: 100 is not a multiple of 32"},
		{Shape{Window: 16}, "window: llama has none"},
		{Shape{Architecture: Gemma3, Window: -1}, "window: -1 is not in 1 to"},
		{Shape{Architecture: Mamba, Heads: 4}, "heads: mamba has none"},
		{Shape{Architecture: Mamba, FeedForward: 4}, "feed-forward: mamba has none"},
		{Shape{Pooling: Mean}, "pooling: llama has none"},
		{Shape{Architecture: BERT, Pooling: 4}, "pooling: 4 is not in 1 to 3"},
	} {
		dir := t.TempDir()
		err := Write(t.Context(), filepath.Join(dir, "model.gguf"), testmodel.Model(t), test.shape, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v; want %q", test.shape, err, test.want)
		}
		checkFiles(t, dir)
	}
}

// checkFiles fails unless a folder has the files of these names.
func checkFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if got, want := strings.Join(have, " "), strings.Join(names, " "); got != want {
		t.Errorf("the folder has %q, want %q", got, want)
	}
}

// A model that is not written whole leaves what was there.
func TestWriteIsWholeOrNot(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.gguf")
	if err := os.WriteFile(path, []byte("older"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := Write(ctx, path, testmodel.Model(t), Shape{Embedding: 256}, func(done, total int64) {
		if done > total/2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), path) {
		t.Errorf("cancelled: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "older" {
		t.Errorf("the older file has %d bytes", len(b))
	}
	checkFiles(t, dir, "model.gguf")

	var last, all int64
	if err := Write(t.Context(), path, testmodel.Model(t), Shape{}, func(done, total int64) {
		if done < last || done > total {
			t.Errorf("%d of %d bytes after %d", done, total, last)
		}
		last, all = done, total
	}); err != nil {
		t.Fatal(err)
	}
	if last != all || all == 0 {
		t.Errorf("%d of %d bytes at the end", last, all)
	}
	checkFiles(t, dir, "model.gguf")
	if _, err := gguf.Open(path); err != nil {
		t.Error(err)
	}
}

func TestNoVocabulary(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.gguf")
	var b bytes.Buffer
	if err := gguf.Write(&b, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(empty, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		empty:                              "has none",
		filepath.Join(dir, "missing.gguf"): "missing.gguf",
	} {
		err := Write(t.Context(), filepath.Join(dir, "model.gguf"), from, Shape{}, nil)
		if err == nil || !strings.Contains(err.Error(), "vocabulary: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", from, err)
		}
	}
	checkFiles(t, dir, "empty.gguf")
}

func TestFloat16(t *testing.T) {
	for v, want := range map[float64]uint16{
		0: 0, 1: 0x3c00, -2: 0xc000, 65504: 0x7bff, 0.1: 0x2e66, 1.0 / 3: 0x3555,
		2047.0 / 2048 * 2: 0x3fff, 4095.0 / 4096 * 2: 0x4000, // a carry
		math.Ldexp(1, -14): 0x0400, math.Ldexp(1, -15): 0x0200, math.Ldexp(1, -24): 1, math.Ldexp(1, -26): 0,
		math.Ldexp(2047, -25): 0x0400, // rounds up to the smallest normal number
	} {
		if got := float16(v); got != want {
			t.Errorf("float16(%v) is %#04x, want %#04x", v, got, want)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	from, path := testmodel.Model(b), filepath.Join(b.TempDir(), "model.gguf")
	s := Shape{Layers: 24, Embedding: 896, Heads: 14, KVHeads: 2, FeedForward: 4864, Type: gguf.Q8_0}
	b.ReportAllocs()
	for b.Loop() {
		if err := Write(b.Context(), path, from, s, func(_, total int64) { b.SetBytes(total) }); err != nil {
			b.Fatal(err)
		}
	}
}
