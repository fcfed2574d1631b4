package llama

import (
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// cBatch is llama_batch.
type cBatch struct {
	nTokens int32
	_       [4]byte
	token   uintptr // Token each
	embd    uintptr
	pos     uintptr // Pos each
	nSeqID  uintptr // int32 each
	seqID   uintptr // *SeqID each
	logits  uintptr // int8 each
}

// Batch is the tokens of one [Context.Decode]. It is reusable: add, decode,
// clear. Its arrays are C memory, which [Batch.Free] releases. It belongs to one
// goroutine at a time.
type Batch struct {
	c   cBatch
	cap int
	out int

	// Views of the C arrays.
	token  []Token
	pos    []Pos
	seq    []*SeqID
	logits []int8
}

// NewBatch returns an empty batch with room for n tokens, each of one sequence.
// It panics before [Load] and if n is not positive.
func NewBatch(n int) *Batch {
	if _, ok := Loaded(); !ok {
		panic("llama: NewBatch before Load")
	}
	if n <= 0 || n > 1<<24 {
		panic(fmt.Sprintf("llama: NewBatch of %d tokens", n))
	}
	var alloc func(n, embd, nSeqMax int32) cBatch
	purego.RegisterFunc(&alloc, c.batchInit)
	b := &Batch{c: alloc(int32(n), 0, 1), cap: n}
	b.token = unsafe.Slice((*Token)(pointer(b.c.token)), n)
	b.pos = unsafe.Slice((*Pos)(pointer(b.c.pos)), n)
	b.seq = unsafe.Slice((**SeqID)(pointer(b.c.seqID)), n)
	b.logits = unsafe.Slice((*int8)(pointer(b.c.logits)), n)
	counts := unsafe.Slice((*int32)(pointer(b.c.nSeqID)), n)
	for i := range counts {
		counts[i] = 1
	}
	return b
}

// Free releases the batch's memory. A second call does nothing.
func (b *Batch) Free() {
	if b.cap == 0 {
		return
	}
	b.c.nTokens = 0
	callByValue0(c.batchFree, uintptr(unsafe.Pointer(&b.c)), unsafe.Sizeof(b.c))
	*b = Batch{}
}

// Len returns the number of tokens in the batch.
func (b *Batch) Len() int { return int(b.c.nTokens) }

// Cap returns the number of tokens it has room for, 0 after Free.
func (b *Batch) Cap() int { return b.cap }

// Add appends a token at its position in a sequence; with logits, decoding
// computes what may follow it. It panics if the batch is full.
func (b *Batch) Add(t Token, pos Pos, seq SeqID, logits bool) {
	i := int(b.c.nTokens)
	if i >= b.cap {
		panic(fmt.Sprintf("llama: Batch.Add: the batch has room for %d tokens", b.cap))
	}
	b.token[i] = t
	b.pos[i] = pos
	*b.seq[i] = seq
	b.logits[i] = 0
	if logits {
		b.logits[i] = 1
		b.out++
	}
	b.c.nTokens++
}

// Contains reports whether a token stands in the batch at a position.
func (b *Batch) Contains(t Token, pos Pos) bool {
	for i := range b.Len() {
		if b.token[i] == t && b.pos[i] == pos {
			return true
		}
	}
	return false
}

// Clear empties the batch.
func (b *Batch) Clear() { b.c.nTokens, b.out = 0, 0 }
