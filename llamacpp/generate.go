package llamacpp

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llama"
)

// Generate implements [cria.LM]: what the request leaves open is taken from the
// [Config]. See [Config.EnableStreaming] for when text is handed out.
func (a *Adapter) Generate(ctx context.Context, req *cria.Request) iter.Seq2[cria.Chunk, error] {
	filled := *req
	if filled.Sampling == nil {
		s := a.config.sampling()
		filled.Sampling = &s
	}
	if filled.MaxTokens == 0 {
		filled.MaxTokens = a.config.MaxTokens
	}
	return a.lm.Generate(ctx, &filled)
}

// attempts is the adapter behind its cache: it asks the model, within the
// limits, again if that can help.
type attempts struct{ a *Adapter }

func (t attempts) Generate(ctx context.Context, req *cria.Request) iter.Seq2[cria.Chunk, error] {
	return func(yield func(cria.Chunk, error) bool) {
		prompt, err := t.a.model.prompt(req)
		if err != nil {
			yield(cria.Chunk{}, err)
			return
		}
		grant, err := t.a.grant(prompt, req.MaxTokens)
		if err != nil {
			yield(cria.Chunk{}, err)
			return
		}
		used := 0
		defer func() { t.a.budget.release(len(prompt) + grant - used) }()
		if err := t.a.wait(ctx); err != nil {
			yield(cria.Chunk{}, err)
			return
		}
		granted := *req
		granted.MaxTokens = grant
		generate := func(yield func(cria.Chunk, error) bool) error {
			for chunk, err := range t.a.model.generate(ctx, prompt, &granted) {
				if chunk.Finish != "" {
					used = chunk.Usage.TotalTokens()
				}
				if err != nil {
					return err
				}
				if !yield(chunk, nil) {
					used = len(prompt) + grant // what a consumer left unread was computed or may have been
					return nil
				}
			}
			return nil
		}
		if !t.a.config.EnableStreaming {
			generate = whole(generate)
		}
		if err := t.a.retry(ctx, generate, yield); err != nil {
			yield(cria.Chunk{}, err)
		}
	}
}

// generation hands its chunks to yield and returns its error.
type generation func(yield func(cria.Chunk, error) bool) error

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
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		attempt++
		handedOut := false
		err := generate(func(c cria.Chunk, err error) bool {
			handedOut = true
			return yield(c, err)
		})
		if err != nil && (handedOut || !retryable(err)) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	},
		backoff.WithBackOff(wait),
		backoff.WithMaxTries(uint(a.config.MaxRetries)),
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			a.model.log.Warn("generation failed, trying again", "model", a.config.ModelName, "attempt", attempt, "wait", next, "error", err)
		}))
	if permanent := (*backoff.PermanentError)(nil); errors.As(err, &permanent) {
		return permanent.Unwrap()
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

// grant settles how many tokens a reply may have: what was asked for, as far as
// context and budget have room.
func (a *Adapter) grant(prompt []llama.Token, want int) (int, error) {
	limit := min(a.config.ContextLength, a.model.ContextLength())
	room := limit - len(prompt)
	if room < 1 {
		return 0, &ContextTooLongError{Length: len(prompt), Limit: limit}
	}
	return a.budget.reserve(len(prompt), min(want, room))
}
