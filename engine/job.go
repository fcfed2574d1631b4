package engine

import (
	"context"
	"iter"
	"sync/atomic"
)

// job is a request on its way through the engine.
type job struct {
	ctx context.Context
	req *Request
	stream
	usage   Usage
	arrival uint64      // in the queue
	place   int         // there, from 1; 0: it does not wait
	pin     bool        // the prompt is to be pinned, nothing generated
	branch  *branch     // what was pinned
	stopped atomic.Bool // the owner is to end it after the step under way
	closed  atomic.Bool // because the engine closes
}

// Generate runs a request and yields its output in chunks as it comes. The last
// pair says how it ended: a [Chunk] with Finish and Usage and no error, or an
// error, with what was generated until then:
//
//   - [FinishCancelled] and the context's error, if ctx was cancelled, at any
//     moment; [FinishCancelled] and [ErrClosed], if the engine was closed;
//   - no Finish and [*RequestError], [*ContextTooLongError], [ErrOverloaded],
//     [*DecodeError] or another error, if the request could not be run.
//
// The request is queued when the iteration begins. Breaking out of it cancels
// the request and returns when the engine has let go of it. A reader may be as
// slow as it likes: chunks grow meanwhile, and nobody else waits.
func (e *Engine) Generate(ctx context.Context, req *Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		if err := req.check(e.vocab.NTokens(), e.limit); err != nil {
			yield(Chunk{}, err)
			return
		}
		j := &job{ctx: ctx, req: req, stream: newStream(), usage: Usage{PromptTokens: len(req.Prompt)}}
		if err := ctx.Err(); err != nil {
			yield(Chunk{Finish: FinishCancelled, Usage: j.usage}, err)
			return
		}
		if err := e.queue.push(j); err != nil {
			yield(Chunk{}, err)
			return
		}
		stop := context.AfterFunc(ctx, func() { e.cancel(j) })
		defer func() {
			stop()
			e.cancel(j)
			<-j.done
		}()
		for range j.wake {
			c, ended, resume, err := j.take()
			if resume {
				e.queue.wake()
			}
			if ended && j.panic != nil {
				panic(j.panic)
			}
			if ended {
				yield(c, err)
				return
			}
			if c.Text != "" && !yield(c, nil) {
				return
			}
		}
	}
}

// cancel ends a request soon, if it is not over.
func (e *Engine) cancel(j *job) {
	if e.queue.cancel(j) {
		j.finish(FinishCancelled, j.usage, j.ctx.Err())
	}
}
