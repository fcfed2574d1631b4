package llama

import (
	"fmt"
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Context is a model's working memory: a KV cache and the buffers to compute
// with. It belongs to one goroutine at a time; only [Context.Abort] may be
// called from another.
type Context struct {
	h       uintptr
	model   *Model
	mem     *Memory
	nVocab  int
	nBatch  int               // most tokens of a batch
	nRows   int               // most outputs of a batch
	allRows bool              // every token is an output
	nPos    int               // positions are less
	args    [maxWords]uintptr // of Decode and LogitsIth: reused, so that a call allocates nothing
	byValue cBatch            // the copy of a batch that Decode hands to C
	pools   []*ThreadPool     // that were attached
	loras   []*LoRA           // that it computes with
	abort   *atomic.Uint32    // read by C; nil: not enabled
}

// NewContext makes a context of the model. What the parameters ask for may be
// adjusted: read it back from the context. The cost is that of the KV cache,
// which is allocated whole.
func NewContext(m *Model, p ContextParams) (*Context, error) {
	if err := p.check(m); err != nil {
		return nil, err
	}
	m.adapting.RLock()
	defer m.adapting.RUnlock()
	model := m.handle()
	errs := captureErrors()
	registry.RLock()
	h := callByValue(c.contextInit, model, uintptr(unsafe.Pointer(&p)), unsafe.Sizeof(p))
	registry.RUnlock()
	why := errs.failed()
	if h == 0 {
		return nil, fmt.Errorf("llama: a context of %d cells cannot be made: %w", p.NCtx, why)
	}
	m.contexts.Add(1)
	ctx := &Context{h: h, model: m, nVocab: m.vocab.n, nRows: p.rows(m), nPos: math.MaxInt}
	ctx.mem = &Memory{ctx: ctx, h: call1(c.getMemory, h), unified: p.KVUnified, nSeq: ctx.NSeqMax()}
	if p.KVUnified {
		ctx.mem.nSeq = MaxSequences()
	}
	encodes := ctx.mem.h == 0 // then Decode does
	ctx.allRows = encodes || p.Embeddings
	ctx.nBatch = ctx.NBatch()
	if encodes || !m.causal(p.AttentionType) {
		// A batch that attends in both directions cannot be computed in parts.
		ctx.nBatch = min(ctx.nBatch, ctx.NUbatch())
	}
	if encodes || m.learnsPositions() {
		ctx.nPos = m.NCtxTrain()
	}
	return ctx, nil
}

func (x *Context) handle() uintptr {
	if x.h == 0 {
		panic("llama: Context used after Free")
	}
	return x.h
}

// Free releases the context. A second call does nothing.
func (x *Context) Free() {
	if x.h == 0 {
		return
	}
	call1(c.contextFree, x.h)
	for _, p := range x.pools {
		p.attached--
	}
	x.useLoRAs(nil)
	x.h, x.mem.h, x.pools = 0, 0, nil
	x.model.contexts.Add(-1)
}

// Model returns the model of the context.
func (x *Context) Model() *Model { return x.model }

// Memory returns the context's memory, nil if the model has none.
func (x *Context) Memory() *Memory {
	if x.mem.h == 0 {
		return nil
	}
	return x.mem
}

// NCtx returns the number of cells over all sequences.
func (x *Context) NCtx() int { return int(uint32(call1(c.nCtx, x.handle()))) }

// NCtxSeq returns the most tokens that one sequence can have.
func (x *Context) NCtxSeq() int { return int(uint32(call1(c.nCtxSeq, x.handle()))) }

// NBatch returns the most tokens of one Decode.
func (x *Context) NBatch() int { return int(uint32(call1(c.nBatch, x.handle()))) }

// NUbatch returns the most tokens computed at once.
func (x *Context) NUbatch() int { return int(uint32(call1(c.nUbatch, x.handle()))) }

// NSeqMax returns the number of sequences.
func (x *Context) NSeqMax() int { return int(uint32(call1(c.nSeqMax, x.handle()))) }

// SetThreads sets the threads that decode one token, and several.
func (x *Context) SetThreads(n, batch int) {
	call4(c.setNThreads, x.handle(), uintptr(max(n, 1)), uintptr(max(batch, 1)), 0)
}

// Synchronize waits until all computation is done. The calls that read results
// do so themselves.
func (x *Context) Synchronize() { call1(c.synchronize, x.handle()) }

// Decode computes the batch and puts its tokens into memory. It returns
// llama_decode's code:
//
//	 0  done
//	 1  the memory has no room: nothing changed; free some or try a smaller batch
//	 2  aborted by [Context.Abort]: parts may have been computed; read
//	    [Memory.SeqPosMax] and remove them
//	-1  the batch is invalid: nothing changed
//	<-1 fatal: out of memory, or the backend failed; parts may have been computed
//
// A batch that is empty, larger than [Context.NBatch] or with more outputs than
// the context has rows is invalid (-1) and does not reach C; if the context
// computes embeddings, every token is an output. The positions of a sequence must
// follow what its memory holds, without gaps; in a model that learned an embedding
// of each position they must be less than [Model.NCtxTrain].
//
// Without memory, and where tokens attend to those after them, a batch is computed
// at once and may have [Context.NUbatch] tokens; without memory, Decode does what
// [Context.Encode] does.
//
// Decode does not allocate in Go.
func (x *Context) Decode(b *Batch) int32 {
	h := x.handle()
	if b.cap == 0 {
		panic("llama: Batch used after Free")
	}
	n, rows := b.Len(), b.out
	if x.allRows {
		rows = n
	}
	if n == 0 || n > x.nBatch || rows > x.nRows || !b.within(x.nPos) {
		return -1
	}
	x.byValue = b.c
	x.args[0] = h
	end := appendStruct(&x.args, 1, uintptr(unsafe.Pointer(&x.byValue)), unsafe.Sizeof(x.byValue))
	x.model.adapting.RLock()
	r, _, _ := purego.SyscallN(c.decode, x.args[:end]...)
	x.model.adapting.RUnlock()
	return int32(r)
}

// LogitsIth returns the logits of row i of the last batch, which must have been
// added with logits, or nil; -1 is the last row. The slice views C memory: it
// may be written to, and is valid until the next Decode or Free. Rows may be
// read from other goroutines meanwhile.
//
// LogitsIth does not allocate.
func (x *Context) LogitsIth(i int) []float32 {
	x.args[0], x.args[1] = x.handle(), uintptr(i)
	r, _, _ := purego.SyscallN(c.logitsIth, x.args[:2]...)
	if r == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(pointer(r)), x.nVocab)
}

// EnableAbort makes [Context.Abort] work. Only the CPU backend looks for it
// (between the operations of a graph); layers on a GPU are computed to the end.
func (x *Context) EnableAbort() error {
	// The callback is C's strlen: as text, the flag is empty while it is 0, and
	// one byte long while it is 1. A Go callback here would be called for every
	// operation of the graph.
	strlen := libcSymbol("strlen")
	if strlen == 0 {
		return fmt.Errorf("llama: the C library has no strlen")
	}
	x.abort = new(atomic.Uint32)
	call4(c.setAbort, x.handle(), strlen, uintptr(unsafe.Pointer(x.abort)), 0)
	return nil
}

// Abort makes the Decode under way, and those after it, return 2 soon, until
// [Context.ClearAbort]. It may be called from any goroutine, and before
// EnableAbort does nothing.
func (x *Context) Abort() {
	if x.abort != nil {
		x.abort.Store(1)
	}
}

// ClearAbort lets Decode compute again.
func (x *Context) ClearAbort() {
	if x.abort != nil {
		x.abort.Store(0)
	}
}
