package hardware_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/cria-lm/cria/gguf"
)

// shape is a published model as its config.json describes it. What is zero, it
// does not have.
type shape struct {
	name, arch                                      string
	layers, width, heads, kvHeads, head, ff, vocab  int
	untied                                          bool // an output matrix of its own
	window, context                                 int
	experts, expertsUsed, expertFF, sharedFF, dense int // dense: the first layers have no experts
	inner, state, groups, timeRank, conv            int
	attend                                          []int // layers with attention; nil: all
	biases                                          bool  // of queries, keys and values
	joined                                          bool  // attn_qkv
	wideHead, perLayer, shared                      int   // of Gemma 4: heads of full attention, embeddings of each layer, layers without a cache
	kind                                            gguf.TensorType
}

// encodes reports whether the model makes embeddings, and no text.
func (s shape) encodes() bool {
	return slices.Contains([]string{"bert", "nomic-bert", "modern-bert", "gemma-embedding"}, s.arch)
}

// model collects the metadata and tensors of a shape.
type model struct {
	shape
	keys    []gguf.KeyValue
	tensors []gguf.TensorData
}

func (m *model) set(key string, value any) {
	if n, ok := value.(int); ok {
		value = uint32(n)
	}
	m.keys = append(m.keys, gguf.KeyValue{Key: m.arch + "." + key, Value: value})
}

func (m *model) add(name string, typ gguf.TensorType, dims ...int) {
	t := gguf.TensorData{Name: name, Type: typ}
	for _, d := range dims {
		t.Dims = append(t.Dims, uint64(d))
	}
	m.tensors = append(m.tensors, t)
}

// matrix adds weights, and vector a norm or bias. A name without a suffix gets
// ".weight".
func (m *model) matrix(name string, in, out int) { m.add(name+".weight", m.kind, in, out) }
func (m *model) vector(name string, n int) {
	if filepath.Ext(name) != ".bias" {
		name += ".weight"
	}
	m.add(name, gguf.F32, n)
}

func (m *model) is(archs ...string) bool { return slices.Contains(archs, m.arch) }

// newModel lays out a model of a shape.
func newModel(s shape) *model {
	m := &model{shape: s}
	m.keys = []gguf.KeyValue{
		{Key: "general.architecture", Value: s.arch},
		{Key: "tokenizer.ggml.model", Value: "no_vocab"},
		{Key: "tokenizer.ggml.token_type_count", Value: uint32(2)},
	}
	if m.kind == gguf.F32 {
		m.kind = gguf.Q4_1 // which no CPU repacks
	}
	if m.head == 0 && m.heads > 0 {
		m.head = m.width / m.heads
	}
	if m.context == 0 {
		m.context = 32768
	}
	m.metadata()
	if m.kind == 39 { // MXFP4 is the experts' alone
		m.kind = gguf.Q4_1
	}
	m.matrix("token_embd", m.width, m.vocab)
	switch {
	case m.is("bert", "nomic-bert"):
		m.add("token_types.weight", gguf.F32, m.width, 2)
		m.vector("token_embd_norm", m.width)
		m.vector("token_embd_norm.bias", m.width)
	case m.is("modern-bert"):
		m.vector("token_embd_norm", m.width)
		m.vector("output_norm", m.width)
	case m.is("lfm2", "lfm2moe"):
		m.vector("token_embd_norm", m.width)
	default:
		m.vector("output_norm", m.width)
	}
	if m.is("gemma4") {
		m.matrix("per_layer_token_embd", m.perLayer*m.layers, m.vocab)
		m.matrix("per_layer_model_proj", m.width, m.perLayer*m.layers)
		m.vector("per_layer_proj_norm", m.perLayer)
		m.vector("rope_freqs", m.wideHead/2)
	}
	if m.is("bert") {
		m.add("position_embd.weight", gguf.F32, m.width, m.context)
	}
	if m.untied {
		m.matrix("output", m.width, m.vocab)
	}
	for i := range m.layers {
		m.layer(i)
	}
	return m
}

func (m *model) metadata() {
	m.set("vocab_size", m.vocab)
	m.set("block_count", m.layers)
	m.set("context_length", m.context)
	m.set("embedding_length", m.width)
	m.set("feed_forward_length", m.ff)
	m.set("attention.layer_norm_rms_epsilon", float32(1e-5))
	m.set("attention.layer_norm_epsilon", float32(1e-5))
	m.set("attention.head_count", m.heads)
	heads := make([]uint32, m.layers)
	for i := range heads {
		if m.attends(i) {
			heads[i] = uint32(m.kvHeads)
		}
	}
	if m.attend != nil && !m.is("qwen35") {
		m.set("attention.head_count_kv", heads)
	} else {
		m.set("attention.head_count_kv", m.kvHeads)
	}
	if head := max(m.head, m.wideHead); head > 0 {
		m.set("attention.key_length", head)
		m.set("attention.value_length", head)
		m.set("rope.dimension_count", head)
	}
	if m.is("gemma4") {
		m.set("attention.key_length_swa", m.head)
		m.set("attention.value_length_swa", m.head)
		m.set("attention.shared_kv_layers", m.shared)
		m.set("embedding_length_per_layer_input", m.perLayer)
		m.set("rope.dimension_count_swa", m.head)
		pattern := make([]bool, m.layers)
		for i := range pattern {
			pattern[i] = !m.full(i)
		}
		m.set("attention.sliding_window_pattern", pattern)
	}
	if m.window > 0 {
		m.set("attention.sliding_window", m.window)
	}
	if m.is("qwen35") {
		m.set("rope.dimension_sections", []int32{11, 11, 10, 0})
	}
	if m.is("gemma3") {
		m.set("attention.sliding_window_pattern", 6)
	}
	if m.encodes() {
		m.set("attention.causal", false)
		m.set("pooling_type", 1)
	}
	if m.is("granite", "granitemoe") {
		m.set("logit_scale", float32(8))
	}
	if m.experts > 0 {
		m.set("expert_count", m.experts)
		m.set("expert_used_count", m.expertsUsed)
		m.set("expert_feed_forward_length", m.expertFF)
		m.set("expert_shared_feed_forward_length", m.sharedFF)
		m.set("leading_dense_block_count", m.dense)
	}
	if m.is("lfm2moe") {
		m.set("expert_gating_func", 2)
	}
	if m.is("lfm2", "lfm2moe") {
		m.set("shortconv.l_cache", m.conv)
	} else if m.conv > 0 {
		m.set("ssm.conv_kernel", m.conv)
		m.set("ssm.inner_size", m.inner)
		m.set("ssm.state_size", m.state)
		m.set("ssm.group_count", m.groups)
		m.set("ssm.time_step_rank", m.timeRank)
	}
}

// full reports whether a layer of Gemma 4 has no window.
func (m *model) full(layer int) bool { return layer%5 == 4 }

func (m *model) attends(layer int) bool { return m.attend == nil || slices.Contains(m.attend, layer) }

func (m *model) layer(i int) {
	at := "blk." + strconv.Itoa(i) + "."
	encoder := m.is("bert", "nomic-bert")
	if !encoder && !m.is("olmo2", "exaone4") && !(m.is("modern-bert") && i == 0) {
		m.vector(at+"attn_norm", m.width)
	}
	attention := m.heads > 0 && m.attends(i)
	if attention {
		m.attention(at, i)
	}
	switch {
	case m.is("lfm2", "lfm2moe") && !attention:
		m.matrix(at+"shortconv.in_proj", m.width, 3*m.width)
		m.add(at+"shortconv.conv.weight", gguf.F32, m.conv, m.width)
		m.matrix(at+"shortconv.out_proj", m.width, m.width)
	case m.conv > 0 && (!attention || m.is("falcon-h1")):
		m.recurrence(at)
	}
	if m.is("gemma2", "gemma3", "gemma-embedding", "olmo2", "exaone4", "gemma4", "gpt-oss", "qwen35", "seed_oss") {
		m.vector(at+"post_attention_norm", m.width)
	}
	if m.is("gemma2", "gemma3", "gemma4", "gemma-embedding", "olmo2", "exaone4") {
		m.vector(at+"post_ffw_norm", m.width)
	}
	switch {
	case encoder:
		for _, norm := range []string{"attn_output_norm", "layer_output_norm"} {
			m.vector(at+norm, m.width)
			m.vector(at+norm+".bias", m.width)
		}
	case m.is("falcon-h1"):
		m.add(at+"ffn_norm", gguf.F32, m.width)
	case m.is("mamba", "mamba2"):
		return
	case !m.is("olmo2", "exaone4", "gpt-oss", "qwen35", "seed_oss"):
		m.vector(at+"ffn_norm", m.width)
	}
	m.feedForward(at, i)
	if m.is("gemma4") {
		m.matrix(at+"inp_gate", m.width, m.perLayer)
		m.matrix(at+"proj", m.perLayer, m.width)
		m.vector(at+"post_norm", m.width)
	}
}

func (m *model) attention(at string, layer int) {
	head := m.head
	if m.is("gemma4") && m.full(layer) {
		head = m.wideHead
	}
	q, kv := m.heads*head, m.kvHeads*head
	m.matrix(at+"attn_output", q, m.width)
	if m.joined {
		m.matrix(at+"attn_qkv", m.width, q+2*kv)
	} else {
		width := q
		if m.is("qwen35") {
			width = 2 * q // with gates
		}
		m.matrix(at+"attn_q", m.width, width)
		m.matrix(at+"attn_k", m.width, kv)
		m.matrix(at+"attn_v", m.width, kv)
	}
	if m.biases {
		m.vector(at+"attn_q.bias", q)
		m.vector(at+"attn_k.bias", kv)
		m.vector(at+"attn_v.bias", kv)
	}
	if m.is("bert", "gpt-oss") {
		m.vector(at+"attn_output.bias", m.width)
	}
	if m.is("gpt-oss") {
		m.vector(at+"attn_sinks", m.heads)
	}
	switch {
	case m.is("qwen3", "qwen3moe", "qwen35", "exaone4", "gemma4", "gemma3", "gemma-embedding", "lfm2", "lfm2moe"):
		q, kv = head, head
		fallthrough
	case m.is("olmo2", "olmoe"):
		m.vector(at+"attn_q_norm", q)
		m.vector(at+"attn_k_norm", kv)
	}
}

func (m *model) recurrence(at string) {
	conv := m.inner + 2*m.groups*m.state
	if m.is("qwen35") {
		m.matrix(at+"attn_qkv", m.width, conv)
		m.matrix(at+"attn_gate", m.width, m.inner)
		m.matrix(at+"ssm_beta", m.width, m.timeRank)
		m.matrix(at+"ssm_alpha", m.width, m.timeRank)
		m.add(at+"ssm_conv1d.weight", gguf.F32, m.conv, conv)
		m.vector(at+"ssm_dt.bias", m.timeRank)
		m.add(at+"ssm_a", gguf.F32, m.timeRank)
		m.vector(at+"ssm_norm", m.state)
		m.matrix(at+"ssm_out", m.inner, m.width)
		return
	}
	if m.is("mamba", "jamba") {
		conv = m.inner
		m.matrix(at+"ssm_in", m.width, 2*m.inner)
		m.matrix(at+"ssm_x", m.inner, m.timeRank+2*m.state)
		m.add(at+"ssm_dt.weight", gguf.F32, m.timeRank, m.inner)
		m.vector(at+"ssm_dt.bias", m.inner)
		m.add(at+"ssm_a", gguf.F32, m.state, m.inner)
		m.add(at+"ssm_d", gguf.F32, m.inner)
	} else {
		m.matrix(at+"ssm_in", m.width, m.inner+conv+m.timeRank)
		m.vector(at+"ssm_dt.bias", m.timeRank)
		m.add(at+"ssm_a", gguf.F32, 1, m.timeRank)
		m.add(at+"ssm_d", gguf.F32, 1, m.timeRank)
		m.add(at+"ssm_norm.weight", gguf.F32, m.inner/m.groups, m.groups)
	}
	if m.is("jamba") {
		m.vector(at+"ssm_dt_norm", m.timeRank)
		m.vector(at+"ssm_b_norm", m.state)
		m.vector(at+"ssm_c_norm", m.state)
	}
	m.add(at+"ssm_conv1d.weight", gguf.F32, m.conv, conv)
	m.vector(at+"ssm_conv1d.bias", conv)
	m.matrix(at+"ssm_out", m.inner, m.width)
}

func (m *model) feedForward(at string, layer int) {
	if m.experts > 0 && layer >= m.dense {
		m.mixture(at)
		return
	}
	up, ff := m.ff, m.ff
	if m.is("phi3", "modern-bert") {
		up = 2 * ff
	} else if !m.is("bert") {
		m.matrix(at+"ffn_gate", m.width, ff)
	}
	m.matrix(at+"ffn_up", m.width, up)
	m.matrix(at+"ffn_down", ff, m.width)
	if m.is("bert") {
		m.vector(at+"ffn_up.bias", up)
		m.vector(at+"ffn_down.bias", m.width)
	}
}

func (m *model) mixture(at string) {
	m.add(at+"ffn_gate_inp.weight", gguf.F32, m.width, m.experts)
	m.add(at+"ffn_gate_exps.weight", m.shape.kind, m.width, m.expertFF, m.experts)
	m.add(at+"ffn_up_exps.weight", m.shape.kind, m.width, m.expertFF, m.experts)
	m.add(at+"ffn_down_exps.weight", m.shape.kind, m.expertFF, m.width, m.experts)
	if m.is("gpt-oss") {
		m.vector(at+"ffn_gate_inp.bias", m.experts)
		m.add(at+"ffn_gate_exps.bias", gguf.F32, m.expertFF, m.experts)
		m.add(at+"ffn_up_exps.bias", gguf.F32, m.expertFF, m.experts)
		m.add(at+"ffn_down_exps.bias", gguf.F32, m.width, m.experts)
	}
	if m.is("lfm2moe") {
		m.vector(at+"exp_probs_b.bias", m.experts)
	}
	if m.sharedFF == 0 {
		return
	}
	if m.is("qwen2moe") {
		m.add(at+"ffn_gate_inp_shexp.weight", gguf.F32, m.width)
	}
	m.matrix(at+"ffn_gate_shexp", m.width, m.sharedFF)
	m.matrix(at+"ffn_up_shexp", m.width, m.sharedFF)
	m.matrix(at+"ffn_down_shexp", m.sharedFF, m.width)
}

// write writes the model to a file with holes in the place of weights, so that
// 20 GB of them take no room.
func (m *model) write(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := gguf.Write(&sparse{f}, m.keys, m.tensors); err != nil {
		t.Fatal(err)
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return path
}

// sparse leaves out what is copied to it: in these models, only zeros.
type sparse struct{ *os.File }

func (s *sparse) ReadFrom(r io.Reader) (int64, error) {
	n := r.(*io.LimitedReader).N
	_, err := s.Seek(n, io.SeekCurrent)
	return n, err
}
