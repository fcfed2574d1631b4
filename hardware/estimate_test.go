package hardware_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"strconv"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llama"
)

// published are models that people run, and others that show what networks are
// made of.
var published = []shape{
	{name: "SmolLM2-360M", arch: "llama", layers: 32, width: 960, heads: 15, kvHeads: 5, ff: 2560, vocab: 49152},
	{name: "Llama-3.2-1B", arch: "llama", layers: 16, width: 2048, heads: 32, kvHeads: 8, ff: 8192, vocab: 128256},
	{name: "Llama-3.2-3B", arch: "llama", layers: 28, width: 3072, heads: 24, kvHeads: 8, ff: 8192, vocab: 128256},
	{name: "Mistral-7B", arch: "llama", layers: 32, width: 4096, heads: 32, kvHeads: 8, ff: 14336, vocab: 32768, untied: true},
	{name: "Mixtral-8x7B", arch: "llama", layers: 32, width: 4096, heads: 32, kvHeads: 8, ff: 14336, vocab: 32000, untied: true, experts: 8, expertsUsed: 2, expertFF: 14336},
	{name: "Qwen2.5-0.5B", arch: "qwen2", layers: 24, width: 896, heads: 14, kvHeads: 2, ff: 4864, vocab: 151936, biases: true},
	{name: "Qwen2.5-7B", arch: "qwen2", layers: 28, width: 3584, heads: 28, kvHeads: 4, ff: 18944, vocab: 152064, biases: true, untied: true},
	{name: "Qwen1.5-MoE-A2.7B", arch: "qwen2moe", layers: 24, width: 2048, heads: 16, kvHeads: 16, ff: 5632, vocab: 151936, biases: true, untied: true, experts: 60, expertsUsed: 4, expertFF: 1408, sharedFF: 5632},
	{name: "Qwen3-0.6B", arch: "qwen3", layers: 28, width: 1024, heads: 16, kvHeads: 8, head: 128, ff: 3072, vocab: 151936},
	{name: "Qwen3-4B", arch: "qwen3", layers: 36, width: 2560, heads: 32, kvHeads: 8, head: 128, ff: 9728, vocab: 151936},
	{name: "Qwen3-30B-A3B", arch: "qwen3moe", layers: 48, width: 2048, heads: 32, kvHeads: 4, head: 128, ff: 6144, vocab: 151936, untied: true, experts: 128, expertsUsed: 8, expertFF: 768},
	{name: "SmolLM3-3B", arch: "smollm3", layers: 36, width: 2048, heads: 16, kvHeads: 4, ff: 11008, vocab: 128256},
	{name: "Phi-4-mini", arch: "phi3", layers: 32, width: 3072, heads: 24, kvHeads: 8, ff: 8192, vocab: 200064, joined: true, window: 262144},
	{name: "gemma-2b", arch: "gemma", layers: 18, width: 2048, heads: 8, kvHeads: 1, head: 256, ff: 16384, vocab: 256000},
	{name: "gemma-2-2b", arch: "gemma2", layers: 26, width: 2304, heads: 8, kvHeads: 4, head: 256, ff: 9216, vocab: 256000, window: 4096},
	{name: "gemma-3-270m", arch: "gemma3", layers: 18, width: 640, heads: 4, kvHeads: 1, head: 256, ff: 2048, vocab: 262144, window: 512},
	{name: "gemma-3-1b", arch: "gemma3", layers: 26, width: 1152, heads: 4, kvHeads: 1, head: 256, ff: 6912, vocab: 262144, window: 512},
	{name: "gemma-3-4b", arch: "gemma3", layers: 34, width: 2560, heads: 8, kvHeads: 4, head: 256, ff: 10240, vocab: 262208, window: 1024},
	{name: "gemma-4-E2B", arch: "gemma4", layers: 35, width: 1536, heads: 8, kvHeads: 1, head: 256, ff: 6144, vocab: 262144, window: 512, wideHead: 512, perLayer: 256, shared: 20},
	{name: "OLMo-2-1B", arch: "olmo2", layers: 16, width: 2048, heads: 16, kvHeads: 16, ff: 8192, vocab: 100352, untied: true},
	{name: "Olmo-3-7B", arch: "olmo2", layers: 32, width: 4096, heads: 32, kvHeads: 32, ff: 11008, vocab: 100278, untied: true, window: 4096},
	{name: "OLMoE-1B-7B", arch: "olmoe", layers: 16, width: 2048, heads: 16, kvHeads: 16, ff: 1024, vocab: 50304, untied: true, experts: 64, expertsUsed: 8, expertFF: 1024},
	{name: "granite-3.3-2b", arch: "granite", layers: 40, width: 2048, heads: 32, kvHeads: 8, ff: 8192, vocab: 49159},
	{name: "granite-3.1-1b-a400m", arch: "granitemoe", layers: 24, width: 1024, heads: 16, kvHeads: 8, ff: 512, vocab: 49155, experts: 32, expertsUsed: 8, expertFF: 512},
	{name: "granite-4.0-h-micro", arch: "granitehybrid", layers: 40, width: 2048, heads: 32, kvHeads: 8, ff: 8192, vocab: 100352, inner: 4096, state: 128, groups: 1, timeRank: 64, conv: 4, attend: []int{5, 15, 25, 35}},
	{name: "granite-4.0-h-tiny", arch: "granitehybrid", layers: 40, width: 1536, heads: 12, kvHeads: 4, ff: 512, vocab: 100352, inner: 3072, state: 128, groups: 1, timeRank: 48, conv: 4, attend: []int{5, 15, 25, 35}, experts: 64, expertsUsed: 6, expertFF: 512, sharedFF: 1024},
	{name: "LFM2-350M", arch: "lfm2", layers: 16, width: 1024, heads: 16, kvHeads: 8, ff: 4608, vocab: 65536, conv: 3, attend: []int{2, 5, 8, 10, 12, 14}},
	{name: "LFM2-1.2B", arch: "lfm2", layers: 16, width: 2048, heads: 32, kvHeads: 8, ff: 8192, vocab: 65536, conv: 3, attend: []int{2, 5, 8, 10, 12, 14}},
	{name: "LFM2-8B-A1B", arch: "lfm2moe", layers: 24, width: 2048, heads: 32, kvHeads: 8, ff: 7168, vocab: 65536, conv: 3, attend: []int{2, 6, 10, 14, 18, 21}, experts: 32, expertsUsed: 4, expertFF: 1792, dense: 2},
	{name: "Falcon-H1-0.5B", arch: "falcon-h1", layers: 36, width: 1024, heads: 8, kvHeads: 2, head: 64, ff: 2048, vocab: 32784, inner: 1536, state: 128, groups: 1, timeRank: 24, conv: 4},
	{name: "gpt-oss-20b", arch: "gpt-oss", layers: 24, width: 2880, heads: 64, kvHeads: 8, head: 64, ff: 2880, vocab: 201088, untied: true, window: 128, biases: true, experts: 32, expertsUsed: 4, expertFF: 2880, kind: 39},
	{name: "mamba-130m", arch: "mamba", layers: 24, width: 768, vocab: 50280, inner: 1536, state: 16, timeRank: 48, conv: 4},
	{name: "mamba2-130m", arch: "mamba2", layers: 24, width: 768, vocab: 50288, inner: 1536, state: 128, groups: 1, timeRank: 24, conv: 4},
	{name: "Jamba-reasoning-3B", arch: "jamba", layers: 28, width: 2560, heads: 20, kvHeads: 2, ff: 8192, vocab: 65536, inner: 5120, state: 16, timeRank: 160, conv: 4, attend: []int{9, 18}},
	{name: "Qwen3.5-0.8B", arch: "qwen35", layers: 24, width: 1024, heads: 8, kvHeads: 2, head: 256, ff: 3584, vocab: 248320, inner: 2048, state: 128, groups: 16, timeRank: 16, conv: 4, attend: []int{3, 7, 11, 15, 19, 23}},
	{name: "Qwen3.5-4B", arch: "qwen35", layers: 32, width: 2560, heads: 16, kvHeads: 4, head: 256, ff: 9216, vocab: 248320, inner: 4096, state: 128, groups: 16, timeRank: 32, conv: 4, attend: []int{3, 7, 11, 15, 19, 23, 27, 31}},
	{name: "Ministral-3-3B", arch: "mistral3", layers: 26, width: 3072, heads: 32, kvHeads: 8, head: 128, ff: 9216, vocab: 131072},
	{name: "ERNIE-4.5-0.3B", arch: "ernie4_5", layers: 18, width: 1024, heads: 16, kvHeads: 2, head: 128, ff: 3072, vocab: 103424},
	{name: "EXAONE-4.0-1.2B", arch: "exaone4", layers: 30, width: 2048, heads: 32, kvHeads: 8, ff: 4096, vocab: 102400},
	{name: "Seed-OSS-36B", arch: "seed_oss", layers: 64, width: 5120, heads: 80, kvHeads: 8, head: 128, ff: 27648, vocab: 155136, untied: true, biases: true},
	{name: "bge-small", arch: "bert", layers: 12, width: 384, heads: 12, kvHeads: 12, ff: 1536, vocab: 30522, context: 512, biases: true},
	{name: "multilingual-e5-base", arch: "bert", layers: 12, width: 768, heads: 12, kvHeads: 12, ff: 3072, vocab: 250002, context: 512, biases: true},
	{name: "nomic-embed-text", arch: "nomic-bert", layers: 12, width: 768, heads: 12, kvHeads: 12, ff: 3072, vocab: 30522, context: 2048, joined: true},
	{name: "ModernBERT-base", arch: "modern-bert", layers: 22, width: 768, heads: 12, kvHeads: 12, ff: 1152, vocab: 50368, context: 8192, joined: true, window: 128},
	{name: "embeddinggemma-300m", arch: "gemma-embedding", layers: 24, width: 768, heads: 3, kvHeads: 1, head: 256, ff: 1152, vocab: 262144, context: 2048, window: 512},
}

// estimateTests are the options that each model is estimated with.
var estimateTests = []hardware.EstimateOptions{
	{},
	{ContextLength: 1024, Sequences: 8},
	{ContextLength: 32768},
	{ContextLength: 4096, Batch: 2048, MicroBatch: 2048, Sequences: 1},
	{ContextLength: 8192, Batch: 2048, KVType: gguf.Q8_0, WindowCells: true, Sequences: 4},
	{ContextLength: 4096, NoFlashAttention: true},
}

// Figures are those of llama.cpp, which has laid out the same model and context
// without allocating it.
func TestEstimateMemory(t *testing.T) {
	load(t)
	worst := map[string]float64{}
	for _, s := range published {
		t.Run(s.name, func(t *testing.T) {
			path := newModel(s).write(t)
			file, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range estimateTests {
				if s.encodes() {
					o.ContextLength = min(o.ContextLength, s.context)
					o.Batch, o.MicroBatch = 0, 0
				}
				got, err := hardware.EstimateMemory(file, o)
				if err != nil {
					t.Fatal(err)
				}
				want := layOut(t, path, contextParams(s, o))
				worst[s.arch] = max(worst[s.arch], want.compare(t, got, fmt.Sprintf("%+v", o)))
			}
		})
	}
	for arch, percent := range worst {
		t.Logf("%-16s total within %.2f %%", arch, percent)
	}
}

// Models that are allocated take what was estimated: weights, which the log of a
// model that is only laid out does not tell, are in memory twice where embeddings
// that are the output matrix too are repacked for the CPU's kernels.
func TestEstimateMemoryAllocated(t *testing.T) {
	load(t)
	paths := map[string]string{"default model": testmodel.Model(t)}
	for _, kind := range []gguf.TensorType{gguf.F16, gguf.Q8_0, gguf.Q4_0, gguf.Q4_K, gguf.Q6_K} {
		small := shape{arch: "llama", layers: 2, width: 512, heads: 8, kvHeads: 2, ff: 1024, vocab: 32000, kind: kind}
		paths[kind.String()] = newModel(small).write(t)
		small.untied = true
		paths[kind.String()+" untied"] = newModel(small).write(t)
	}
	for name, path := range paths {
		t.Run(name, func(t *testing.T) {
			file, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			o := hardware.EstimateOptions{ContextLength: 2048}
			got, err := hardware.EstimateMemory(file, o)
			if err != nil {
				t.Fatal(err)
			}
			mp := llama.DefaultModelParams()
			mp.NGPULayers, mp.LoadMode = 0, llama.LoadRead
			var r logReader
			r.read(t, func() {
				model, err := llama.LoadModel(path, mp, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer model.Free()
				x, err := llama.NewContext(model, contextParams(shape{}, o))
				if err != nil {
					t.Fatal(err)
				}
				x.Free()
			})
			r.memory.compare(t, got, "allocated")
		})
	}
}

// A model of text makes embeddings too, and its logits all the same.
func TestEstimateMemoryEmbeddings(t *testing.T) {
	load(t)
	for _, s := range published {
		if s.arch != "qwen3" && s.arch != "gemma3" {
			continue
		}
		path := newModel(s).write(t)
		file, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		o := hardware.EstimateOptions{ContextLength: 512, Embeddings: true}
		got, err := hardware.EstimateMemory(file, o)
		if err != nil {
			t.Fatal(err)
		}
		p := contextParams(s, o)
		p.Embeddings, p.PoolingType, p.NOutputsMax = true, int32(llama.PoolingMean), 0
		layOut(t, path, p).compare(t, got, s.name)
	}
}

// contextParams are the parameters of llama.cpp for the same options.
func contextParams(s shape, o hardware.EstimateOptions) llama.ContextParams {
	p := llama.DefaultContextParams()
	p.KVUnified = true
	p.NCtx = uint32(cmp.Or(o.ContextLength, 4*4096))
	p.NBatch = uint32(cmp.Or(o.Batch, 512))
	p.NUbatch = uint32(cmp.Or(o.MicroBatch, 512))
	p.NOutputsMax = 64
	sequences := 64
	if s.conv > 0 {
		sequences = 16
	}
	p.NSeqMax = uint32(cmp.Or(o.Sequences, sequences))
	if s.encodes() {
		p.Embeddings, p.NOutputsMax = true, 0
		p.NCtx = uint32(cmp.Or(o.ContextLength, 512))
		p.NBatch, p.NUbatch = p.NCtx, p.NCtx
	}
	if o.NoFlashAttention {
		p.FlashAttnType = 0
	}
	if o.KVType != 0 {
		p.TypeK, p.TypeV = int32(o.KVType), int32(o.KVType)
	}
	p.SWAFull = !o.WindowCells
	return p
}

// memory is what llama.cpp says that it allocates, in bytes.
type memory struct{ weights, cache, compute, logits uint64 }

func (m memory) total() uint64 { return m.weights + m.cache + m.compute + m.logits }

// compare fails where an estimate for the host is off, and returns by how many per
// cent its total is. Figures in the log are rounded to a hundredth of a MiB.
func (m memory) compare(t *testing.T, e hardware.Estimate, what string) float64 {
	t.Helper()
	for _, f := range []struct {
		name       string
		got, want  uint64
		mostOffset float64 // per cent
	}{
		{"weights", e.Weights().Host, m.weights, 0.1},
		{"cache", e.Cache().Host, m.cache, 0.1},
		{"compute", e.Compute.Host, m.compute, 1},
		{"logits", e.Logits.Host, m.logits, 0.1},
	} {
		const rounding = 2 * (1 << 20) / 100
		if off := math.Abs(float64(f.got) - float64(f.want)); off > float64(f.want)*f.mostOffset/100+rounding {
			t.Errorf("%s: %s: %.2f MiB, llama.cpp says %.2f", what, f.name, mib(f.got), mib(f.want))
		}
	}
	if d := e.Device(); d != 0 {
		t.Errorf("%s: %.2f MiB on the GPU", what, mib(d))
	}
	return math.Abs(float64(e.Host())-float64(m.total())) / float64(m.total()) * 100
}

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// layOut has llama.cpp lay out a model and a context of it, and reads what it says
// of the memory.
func layOut(t *testing.T, path string, p llama.ContextParams) memory {
	t.Helper()
	mp := llama.DefaultModelParams()
	mp.NGPULayers, mp.NoAlloc, mp.LoadMode = 0, true, llama.LoadRead
	var r logReader
	var weights uint64
	r.read(t, func() {
		model, err := llama.LoadModel(path, mp, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer model.Free()
		x, err := llama.NewContext(model, p)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Free()
		weights = model.Size()
	})
	r.memory.weights = weights // the log says 0 of what is not allocated
	return r.memory
}

// logReader collects the figures in llama.cpp's log.
type logReader struct {
	slog.Handler
	memory memory
	err    error
}

// read logs what a function does.
func (r *logReader) read(t *testing.T, f func()) {
	t.Helper()
	llama.SetLogger(slog.New(r))
	defer func() {
		llama.SetLogger(nil) // waits for the last line
		if r.err != nil {
			t.Fatal(r.err)
		}
	}()
	f()
}

var figure = regexp.MustCompile(`(model buffer|llama_kv_cache:|llama_memory_recurrent:|compute buffer|output buffer) size = +([\d.]+) MiB`)

func (r *logReader) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (r *logReader) Handle(_ context.Context, record slog.Record) error {
	found := figure.FindStringSubmatch(record.Message)
	if found == nil {
		return nil
	}
	n, err := strconv.ParseFloat(found[2], 64)
	r.err = errors.Join(r.err, err)
	to := map[string]*uint64{
		"model buffer":            &r.memory.weights,
		"llama_kv_cache:":         &r.memory.cache,
		"llama_memory_recurrent:": &r.memory.cache,
		"compute buffer":          &r.memory.compute,
		"output buffer":           &r.memory.logits,
	}[found[1]]
	*to += uint64(n * (1 << 20))
	return nil
}

// load makes llama.cpp usable, when no other test process uses it.
func load(t testing.TB) {
	t.Helper()
	testmodel.Lock(t)
	if err := llama.Load(testmodel.Libraries(t)); err != nil {
		t.Fatal(err)
	}
}
