package llama

import (
	"errors"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// TokenData is a candidate of a sampler.
type TokenData struct {
	ID    Token
	Logit float32
	P     float32 // probability; meaningful after a sampler that computes it
}

// tokenDataArray is llama_token_data_array.
type tokenDataArray struct {
	data     uintptr
	size     uintptr
	selected int64 // index in data, -1: none
	sorted   bool
	_        [7]byte
}

// SamplerChain is llama.cpp's own sampler chain. The engine samples in Go; this
// is the reference it is compared with. It belongs to one goroutine at a time.
type SamplerChain struct {
	h       uintptr
	selects bool // the last sampler picks a token
}

// NewSamplerChain returns an empty chain.
func NewSamplerChain() (*SamplerChain, error) {
	if _, ok := Loaded(); !ok {
		return nil, ErrNotLoaded
	}
	// The parameters are one byte, passed as a word: no_perf.
	return &SamplerChain{h: call1(c.samplerChainInit, 1)}, nil
}

// Free releases the chain and its samplers. A second call does nothing.
func (s *SamplerChain) Free() {
	if s.h == 0 {
		return
	}
	call1(c.samplerFree, s.h)
	s.h = 0
}

func (s *SamplerChain) handle() uintptr {
	if s.h == 0 {
		panic("llama: SamplerChain used after Free")
	}
	return s.h
}

func (s *SamplerChain) add(sampler uintptr, selects bool) {
	call2(c.samplerChainAdd, s.handle(), sampler)
	s.selects = selects
}

// AddGreedy ends the chain with the most probable token.
func (s *SamplerChain) AddGreedy() { s.add(call(c.samplerGreedy), true) }

// AddDist ends the chain with a random choice.
func (s *SamplerChain) AddDist(seed uint32) { s.add(call1(c.samplerDist, uintptr(seed)), true) }

// AddTopK keeps the k most probable tokens; k <= 0 keeps all.
func (s *SamplerChain) AddTopK(k int) { s.add(call1(c.samplerTopK, uintptr(k)), false) }

// AddTopP keeps the most probable tokens that sum to p, at least minKeep.
func (s *SamplerChain) AddTopP(p float32, minKeep int) {
	var f func(float32, uintptr) uintptr
	purego.RegisterFunc(&f, c.samplerTopP)
	s.add(f(p, uintptr(minKeep)), false)
}

// AddMinP keeps tokens at least p times as probable as the best, at least
// minKeep.
func (s *SamplerChain) AddMinP(p float32, minKeep int) {
	var f func(float32, uintptr) uintptr
	purego.RegisterFunc(&f, c.samplerMinP)
	s.add(f(p, uintptr(minKeep)), false)
}

// AddTemp divides logits by t; t <= 0 keeps only the best.
func (s *SamplerChain) AddTemp(t float32) {
	var f func(float32) uintptr
	purego.RegisterFunc(&f, c.samplerTemp)
	s.add(f(t), false)
}

// AddPenalties makes tokens among the last lastN accepted ones less probable.
func (s *SamplerChain) AddPenalties(nVocab, lastN int, repeat, freq, present float32) {
	var f func(n, last int32, repeat, freq, present float32) uintptr
	purego.RegisterFunc(&f, c.samplerPenalties)
	s.add(f(int32(nVocab), int32(lastN), repeat, freq, present), false)
}

// AddTypical keeps the tokens of the most expected surprise that together exceed
// p, at least minKeep.
func (s *SamplerChain) AddTypical(p float32, minKeep int) {
	var f func(float32, uintptr) uintptr
	purego.RegisterFunc(&f, c.samplerTypical)
	s.add(f(p, uintptr(minKeep)), false)
}

// AddMirostat ends the chain with a random choice of tokens by their surprise
// (version 2).
func (s *SamplerChain) AddMirostat(seed uint32, tau, eta float32) {
	var f func(uint32, float32, float32) uintptr
	purego.RegisterFunc(&f, c.samplerMirostat)
	s.add(f(seed, tau, eta), true)
}

// AddDRY makes tokens that go on with a repetition among the last lastN accepted
// ones less probable.
func (s *SamplerChain) AddDRY(v *Vocab, multiplier, base float32, allowed, lastN int, breakers []string) {
	list := make([]*byte, len(breakers)+1)
	for i, b := range breakers {
		list[i] = &cString(b)[0]
	}
	var f func(vocab uintptr, multiplier, base float32, allowed, lastN int32, breakers **byte, n uintptr) uintptr
	purego.RegisterFunc(&f, c.samplerDRY)
	var pin runtime.Pinner // the list holds pointers
	defer pin.Unpin()
	for _, b := range list[:len(breakers)] {
		pin.Pin(b)
	}
	s.add(f(v.handle(), multiplier, base, int32(allowed), int32(lastN), &list[0], uintptr(len(breakers))), false)
}

// AddLogitBias adds to the logits of tokens.
func (s *SamplerChain) AddLogitBias(nVocab int, bias map[Token]float32) {
	type entry struct {
		token Token
		bias  float32
	}
	list := make([]entry, 0, len(bias)+1)
	for t, b := range bias {
		list = append(list, entry{t, b})
	}
	var f func(nVocab, n int32, bias *entry) uintptr
	purego.RegisterFunc(&f, c.samplerLogitBias)
	s.add(f(int32(nVocab), int32(len(list)), &list[:1][0]), false)
}

// Len returns the number of samplers in the chain.
func (s *SamplerChain) Len() int { return int(int32(call1(c.samplerChainN, s.handle()))) }

// Accept tells the chain that t was chosen.
func (s *SamplerChain) Accept(t Token) { call2(c.samplerAccept, s.handle(), uintptr(t)) }

// Reset makes the chain forget what it accepted.
func (s *SamplerChain) Reset() { call1(c.samplerReset, s.handle()) }

// Apply runs the chain over the candidates, in place, and returns those it keeps
// and the index of the chosen one, -1 without a sampler that chooses. Candidates
// of only infinite or NaN logits are chosen from without complaint.
func (s *SamplerChain) Apply(candidates []TokenData) (kept []TokenData, selected int) {
	h := s.handle()
	if len(candidates) == 0 {
		return nil, -1
	}
	// The array header lives on the heap, as does what it points to: the call
	// below names both.
	a := &tokenDataArray{size: uintptr(len(candidates)), selected: -1}
	a.data = uintptr(unsafe.Pointer(&candidates[0]))
	call4(c.samplerApply, h, uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(&candidates[0])), 0)
	return unsafe.Slice((*TokenData)(pointer(a.data)), a.size), int(a.selected)
}

// Sample runs the chain over row i of the context's logits, accepts the token
// it chooses and returns it.
func (s *SamplerChain) Sample(x *Context, i int) (Token, error) {
	if !s.selects {
		return 0, errors.New("llama: the sampler chain does not end with a choice (AddGreedy, AddDist)")
	}
	if x.LogitsIth(i) == nil {
		return 0, errors.New("llama: sampling from a row without logits")
	}
	return Token(call4(c.samplerSample, s.handle(), x.handle(), uintptr(i), 0)), nil
}
