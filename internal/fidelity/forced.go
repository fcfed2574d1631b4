package fidelity

import (
	"context"
	"fmt"
	"sync"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/grammar"
)

// Forcing is how forced tokens compare with those that the model's tokenizer makes of
// the whole output.
type Forcing struct {
	Outputs int // complete ones; others are not looked at
	Tokens  int // of these
	Forced  int // tokens that the model did not choose
	Missed  int // of those, others than the tokenizer's

	// Led is forced tokens that are others than the tokenizer's because the model
	// itself has begun to write otherwise just before.
	Led int

	Examples []string // of what is missed, a few
}

// clients is how many requests run at the same time.
const clients = 8

// outputLimit is in tokens. Nearly all outputs need less.
const outputLimit = 160

// Forced lets the model fill in n forms, and looks at what was forced.
func Forced(ctx context.Context, m *Model, n int) (*Forcing, error) {
	total := &Forcing{}
	var mu sync.Mutex
	err := each(ctx, n, clients, func(ctx context.Context, i int) error {
		f, err := newForm(uint64(i))
		if err != nil {
			return err
		}
		r, complete, err := m.fill(ctx, f)
		if err != nil || !complete {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		return total.add(r, m.Vocabulary)
	})
	return total, err
}

func (m *Model) fill(ctx context.Context, f *form) (r *recorder, complete bool, err error) {
	prompt, err := m.Engine.Vocab().Encode(f.prompt)
	if err != nil {
		return nil, false, err
	}
	r = newRecorder(f.grammar.Matcher(m.Vocabulary))
	r.CloseOnLimit()
	_, last, err := m.generate(ctx, &engine.Request{Prompt: prompt, MaxTokens: outputLimit, Matcher: r})
	if err != nil {
		return nil, false, fmt.Errorf("%q: %w", f.prompt, err)
	}
	return r, last.Finish == engine.FinishStop || r.MayEnd(), nil
}

// add compares an output with what the tokenizer makes of it, span by span: a span is
// as many tokens of both as it takes to have the same text.
func (f *Forcing) add(r *recorder, v *grammar.Vocabulary) error {
	var text []byte
	for _, t := range r.tokens {
		text = append(text, v.Piece(t)...)
	}
	own, err := v.Encode(string(text))
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	f.Outputs, f.Tokens = f.Outputs+1, f.Tokens+len(r.tokens)
	for at, i, j := 0, 0, 0; i < len(r.tokens); {
		from, start := i, at
		ours, theirs := len(v.Piece(r.tokens[i])), len(v.Piece(own[j]))
		same := r.tokens[i] == own[j]
		for i, j = i+1, j+1; ours != theirs; {
			if ours < theirs {
				ours += len(v.Piece(r.tokens[i]))
				i++
			} else {
				theirs += len(v.Piece(own[j]))
				j++
			}
		}
		at += ours
		forced := 0
		for _, is := range r.forced[from:i] {
			if is {
				forced++
			}
		}
		f.Forced += forced
		switch {
		case same || forced == 0:
		case r.forced[from]:
			f.Missed += forced
			f.example(text, start, at)
		default:
			f.Led += forced
		}
	}
	return nil
}

const maxExamples = 10

func (f *Forcing) example(text []byte, from, to int) {
	if len(f.Examples) < maxExamples {
		f.Examples = append(f.Examples, fmt.Sprintf("%q in %q", text[from:to], text))
	}
}
