package llama

import (
	"fmt"
	"strconv"
	"unsafe"

	"github.com/ebitengine/purego"
)

// PoolingType is llama_pooling_type: how the embeddings of a sequence's tokens
// become one. It is [ContextParams].PoolingType.
type PoolingType int32

// The pooling types.
const (
	PoolingUnspecified PoolingType = iota - 1 // the model's
	PoolingNone                               // one embedding for each token
	PoolingMean
	PoolingCLS  // the first token's
	PoolingLast // the last token's
	PoolingRank // a score, not an embedding
)

// NEmbdOut returns the width of the model's embeddings, which is that of the
// model unless the file says otherwise.
func (m *Model) NEmbdOut() int { return m.int(c.modelNEmbdOut) }

// checkPooling reports a way to pool that the model asks for and llama.cpp does not
// know.
func (m *Model) checkPooling() error {
	own, ok := m.Meta(m.architecture() + ".pooling_type")
	if n, err := strconv.Atoi(own); ok && (err != nil || n > int(PoolingRank)) {
		return fmt.Errorf("llama: the model's pooling type %s is not known; set PoolingType", own)
	}
	return nil
}

// PoolingType returns how the context pools, never [PoolingUnspecified].
func (x *Context) PoolingType() PoolingType {
	return PoolingType(int32(call1(c.poolingType, x.handle())))
}

// Encode computes the batch with the model's encoder: every token attends to its
// whole sequence, and nothing is put into memory. It returns llama_encode's code:
//
//	 0  done
//	 2  aborted by [Context.Abort]
//	-1  the batch is invalid
//	<-1 fatal: out of memory, or the backend failed
//
// The batch is computed at once and every token of it has an output, so that one
// that is empty, larger than [Context.NUbatch] or than the rows the context
// holds is invalid (-1) and does not reach C. So are a position that is not in 0
// to [Model.NCtxTrain], for which a model may have no embedding, and any batch
// for a model without an encoder for tokens: one that has memory, unless it is a
// T5.
//
// Encode does not allocate in Go for models without memory.
func (x *Context) Encode(b *Batch) int32 {
	h := x.handle()
	if b.cap == 0 {
		panic("llama: Batch used after Free")
	}
	n := b.Len()
	if n == 0 || n > x.NUbatch() || n > x.nRows || !x.encodes() || !b.within(x.model.NCtxTrain()) {
		return -1
	}
	x.byValue = b.c
	x.args[0] = h
	end := appendStruct(&x.args, 1, uintptr(unsafe.Pointer(&x.byValue)), unsafe.Sizeof(x.byValue))
	x.model.adapting.RLock()
	r, _, _ := purego.SyscallN(c.encode, x.args[:end]...)
	x.model.adapting.RUnlock()
	return int32(r)
}

// encodes reports whether the model can compute tokens without memory. The
// encoders of drafting models take another model's states instead.
func (x *Context) encodes() bool {
	if x.mem.h == 0 {
		return true
	}
	arch := x.model.architecture()
	return arch == "t5" || arch == "t5encoder"
}

// within reports whether all positions are in 0 to n, n not included.
func (b *Batch) within(n int) bool {
	for _, p := range b.pos[:b.Len()] {
		if p < 0 || int(p) >= n {
			return false
		}
	}
	return true
}

// EmbeddingsIth returns the embedding of row i of the last batch, which must be
// an output, or nil; -1 is the last row. It is nil too if the context does not
// compute embeddings or pools them: see [Context.EmbeddingsSeq]. The slice views
// C memory, which is valid until the next Decode, Encode or Free.
func (x *Context) EmbeddingsIth(i int) []float32 {
	h := x.handle()
	if x.PoolingType() != PoolingNone {
		return nil // C has the room for rows, but nothing in it
	}
	return x.embedding(call2(c.embeddingsIth, h, uintptr(i)))
}

// EmbeddingsSeq returns the pooled embedding of a sequence of the last batch, or
// nil if the batch had none of it, the context does not compute embeddings, does
// not pool, or computes scores ([PoolingRank]). The slice views C memory, which
// is valid until the next Decode, Encode or Free.
//
// What is pooled is the part of a sequence that was computed last: a sequence
// that is longer than [Context.NUbatch], or whose batch is, gives the embedding
// of its end. In a cache that is not unified, sequences of different lengths in
// one batch are computed in parts as well.
func (x *Context) EmbeddingsSeq(s SeqID) []float32 {
	h := x.handle()
	if x.PoolingType() == PoolingRank {
		return nil
	}
	return x.embedding(call2(c.embeddingsSeq, h, uintptr(s)))
}

func (x *Context) embedding(at uintptr) []float32 {
	if at == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(pointer(at)), x.model.NEmbdOut())
}
