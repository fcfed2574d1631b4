package llamacpp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llama"
)

// mutationEnv makes the test binary a process of its own that loads mutations, see
// [loadMutations]: a folder, and the first and the last number. [TestMain] looks at it.
const mutationEnv = "CRIA_TEST_MUTATIONS"

// mutations is how many are tried.
const (
	mutations    = 5000
	mutationSeed = 7
)

// TestMutationsDoNotKill changes small valid models at random. Whatever the validator lets
// through is loaded by llama.cpp, asked to tokenize and to compute in a process of its own:
// that process may say that a model cannot be loaded, but it must not die.
func TestMutationsDoNotKill(t *testing.T) {
	counts := tryMutations(t, 0, mutations)
	if counts.computed < mutations/10 || counts.refused < mutations/10 {
		t.Error("the mutations are too few that do harm, or that do none")
	}
}

// tryMutations has a range of them tried by two processes.
func tryMutations(t *testing.T, from, to int) *mutationCounts {
	t.Helper()
	testmodel.Libraries(t)
	dir := t.TempDir()
	for i, b := range mutationBases {
		from := filepath.Join(dir, b.vocabulary+".gguf")
		if err := synth.WriteVocabulary(from, b.vocabulary); err != nil {
			t.Fatal(err)
		}
		if err := synth.Write(t.Context(), filepath.Join(dir, fmt.Sprintf("base-%d.gguf", i)), from, b.shape, nil); err != nil {
			t.Fatal(err)
		}
	}
	counts, middle := &mutationCounts{}, (from+to)/2
	var all sync.WaitGroup
	all.Go(func() { counts.run(t, dir, from, middle) })
	all.Go(func() { counts.run(t, dir, middle, to) })
	all.Wait()
	t.Logf("%d refused by the validator, %d by llama.cpp, %d computed", counts.refused, counts.failed, counts.computed)
	if total := counts.refused + counts.failed + counts.computed; !t.Failed() && total != to-from {
		t.Errorf("%d were tried, want %d", total, to-from)
	}
	return counts
}

type mutationCounts struct {
	sync.Mutex
	refused, failed, computed int
}

// run has mutations tried, by another process after one that died.
func (c *mutationCounts) run(t *testing.T, dir string, from, to int) {
	for deaths := 0; from < to && deaths < 20; deaths++ {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", mutationEnv, from, to, dir), "GGML_NO_BACKTRACE=1")
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Error(err)
			return
		}
		last := from
		for lines := bufio.NewScanner(out); lines.Scan(); {
			what, rest, _ := strings.Cut(lines.Text(), " ")
			c.Lock()
			switch what {
			case "try":
				_, _ = fmt.Sscan(rest, &last)
			case "refused":
				c.refused++
			case "failed":
				c.failed++
			case "computed":
				c.computed++
			}
			c.Unlock()
		}
		if err := cmd.Wait(); err == nil {
			return
		}
		t.Errorf("mutation %d (%s) ends the process: %s", last, describeMutation(dir, last), firstLines(said.String()))
		from = last + 1
	}
}

// firstLines are those that say why a process died.
func firstLines(text string) string {
	lines := strings.SplitN(text, "\n", 4)
	return strings.Join(lines[:min(len(lines), 3)], "; ")
}

var mutationBases = []struct {
	vocabulary string
	shape      synth.Shape
}{
	{"gpt2", synth.Shape{Embedding: 32, FeedForward: 64}},
	{"gpt2", synth.Shape{Embedding: 32, FeedForward: 64, KVHeads: 2, Type: gguf.Q8_0}},
	{"llama", synth.Shape{Embedding: 32, FeedForward: 32, Layers: 3}},
	{"t5", synth.Shape{Embedding: 32, FeedForward: 32, Type: gguf.F16}},
	{"llama", synth.Shape{Architecture: synth.Gemma3, Embedding: 32, FeedForward: 64, KVHeads: 1}},
	{"gpt2", synth.Shape{Architecture: synth.Mamba, Embedding: 32}},
	{"gpt2", synth.Shape{Architecture: synth.Jamba, Embedding: 32, FeedForward: 32}},
	{"bert", synth.Shape{Architecture: synth.BERT, Embedding: 32, FeedForward: 64, Context: 128}},
}

// loadMutations tries a range of mutations and says how each went.
func loadMutations(args string) error {
	var from, to int
	var dir string
	if _, err := fmt.Sscan(args, &from, &to, &dir); err != nil {
		return err
	}
	files, _, err := testmodel.Find()
	if err != nil {
		return err
	}
	if err := llama.Load(files); err != nil {
		return err
	}
	bases, err := readMutationBases(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, fmt.Sprintf("mutation-%d.gguf", from))
	for i := from; i < to; i++ {
		data, _ := mutation(bases, i)
		if data == nil {
			fmt.Println("refused")
			continue
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
		fmt.Println("try", i)
		f, err := gguf.Check(path)
		if err != nil {
			fmt.Println("refused")
			continue
		}
		_, _ = hardware.EstimateMemory(f, hardware.EstimateOptions{}) // an error is as good as a figure
		hangs := time.AfterFunc(20*time.Second, func() {
			fmt.Fprintln(os.Stderr, "it does not end")
			os.Exit(1)
		})
		err = compute(path)
		hangs.Stop()
		if err != nil {
			fmt.Println("failed")
			continue
		}
		fmt.Println("computed")
	}
	return nil
}

// compute does with a model what an engine does.
func compute(path string) error {
	p := llama.DefaultModelParams()
	p.NGPULayers = 0
	m, err := llama.LoadModel(path, p, nil)
	if err != nil {
		return err
	}
	defer m.Free()
	v := m.Vocab()
	tokens := v.Tokenize(nil, "The fox met 7 añadir <s>\n\x00\xff", v.CanAddSpecial(), true)
	tokens = tokens[:min(len(tokens), 32)]
	for t := range v.NTokens() {
		v.TokenToPiece(nil, llama.Token(t), true)
	}
	v.Detokenize(nil, tokens, false, true)
	c := llama.DefaultContextParams()
	c.NCtx, c.NBatch, c.NThreads, c.NThreadsBatch = 64, 64, 1, 1
	c.Embeddings = !m.HasDecoder() || m.HasEncoder() || strings.HasPrefix(m.Desc(), "bert")
	x, err := llama.NewContext(m, c)
	if err != nil {
		return err
	}
	defer x.Free()
	b := llama.NewBatch(64)
	defer b.Free()
	for i, token := range tokens {
		if v.Valid(token) {
			b.Add(token, llama.Pos(i), 0, true)
		}
	}
	if c.Embeddings {
		if rc := x.Encode(b); rc == 0 {
			x.EmbeddingsSeq(0)
		}
		return nil
	}
	for pos := len(tokens); pos < len(tokens)+3 && b.Len() > 0; pos++ {
		if rc := x.Decode(b); rc != 0 {
			return fmt.Errorf("decode: %d", rc)
		}
		_ = x.LogitsIth(-1)
		b.Clear()
		b.Add(llama.Token(pos%v.NTokens()), llama.Pos(pos), 0, true)
	}
	return nil
}

// A mutationBase is a model, as bytes and taken apart.
type mutationBase struct {
	data     []byte
	header   int // bytes before the tensor data
	metadata []gguf.KeyValue
	tensors  []gguf.TensorData
}

func readMutationBases(dir string) (bases []mutationBase, err error) {
	for i := range mutationBases {
		path := filepath.Join(dir, fmt.Sprintf("base-%d.gguf", i))
		b := mutationBase{}
		if b.data, err = os.ReadFile(path); err != nil {
			return nil, err
		}
		f, err := gguf.Open(path)
		if err != nil {
			return nil, err
		}
		m := f.Metadata()
		for _, key := range m.Keys() {
			v, _ := m.Value(key)
			b.metadata = append(b.metadata, gguf.KeyValue{Key: key, Value: v.Any()})
		}
		tensors := f.Tensors()
		b.header = int(tensors[0].Offset)
		for _, t := range tensors {
			b.tensors = append(b.tensors, gguf.TensorData{Name: t.Name, Type: t.Type, Dims: t.Dims, Data: b.data[t.Offset : t.Offset+t.Size]})
		}
		bases = append(bases, b)
	}
	return bases, nil
}

// mutation makes the one of a number: nil if it is none that can be written. Those above
// [mutations] are of [renamed].
func mutation(bases []mutationBase, i int) (data []byte, what string) {
	if i >= mutations {
		return renamed(bases, i-mutations)
	}
	return mutate(bases, i)
}

// mutate changes a model at random.
func mutate(bases []mutationBase, i int) (data []byte, what string) {
	r := rand.New(rand.NewPCG(mutationSeed, uint64(i)))
	n := r.IntN(len(bases))
	b := bases[n]
	kind := r.IntN(8)
	switch kind {
	case 0: // bytes of the header
		data = slices.Clone(b.data)
		for range 1 + r.IntN(3) {
			data[r.IntN(b.header)] = byte(r.Uint32())
		}
	case 1: // a bit anywhere
		data = slices.Clone(b.data)
		data[r.IntN(len(data))] ^= 1 << r.IntN(8)
	case 2: // cut off
		data = b.data[:r.IntN(len(b.data))]
	case 3: // numbers in the header
		data = slices.Clone(b.data)
		binary.LittleEndian.PutUint32(data[r.IntN(b.header-4):], numbers[r.IntN(len(numbers))])
	case 4, 5, 6:
		what = b.changeMetadata(r)
		for range r.IntN(3) {
			what += ", " + b.changeMetadata(r)
		}
		data = b.write()
	case 7:
		what = b.changeTensor(r)
		if r.IntN(2) == 0 {
			what += ", " + b.changeMetadata(r)
		}
		data = b.write()
	}
	return data, fmt.Sprintf("%s/%s, kind %d %s", mutationBases[n].shape.Architecture, mutationBases[n].vocabulary, kind, what)
}

func describeMutation(dir string, i int) string {
	bases, err := readMutationBases(dir)
	if err != nil {
		return err.Error()
	}
	_, what := mutation(bases, i)
	return what
}

// numbers are those at the edges of what is allowed.
var numbers = []uint32{0, 1, 2, 3, 5, 7, 16, 31, 32, 33, 63, 64, 127, 128, 255, 256, 264, 512, 513, 1024, 65535, 1 << 20, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 1,
	math.Float32bits(-1), math.Float32bits(float32(math.NaN())), math.Float32bits(float32(math.Inf(1))), math.Float32bits(1e-30), math.Float32bits(1e30)}

// words are texts that mean something somewhere.
var mutationWords = []string{"", "llama", "gemma3", "mamba", "bert", "t5", "gpt2", "qwen3", "phi3", "linear", "yarn", "longrope", "default", "llama-bpe", "glm4", "gpt-2", "\x00", "Phi-3", "<0x0A>", "<s>", "▁", " "}

// changeMetadata changes, removes or adds a key.
func (b *mutationBase) changeMetadata(r *rand.Rand) string {
	b.metadata = slices.Clone(b.metadata)
	i := r.IntN(len(b.metadata))
	kv := &b.metadata[i]
	switch r.IntN(8) {
	case 0:
		key := kv.Key
		b.metadata = slices.Delete(b.metadata, i, i+1)
		return "without " + key
	case 1:
		arch := b.metadata[0].Value.(string)
		names := []string{"rope.dimension_count", "attention.key_length", "attention.value_length", "attention.key_length_swa", "attention.sliding_window", "expert_count",
			"expert_used_count", "pooling_type", "nextn_predict_layers", "rope.scaling.original_context_length", "attention.causal", "ssm.group_count", "embedding_length_out", "vocab_size",
			"ssm.conv_kernel", "wkv.head_size", "ssm.inner_size", "full_attention_interval", "attention.head_count", "attention.head_count_kv"}
		key := arch + "." + names[r.IntN(len(names))]
		b.metadata = slices.DeleteFunc(b.metadata, func(old gguf.KeyValue) bool { return old.Key == key })
		b.metadata = append(b.metadata, gguf.KeyValue{Key: key, Value: numbers[r.IntN(len(numbers))]})
		return fmt.Sprintf("with %s = %v", key, b.metadata[len(b.metadata)-1].Value)
	case 2:
		ids := []string{"bos", "eos", "eot", "unknown", "seperator", "padding", "mask", "fim_pre", "cls"}
		flags := []string{"add_bos_token", "add_eos_token", "add_sep_token", "add_space_prefix", "remove_extra_whitespaces"}
		kv := gguf.KeyValue{Key: "tokenizer.ggml." + ids[r.IntN(len(ids))] + "_token_id", Value: uint32(r.IntN(300))}
		if r.IntN(2) == 0 {
			kv = gguf.KeyValue{Key: "tokenizer.ggml." + flags[r.IntN(len(flags))], Value: r.IntN(2) == 0}
		}
		b.metadata = slices.DeleteFunc(b.metadata, func(old gguf.KeyValue) bool { return old.Key == kv.Key })
		b.metadata = append(b.metadata, kv)
		return fmt.Sprintf("with %s = %v", kv.Key, kv.Value)
	}
	kv.Value = changed(r, kv.Value)
	return fmt.Sprintf("%s = %.60v", kv.Key, kv.Value)
}

// changed is a value of the same type, or an array with another element or length.
func changed(r *rand.Rand, value any) any {
	v := reflect.ValueOf(value)
	if v.Kind() == reflect.Slice && v.Len() > 0 {
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(list, v)
		switch r.IntN(6) {
		case 0:
			return list.Slice(0, r.IntN(v.Len())).Interface()
		case 1: // one element is another, too
			list.Index(r.IntN(v.Len())).Set(list.Index(r.IntN(v.Len())))
		default:
			for range 1 + r.IntN(3) {
				at := list.Index(r.IntN(v.Len()))
				at.Set(reflect.ValueOf(changed(r, at.Interface())))
			}
		}
		return list.Interface()
	}
	n := numbers[r.IntN(len(numbers))]
	switch value.(type) {
	case uint32:
		return n
	case int32:
		return int32(n)
	case float32:
		return math.Float32frombits(n)
	case bool:
		return n%2 == 0
	case string:
		return mutationWords[r.IntN(len(mutationWords))]
	}
	return value
}

// changeTensor changes a tensor's type, shape, name or place, or adds one.
func (b *mutationBase) changeTensor(r *rand.Rand) string {
	b.tensors = slices.Clone(b.tensors)
	i, j := r.IntN(len(b.tensors)), r.IntN(len(b.tensors))
	t := &b.tensors[i]
	name := t.Name
	switch r.IntN(7) {
	case 0:
		b.tensors = slices.Delete(b.tensors, i, i+1)
		return "without " + name
	case 6:
		parts := []string{"ffn_up_exps", "ffn_gate_exps", "ffn_down_exps", "ffn_gate_inp", "ffn_up_shexp", "attn_qkv", "ssm_in", "ssm_beta", "shortconv.in_proj", "proj"}
		b.tensors = append(b.tensors, gguf.TensorData{Name: "blk.0." + parts[r.IntN(len(parts))] + ".weight", Type: gguf.F32, Dims: []uint64{32, 64}})
		return "with " + b.tensors[len(b.tensors)-1].Name
	case 1:
		t.Name, b.tensors[j].Name = b.tensors[j].Name, name
		return name + " and " + t.Name
	case 2:
		t.Dims = slices.Clone(t.Dims)
		t.Dims[r.IntN(len(t.Dims))] = uint64(numbers[r.IntN(16)])
	case 3:
		t.Dims = append(slices.Clone(t.Dims), 1+uint64(r.IntN(2)))
	default:
		t.Type = gguf.TensorType(r.IntN(44))
	}
	t.Data = nil
	return fmt.Sprintf("%s is %v%v", name, t.Type, t.Dims)
}

// write is nil if the writer refuses it.
func (b *mutationBase) write() []byte {
	var out bytes.Buffer
	if err := gguf.Write(&out, b.metadata, b.tensors); err != nil {
		return nil
	}
	return out.Bytes()
}
