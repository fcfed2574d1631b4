package llama_test

import (
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/llama"
)

// gpt2 returns a model of zeros that has an embedding of each of 16 positions.
func gpt2(t testing.TB, more ...gguf.KeyValue) *llama.Model {
	t.Helper()
	load(t)
	const width, positions = 32, 16
	var tensors []gguf.TensorData
	add := func(name string, dims ...uint64) {
		tensors = append(tensors, gguf.TensorData{Name: name, Type: gguf.F32, Dims: dims})
	}
	layer := func(name string, in, out uint64) {
		add(name+".weight", in, out)
		add(name+".bias", out)
	}
	norm := func(name string) {
		add(name+".weight", width)
		add(name+".bias", width)
	}
	add("token_embd.weight", width, 3)
	add("position_embd.weight", width, positions)
	norm("output_norm")
	norm("blk.0.attn_norm")
	layer("blk.0.attn_qkv", width, 3*width)
	layer("blk.0.attn_output", width, width)
	norm("blk.0.ffn_norm")
	layer("blk.0.ffn_up", width, width)
	layer("blk.0.ffn_down", width, width)
	path := writeModel(t, append([]gguf.KeyValue{
		{Key: "general.architecture", Value: "gpt2"},
		{Key: "gpt2.context_length", Value: uint32(positions)},
		{Key: "gpt2.block_count", Value: uint32(1)},
		{Key: "gpt2.embedding_length", Value: uint32(width)},
		{Key: "gpt2.feed_forward_length", Value: uint32(width)},
		{Key: "gpt2.attention.head_count", Value: uint32(2)},
		{Key: "gpt2.attention.layer_norm_epsilon", Value: float32(1e-5)},
		{Key: "tokenizer.ggml.model", Value: "gpt2"},
		{Key: "tokenizer.ggml.tokens", Value: []string{"a", "b", "ab"}},
		{Key: "tokenizer.ggml.merges", Value: []string{"a b"}},
	}, more...), tensors)
	m, err := llama.LoadModel(path, llama.DefaultModelParams(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m
}

// What the constructor of a context does not survive must not reach it.
func TestContextParamsMisuse(t *testing.T) {
	load(t)
	p := llama.DefaultModelParams()
	p.VocabOnly = true
	words, err := llama.LoadModel(testModelPath(t), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(words.Free)
	own := gpt2(t, gguf.KeyValue{Key: "gpt2.pooling_type", Value: uint32(5)})
	for name, tt := range map[string]struct {
		model  *llama.Model
		adjust func(*llama.ContextParams)
	}{
		"batch of none":           {own, func(p *llama.ContextParams) { p.NBatch = 0 }},
		"batch of none, rows":     {own, func(p *llama.ContextParams) { p.NBatch, p.NOutputsMax = 0, 4 }},
		"few rows":                {own, func(p *llama.ContextParams) { p.NOutputsMax, p.NSeqMax = 7, 8 }},
		"few tokens":              {own, func(p *llama.ContextParams) { p.NBatch, p.NSeqMax = 7, 8 }},
		"few cells":               {own, func(p *llama.ContextParams) { p.NCtx, p.NSeqMax = 7, 8 }},
		"few positions":           {own, func(p *llama.ContextParams) { p.NCtx, p.NSeqMax = 0, 17 }},
		"unknown pooling":         {own, func(p *llama.ContextParams) { p.Embeddings = true }},
		"vocabulary only":         {words, func(p *llama.ContextParams) {}},
		"vocabulary, no rows":     {words, func(p *llama.ContextParams) { p.NBatch = 0 }},
		"more sequences than 256": {own, func(p *llama.ContextParams) { p.NSeqMax, p.NOutputsMax = 257, 512 }},
	} {
		p := llama.DefaultContextParams()
		tt.adjust(&p)
		if x, err := llama.NewContext(tt.model, p); err == nil {
			x.Free()
			t.Errorf("%s: accepted", name)
		}
	}
	for name, adjust := range map[string]func(*llama.ContextParams){
		"as many rows as sequences":           func(p *llama.ContextParams) { p.NOutputsMax, p.NSeqMax = 8, 8 },
		"as many tokens as sequences":         func(p *llama.ContextParams) { p.NBatch, p.NSeqMax = 8, 8 },
		"few cells, attending to both sides":  func(p *llama.ContextParams) { p.NCtx, p.NSeqMax, p.AttentionType = 7, 8, 1 },
		"unknown pooling, but no embeddings":  func(p *llama.ContextParams) {},
		"unknown pooling, but another is set": func(p *llama.ContextParams) { p.Embeddings, p.PoolingType = true, 1 },
	} {
		x := newContext(t, own, adjust)
		b := newBatch(t, 1)
		b.Add(2, 0, 0, true)
		if rc := x.Decode(b); rc != 0 {
			t.Errorf("%s: %d", name, rc)
		}
	}
}
