package llama

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

// GrammarSampler is llama.cpp's own sampler by a grammar. Package grammar does that
// work in Go; this is the reference it is compared with. It belongs to one goroutine
// at a time, and its [Model] must live longer.
type GrammarSampler struct {
	h uintptr
	v *Vocab
}

// What is known to be read without an overflow of C's stack: 1,000 nested groups are,
// 100,000 are not.
const (
	maxGrammarGroups = 1000
	maxGrammarRules  = 10_000
)

// NewGrammarSampler reads a grammar in GBNF that begins with the rule root. What is
// wrong with a grammar that llama.cpp refuses, it says on standard error. It does not
// see every rule that begins with itself, which it then follows without end: give it
// only grammars that have none.
func NewGrammarSampler(v *Vocab, grammar, root string) (*GrammarSampler, error) {
	switch {
	case v.kind == VocabNone:
		return nil, errors.New("llama: a grammar for a model without a vocabulary")
	case grammar == "": // llama.cpp would allow everything
		return nil, errors.New("llama: the grammar is empty")
	case strings.Contains(grammar, "\x00") || strings.Contains(root, "\x00"):
		return nil, errors.New("llama: a grammar with a NUL")
	case strings.Count(grammar, "(") > maxGrammarGroups:
		return nil, fmt.Errorf("llama: a grammar of more than %d groups", maxGrammarGroups)
	case strings.Count(grammar, "::=") > maxGrammarRules:
		return nil, fmt.Errorf("llama: a grammar of more than %d rules", maxGrammarRules)
	}
	text, start := cString(grammar), cString(root)
	h := call(c.samplerGrammar, v.handle(), uintptr(unsafe.Pointer(&text[0])), uintptr(unsafe.Pointer(&start[0])))
	if h == 0 {
		return nil, errors.New("llama: llama.cpp refuses the grammar")
	}
	return &GrammarSampler{h, v}, nil
}

// Free releases the sampler. A second call does nothing.
func (s *GrammarSampler) Free() {
	if s.h == 0 {
		return
	}
	call1(c.samplerFree, s.h)
	s.h = 0
}

func (s *GrammarSampler) handle() uintptr {
	s.v.handle()
	if s.h == 0 {
		panic("llama: GrammarSampler used after Free")
	}
	return s.h
}

// Apply sets the logits of the candidates that the grammar does not allow next to
// minus infinity. All must be tokens of the vocabulary.
func (s *GrammarSampler) Apply(candidates []TokenData) error {
	h := s.handle()
	for _, t := range candidates {
		if !s.v.Valid(t.ID) {
			return fmt.Errorf("llama: token %d is not in the vocabulary of %d", t.ID, s.v.NTokens())
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	a := &tokenDataArray{size: uintptr(len(candidates)), selected: -1}
	a.data = uintptr(unsafe.Pointer(&candidates[0]))
	call4(c.samplerApply, h, uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(&candidates[0])), 0)
	return nil
}

// Accept tells the sampler that t was chosen. A token that the grammar does not allow
// is an error; llama.cpp would end the process.
func (s *GrammarSampler) Accept(t Token) error {
	one := []TokenData{{ID: t}}
	if err := s.Apply(one); err != nil {
		return err
	}
	if one[0].Logit != 0 {
		return fmt.Errorf("llama: the grammar does not allow token %d", t)
	}
	call2(c.samplerAccept, s.h, uintptr(t))
	return nil
}
