package engine

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/cria-lm/cria/llama"
)

// Pooling says how the embeddings of an input's tokens become one.
type Pooling string

// The poolings. A score, as rerankers make it, is not one of them.
const (
	PoolingMean Pooling = "mean"
	PoolingCLS  Pooling = "cls"  // the first token's
	PoolingLast Pooling = "last" // the last token's
)

var poolings = map[Pooling]llama.PoolingType{
	PoolingMean: llama.PoolingMean,
	PoolingCLS:  llama.PoolingCLS,
	PoolingLast: llama.PoolingLast,
}

// maxPacked is how many inputs are computed at once.
const maxPacked = 64

// checkEmbeds refuses a model that makes no embeddings.
func checkEmbeds(m *llama.Model) error {
	switch {
	case m.Vocab().Type() == llama.VocabNone:
		return errors.New("engine: this model has no vocabulary")
	case !m.Vocab().CanAddSpecial():
		return errors.New("engine: this model wants special tokens around a text that its vocabulary does not have")
	case m.HasEncoder() && m.HasDecoder():
		return errors.New("engine: this model decodes what it has encoded; it makes no embeddings")
	case m.NEmbdOut() > m.NEmbd():
		return fmt.Errorf("engine: embeddings of %d dimensions cannot come from a model that is %d wide", m.NEmbdOut(), m.NEmbd())
	}
	return nil
}

// ownPooling returns how a model was made to pool.
func ownPooling(m *llama.Model) (Pooling, error) {
	arch, _ := m.Meta("general.architecture")
	text, ok := m.Meta(arch + ".pooling_type")
	if !ok {
		return PoolingMean, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	switch own := llama.PoolingType(n); {
	case err != nil:
	case own == llama.PoolingUnspecified, own == llama.PoolingNone:
		return PoolingMean, nil
	case own == llama.PoolingRank:
		return "", errors.New("engine: this model scores pairs of texts (rank pooling); it makes no embeddings")
	default:
		for name, p := range poolings {
			if p == own {
				return name, nil
			}
		}
	}
	return "", fmt.Errorf("engine: the model's pooling type %s is not known", text)
}

// newEmbeddingContext makes a context that computes up to limit tokens at once.
// llama.cpp pools only what it computes at once, so an input is never in two
// parts: a batch is as long as what is computed of it together, and a unified
// cache keeps it from being cut by sequence.
func newEmbeddingContext(m *llama.Model, pooling Pooling, limit int, gov *governor, flash *bool) (*llama.Context, error) {
	p := llama.DefaultContextParams()
	p.Embeddings, p.PoolingType = true, int32(poolings[pooling])
	p.NSeqMax = uint32(min(maxPacked, limit))
	if m.IsRecurrent() || m.IsHybrid() {
		p.NSeqMax = 1 // each would have a state, and be computed by itself all the same
	}
	// llama.cpp reserves for a multiple of the sequences, and asserts that it fits a batch.
	tokens := (uint32(limit) + p.NSeqMax - 1) / p.NSeqMax * p.NSeqMax
	p.NCtx, p.NBatch, p.NUbatch = tokens, tokens, tokens
	p.KVUnified = true
	p.FlashAttnType = flashType(flash)
	gov.update(minInterval)
	now := gov.now()
	p.NThreads, p.NThreadsBatch = int32(now.decode), int32(now.prefill)
	return llama.NewContext(m, p)
}
