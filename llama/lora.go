package llama

import (
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"
)

// LoRA is a low-rank adapter: small matrices that change what a model computes,
// in the contexts that [Context.SetLoRAs] gives them to.
type LoRA struct {
	h     uintptr
	model *Model
	users atomic.Int32 // contexts that compute with it
}

// LoadLoRA loads the adapter in the GGUF file at path, which must have been made
// for m and be valid: llama.cpp looks at little of it (see package gguf). It waits for
// what contexts of the model compute, and they for it. Contexts that are made afterwards
// have room for its part of the computation from the start.
func LoadLoRA(m *Model, path string) (*LoRA, error) {
	file := cString(path)
	m.adapting.Lock()
	defer m.adapting.Unlock()
	model := m.handle()
	errs := captureErrors()
	registry.RLock()
	h := call2(c.loraInit, model, uintptr(unsafe.Pointer(&file[0])))
	registry.RUnlock()
	why := errs.stop()
	if h == 0 {
		return nil, fmt.Errorf("llama: %s: the LoRA adapter cannot be loaded: %s", path, why)
	}
	m.loras.Add(1)
	return &LoRA{h: h, model: m}, nil
}

func (l *LoRA) handle() uintptr {
	if l.h == 0 {
		panic("llama: LoRA used after Free")
	}
	return l.h
}

// Free releases the adapter. It panics if a context computes with it, and waits for what
// others of the model compute. A second call does nothing.
func (l *LoRA) Free() {
	if l.h == 0 {
		return
	}
	if n := l.users.Load(); n > 0 {
		panic(fmt.Sprintf("llama: LoRA.Free with %d contexts that compute with it", n))
	}
	l.model.adapting.Lock()
	defer l.model.adapting.Unlock()
	call1(c.loraFree, l.h)
	l.h = 0
	l.model.loras.Add(-1)
}

// Meta is [Model.Meta] of the adapter's file.
func (l *LoRA) Meta(key string) (string, bool) {
	k := cString(key)
	return textCallOK(func(buf *byte, n int) int32 {
		return int32(call4(c.loraMeta, l.handle(), uintptr(unsafe.Pointer(&k[0])), uintptr(unsafe.Pointer(buf)), uintptr(n)))
	})
}

// SetLoRAs makes the context compute with these adapters, each times its scale,
// instead of those it had; none are the model alone. An adapter that is there
// twice counts once, one whose scale is 0 not at all. If that changes anything, the
// next Decode lays out its buffers anew, which takes as long as it does when a
// context is made. What the memory holds was computed with the adapters before.
//
// It panics if there are not as many scales as adapters, or if one is of another
// model.
func (x *Context) SetLoRAs(loras []*LoRA, scales []float32) {
	if len(loras) != len(scales) {
		panic(fmt.Sprintf("llama: SetLoRAs with %d adapters and %d scales", len(loras), len(scales)))
	}
	// One more than needed, so that there is a first one.
	handles, factors := make([]uintptr, len(loras)+1), make([]float32, len(loras)+1)
	for i, l := range loras {
		if l.model != x.model {
			panic("llama: SetLoRAs with an adapter of another model")
		}
		handles[i] = l.handle()
	}
	copy(factors, scales)
	call4(c.setLoRAs, x.handle(), uintptr(unsafe.Pointer(&handles[0])), uintptr(len(loras)), uintptr(unsafe.Pointer(&factors[0])))
	x.useLoRAs(slices.Clone(loras))
}

// useLoRAs counts the context as a user of these adapters, and of no others.
func (x *Context) useLoRAs(loras []*LoRA) {
	for _, l := range loras {
		l.users.Add(1)
	}
	for _, l := range x.loras {
		l.users.Add(-1)
	}
	x.loras = loras
}
