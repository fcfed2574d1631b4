package llama

import (
	"errors"
	"fmt"
)

// Token is a token id of a vocabulary.
type Token = int32

// Pos is a token's position in its sequence, from 0.
type Pos = int32

// SeqID names a sequence of a context, from 0.
type SeqID = int32

// LoadMode says how a model's weights come into memory.
type LoadMode int32

// The load modes of llama_load_mode.
const (
	LoadAuto     LoadMode = -1 // the backends' choice: mmap where they can
	LoadRead     LoadMode = 0  // read into memory
	LoadMmap     LoadMode = 1  // map the file: shared between processes, read when touched
	LoadMlock    LoadMode = 2  // read and locked into RAM
	LoadMmapLock LoadMode = 3
	LoadDirectIO LoadMode = 4 // read past the page cache
)

// ModelParams is llama_model_params. Get one from [DefaultModelParams]: the
// zero value is not the default. The uintptr fields are addresses of C memory.
type ModelParams struct {
	Devices             uintptr // NULL-terminated list of devices; 0: all
	TensorBuftOverrides uintptr
	NGPULayers          int32 // layers offloaded; -1: all
	SplitMode           int32 // over several GPUs: 0 none, 1 layer, 2 row, 3 tensor
	LoadMode            LoadMode
	LazyMode            int32 // 0 off, 1 auto, 2 on
	MainGPU             int32
	_                   [4]byte
	TensorSplit         uintptr // share per device, one float each
	progressCallback    uintptr
	progressUserData    uintptr
	KVOverrides         uintptr
	VocabOnly           bool // no weights: tokenization and metadata only
	CheckTensors        bool // reject NaN and infinite weights; reads the whole file
	UseExtraBufts       bool // repack weights for the CPU's matrix kernels
	NoHost              bool
	NoAlloc             bool // sizes only, no weights
	LoadMTP             bool
	_                   [2]byte
}

// DefaultModelParams returns what llama_model_default_params does. ([Load] has
// checked that they are the same.)
func DefaultModelParams() ModelParams {
	return ModelParams{NGPULayers: -1, SplitMode: 1, LoadMode: LoadAuto, LazyMode: 1, UseExtraBufts: true}
}

// ContextParams is llama_context_params. Get one from [DefaultContextParams]:
// the zero value is not the default. The uintptr fields are addresses of C
// memory or functions.
type ContextParams struct {
	NCtx              uint32 // cells of the KV cache, over all sequences; 0: as many as the model was trained with
	NBatch            uint32 // most tokens in one Decode
	NUbatch           uint32 // most tokens computed at once
	NSeqMax           uint32 // sequences: at most 256
	NRsSeq            uint32 // snapshots per sequence of a recurrent state
	NOutputsMax       uint32 // most rows of logits in one Decode; 0: NBatch
	NOutputsMaxPerSeq uint32
	NThreads          int32 // threads that decode one token
	NThreadsBatch     int32 // threads that decode several
	CtxType           int32 // 0 default, 1 multi-token prediction
	RopeScalingType   int32
	PoolingType       int32 // of embeddings: -1 the model's, 0 none, 1 mean, 2 cls, 3 last, 4 rank
	AttentionType     int32 // -1 the model's, 0 causal, 1 not
	FlashAttnType     int32 // -1 auto, 0 off, 1 on
	RopeFreqBase      float32
	RopeFreqScale     float32
	YarnExtFactor     float32
	YarnAttnFactor    float32
	YarnBetaFast      float32
	YarnBetaSlow      float32
	YarnOrigCtx       uint32
	DefragThold       float32 // deprecated
	EvalCallback      uintptr
	EvalUserData      uintptr
	TypeK             int32 // ggml_type of cached keys: 1 is F16
	TypeV             int32
	AbortCallback     uintptr
	AbortUserData     uintptr
	Embeddings        bool
	OffloadKQV        bool
	NoPerf            bool
	OpOffload         bool
	SWAFull           bool // keep all cells of sliding-window layers: without it, taking tokens back gives wrong logits
	KVUnified         bool // one cache for all sequences: prefixes can be shared
	_                 [2]byte
	Samplers          uintptr
	NSamplers         uintptr
	CtxOther          uintptr
}

// DefaultContextParams returns what llama_context_default_params does. ([Load]
// has checked that they are the same.)
func DefaultContextParams() ContextParams {
	return ContextParams{
		NCtx: 512, NBatch: 2048, NUbatch: 512, NSeqMax: 1, NOutputsMaxPerSeq: 1,
		NThreads: 4, NThreadsBatch: 4,
		RopeScalingType: -1, PoolingType: -1, AttentionType: -1, FlashAttnType: -1,
		YarnExtFactor: -1, YarnAttnFactor: -1, YarnBetaFast: -1, YarnBetaSlow: -1, DefragThold: -1,
		TypeK: 1, TypeV: 1,
		OffloadKQV: true, NoPerf: true, OpOffload: true, SWAFull: true,
	}
}

// check reports values that llama.cpp does not survive.
func (p *ContextParams) check(m *Model) error {
	for _, f := range []struct {
		name   string
		v      int32
		lo, hi int32
	}{
		{"CtxType", p.CtxType, 0, 1},
		{"RopeScalingType", p.RopeScalingType, -1, 3},
		{"PoolingType", p.PoolingType, -1, 4},
		{"AttentionType", p.AttentionType, -1, 1},
		{"FlashAttnType", p.FlashAttnType, -1, 1},
	} {
		if f.v < f.lo || f.v > f.hi {
			return badParam(f.name, f.v)
		}
	}
	if p.NBatch == 0 {
		return badParam("NBatch", 0)
	}
	if !cacheTypes[p.TypeK] {
		return badParam("TypeK", p.TypeK)
	}
	if !cacheTypes[p.TypeV] {
		return badParam("TypeV", p.TypeV)
	}
	return p.checkFor(m)
}

// checkFor reports values that llama.cpp does not survive with a model.
func (p *ContextParams) checkFor(m *Model) error {
	if m.vocabOnly {
		return errors.New("llama: the model was loaded for its vocabulary only: there is nothing to compute with")
	}
	if rows, seqs := p.rows(m), max(int(p.NSeqMax), 1); rows < seqs {
		return fmt.Errorf("llama: %d rows of logits (NOutputsMax, NBatch or NCtx) are too few for %d sequences (NSeqMax)", rows, seqs)
	}
	if p.Embeddings && PoolingType(p.PoolingType) == PoolingUnspecified {
		return m.checkPooling()
	}
	return nil
}

// rows returns how many rows of logits a batch can have in a context of a model,
// as the constructor of llama_context settles it.
func (p *ContextParams) rows(m *Model) int {
	if p.NOutputsMax > 0 && !m.HasEncoder() {
		return int(p.NOutputsMax)
	}
	cells := int(p.NCtx)
	if cells == 0 {
		cells = m.NCtxTrain()
	}
	if m.causal(p.AttentionType) {
		return min(int(p.NBatch), cells)
	}
	return int(p.NBatch)
}

// cacheTypes are the ggml types that a KV cache may have: F32, F16, Q4_0, Q4_1,
// Q5_0, Q5_1, Q8_0, IQ4_NL, BF16. Numbers that name no type crash.
var cacheTypes = map[int32]bool{0: true, 1: true, 2: true, 3: true, 6: true, 7: true, 8: true, 20: true, 30: true}
