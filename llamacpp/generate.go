package llamacpp

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/llama"
)

// Generate implements [cria.LM]: what the request leaves open is taken from the
// [Config]. See [Config.EnableStreaming] for when text is handed out.
func (a *Adapter) Generate(ctx context.Context, req *cria.Request) iter.Seq2[cria.Chunk, error] {
	return func(yield func(cria.Chunk, error) bool) {
		if err := checkRequest(req); err != nil {
			yield(cria.Chunk{}, err)
			return
		}
		filled := *req
		if filled.Sampling == nil {
			s := a.config.sampling()
			filled.Sampling = &s
		}
		if filled.MaxTokens == 0 {
			filled.MaxTokens = a.config.MaxTokens
		}
		a.lm.Generate(ctx, &filled)(yield)
	}
}

// attempts is the adapter behind its cache: it asks the model, within the
// limits, again if that can help.
type attempts struct{ *Adapter }

func (a attempts) Generate(ctx context.Context, req *cria.Request) iter.Seq2[cria.Chunk, error] {
	return func(yield func(cria.Chunk, error) bool) {
		if err := a.generate(ctx, req, yield); err != nil {
			yield(cria.Chunk{}, err)
		}
	}
}

func (a attempts) generate(ctx context.Context, req *cria.Request, yield func(cria.Chunk, error) bool) error {
	limit := min(a.config.ContextLength, a.model.ContextLength())
	prompt, err := a.model.prompt(ctx, req, limit)
	if err != nil {
		return err
	}
	output, err := a.constraint(req)
	if err != nil {
		return err
	}
	if err := a.wait(ctx); err != nil {
		return err
	}
	granted := *req
	granted.MaxTokens = min(req.MaxTokens, limit-len(prompt))
	used := 0
	if a.budget != nil {
		if granted.MaxTokens, err = a.budget.reserve(ctx, len(prompt), granted.MaxTokens); err != nil {
			return err
		}
		defer func() { a.budget.settle(len(prompt)+granted.MaxTokens, used) }()
	}
	generate := a.attempt(ctx, prompt, output, &granted, &used)
	if !a.config.EnableStreaming {
		generate = whole(generate)
	}
	return a.retry(ctx, generate, yield)
}

// generation hands its chunks to yield and returns its error.
type generation func(yield func(cria.Chunk, error) bool) error

// attempt asks the model once each time it is called, and adds up the tokens
// that were used.
func (a *Adapter) attempt(ctx context.Context, prompt []llama.Token, output *grammar.Grammar, req *cria.Request, used *int) generation {
	return func(yield func(cria.Chunk, error) bool) error {
		var last cria.Usage
		defer func() { *used += last.TotalTokens() }()
		for chunk, err := range a.model.generate(ctx, prompt, output, req) {
			last = chunk.Usage
			if err != nil {
				return err
			}
			if chunk.Finish == "" {
				chunk.Usage = cria.Usage{}
			}
			if !yield(chunk, nil) {
				return nil
			}
		}
		return nil
	}
}

// whole makes one chunk of all, when all is there.
func whole(generate generation) generation {
	return func(yield func(cria.Chunk, error) bool) error {
		var text strings.Builder
		var last cria.Chunk
		err := generate(func(c cria.Chunk, _ error) bool {
			text.WriteString(c.Text)
			last = c
			return true
		})
		if err != nil {
			return err
		}
		last.Text = text.String()
		yield(last, nil)
		return nil
	}
}

// retry runs a generation until it succeeds, its error is final, a chunk was
// handed out, or the configured attempts are used up.
func (a *Adapter) retry(ctx context.Context, generate generation, yield func(cria.Chunk, error) bool) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = a.config.InitialBackoff, a.config.MaxBackoff
	wait.Multiplier, wait.RandomizationFactor = 2, 0
	attempt := 0
	var failure error // of the last attempt
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		attempt++
		handedOut := false
		failure = generate(func(c cria.Chunk, err error) bool {
			handedOut = true
			return yield(c, err)
		})
		if failure != nil && (handedOut || !retryable(failure)) {
			return struct{}{}, backoff.Permanent(failure)
		}
		return struct{}{}, failure
	},
		backoff.WithBackOff(wait),
		backoff.WithMaxTries(uint(a.config.MaxRetries)),
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			a.model.log.Warn("generation failed, trying again", "model", a.config.ModelName, "attempt", attempt, "wait", next, "error", err)
		}))
	if cause := ctx.Err(); err != nil && failure != nil && errors.Is(err, cause) && !errors.Is(failure, cause) {
		return fmt.Errorf("%w while waiting to try again (%w)", cause, failure)
	}
	if err != nil && failure != nil { // without the mark of a permanent error
		return failure
	}
	return err
}

// wait holds a request back until the rate limit lets it start.
func (a *Adapter) wait(ctx context.Context) error {
	if a.limiter == nil {
		return nil
	}
	if err := a.limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return wrap(ErrRateLimit, err)
	}
	return nil
}
