package hardware_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
)

// header is the header of a model whose weights are nowhere.
func header(t testing.TB, m *model) *gguf.File {
	t.Helper()
	var b headOnly
	if err := gguf.Write(&b, m.keys, m.tensors); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(bytes.NewReader(b.head), 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// headOnly keeps what is written first, the header.
type headOnly struct{ head []byte }

func (h *headOnly) Write(p []byte) (int, error) {
	if h.head == nil {
		h.head = bytes.Clone(p)
	}
	return len(p), nil
}

// ReadFrom takes no weights: they are zeros.
func (h *headOnly) ReadFrom(r io.Reader) (int64, error) { return r.(*io.LimitedReader).N, nil }

var small = shape{arch: "llama", layers: 4, width: 512, heads: 8, kvHeads: 2, ff: 1024, vocab: 32000, experts: 4, expertsUsed: 2, expertFF: 512}

// What is on the GPU is not on the host.
func TestEstimateMemorySplit(t *testing.T) {
	for _, s := range published {
		m := newModel(s)
		file := header(t, m)
		estimate := func(layers int) hardware.Estimate {
			e, err := hardware.EstimateMemory(file, hardware.EstimateOptions{GPULayers: layers})
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		none := estimate(0)
		before := none
		for layers := 1; layers <= s.layers+1; layers++ {
			e := estimate(layers)
			if got, want := e.Cache().Total(), none.Cache().Total(); got != want {
				t.Errorf("%s: %d layers on the GPU: a cache of %d bytes, without a GPU %d", s.name, layers, got, want)
			}
			extra := e.Weights().Total() - none.Weights().Total()
			if table := uint64(s.width) * uint64(s.vocab) * 20 / 32; extra != 0 && (extra != table || s.untied) {
				t.Errorf("%s: %d layers on the GPU: %d bytes of weights more; the embeddings have %d", s.name, layers, extra, table)
			}
			if e.Weights().Host >= before.Weights().Host && layers > 1 || e.Weights().Device <= before.Weights().Device && !s.encodes() {
				t.Errorf("%s: %d layers on the GPU take no weights from the host: %+v, with one less %+v", s.name, layers, e.Weights(), before.Weights())
			}
			before = e
		}
		all := estimate(-1)
		if all.Cache().Host != 0 || all.Weights().Host != all.Input.Host || all.Compute.Device < none.Compute.Host/2 || all.Compute.Host > none.Compute.Host {
			t.Errorf("%s: on the GPU whole: cache %+v, weights %+v, compute %+v (without %d)", s.name, all.Cache(), all.Weights(), all.Compute, none.Compute.Host)
		}
		if all.Host() != before.Host() || all.Device() != before.Device() {
			t.Errorf("%s: all layers take %d and %d bytes, layer by layer %d and %d", s.name, all.Host(), all.Device(), before.Host(), before.Device())
		}
	}
}

// A model cut into files takes what it takes in one.
func TestEstimateMemoryParts(t *testing.T) {
	m := newModel(small)
	whole, err := hardware.EstimateMemory(header(t, m), hardware.EstimateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part := func(i int, keys []gguf.KeyValue, tensors []gguf.TensorData) *gguf.File {
		keys = append(keys, gguf.KeyValue{Key: "split.no", Value: uint16(i)}, gguf.KeyValue{Key: "split.count", Value: uint16(2)})
		return header(t, &model{keys: keys, tensors: tensors})
	}
	first, second := part(0, m.keys, m.tensors[:7]), part(1, nil, m.tensors[7:])
	parts, err := hardware.EstimateMemory(first, hardware.EstimateOptions{}, second)
	if err != nil {
		t.Fatal(err)
	}
	if parts.Host() != whole.Host() {
		t.Errorf("in two files %d bytes, in one %d", parts.Host(), whole.Host())
	}
	if _, err := hardware.EstimateMemory(first, hardware.EstimateOptions{}); err == nil || !strings.Contains(err.Error(), "in 2 files; the headers of 1") {
		t.Errorf("one of two files: %v", err)
	}
}

// An architecture that is not known is taken for one that looks like it.
func TestEstimateMemoryUnknown(t *testing.T) {
	known, err := hardware.EstimateMemory(header(t, newModel(small)), hardware.EstimateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := small
	s.arch = "of-tomorrow"
	guess, err := hardware.EstimateMemory(header(t, newModel(s)), hardware.EstimateOptions{})
	var unknown *hardware.ArchitectureError
	if !errors.As(err, &unknown) || unknown.Architecture != s.arch || !strings.Contains(err.Error(), s.arch) {
		t.Errorf("error %v", err)
	}
	if guess.Host() != known.Host() {
		t.Errorf("%d bytes, of the same llama %d", guess.Host(), known.Host())
	}
}

func TestEstimateMemoryErrors(t *testing.T) {
	remove := func(key string) func(*model) {
		return func(m *model) {
			for i, kv := range m.keys {
				if kv.Key == key {
					m.keys[i].Key = "general.other"
				}
			}
		}
	}
	replace := func(key string, value any) func(*model) {
		return func(m *model) {
			remove(key)(m)
			m.keys = append(m.keys, gguf.KeyValue{Key: key, Value: value})
		}
	}
	for _, test := range []struct {
		change func(*model)
		o      hardware.EstimateOptions
		want   string
	}{
		{nil, hardware.EstimateOptions{ContextLength: -1}, "ContextLength: -1 is not in 0 to"},
		{nil, hardware.EstimateOptions{ContextLength: math.MaxInt}, "ContextLength:"},
		{nil, hardware.EstimateOptions{Batch: -1}, "Batch: -1"},
		{nil, hardware.EstimateOptions{MicroBatch: 1 << 30}, "MicroBatch:"},
		{nil, hardware.EstimateOptions{Sequences: 257}, "Sequences: 257 is not in 0 to 256"},
		{nil, hardware.EstimateOptions{Rows: -2}, "Rows: -2"},
		{nil, hardware.EstimateOptions{KVType: 99}, "KVType: tensor type 99"},
		{nil, hardware.EstimateOptions{KVType: gguf.Q8_0, NoFlashAttention: true}, "KVType: Q8_0 is for flash attention only"},
		{remove("llama.block_count"), hardware.EstimateOptions{}, `"llama.block_count"`},
		{remove("llama.embedding_length"), hardware.EstimateOptions{}, `"llama.embedding_length"`},
		{replace("llama.attention.head_count_kv", int32(-2)), hardware.EstimateOptions{}, `"llama.attention.head_count_kv": -2`},
		{replace("llama.expert_used_count", uint32(math.MaxUint32)), hardware.EstimateOptions{}, `"llama.expert_used_count": 4294967295`},
		{replace("llama.attention.key_length", uint64(1<<40)), hardware.EstimateOptions{}, `"llama.attention.key_length":`},
		{func(m *model) { m.tensors = m.tensors[1:] }, hardware.EstimateOptions{}, `no tensor "token_embd.weight"`},
		{replace("llama.expert_used_count", uint32(0)), hardware.EstimateOptions{}, `of which a token uses 0 (keys "llama.expert_count" and "llama.expert_used_count")`},
		{func(m *model) { m.add("blk.0.wide.weight", gguf.F16, 1<<30, 2) }, hardware.EstimateOptions{}, `"blk.0.wide.weight": 1073741824 numbers`},
	} {
		m := newModel(small)
		if test.change != nil {
			test.change(m)
		}
		_, err := hardware.EstimateMemory(header(t, m), test.o)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %q", err, test.want)
		}
	}
}

// A tensor that is missing makes no model, but no figure beyond all bounds either.
func TestEstimateMemoryMissingTensors(t *testing.T) {
	for _, s := range published {
		s.layers = min(s.layers, 8)
		m := newModel(s)
		for i := range m.tensors {
			less := *m
			less.tensors = slices.Delete(slices.Clone(m.tensors), i, i+1)
			e, err := hardware.EstimateMemory(header(t, &less), hardware.EstimateOptions{})
			if total := e.Host() + e.Device(); err == nil && (total == 0 || total > 1<<44) {
				t.Errorf("%s without %s: %d bytes", s.name, m.tensors[i].Name, total)
			}
		}
	}
}

// Whatever numbers a header has, it is estimated or refused.
func FuzzEstimateMemory(f *testing.F) {
	f.Add(uint8(0), "attention.head_count", uint32(0), 0, 0, "")
	f.Add(uint8(0), "general", uint32(0), 0, 0, "ffn_up_exps")
	f.Add(uint8(0), "expert_used_count", uint32(2), 0, 0, "ffn_up_exps")
	f.Add(uint8(0), "ssm.conv_kernel", uint32(4), 0, 0, "ssm_in")
	f.Add(uint8(4), "expert_used_count", uint32(1000), 1, 1, "")
	f.Add(uint8(18), "attention.sliding_window", uint32(math.MaxUint32), 1<<28, -1, "attn_qkv")
	f.Add(uint8(23), "ssm.inner_size", uint32(1<<24), 1, 3, "ssm_beta")
	f.Add(uint8(25), "shortconv.l_cache", uint32(0), 0, 0, "shortconv.in_proj")
	f.Add(uint8(33), "embedding_length", uint32(1), 4096, 2, "ffn_up")
	f.Add(uint8(30), "ssm.state_size", uint32(0), 77, -1, "proj")
	f.Fuzz(func(t *testing.T, which uint8, key string, value uint32, context, gpuLayers int, tensor string) {
		s := published[int(which)%len(published)]
		s.layers = min(s.layers, 3)
		m := newModel(s)
		key = s.arch + "." + key
		for i := range m.keys {
			if m.keys[i].Key == key {
				m.keys[i].Key = "general.other"
			}
		}
		m.keys = append(m.keys, gguf.KeyValue{Key: key, Value: value})
		if tensor != "" {
			m.add("blk.0."+tensor+".weight", gguf.F16, 64, 1+int(value%128))
		}
		var b headOnly
		if gguf.Write(&b, m.keys, m.tensors) != nil {
			return
		}
		file, err := gguf.Read(bytes.NewReader(b.head), 1<<40)
		if err != nil {
			return
		}
		e, err := hardware.EstimateMemory(file, hardware.EstimateOptions{ContextLength: context, GPULayers: gpuLayers, NoFlashAttention: value%2 == 0})
		if total := e.Host() + e.Device(); err == nil && (total == 0 || total > 1<<62) {
			t.Errorf("%d bytes", total)
		}
	})
}

func BenchmarkEstimateMemory(b *testing.B) {
	file := header(b, newModel(published[2]))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := hardware.EstimateMemory(file, hardware.EstimateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
