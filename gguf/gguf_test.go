package gguf

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example is a small model with every type of value in its metadata.
var example = []KeyValue{
	{"general.architecture", "llama"},
	{"general.name", "Tiny"},
	{"llama.context_length", uint32(2048)},
	{"llama.block_count", uint32(1)},
	{"llama.embedding_length", uint64(4)},
	{"tokenizer.ggml.model", "gpt2"},
	{"tokenizer.ggml.pre", "smollm"},
	{"tokenizer.ggml.tokens", []string{"<s>", "", "héllo", "\xff"}},
	{"tokenizer.ggml.scores", []float32{0, -1.5, 2, 3}},
	{"tokenizer.ggml.token_type", []int32{3, 1, 1, 6}},
	{"tokenizer.ggml.bos_token_id", uint32(0)},
	{"tokenizer.ggml.eos_token_id", uint32(99)}, // outside the vocabulary
	{"tokenizer.ggml.add_bos_token", false},
	{"tokenizer.chat_template", "{{ messages }}"},
	{"tokenizer.chat_template.tool_use", "{{ tools }}"},
	{"tokenizer.chat_templates", []string{"tool_use"}},
	{"test.u8", uint8(200)}, {"test.i8", int8(-3)}, {"test.u16", uint16(65535)}, {"test.i16", int16(-4)},
	{"test.i32", int32(-5)}, {"test.u64", uint64(1) << 63}, {"test.i64", int64(-1) << 62},
	{"test.f32", float32(1e-5)}, {"test.f64", 0.1}, {"test.bools", []bool{true, false}},
	{"test.empty", []uint16{}}, {"test.u8s", []uint8{1, 2}}, {"test.i8s", []int8{-1}},
	{"test.i16s", []int16{-1}}, {"test.u32s", []uint32{7}}, {"test.u64s", []uint64{8}},
	{"test.i64s", []int64{-9}}, {"test.f64s", []float64{0.5}},
}

var exampleTensors = []TensorData{
	{Name: "token_embd.weight", Type: Q8_0, Dims: []uint64{32, 4}},
	{Name: "output_norm.weight", Type: F32, Dims: []uint64{3}, Data: []byte("abcdefghijkl")},
	{Name: "output.weight", Type: F16, Dims: []uint64{4, 2, 1, 1}},
}

func write(t testing.TB, metadata []KeyValue, tensors []TensorData) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	data := write(t, example, exampleTensors)
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var got []KeyValue
	for _, key := range f.Metadata().Keys() {
		v, _ := f.Metadata().Value(key)
		got = append(got, KeyValue{key, v.Any()})
	}
	if diff := cmp.Diff(example, got); diff != "" {
		t.Errorf("metadata (-written +read):\n%s", diff)
	}
	tensors := f.Tensors()
	if len(tensors) != len(exampleTensors) {
		t.Fatalf("%d tensors", len(tensors))
	}
	sizes := []int64{4 * 34, 12, 16}
	for i, want := range exampleTensors {
		got := tensors[i]
		if got.Name != want.Name || got.Type != want.Type || !cmp.Equal(got.Dims, want.Dims) || got.Size != sizes[i] || got.Offset%32 != 0 {
			t.Errorf("tensor %d: %+v", i, got)
		}
	}
	if norm := tensors[1]; string(data[norm.Offset:][:norm.Size]) != "abcdefghijkl" {
		t.Errorf("data of %s: %q", norm.Name, data[norm.Offset:][:norm.Size])
	}
}

func TestModel(t *testing.T) {
	data := write(t, example, exampleTensors)
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	kind, pre := f.Tokenizer()
	got := []any{
		f.Architecture(), f.Name(), f.ContextLength(), f.BlockCount(), f.EmbeddingLength(),
		kind, pre, f.VocabularySize(), f.ChatTemplate(), f.Version(), f.Size(), f.Split(),
	}
	want := []any{"llama", "Tiny", 2048, 1, 4, "gpt2", "smollm", 4, "{{ messages }}", 3, int64(len(data)), Split{}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"": "{{ messages }}", "tool_use": "{{ tools }}"}, f.ChatTemplates()); diff != "" {
		t.Error(diff)
	}
	for role, want := range map[TokenRole]bool{BOS: true, EOS: false, Padding: false} {
		if id, ok := f.SpecialToken(role); ok != want || id != 0 {
			t.Errorf("%s: %d %v", role, id, ok)
		}
	}
	if add, stated := f.AddBOS(); add || !stated {
		t.Errorf("AddBOS: %v %v", add, stated)
	}
	if _, stated := f.AddEOS(); stated {
		t.Error("AddEOS is stated")
	}
}

func TestGetters(t *testing.T) {
	data := write(t, example, nil)
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	m := f.Metadata()
	for key, want := range map[string]int64{
		"test.u8": 200, "test.i8": -3, "test.u16": 65535, "test.i16": -4, "test.i32": -5, "test.i64": -1 << 62, "llama.context_length": 2048,
	} {
		if got, ok := m.Int(key); !ok || got != want {
			t.Errorf("Int(%s) = %d, %v", key, got, ok)
		}
	}
	for key, want := range map[string]float64{"test.f32": float64(float32(1e-5)), "test.f64": 0.1} {
		if got, ok := m.Float(key); !ok || got != want {
			t.Errorf("Float(%s) = %v, %v", key, got, ok)
		}
	}
	if tokens, ok := m.Strings("tokenizer.ggml.tokens"); !ok || len(tokens) != 4 || tokens[3] != "\xff" {
		t.Errorf("Strings = %q, %v", tokens, ok)
	}
	for key, want := range map[string][]int64{
		"tokenizer.ggml.token_type": {3, 1, 1, 6}, "test.u32s": {7}, "test.bools": {1, 0}, // read
		"no.such.key": nil, "test.u8": nil, "test.i16s": nil, "tokenizer.ggml.tokens": nil, // absent; no array; of other types
	} {
		if got, ok := m.Ints(key); !slices.Equal(got, want) || ok != (want != nil) {
			t.Errorf("Ints(%s) = %d, %v", key, got, ok)
		}
	}
	for _, key := range []string{"no.such.key", "test.u64", "test.bools"} { // absent; too large; another type
		_, isInt := m.Int(key)
		_, isFloat := m.Float(key)
		_, isBool := m.Bool(key)
		_, isText := m.Text(key)
		_, isStrings := m.Strings(key)
		if isInt || isFloat || isBool || isText || isStrings {
			t.Errorf("%s has a value", key)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.gguf")
	data := write(t, example, exampleTensors)
	for _, test := range []struct {
		name, data, want string
	}{
		{"whole", string(data), ""},
		{"trailing bytes", string(data) + "trailer", ""},
		{"truncated", string(data[:len(data)-1]), "model.gguf: not a whole GGUF file: tensors.output.weight: its data ends at byte"},
	} {
		if err := os.WriteFile(path, []byte(test.data), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		checkError(t, test.name, err, test.want)
	}
	if _, err := Open(filepath.Join(dir, "none.gguf")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Open(os.DevNull); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Error(err)
	}
}

func checkError(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: error %v; want %q", name, err, want)
	case want != "" && !errors.Is(err, ErrInvalid):
		t.Errorf("%s: error %v is not ErrInvalid", name, err)
	}
}

// TestLargeVocabulary reads the size of the largest vocabularies in use.
func TestLargeVocabulary(t *testing.T) {
	tokens := make([]string, 262_144)
	for i := range tokens {
		tokens[i] = strings.Repeat("x", i%9)
	}
	data := write(t, []KeyValue{{"tokenizer.ggml.tokens", tokens}}, nil)
	allocated := allocatedBytes(func() {
		f, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil || f.VocabularySize() != len(tokens) {
			t.Error(err)
		}
	})
	if limit := uint64(6*len(data) + 1<<20); allocated > limit {
		t.Errorf("%d bytes allocated for a file of %d", allocated, len(data))
	}
}

func allocatedBytes(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestWrongSize gives a size that the source does not have.
func TestWrongSize(t *testing.T) {
	data := write(t, []KeyValue{{"a", make([]string, 1000)}}, nil)
	claim := bytes.Replace(data, le.AppendUint64(nil, 1000), le.AppendUint64(nil, 1<<24), 1)
	allocated := allocatedBytes(func() {
		if _, err := Read(bytes.NewReader(claim), 1<<40); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
	})
	if allocated > 1<<20 {
		t.Errorf("%d bytes allocated", allocated)
	}
	_, err := Read(bytes.NewReader(data), -1)
	checkError(t, "negative size", err, "not possible")
}

func TestWriteRefuses(t *testing.T) {
	for _, test := range []struct {
		name     string
		metadata []KeyValue
		tensors  []TensorData
		want     string
	}{
		{"int", []KeyValue{{"a", 1}}, nil, `key "a": a int has no type`},
		{"nil", []KeyValue{{"a", nil}}, nil, `key "a": a <nil> has no type`},
		{"nested", []KeyValue{{"a", [][]string{}}}, nil, `key "a": a [][]string has no type`},
		{"twice", []KeyValue{{"a", "1"}, {"a", "2"}}, nil, `metadata.a: stands there twice`},
		{"alignment", []KeyValue{{"general.alignment", uint32(0)}}, nil, "power of two"},
		{"data", nil, []TensorData{{Name: "t", Type: F32, Dims: []uint64{2}, Data: []byte("1234")}}, `tensor "t": 4 bytes of data; F32[2] takes 8`},
		{"type", nil, []TensorData{{Name: "t", Type: 4, Dims: []uint64{2}}}, `tensor "t": not a whole GGUF file: tensor type 4 is not known`},
		{"name", nil, []TensorData{{Name: strings.Repeat("n", 64), Type: F32, Dims: []uint64{2}}}, "at most 63"},
		{"both", nil, []TensorData{{Name: "t", Type: F32, Dims: []uint64{1}, Data: []byte("1234"), Fill: fill("1234")}}, `tensor "t": both Data and Fill`},
	} {
		var b bytes.Buffer
		err := Write(&b, test.metadata, test.tensors)
		if err == nil || !strings.Contains(err.Error(), test.want) || b.Len() > 0 {
			t.Errorf("%s: %d bytes, error %v; want %q", test.name, b.Len(), err, test.want)
		}
	}
}

// fill returns a Fill that writes the pieces.
func fill(pieces ...string) func(io.Writer) error {
	return func(w io.Writer) error {
		for _, p := range pieces {
			if _, err := io.WriteString(w, p); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestWriteFill(t *testing.T) {
	whole := write(t, nil, []TensorData{
		{Name: "a", Type: F32, Dims: []uint64{3}, Data: []byte("abcdefghijkl")},
		{Name: "b", Type: F32, Dims: []uint64{1}, Data: []byte("mnop")},
	})
	pieces := write(t, nil, []TensorData{
		{Name: "a", Type: F32, Dims: []uint64{3}, Fill: fill("abcde", "", "fghijkl")},
		{Name: "b", Type: F32, Dims: []uint64{1}, Fill: fill("m", "nop")},
	})
	if !bytes.Equal(whole, pieces) {
		t.Error("written in pieces the file is another")
	}

	failed := errors.New("no more")
	for _, test := range []struct {
		name string
		fill func(io.Writer) error
		want string
	}{
		{"short", fill("abc"), `tensor "t": its Fill wrote 3 bytes; F32[2] takes 8`},
		{"long", fill("abcdefghi"), "wrote 9 bytes"},
		{"failed", func(io.Writer) error { return failed }, `tensor "t": no more`},
	} {
		err := Write(io.Discard, nil, []TensorData{{Name: "t", Type: F32, Dims: []uint64{2}, Fill: test.fill}})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v; want %q", test.name, err, test.want)
		}
	}
}

func TestWriteAlignment(t *testing.T) {
	data := write(t, []KeyValue{{"general.alignment", uint32(128)}}, exampleTensors)
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tensor := range f.Tensors() {
		if tensor.Offset%128 != 0 {
			t.Errorf("%s at %d", tensor.Name, tensor.Offset)
		}
	}
}

func TestSplit(t *testing.T) {
	data := write(t, []KeyValue{{"split.no", uint16(1)}, {"split.count", uint16(3)}, {"split.tensors.count", int32(9)}}, nil)
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	split := f.Split()
	if split != (Split{Index: 1, Count: 3, Tensors: 9}) {
		t.Fatalf("%+v", split)
	}
	dir := filepath.FromSlash("some/dir/")
	paths, err := split.Paths(dir + "m-00002-of-00003.gguf")
	want := []string{dir + "m-00001-of-00003.gguf", dir + "m-00002-of-00003.gguf", dir + "m-00003-of-00003.gguf"}
	if err != nil || !cmp.Equal(paths, want) {
		t.Errorf("%v, %v", paths, err)
	}
	if _, err := split.Paths("m.gguf"); err == nil || !strings.Contains(err.Error(), "-00002-of-00003.gguf") {
		t.Error(err)
	}
	if paths, err := (Split{}).Paths("m.gguf"); err != nil || !cmp.Equal(paths, []string{"m.gguf"}) {
		t.Errorf("%v, %v", paths, err)
	}
}

// Networks without attention give 0 heads, and parts of a model no numbers.
func TestNumbersThatAreFine(t *testing.T) {
	for _, metadata := range [][]KeyValue{
		{{"general.architecture", "mamba"}, {"mamba.attention.head_count", uint32(0)}, {"mamba.ssm.conv_kernel", uint32(4)}},
		{{"general.architecture", "rwkv7"}, {"rwkv7.attention.head_count", uint32(0)}, {"rwkv7.wkv.head_size", uint32(64)}},
		{{"general.architecture", "llama"}, {"llama.attention.head_count", []uint32{0, 8}}, {"llama.block_count", uint32(512)},
			{"llama.context_length", uint32(1 << 24)}, {"llama.attention.layer_norm_rms_epsilon", float32(0)}},
	} {
		write(t, metadata, nil)
	}
}

func TestParts(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(at(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	part := func(i, n uint16) []byte {
		return write(t, []KeyValue{{"split.no", i}, {"split.count", n}}, []TensorData{{Name: "t", Type: F32, Dims: []uint64{4}}})
	}
	put("one.gguf", write(t, example, exampleTensors))
	put("named-00001-of-00000.gguf", write(t, example, nil))
	for i := range uint16(3) {
		for _, name := range []string{"whole", "cut", "mixed", "missing"} {
			put(name+Split{Count: 3}.suffix(int(i)), part(i, 3))
		}
	}
	put("cut-00003-of-00003.gguf", part(2, 3)[:100])
	put("mixed-00003-of-00003.gguf", part(1, 3))
	os.Remove(at("missing-00002-of-00003.gguf"))
	put("renamed.gguf", part(0, 3))

	for _, test := range []struct{ name, want string }{
		{"one.gguf", "one.gguf"},
		{"named-00001-of-00000.gguf", "named-00001-of-00000.gguf"},
		{"whole-00001-of-00003.gguf", "whole-00001-of-00003.gguf whole-00002-of-00003.gguf whole-00003-of-00003.gguf"},
		{"whole-00003-of-00003.gguf", "whole-00001-of-00003.gguf whole-00002-of-00003.gguf whole-00003-of-00003.gguf"},
	} {
		paths, err := Parts(at(test.name))
		for i := range paths {
			paths[i] = filepath.Base(paths[i])
		}
		if got := strings.Join(paths, " "); err != nil || got != test.want {
			t.Errorf("%s: %s, %v", test.name, got, err)
		}
	}
	missing := &PartsError{Path: "m.gguf", Count: 9, Missing: []string{"a/1", "a/2", "a/3", "a/4", "a/5"}}
	if got := missing.Error(); !strings.Contains(got, "missing are 1, 2, 3, and 2 more; put") {
		t.Errorf("many parts are missing: %s", got)
	}
	for name, want := range map[string]string{
		"cut-00001-of-00003.gguf":     "cut-00003-of-00003.gguf: not a whole GGUF file",
		"mixed-00001-of-00003.gguf":   "says that it is part 2 of 3, its name says 3 of 3",
		"missing-00001-of-00003.gguf": "missing-00002-of-00003.gguf",
		"renamed.gguf":                "rename it",
	} {
		if _, err := Parts(at(name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v; want %q", name, err, want)
		}
	}
}
