package llama_test

import (
	"errors"
	"testing"

	"github.com/cria-lm/cria/llama"
)

func TestDecode(t *testing.T) {
	m := loadModel(t)
	x := newContext(t, m, nil)
	v := m.Vocab()
	tokens := prompt(t, x, "The capital of France is")
	logits := x.LogitsIth(-1)
	if len(logits) != v.NTokens() {
		t.Fatalf("%d logits", len(logits))
	}
	if next := string(v.TokenToPiece(nil, argmax(logits), false)); next != " Paris" {
		t.Errorf("next token %q, want \" Paris\"", next)
	}
	if x.LogitsIth(0) != nil && len(tokens) > 1 {
		t.Error("row 0 has logits that were not asked for")
	}
	if x.LogitsIth(99999) != nil || x.LogitsIth(-99999) != nil {
		t.Error("a row out of range has logits")
	}
	mem := x.Memory()
	if lo, hi := mem.SeqPosMin(0), mem.SeqPosMax(0); lo != 0 || int(hi) != len(tokens)-1 {
		t.Errorf("positions %d to %d, want 0 to %d", lo, hi, len(tokens)-1)
	}
	if !mem.SeqRemove(0, 2, -1) || mem.SeqPosMax(0) != 1 {
		t.Errorf("after removing from 2: last position %d", mem.SeqPosMax(0))
	}
	mem.Clear(false)
	if mem.SeqPosMax(0) != -1 || !mem.CanShift() {
		t.Errorf("after Clear: last position %d", mem.SeqPosMax(0))
	}
}

// What llama.cpp does not survive must not reach it.
func TestDecodeMisuse(t *testing.T) {
	m := loadModel(t)
	x := newContext(t, m, func(p *llama.ContextParams) { p.NCtx, p.NBatch, p.NUbatch = 256, 8, 8 })
	b := newBatch(t, 300)
	if rc := x.Decode(b); rc != -1 {
		t.Errorf("empty batch: %d", rc)
	}
	for i := range 9 {
		b.Add(5, llama.Pos(i), 0, false)
	}
	if rc := x.Decode(b); rc != -1 {
		t.Errorf("batch larger than n_batch: %d", rc)
	}
	for _, bad := range []struct {
		token llama.Token
		pos   llama.Pos
		seq   llama.SeqID
	}{{-1, 0, 0}, {1 << 30, 0, 0}, {5, 3, 0}, {5, -3, 0}, {5, 0, 1}, {5, 0, -1}} {
		b.Clear()
		b.Add(bad.token, bad.pos, bad.seq, true)
		if rc := x.Decode(b); rc != -1 && !(bad.pos == 3 && rc == 0) {
			t.Errorf("%+v: %d", bad, rc)
		}
		x.Memory().Clear(false)
	}
	for i := range 33 {
		b.Clear()
		for j := range 8 {
			b.Add(5, llama.Pos(8*i+j), 0, false)
		}
		if rc := x.Decode(b); rc != 0 && !(i == 32 && rc == 1) {
			t.Fatalf("batch %d: %d", i, rc)
		}
	}

	mem := x.Memory()
	for _, s := range []llama.SeqID{-1, 1, 300} {
		if mem.SeqRemove(s, -1, -1) || mem.SeqPosMax(s) != -1 || mem.SeqPosMin(s) != -1 || mem.SeqCopy(0, s, -1, -1) == nil {
			t.Errorf("sequence %d passes", s)
		}
	}
	if err := mem.SeqCopy(0, 0, 1, 2); err == nil {
		t.Error("a part is copied in a cache that is not unified")
	}
	for _, f := range []struct {
		name string
		do   func()
	}{
		{"full batch", func() {
			b := newBatch(t, 1)
			b.Add(1, 0, 0, false)
			b.Add(1, 1, 0, false)
		}},
		{"freed batch", func() { b := llama.NewBatch(1); b.Free(); b.Free(); x.Decode(b) }},
		{"batch of none", func() { llama.NewBatch(0) }},
		{"model with a context", func() { m.Free() }},
		{"freed context", func() {
			p := llama.DefaultContextParams()
			y, err := llama.NewContext(m, p)
			if err != nil {
				t.Fatal(err)
			}
			mem := y.Memory()
			y.Free()
			y.Free()
			defer func() {
				if recover() == nil {
					t.Error("freed memory: no panic")
				}
				y.NCtx()
			}()
			mem.Clear(true)
		}},
	} {
		func() {
			defer func() {
				if r := recover(); r == nil {
					t.Errorf("%s: no panic", f.name)
				}
			}()
			f.do()
		}()
	}
	for _, adjust := range []func(*llama.ContextParams){
		func(p *llama.ContextParams) { p.TypeK = 4 },
		func(p *llama.ContextParams) { p.TypeV = 199 },
		func(p *llama.ContextParams) { p.NSeqMax = 257 },
		func(p *llama.ContextParams) { p.PoolingType = 9 },
		func(p *llama.ContextParams) { p.FlashAttnType = 7 },
	} {
		p := llama.DefaultContextParams()
		adjust(&p)
		if y, err := llama.NewContext(m, p); err == nil {
			y.Free()
			t.Errorf("%+v is accepted", p)
		}
	}
}

// Where every token is an output, all count.
func TestDecodeEmbeddingsMisuse(t *testing.T) {
	m := loadModel(t)
	x := newContext(t, m, func(p *llama.ContextParams) { p.Embeddings, p.NOutputsMax = true, 2 })
	b := newBatch(t, 3)
	for i, want := range []int32{0, 0, -1} {
		x.Memory().Clear(false)
		b.Add(5, llama.Pos(i), 0, false)
		if rc := x.Decode(b); rc != want {
			t.Errorf("%d tokens for 2 rows: %d, want %d", i+1, rc, want)
		}
	}
}

// A model may have an embedding of each position, and of no other.
func TestDecodePositions(t *testing.T) {
	m := gpt2(t)
	x := newContext(t, m, func(p *llama.ContextParams) { p.NCtx = 64 })
	b := newBatch(t, 32)
	for i := range 16 {
		b.Add(2, llama.Pos(i), 0, true)
	}
	if rc := x.Decode(b); rc != 0 {
		t.Errorf("all positions: %d", rc)
	}
	for _, pos := range []llama.Pos{16, 1 << 30, -1} {
		x.Memory().Clear(false)
		b.Clear()
		b.Add(2, pos, 0, true)
		if rc := x.Decode(b); rc != -1 {
			t.Errorf("position %d: %d", pos, rc)
		}
	}
}

// Without memory, to decode is to encode.
func TestDecodeEncodes(t *testing.T) {
	m := bert(t)
	small := newContext(t, m, func(p *llama.ContextParams) { p.Embeddings, p.NUbatch = true, 4 })
	causal := newContext(t, m, func(p *llama.ContextParams) { p.Embeddings, p.NUbatch, p.AttentionType = true, 4, 0 })
	rows := newContext(t, m, func(p *llama.ContextParams) { p.NOutputsMax = 4 })
	for _, tt := range []struct {
		x          *llama.Context
		first, end llama.Pos
		want       int32
	}{
		{small, 0, 4, 0}, {small, 0, 5, -1}, {small, 60, 64, 0}, {small, 61, 65, -1}, {small, -1, 2, -1},
		{causal, 0, 4, 0}, {causal, 0, 5, -1},
		{rows, 0, 4, 0}, {rows, 0, 5, -1},
	} {
		b := newBatch(t, 8)
		for pos := tt.first; pos < tt.end; pos++ {
			b.Add(5, pos, 0, false)
		}
		if rc := tt.x.Decode(b); rc != tt.want {
			t.Errorf("positions %d to %d: %d, want %d", tt.first, tt.end, rc, tt.want)
		}
		if tt.want == 0 && tt.x != rows && tt.x.EmbeddingsSeq(0) == nil {
			t.Errorf("positions %d to %d: no embedding", tt.first, tt.end)
		}
	}
}

func TestUnifiedCopy(t *testing.T) {
	m := loadModel(t)
	x := newContext(t, m, func(p *llama.ContextParams) { p.KVUnified, p.NSeqMax = true, 4 })
	tokens := prompt(t, x, "The capital of France is")
	want := argmax(x.LogitsIth(-1))
	mem := x.Memory()
	last := llama.Pos(len(tokens) - 1)
	if err := mem.SeqCopy(0, 3, 0, last); err != nil {
		t.Fatal(err)
	}
	b := newBatch(t, 1)
	b.Add(tokens[last], last, 3, true)
	if rc := x.Decode(b); rc != 0 {
		t.Fatalf("Decode: %d", rc)
	}
	if got := argmax(x.LogitsIth(0)); got != want {
		t.Errorf("next token of the copy %d, want %d", got, want)
	}
}

func TestAbort(t *testing.T) {
	m := loadModel(t)
	x := newContext(t, m, nil)
	x.Abort() // not enabled: does nothing
	if err := x.EnableAbort(); err != nil {
		t.Fatal(err)
	}
	prompt(t, x, "one")
	x.Memory().Clear(false)
	x.Abort()
	b := newBatch(t, 1)
	b.Add(5, 0, 0, true)
	if rc := x.Decode(b); rc != 2 {
		t.Errorf("aborted decode: %d, want 2", rc)
	}
	x.ClearAbort()
	x.Memory().Clear(false)
	if rc := x.Decode(b); rc != 0 {
		t.Errorf("after ClearAbort: %d", rc)
	}
}

func TestThreadPool(t *testing.T) {
	m := loadModel(t)
	x := newContext(t, m, nil)
	x.SetThreads(1, 2)
	var pools []*llama.ThreadPool
	for _, poll := range []int{0, llama.DefaultPoll, 0} {
		pool, err := llama.NewThreadPool(llama.ThreadPoolParams{Threads: 2, Poll: poll})
		if err != nil {
			t.Fatal(err)
		}
		pools = append(pools, pool)
		x.AttachThreadPool(pool, nil)
		x.AttachThreadPool(pools[0], pool)
		x.Memory().Clear(false)
		prompt(t, x, "The capital of France is")
		if next := string(m.Vocab().TokenToPiece(nil, argmax(x.LogitsIth(-1)), false)); next != " Paris" {
			t.Errorf("poll %d: next token %q", poll, next)
		}
	}
	for i, pool := range pools {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("freeing pool %d, which the context has: no panic", i)
				}
			}()
			pool.Free()
		}()
	}
	x.Free()
	for _, pool := range pools {
		pool.Free()
		pool.Free()
	}
	for _, p := range []llama.ThreadPoolParams{{}, {Threads: -1}, {Threads: 513}, {Threads: 1, Poll: -1}, {Threads: 1, Poll: 101}} {
		if _, err := llama.NewThreadPool(p); err == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
}

// What takes more memory than a machine has is an error of its own kind, and nothing else
// is harmed.
func TestContextMemory(t *testing.T) {
	m := loadModel(t)
	p := llama.DefaultContextParams()
	p.NCtx = 1 << 25 // 720 GiB of keys and values
	x, err := llama.NewContext(m, p)
	if !errors.Is(err, llama.ErrMemory) || x != nil {
		t.Fatalf("%v, want %v", err, llama.ErrMemory)
	}
	p.NCtx = 256
	x, err = llama.NewContext(m, p)
	if err != nil {
		t.Fatal(err)
	}
	x.Free()
}
