package llama

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Model is a loaded model. Its methods may be called from any goroutine, except
// [Model.Free].
type Model struct {
	h         uintptr
	vocab     *Vocab
	vocabOnly bool
	contexts  atomic.Int32 // alive; a context does not survive its model
	loras     atomic.Int32 // alive, which llama.cpp would free with the model

	// adapting is held for writing while the model's adapters change, and for reading by
	// contexts while they are made and compute: they lay out their buffers by what
	// adapters the model has.
	adapting sync.RWMutex
}

// LoadModel loads the model in the file at path, which must be valid GGUF: this
// package does not look into it, and llama.cpp does not survive every malformed
// one. A model that llama.cpp refuses gives an error with its reason.
//
// If progress is not nil it is called from time to time, on this goroutine,
// with the part done (0 to 1; always 0 on Windows); when it returns false the
// load is given up and LoadModel returns [ErrCancelled]. It must not call [LoadBackend],
// which waits for the load.
func LoadModel(path string, p ModelParams, progress func(float32) bool) (*Model, error) {
	return LoadModelOn(path, p, nil, nil, progress)
}

// LoadModelOn is [LoadModel] with the devices that may get layers, and the share of each,
// in place of those of p. Nil devices are all that there are; an empty list is the CPU
// alone. No shares are in proportion to the devices' free memory.
func LoadModelOn(path string, p ModelParams, devices []Device, split []float32, progress func(float32) bool) (*Model, error) {
	if len(split) > maxDevices || len(split) > 0 && len(split) != len(devices) {
		return nil, fmt.Errorf("llama: %d shares for %d devices", len(split), len(devices))
	}
	file := cString(path)
	var list []uintptr // ends with a zero
	if devices != nil {
		list = onHeap[uintptr](len(devices) + 1)
		for i, d := range devices {
			list[i] = d.h
		}
		p.Devices = uintptr(unsafe.Pointer(&list[0]))
	}
	shares := onHeap[float32](maxDevices) // llama.cpp reads so many
	if len(split) > 0 {
		copy(shares, split)
		p.TensorSplit = uintptr(unsafe.Pointer(&shares[0]))
	}
	defer runtime.KeepAlive(list)
	defer runtime.KeepAlive(shares)
	return loadModel(path, p, progress, func(p *ModelParams) uintptr {
		return callByValue(c.modelLoad, uintptr(unsafe.Pointer(&file[0])), uintptr(unsafe.Pointer(p)), unsafe.Sizeof(*p))
	})
}

// maxDevices is llama_max_devices.
const maxDevices = 16

// LoadModelSplits is [LoadModel] for a model in several files, in their order.
func LoadModelSplits(paths []string, p ModelParams, progress func(float32) bool) (*Model, error) {
	if len(paths) == 0 {
		return nil, errors.New("llama: no model file given")
	}
	files := make([][]byte, len(paths))
	list := make([]uintptr, len(paths))
	for i, path := range paths {
		files[i] = cString(path)
		list[i] = uintptr(unsafe.Pointer(&files[i][0]))
	}
	m, err := loadModel(paths[0], p, progress, func(p *ModelParams) uintptr {
		return callByValue2(c.modelLoadSplits, uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)), uintptr(unsafe.Pointer(p)), unsafe.Sizeof(*p))
	})
	runtime.KeepAlive(files)
	return m, err
}

// ErrCancelled is returned by [LoadModel] when its progress function said so.
var ErrCancelled = errors.New("llama: loading cancelled")

func loadModel(path string, p ModelParams, progress func(float32) bool, load func(*ModelParams) uintptr) (*Model, error) {
	if _, ok := Loaded(); !ok {
		return nil, ErrNotLoaded
	}
	if p.LoadMode < LoadAuto || p.LoadMode > LoadDirectIO {
		return nil, badParam("LoadMode", int32(p.LoadMode))
	}
	if p.SplitMode < 0 || p.SplitMode > 3 {
		return nil, badParam("SplitMode", p.SplitMode)
	}
	cancelled := false
	id := progresses.add(func(part float32) bool {
		cancelled = cancelled || progress != nil && !progress(part)
		return !cancelled
	})
	defer progresses.remove(id)
	// Always set: without a callback llama.cpp logs a dot per cent.
	p.progressCallback, p.progressUserData = progressCallback(), id
	errs := captureErrors()
	registry.RLock()
	h := load(&p)
	registry.RUnlock()
	why := errs.failed()
	if h == 0 && cancelled {
		return nil, ErrCancelled
	}
	if h == 0 {
		return nil, fmt.Errorf("llama: %s: the model cannot be loaded: %w", path, why)
	}
	m := &Model{h: h, vocabOnly: p.VocabOnly}
	m.vocab = newVocab(m, call1(c.modelVocab, h))
	return m, nil
}

func badParam(field string, v int32) error {
	return fmt.Errorf("llama: %s: %d is not a value of llama.cpp", field, v)
}

// progresses holds the progress functions of the loads under way; C holds their
// numbers.
var progresses = progressTable{m: map[uintptr]func(float32) bool{}}

type progressTable struct {
	mu   sync.Mutex
	m    map[uintptr]func(float32) bool
	next uintptr
}

func (t *progressTable) add(f func(float32) bool) uintptr {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	t.m[t.next] = f
	return t.next
}

func (t *progressTable) remove(id uintptr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, id)
}

// report is what C calls; it returns 1 to go on.
func (t *progressTable) report(id uintptr, part float32) uintptr {
	t.mu.Lock()
	f := t.m[id]
	t.mu.Unlock()
	return boolWord(f == nil || f(part))
}

func (m *Model) handle() uintptr {
	if m.h == 0 {
		panic("llama: Model used after Free")
	}
	return m.h
}

// Free releases the model. It panics if a context or a LoRA adapter of the model is
// alive. A second call does nothing.
func (m *Model) Free() {
	if m.h == 0 {
		return
	}
	if n := m.contexts.Load(); n > 0 {
		panic(fmt.Sprintf("llama: Model.Free with %d contexts alive", n))
	}
	if n := m.loras.Load(); n > 0 {
		panic(fmt.Sprintf("llama: Model.Free with %d LoRA adapters alive", n))
	}
	call1(c.modelFree, m.h)
	m.h = 0
}

// Vocab returns the model's vocabulary, which lives as long as the model.
func (m *Model) Vocab() *Vocab { return m.vocab }

// Desc returns a short description: "llama 135M Q4_1".
func (m *Model) Desc() string {
	return textCall(func(buf *byte, n int) int32 {
		return int32(call4(c.modelDesc, m.handle(), uintptr(unsafe.Pointer(buf)), uintptr(n), 0))
	})
}

// Size returns the size of all tensors in bytes.
func (m *Model) Size() uint64 { return uint64(call1(c.modelSize, m.handle())) }

// NParams returns the number of parameters.
func (m *Model) NParams() uint64 { return uint64(call1(c.modelNParams, m.handle())) }

// NCtxTrain returns the context length the model was trained with, in tokens.
func (m *Model) NCtxTrain() int { return m.int(c.modelNCtxTrain) }

// NEmbd returns the width of the model.
func (m *Model) NEmbd() int { return m.int(c.modelNEmbd) }

// NLayer returns the number of layers.
func (m *Model) NLayer() int { return m.int(c.modelNLayer) }

// NHead returns the number of attention heads.
func (m *Model) NHead() int { return m.int(c.modelNHead) }

// NHeadKV returns the number of key and value heads.
func (m *Model) NHeadKV() int { return m.int(c.modelNHeadKV) }

// NSWA returns the width of the sliding attention window in tokens, 0 for none.
func (m *Model) NSWA() int { return m.int(c.modelNSWA) }

// HasEncoder reports whether input must pass an encoder first.
func (m *Model) HasEncoder() bool { return cBool(call1(c.modelHasEncoder, m.handle())) }

// HasDecoder reports whether the model can generate.
func (m *Model) HasDecoder() bool { return cBool(call1(c.modelHasDecoder, m.handle())) }

// IsRecurrent reports a model whose memory is a state, not a cache of tokens.
func (m *Model) IsRecurrent() bool { return cBool(call1(c.modelIsRecurrent, m.handle())) }

// IsHybrid reports a model with both kinds of memory.
func (m *Model) IsHybrid() bool { return cBool(call1(c.modelIsHybrid, m.handle())) }

// IsDiffusion reports a diffusion model.
func (m *Model) IsDiffusion() bool { return cBool(call1(c.modelIsDiffusion, m.handle())) }

func (m *Model) int(fn uintptr) int { return int(int32(call1(fn, m.handle()))) }

// Meta returns the GGUF metadata value of key as text; false if there is none or
// it is an array.
func (m *Model) Meta(key string) (string, bool) {
	k := cString(key)
	return textCallOK(func(buf *byte, n int) int32 {
		return int32(call4(c.modelMetaVal, m.handle(), uintptr(unsafe.Pointer(&k[0])), uintptr(unsafe.Pointer(buf)), uintptr(n)))
	})
}

// MetaAll returns all GGUF metadata values as text, arrays shortened.
func (m *Model) MetaAll() map[string]string {
	n := int32(call1(c.modelMetaCount, m.handle()))
	all := make(map[string]string, n)
	for i := range n {
		at := func(fn uintptr) string {
			return textCall(func(buf *byte, size int) int32 {
				return int32(call4(fn, m.h, uintptr(i), uintptr(unsafe.Pointer(buf)), uintptr(size)))
			})
		}
		all[at(c.modelMetaKey)] = at(c.modelMetaValAt)
	}
	return all
}

// textCall fetches a text of unknown length through f, which writes up to n
// bytes with a NUL at buf and returns the whole length without it, or a
// negative number.
func textCall(f func(buf *byte, n int) int32) string {
	s, _ := textCallOK(f)
	return s
}

func textCallOK(f func(buf *byte, n int) int32) (string, bool) {
	buf := make([]byte, 256)
	for {
		n := int(f(&buf[0], len(buf)))
		if n < 0 {
			return "", false
		}
		if n < len(buf) {
			return string(buf[:n]), true
		}
		buf = make([]byte, n+1)
	}
}
