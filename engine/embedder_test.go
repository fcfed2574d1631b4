package engine

import (
	"bytes"
	"context"
	"encoding/binary"
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

// What is computed together is what llama.cpp computes of each input alone, up
// to what its kernels differ by for batches of other sizes: measured are 0.027 of
// an embedding's length for the quantized default model, 0.001 for the others.
// Different texts of these are 0.18 apart and more.
func TestEmbed(t *testing.T) {
	for _, tt := range []struct {
		name      string
		path      string
		poolings  []Pooling
		tolerance float64
	}{
		{"default", testModelPath(t), []Pooling{PoolingMean, PoolingCLS, PoolingLast}, 0.1},
		{"bert", synthetic(t, synth.Shape{Architecture: synth.BERT}), []Pooling{PoolingMean, PoolingCLS, PoolingLast}, 0.01},
		{"gemma3", synthetic(t, synth.Shape{Architecture: synth.Gemma3, Window: 16}), []Pooling{PoolingMean}, 0.01},
		{"mamba", synthetic(t, synth.Shape{Architecture: synth.Mamba}), []Pooling{PoolingMean}, 0.01},
		{"jamba", synthetic(t, synth.Shape{Architecture: synth.Jamba}), []Pooling{PoolingLast}, 0.01},
	} {
		for _, pooling := range tt.poolings {
			t.Run(tt.name+" "+string(pooling), func(t *testing.T) {
				e := newTestEmbedder(t, tt.path, EmbedderOptions{MaxLength: 128, Pooling: pooling})
				inputs := encodeAll(t, e, texts)
				got := embed(t, e, inputs)
				worst := 0.0
				for i, want := range embedReference(t, tt.path, pooling, inputs) {
					if len(got[i]) != e.Dimensions() {
						t.Errorf("input %d: %d dimensions, want %d", i, len(got[i]), e.Dimensions())
					}
					worst = max(worst, distance(got[i], want))
				}
				if worst > tt.tolerance {
					t.Errorf("an embedding differs by %.4f of its length", worst)
				}
				t.Logf("embeddings differ by up to %.4f of their length", worst)
			})
		}
	}
}

func embed(t testing.TB, e *Embedder, inputs [][]Token) [][]float32 {
	t.Helper()
	embeddings, err := e.Embed(t.Context(), inputs)
	if err != nil {
		t.Fatal(err)
	}
	return embeddings
}

func TestEmbedNormalize(t *testing.T) {
	path := testModelPath(t)
	raw := newTestEmbedder(t, path, EmbedderOptions{MaxLength: 128})
	unit := newTestEmbedder(t, path, EmbedderOptions{MaxLength: 128, Normalize: true})
	if raw.Pooling() != PoolingMean || raw.MaxLength() != 128 || raw.Dimensions() != 576 {
		t.Errorf("pooling %s, %d tokens, %d dimensions", raw.Pooling(), raw.MaxLength(), raw.Dimensions())
	}
	inputs := encodeAll(t, raw, texts)
	before, after := embed(t, raw, inputs), embed(t, unit, inputs)
	for i := range texts {
		length := math.Sqrt(dot(before[i], before[i]))
		if math.Abs(length-1) < 0.1 {
			t.Errorf("%q: length %.3f without being asked for", texts[i], length)
		}
		if l := math.Sqrt(dot(after[i], after[i])); math.Abs(l-1) > 1e-6 {
			t.Errorf("%q: normalized length %.8f", texts[i], l)
		}
		if cosine := dot(before[i], after[i]) / length; cosine < 0.9999 {
			t.Errorf("%q: normalizing changed the direction: %.6f", texts[i], cosine)
		}
	}

	// Even of this model, which is not made for it, two texts on one thing are
	// the nearest.
	for _, pair := range [][2]int{{1, 8}, {3, 4}} {
		nearest := 0
		for i := range texts {
			if i != pair[0] && dot(after[pair[0]], after[i]) > dot(after[pair[0]], after[nearest]) {
				nearest = i
			}
		}
		if nearest != pair[1] {
			t.Errorf("%q is nearest to %q", texts[pair[0]], texts[nearest])
		}
	}
}

func TestEmbedBadInputs(t *testing.T) {
	e := newTestEmbedder(t, synthetic(t, synth.Shape{Architecture: synth.BERT, Context: 40}), EmbedderOptions{})
	if e.MaxLength() != 40 {
		t.Fatalf("%d tokens, the model was trained with 40", e.MaxLength())
	}
	good := slices.Repeat([]Token{5}, 40)
	for _, tt := range []struct {
		input []Token
		want  string
	}{
		{nil, "inputs[1]: no tokens"},
		{[]Token{}, "inputs[1]: no tokens"},
		{[]Token{5, -1}, "inputs[1]: token -1 at 1"},
		{[]Token{Token(e.Vocab().NTokens())}, "inputs[1]: token 49152 at 0"},
		{append(good, 5), "inputs[1] has 41 tokens, an input may have 40: 1 too many"},
	} {
		_, err := e.Embed(t.Context(), [][]Token{good, tt.input})
		var request *RequestError
		var long *InputTooLongError
		if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.As(err, &request) && !errors.As(err, &long) {
			t.Errorf("%.3v: %v, want %q", tt.input, err, tt.want)
		}
	}
	if got := embed(t, e, nil); got == nil || len(got) != 0 {
		t.Errorf("no inputs: %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Embed(ctx, [][]Token{good}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	if _, err := e.Encode("\xff"); err == nil {
		t.Error("a text that is not UTF-8 is encoded")
	}
	embed(t, e, [][]Token{good})
}

// One input that cannot be computed fails alone, whatever it was computed with.
func TestEmbedNotFinite(t *testing.T) {
	const poison = Token(1234)
	for _, shape := range []synth.Shape{{Architecture: synth.BERT}, {Architecture: synth.Llama}} {
		path := synthetic(t, shape)
		overwrite(t, path, "token_embd.weight", int(poison)*64, float32(math.NaN()))
		e := newTestEmbedder(t, path, EmbedderOptions{MaxLength: 128})
		inputs := encodeAll(t, e, texts)
		want := embed(t, e, inputs)
		good, bad := newEmbedCall(inputs), newEmbedCall([][]Token{{5}, {7, poison, 7}})
		pushTogether(t, e.queue, bad, good)
		<-bad.done
		<-good.done
		if !errors.Is(bad.err, ErrNotFinite) || !strings.Contains(bad.err.Error(), "inputs[1]") {
			t.Errorf("%s: NaN: %v", shape.Architecture, bad.err)
		}
		if good.err != nil {
			t.Fatalf("%s: beside NaN: %v", shape.Architecture, good.err)
		}
		after := embed(t, e, inputs)
		for i := range want {
			if d := max(distance(good.out[i], want[i]), distance(after[i], want[i])); !(d < 0.01) {
				t.Errorf("%s: beside and after NaN, input %d differs by %.4f", shape.Architecture, i, d)
			}
		}
	}
}

// pushTogether adds calls so that the owner sees all of them or none.
func pushTogether(t testing.TB, q *embedQueue, calls ...*embedCall) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls = append(q.calls, calls...)
	q.ready.Signal()
}

// overwrite replaces the number at an index of a tensor of 32-bit floats.
func overwrite(t testing.TB, path, tensor string, index int, value float32) {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, info := range f.Tensors() {
		if info.Name != tensor {
			continue
		}
		data := binary.LittleEndian.AppendUint32(nil, math.Float32bits(value))
		if _, err := file.WriteAt(data, info.Offset+int64(4*index)); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no tensor %s", tensor)
}

// A cancelled call returns at once; others go on.
func TestEmbedCancel(t *testing.T) {
	e := newTestEmbedder(t, testModelPath(t), EmbedderOptions{MaxLength: 128, QueueLength: 2})
	inputs := encodeAll(t, e, texts)
	long := slices.Repeat(inputs, 1000) // would take minutes

	ctx, cancel := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	calls.Go(func() {
		if _, err := e.Embed(ctx, long); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
	calls.Go(func() {
		awaitCalls(e.queue, 1)
		embed(t, e, inputs[:3]) // takes turns with the long one
		cancel()
	})
	calls.Wait()
	embed(t, e, inputs)
}

// awaitCalls waits until n calls are not over.
func awaitCalls(q *embedQueue, n int) {
	for {
		q.mu.Lock()
		calls := len(q.calls)
		q.mu.Unlock()
		if calls >= n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestEmbedOverloaded(t *testing.T) {
	e := newTestEmbedder(t, testModelPath(t), EmbedderOptions{MaxLength: 128, QueueLength: 1})
	inputs := encodeAll(t, e, texts)
	long := newEmbedCall(slices.Repeat(inputs, 1000))
	if err := e.queue.push(long); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Embed(t.Context(), inputs); !errors.Is(err, ErrOverloaded) {
		t.Errorf("second call: %v", err)
	}
	e.queue.end(long, context.Canceled)
	embed(t, e, inputs)
}

func TestEmbedClose(t *testing.T) {
	e := newTestEmbedder(t, testModelPath(t), EmbedderOptions{MaxLength: 128})
	inputs := encodeAll(t, e, texts)
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			if _, err := e.Embed(t.Context(), slices.Repeat(inputs, 1000)); !errors.Is(err, ErrClosed) {
				t.Errorf("running: %v", err)
			}
		})
	}
	awaitCalls(e.queue, 4)
	for range 3 {
		calls.Go(func() { e.Close() })
	}
	calls.Wait()
	e.Close()
	if _, err := e.Embed(t.Context(), inputs); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := e.Encode("text"); !errors.Is(err, ErrClosed) {
		t.Errorf("Encode after Close: %v", err)
	}
	if len(e.Vocab().Piece(inputs[0][0])) == 0 {
		t.Error("the tables are gone after Close")
	}
}

func TestEmbedConcurrent(t *testing.T) {
	e := newTestEmbedder(t, synthetic(t, synth.Shape{Architecture: synth.BERT}), EmbedderOptions{MaxLength: 64})
	inputs := encodeAll(t, e, texts)
	want := embed(t, e, inputs)
	var calls sync.WaitGroup
	for i := range 40 {
		calls.Go(func() {
			from := i % len(inputs)
			got, err := e.Embed(t.Context(), inputs[from:])
			if err != nil {
				t.Error(err)
				return
			}
			for j, v := range got {
				if d := distance(v, want[from+j]); !(d < 0.01) {
					t.Errorf("call %d: input %d differs by %.4f", i, j, d)
				}
			}
		})
	}
	calls.Wait()
}

// pooled returns the file of an encoder whose metadata has another pooling.
func pooled(t *testing.T, pooling uint32) string {
	path := synthetic(t, synth.Shape{Architecture: synth.BERT})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key := []byte("bert.pooling_type")
	binary.LittleEndian.PutUint32(data[bytes.Index(data, key)+len(key)+4:], pooling)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadEmbedderErrors(t *testing.T) {
	path := testModelPath(t)
	for _, tt := range []struct {
		path string
		opts *EmbedderOptions
		want string
	}{
		{filepath.Join(t.TempDir(), "none.gguf"), nil, "no such file"},
		{patched(t, "llama.block_count", uint32(0)), nil, "llama.block_count"},
		{pooled(t, 4), nil, "scores pairs of texts (rank pooling)"},
		{pooled(t, 9), nil, "pooling type 9 is not known"},
		{path, &EmbedderOptions{MaxLength: -1}, "option MaxLength"},
		{path, &EmbedderOptions{Pooling: "rank"}, `option Pooling: "rank" is not known`},
		{path, &EmbedderOptions{Threads: -1}, "option Threads"},
	} {
		e, err := LoadEmbedder(t.Context(), tt.path, tt.opts)
		if err == nil {
			e.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", filepath.Base(tt.path), err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := LoadEmbedder(ctx, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled load: %v", err)
	}
	for pooling, want := range map[uint32]Pooling{0: PoolingMean, 2: PoolingCLS, 3: PoolingLast} {
		if e := newTestEmbedder(t, pooled(t, pooling), EmbedderOptions{}); e.Pooling() != want {
			t.Errorf("pooling %d in the metadata gives %s, want %s", pooling, e.Pooling(), want)
		}
	}
}

// llama.cpp asserts what it reserves of a batch per sequence; any length has to do.
func TestEmbedderLengths(t *testing.T) {
	path := synthetic(t, synth.Shape{Architecture: synth.BERT})
	for _, length := range []int{1, 3, 63, 65, 100, 1000} {
		e := newTestEmbedder(t, path, EmbedderOptions{MaxLength: length})
		if e.MaxLength() != length {
			t.Errorf("length %d became %d", length, e.MaxLength())
		}
		input := make([]Token, length)
		for i := range input {
			input[i] = Token(i + 5)
		}
		if got := embed(t, e, [][]Token{input}); len(got[0]) != e.Dimensions() {
			t.Errorf("length %d: %d dimensions", length, len(got[0]))
		}
	}
}
