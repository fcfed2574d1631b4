package synth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cria-lm/cria/gguf"
)

// Architecture is a kind of network, named as in the file.
type Architecture string

const (
	Llama  Architecture = "llama"
	Gemma3 Architecture = "gemma3" // attends within a sliding window in all layers but every sixth
	Mamba  Architecture = "mamba"  // recurrent: a state in the place of a cache
	Jamba  Architecture = "jamba"  // hybrid: Mamba's layers, and attention in every eighth
	BERT   Architecture = "bert"   // an encoder: embeddings, no text
)

// Architectures are all kinds.
var Architectures = []Architecture{Llama, Gemma3, Mamba, Jamba, BERT}

// Pooling is how an encoder makes one vector of those of its tokens, numbered
// as llama_pooling_type.
type Pooling uint32

const (
	Mean Pooling = 1
	CLS  Pooling = 2 // the first token's
	Last Pooling = 3 // the last token's
)

// Types are the tensor types that matrices may have.
var Types = []gguf.TensorType{gguf.F32, gguf.F16, gguf.BF16, gguf.Q8_0, gguf.Q6_K, gguf.Q4_K, gguf.Q4_1, gguf.Q4_0}

// Shape is what a model looks like. A zero field means its default.
type Shape struct {
	Architecture Architecture // if empty, Llama
	Layers       int          // 1 to 512, at least 2 for Gemma3 and Jamba; if zero, 2
	Embedding    int          // width of the hidden state; if zero, 64

	// Not for Mamba, which has neither attention nor a feed-forward network.
	Heads       int // of attention; they divide Embedding into even parts. If zero, 4
	KVHeads     int // if zero, Heads, which they divide
	FeedForward int // width of the feed-forward network; if zero, 4 times Embedding

	Context int     // tokens it is said to be trained with; if zero, 2048
	Window  int     // tokens that the sliding window holds, only for Gemma3; if zero, 512
	Pooling Pooling // only for BERT; if zero, Mean

	// Type is that of the matrices: one of [Types]. Vectors, and those small
	// matrices that llama.cpp wants so, are F32.
	Type gguf.TensorType

	Seed uint64 // of the weights
}

// The most that fields may be. LLAMA_MAX_LAYERS is 512; the rest is far beyond
// any model and keeps products within an int.
const (
	maxLayers  = 512
	maxWidth   = 1 << 17
	maxContext = 1 << 24
)

// attends reports whether some layers have attention.
func (s *Shape) attends() bool { return s.Architecture != Mamba }

// setDefaults gives zero fields their defaults.
func (s *Shape) setDefaults() {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	if s.Architecture == "" {
		s.Architecture = Llama
	}
	set(&s.Layers, 2)
	set(&s.Embedding, 64)
	set(&s.Context, 2048)
	if s.attends() {
		set(&s.Heads, 4)
		set(&s.KVHeads, s.Heads)
		set(&s.FeedForward, 4*s.Embedding)
	}
	if s.Architecture == Gemma3 {
		set(&s.Window, 512)
	}
	if s.Architecture == BERT && s.Pooling == 0 {
		s.Pooling = Mean
	}
}

// check reports the first field that makes no model. llama.cpp ends the process
// on most of these.
func (s *Shape) check() error {
	if !slices.Contains(Architectures, s.Architecture) {
		return fmt.Errorf("architecture %q is not known; there are %s", s.Architecture, join(Architectures))
	}
	if !slices.Contains(Types, s.Type) {
		return fmt.Errorf("type %v cannot be written; there are %s", s.Type, join(Types))
	}
	leastLayers := 1
	if s.Architecture == Gemma3 || s.Architecture == Jamba {
		leastLayers = 2 // one of each kind
	}
	for _, f := range []struct {
		name               string
		value, least, most int
		used               bool
	}{
		{"layers", s.Layers, leastLayers, maxLayers, true},
		{"embedding", s.Embedding, 2, maxWidth, true},
		{"context", s.Context, 1, maxContext, true},
		{"heads", s.Heads, 1, maxWidth, s.attends()},
		{"KV heads", s.KVHeads, 1, maxWidth, s.attends()},
		{"feed-forward", s.FeedForward, 1, maxWidth, s.attends()},
		{"window", s.Window, 1, maxContext, s.Architecture == Gemma3},
		{"pooling", int(s.Pooling), int(Mean), int(Last), s.Architecture == BERT},
	} {
		switch {
		case !f.used && f.value != 0:
			return fmt.Errorf("%s: %s has none; leave it 0", f.name, s.Architecture)
		case f.used && (f.value < f.least || f.value > f.most):
			return fmt.Errorf("%s: %d is not in %d to %d", f.name, f.value, f.least, f.most)
		}
	}
	return errors.Join(s.checkHeads(), s.checkRows())
}

func (s *Shape) checkHeads() error {
	switch {
	case !s.attends():
		return nil
	case s.Embedding%(2*s.Heads) != 0:
		return fmt.Errorf("heads: %d do not divide an embedding of %d into parts of even width", s.Heads, s.Embedding)
	case s.Heads%s.KVHeads != 0:
		return fmt.Errorf("KV heads: %d do not divide %d heads", s.KVHeads, s.Heads)
	}
	return nil
}

// checkRows refuses rows that are not whole blocks.
func (s *Shape) checkRows() error {
	block, _ := s.Type.Block()
	if s.Embedding%block != 0 {
		return fmt.Errorf("embedding: %d is not a multiple of %d, the block of %v", s.Embedding, block, s.Type)
	}
	if s.FeedForward%block != 0 {
		return fmt.Errorf("feed-forward: %d is not a multiple of %d, the block of %v", s.FeedForward, block, s.Type)
	}
	return nil
}

// join lists values for people.
func join[T any](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ", ")
}
