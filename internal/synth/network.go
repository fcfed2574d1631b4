package synth

import (
	"fmt"
	"math"

	"github.com/cria-lm/cria/gguf"
)

// network collects the tensors and hyperparameters of a model, as the loaders
// in llama.cpp's src/models want them.
type network struct {
	shape    Shape
	vocab    int // tokens
	tensors  []tensor
	metadata []gguf.KeyValue
}

// tensor is one to write: with random values of a standard deviation, or, if
// that is 0, with values that a function gives by their place.
type tensor struct {
	name      string
	typ       gguf.TensorType
	dims      []uint64
	deviation float64
	value     func(i int) float32
}

// logitDeviation is that of the logits. Those of trained models of 100 million
// parameters and more have 2 to 5.
const logitDeviation = 4

// newNetwork lays out a model of a checked shape with a vocabulary of n tokens.
func newNetwork(s Shape, n int) *network {
	w := &network{shape: s, vocab: n}
	w.set("context_length", s.Context)
	w.set("block_count", s.Layers)
	w.set("embedding_length", s.Embedding)
	w.set("feed_forward_length", s.FeedForward)
	w.set("attention.head_count", s.Heads)
	switch s.Architecture {
	case BERT:
		w.encoder()
	default:
		w.decoder()
	}
	return w
}

// add adds a hyperparameter, set one that is an unsigned number.
func (w *network) add(key string, value any) {
	w.metadata = append(w.metadata, gguf.KeyValue{Key: string(w.shape.Architecture) + "." + key, Value: value})
}

func (w *network) set(key string, value int) { w.add(key, uint32(value)) }

// matrix adds weights that turn a vector of in numbers into one of out. A gain
// of 1 keeps the size of its numbers.
func (w *network) matrix(name string, in, out int, gain float64) {
	w.random(name, w.shape.Type, in, out, gain/math.Sqrt(float64(in)))
}

func (w *network) random(name string, typ gguf.TensorType, in, out int, deviation float64) {
	w.tensors = append(w.tensors, tensor{name: name, typ: typ, dims: []uint64{uint64(in), uint64(out)}, deviation: deviation})
}

// vector adds n equal numbers.
func (w *network) vector(name string, n int, value float32) {
	w.tensors = append(w.tensors, tensor{name: name, typ: gguf.F32, dims: []uint64{uint64(n)},
		value: func(int) float32 { return value }})
}

// decoder adds a model that generates text.
func (w *network) decoder() {
	s := &w.shape
	w.add("attention.layer_norm_rms_epsilon", float32(1e-5))
	embedding := 1.0
	if s.Architecture == Gemma3 { // multiplies by the root of the width
		embedding /= math.Sqrt(float64(s.Embedding))
		w.set("attention.sliding_window", s.Window)
		w.set("attention.sliding_window_pattern", w.period(6))
	}
	if s.Architecture == Mamba || s.Architecture == Jamba {
		w.recurrence()
	}
	w.kvHeads()
	w.random("token_embd.weight", s.Type, s.Embedding, w.vocab, embedding)
	for i := range s.Layers {
		w.layer(fmt.Sprintf("blk.%d.", i), i)
	}
	w.vector("output_norm.weight", s.Embedding, 1)
	w.matrix("output.weight", s.Embedding, w.vocab, logitDeviation)
}

// period says which layers are of the rarer kind: the last of every period, n
// in real models.
func (w *network) period(n int) int { return min(n, w.shape.Layers) }

// isRecurrent reports whether a layer is one of Mamba's.
func (w *network) isRecurrent(layer int) bool {
	switch w.shape.Architecture {
	case Mamba:
		return true
	case Jamba:
		return (layer+1)%w.period(8) != 0
	}
	return false
}

// kvHeads sets the KV heads of attention: for Jamba by layer, where 0 says that
// the layer is recurrent.
func (w *network) kvHeads() {
	if w.shape.Architecture != Jamba {
		w.set("attention.head_count_kv", w.shape.KVHeads)
		return
	}
	heads := make([]uint32, w.shape.Layers)
	for i := range heads {
		if !w.isRecurrent(i) {
			heads[i] = uint32(w.shape.KVHeads)
		}
	}
	w.add("attention.head_count_kv", heads)
}

func (w *network) layer(at string, i int) {
	s := &w.shape
	w.vector(at+"attn_norm.weight", s.Embedding, 1)
	if w.isRecurrent(i) {
		w.mamba(at)
	} else {
		w.attention(at)
	}
	if s.Architecture == Mamba {
		return
	}
	w.vector(at+"ffn_norm.weight", s.Embedding, 1)
	w.matrix(at+"ffn_gate.weight", s.Embedding, s.FeedForward, 1)
	w.matrix(at+"ffn_up.weight", s.Embedding, s.FeedForward, 1)
	w.matrix(at+"ffn_down.weight", s.FeedForward, s.Embedding, 1)
	if s.Architecture == Gemma3 {
		head := s.Embedding / s.Heads
		w.vector(at+"attn_q_norm.weight", head, 1)
		w.vector(at+"attn_k_norm.weight", head, 1)
		w.vector(at+"post_attention_norm.weight", s.Embedding, 1)
		w.vector(at+"post_ffw_norm.weight", s.Embedding, 1)
	}
}

// sharpness is the gain of queries and keys: with 1 every token would attend to
// all others nearly alike.
const sharpness = 1.5

func (w *network) attention(at string) {
	s := &w.shape
	kv := s.Embedding / s.Heads * s.KVHeads
	w.matrix(at+"attn_q.weight", s.Embedding, s.Embedding, sharpness)
	w.matrix(at+"attn_k.weight", s.Embedding, kv, sharpness)
	w.matrix(at+"attn_v.weight", s.Embedding, kv, 1)
	w.matrix(at+"attn_output.weight", s.Embedding, s.Embedding, 1)
}

// encoder adds BERT: learned positions, norms behind the layers, and no output
// matrix.
func (w *network) encoder() {
	s := &w.shape
	norm := func(name string) {
		w.vector(name+".weight", s.Embedding, 1)
		w.vector(name+".bias", s.Embedding, 0)
	}
	w.add("attention.layer_norm_epsilon", float32(1e-12))
	w.add("attention.causal", false)
	w.add("pooling_type", uint32(s.Pooling))
	w.kvHeads()
	w.random("token_embd.weight", s.Type, s.Embedding, w.vocab, 1)
	w.random("token_types.weight", gguf.F32, s.Embedding, tokenTypes, 0.1)
	w.random("position_embd.weight", gguf.F32, s.Embedding, s.Context, 0.5)
	norm("token_embd_norm")
	for i := range s.Layers {
		at := fmt.Sprintf("blk.%d.", i)
		w.attention(at)
		norm(at + "attn_output_norm")
		w.matrix(at+"ffn_up.weight", s.Embedding, s.FeedForward, 1)
		w.matrix(at+"ffn_down.weight", s.FeedForward, s.Embedding, 1)
		norm(at + "layer_output_norm")
	}
}

// tokenTypes is how many kinds of tokens BERT tells apart: those of its first
// and of its second text.
const tokenTypes = 2
