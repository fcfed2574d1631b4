package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Prefix is a pinned prefix: tokens that many prompts begin with, such as a
// program's instruction and demonstrations, computed once and kept in the cache
// until Release. A request finds it by beginning with its tokens, under its salt,
// unless it has both a seed and a temperature: see [Sampling].
// There may be 48.
//
// A prefix that is pinned is given up only for a request that would not fit into
// the whole cache beside it; requests then compute it again like any other. So they
// do on a model whose memory cannot share parts of sequences, such as a recurrent
// one: nothing is kept there.
type Prefix struct {
	e        *Engine
	branch   *branch // nil: nothing is kept
	restored bool
}

// PinOptions adjusts [Engine.Pin].
type PinOptions struct {
	Salt string // of the requests that may use the prefix: see [Request]
	LoRA []LoRA // of the requests that may use the prefix: see [Request]

	// Snapshot names a file in which the prefix is kept for other processes: if
	// it holds this prefix of this model, as this release of llama.cpp computed
	// it, it is read instead of computed; if it is missing, damaged, or of
	// something else, the prefix is computed and the file written. "" is none.
	Snapshot string
}

// Pin computes a prefix and keeps it in the cache; further tokens of a prompt
// that begins with it are then all that has to be computed. The request waits its
// turn as others do; a snapshot is read between two steps. The error wraps that of a snapshot that could not be written
// only if nothing else went wrong: the prefix is pinned then, and not nil.
func (e *Engine) Pin(ctx context.Context, tokens []Token, opts *PinOptions) (p *Prefix, err error) {
	var o PinOptions
	if opts != nil {
		o = *opts
	}
	req := &Request{Prompt: slices.Clone(tokens), MaxTokens: 1, Salt: o.Salt, LoRA: o.LoRA}
	loras, err := e.check(req)
	if err != nil {
		return nil, err
	}
	j := &job{ctx: ctx, req: req, stream: newStream(make(chan struct{}, 1)), loras: loras, pin: true, usage: Usage{PromptTokens: len(req.Prompt)}}
	key := snapshotKey{}
	if o.Snapshot != "" {
		var keyErr error
		if key, keyErr = e.snapshotKey(req.Prompt, loras); keyErr == nil {
			if b := e.restore(o.Snapshot, key, j); b != nil {
				return &Prefix{e: e, branch: b, restored: true}, nil
			}
		}
		defer func() { err = cmp.Or(err, keyErr) }()
	}
	b, err := e.pin(j)
	if err != nil {
		return nil, err
	}
	p = &Prefix{e: e, branch: b}
	if b != nil && key != (snapshotKey{}) {
		err = p.save(o.Snapshot, key)
	}
	return p, err
}

// pin computes the prompt of a job and returns its branch, nil if the memory cannot
// share it.
func (e *Engine) pin(j *job) (*branch, error) {
	if err := j.ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.queue.push(j); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(j.ctx, func() { e.cancel(j) })
	defer stop()
	<-j.done
	if _, _, _, err := j.take(); err != nil {
		return nil, err
	}
	return j.branch, nil
}

// Restored reports whether the prefix came from its snapshot.
func (p *Prefix) Restored() bool { return p.restored }

// Release lets the room of the prefix be used when it is needed. A second call
// does nothing.
func (p *Prefix) Release() {
	p.e.queue.call(func() {
		s := &p.e.sched
		if i := slices.Index(s.pinned, p.branch); i >= 0 {
			s.pinned = slices.Delete(s.pinned, i, i+1)
			if s.share {
				p.e.keep(p.branch)
			} else {
				p.e.drop(p.branch)
			}
		}
	})
}

var errTooManyPins = fmt.Errorf("engine: %d prefixes are pinned, which is the most; release one first", maxCached)

var errUnpinned = errors.New("engine: the prefix was given up")

// state returns what the cache holds of the prefix.
func (p *Prefix) state() (state []byte, err error) {
	err = p.e.onOwner(func() error {
		s := &p.e.sched
		if !slices.Contains(s.pinned, p.branch) {
			return errUnpinned
		}
		state = make([]byte, p.e.llm.StateSeqSize(p.branch.seq))
		if n := p.e.llm.StateSeqGet(state, p.branch.seq); n == 0 || n != len(state) {
			return errors.New("engine: llama.cpp does not give the state of the prefix")
		}
		return nil
	})
	return state, err
}

// onOwner runs f between steps and returns its error, [ErrClosed] if the engine
// ends before.
func (e *Engine) onOwner(f func() error) error {
	done := make(chan error, 1)
	if !e.queue.call(func() { done <- f() }) {
		return cmp.Or(e.Err(), ErrClosed)
	}
	select {
	case err := <-done:
		return err
	case <-e.ended:
		return cmp.Or(e.Err(), ErrClosed)
	}
}
