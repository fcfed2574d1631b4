package engine

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
)

// job is a request on its way through the engine.
type job struct {
	ctx context.Context
	req *Request
	stream
	loras   *loraSet
	usage   Usage
	index   int         // among the samples of one prompt
	samples int         // how many there are
	arrival uint64      // in the queue
	place   int         // there, from 1; 0: it does not wait
	pin     bool        // the prompt is to be pinned, nothing generated
	branch  *branch     // what was pinned
	score   *fork       // the tokens behind the prompt are to be scored, nothing generated
	stopped atomic.Bool // the owner is to end it after the step under way
	closed  atomic.Bool // because the engine closes
}

// domain is within which the job may share cells.
func (j *job) domain() domain { return domain{j.req.Salt, j.loras.key()} }

// check reports the first unusable part of a request, or returns its adapters.
func (e *Engine) check(r *Request) (*loraSet, error) {
	if err := r.check(e.vocab.NTokens(), e.limit); err != nil {
		return nil, err
	}
	return e.adapters.set(r.LoRA)
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
// the request and returns when the engine has let go of it. A reader may be slow:
// chunks grow meanwhile, nobody else waits, and a request whose reader is far
// behind (64 KiB) goes on when it has caught up.
func (e *Engine) Generate(ctx context.Context, req *Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		e.follow(ctx, req, 1, func(_ int, c Chunk, err error) bool { return yield(c, err) })
	}
}

// Sample is a part of one of several outputs.
type Sample struct {
	Index int // of the output, from 0
	Chunk
}

// maxSamples is how many outputs of a prompt may be asked for at once.
const maxSamples = 1024

// Samples generates n outputs of one prompt, which is computed once if the model's
// memory can share it and it has some tokens. They come
// in turns; each ends as with [Engine.Generate], an error is that of one output,
// and the iteration ends when all have ended. With a seed, the outputs take the
// seeds that follow it. A [Matcher] serves one output, so there must be none.
func (e *Engine) Samples(ctx context.Context, req *Request, n int) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		switch {
		case n < 1 || n > min(maxSamples, e.queue.limit):
			yield(Sample{}, &RequestError{"Samples", fmt.Sprintf("%d is not in 1 to %d", n, min(maxSamples, e.queue.limit))})
		case n > 1 && req.Matcher != nil:
			yield(Sample{}, &RequestError{"Matcher", "serves one output; several need a request each"})
		default:
			e.follow(ctx, req, n, func(i int, c Chunk, err error) bool { return yield(Sample{i, c}, err) })
		}
	}
}

// follow runs n samples of a request and passes on what comes of them.
func (e *Engine) follow(ctx context.Context, req *Request, n int, yield func(int, Chunk, error) bool) {
	loras, err := e.check(req)
	if err != nil {
		yield(0, Chunk{}, err)
		return
	}
	usage := Usage{PromptTokens: len(req.Prompt)}
	if err := ctx.Err(); err != nil {
		yield(0, Chunk{Finish: FinishCancelled, Usage: usage}, err)
		return
	}
	wake := make(chan struct{}, 1)
	jobs := make([]*job, n)
	for i := range jobs {
		jobs[i] = &job{ctx: ctx, req: req, stream: newStream(wake), loras: loras, usage: usage, index: i, samples: n}
	}
	if err := e.queue.push(jobs...); err != nil {
		yield(0, Chunk{}, err)
		return
	}
	stop := context.AfterFunc(ctx, func() { e.cancel(jobs...) })
	defer func() {
		stop()
		e.cancel(jobs...)
		for _, j := range jobs {
			<-j.done
		}
	}()
	over := make([]bool, n)
	for left := n; left > 0; {
		<-wake
		for i, j := range jobs {
			if over[i] {
				continue
			}
			c, ended, resume, err := j.take()
			if resume {
				e.queue.wake()
			}
			if ended && j.panic != nil {
				panic(j.panic)
			}
			if ended {
				over[i] = true
				left--
			}
			if (ended || c.Text != "" || c.Logprobs != nil) && !yield(i, c, err) {
				return
			}
		}
	}
}

// cancel ends requests soon, those that are not over.
func (e *Engine) cancel(jobs ...*job) {
	for _, j := range jobs {
		if e.queue.cancel(j) {
			j.finish(FinishCancelled, j.usage, j.ctx.Err())
		}
	}
}
