package llamacpp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
)

// failing returns a generation that fails with each error in turn and then
// succeeds, and a count of its runs.
func failing(errs ...error) (generation, *int) {
	runs := 0
	return func(yield func(cria.Chunk, error) bool) error {
		runs++
		if runs <= len(errs) {
			return errs[runs-1]
		}
		yield(cria.Chunk{Text: "ok", Finish: cria.FinishStop}, nil)
		return nil
	}, &runs
}

func adapterForRetry(log *bytes.Buffer) *Adapter {
	return &Adapter{config: DefaultConfig(), model: &LoadedModel{log: slog.New(slog.NewTextHandler(log, nil))}}
}

func TestRetry(t *testing.T) {
	inference := classify(&engine.DecodeError{Code: 1})
	tests := []struct {
		name string
		errs []error
		runs int
		wait time.Duration // in all
		err  error
	}{
		{"success at once", nil, 1, 0, nil},
		{"success at the second attempt", []error{inference}, 2, 100 * time.Millisecond, nil},
		{"success at the third attempt", []error{inference, inference}, 3, 300 * time.Millisecond, nil},
		{"three attempts are all", []error{inference, inference, inference}, 3, 300 * time.Millisecond, ErrInference},
		{"an invalid batch is final", []error{classify(&engine.DecodeError{Code: -1})}, 1, 0, ErrBackend},
		{"a failed backend is final", []error{classify(&engine.DecodeError{Code: -3})}, 1, 0, ErrBackend},
		{"NaN is final", []error{classify(errors.New("engine: the model computed NaN"))}, 1, 0, ErrInference},
		{"overload passes", []error{classify(engine.ErrOverloaded)}, 2, 100 * time.Millisecond, nil},
		{"tokenization is final", []error{wrap(ErrTokenization, errors.New("x"))}, 1, 0, ErrTokenization},
		{"too long is final", []error{&ContextTooLongError{Length: 2, Limit: 1}}, 1, 0, ErrContextTooLong},
		{"a closed model is final", []error{classify(engine.ErrClosed)}, 1, 0, ErrModelNotLoaded},
		{"cancellation is final", []error{context.Canceled}, 1, 0, context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				generate, runs := failing(tt.errs...)
				start := time.Now()
				err := adapterForRetry(&log).retry(t.Context(), generate, func(cria.Chunk, error) bool { return true })
				if !errors.Is(err, tt.err) {
					t.Errorf("error = %v, want %v", err, tt.err)
				}
				if *runs != tt.runs || time.Since(start) != tt.wait {
					t.Errorf("%d attempts in %v, want %d in %v", *runs, time.Since(start), tt.runs, tt.wait)
				}
				if got := strings.Count(log.String(), "generation failed"); got != tt.runs-1 {
					t.Errorf("%d retries logged, want %d", got, tt.runs-1)
				}
			})
		})
	}
}

func TestRetryBackoffIsCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := adapterForRetry(&log)
		a.config.MaxRetries = 10
		fail := classify(&engine.DecodeError{Code: 1})
		generate, runs := failing(fail, fail, fail, fail, fail, fail, fail, fail)
		start := time.Now()
		if err := a.retry(t.Context(), generate, func(cria.Chunk, error) bool { return true }); err != nil {
			t.Fatal(err)
		}
		// 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 3.2 + 5 + 5 seconds
		if want := 16300 * time.Millisecond; *runs != 9 || time.Since(start) != want {
			t.Errorf("%d attempts in %v, want 9 in %v", *runs, time.Since(start), want)
		}
	})
}

func TestRetryNotAfterTextWasHandedOut(t *testing.T) {
	var log bytes.Buffer
	runs := 0
	fail := classify(&engine.DecodeError{Code: 1})
	generate := func(yield func(cria.Chunk, error) bool) error {
		runs++
		yield(cria.Chunk{Text: "half"}, nil)
		return fail
	}
	if err := adapterForRetry(&log).retry(t.Context(), generate, func(cria.Chunk, error) bool { return true }); !errors.Is(err, ErrInference) || runs != 1 {
		t.Errorf("error %v after %d attempts, want an ErrInference after 1", err, runs)
	}
}

func TestRetryStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		fail := classify(&engine.DecodeError{Code: 1})
		generate, runs := failing(fail, fail)
		err := adapterForRetry(&log).retry(ctx, generate, func(cria.Chunk, error) bool { return true })
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrInference) || *runs != 1 {
			t.Errorf("error %v after %d attempts, want the deadline's and the attempt's error after one", err, *runs)
		}
	})
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Adapter{limiter: rate.NewLimiter(rate.Limit(1), 1)} // 60 a minute
		start := time.Now()
		for range 3 {
			if err := a.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("three requests started within %v, want 2s", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := a.wait(ctx); !errors.Is(err, ErrRateLimit) {
			t.Errorf("wait beyond the deadline = %v, want an ErrRateLimit", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if err := a.wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("wait when cancelled = %v, want context.Canceled", err)
		}
	})
}

func TestBudget(t *testing.T) {
	ctx := t.Context()
	b := newBudget(100)
	if got, err := b.reserve(ctx, 50, 30); got != 30 || err != nil {
		t.Fatalf("reserve = %d, %v", got, err)
	}
	if got, err := b.reserve(ctx, 10, 30); got != 10 || err != nil {
		t.Fatalf("reserve of what is left = %d, %v", got, err)
	}
	b.settle(20, 15)
	b.settle(80, 60)
	if got, err := b.reserve(ctx, 5, 30); got != 20 || err != nil {
		t.Fatalf("reserve after both have settled = %d, %v", got, err)
	}
	_, err := b.reserve(ctx, 25, 1)
	var used *TokenBudgetError
	if !errors.As(err, &used) || *used != (TokenBudgetError{Used: 75, Prompt: 25, Limit: 100}) || !errors.Is(err, ErrTokenBudget) {
		t.Fatalf("reserve beyond the limit = %v", err)
	}
}

func TestBudgetWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100)
		if _, err := b.reserve(t.Context(), 50, 50); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Second)
			b.settle(100, 60)
		}()
		start := time.Now()
		if got, err := b.reserve(t.Context(), 10, 50); got != 30 || err != nil || time.Since(start) != time.Second {
			t.Errorf("reserve = %d, %v after %v, want 30 after 1s", got, err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.reserve(ctx, 10, 50); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("reserve that waits too long = %v", err)
		}
	})
}

func TestErrorKinds(t *testing.T) {
	for _, kind := range []error{ErrInference, ErrTokenization, ErrModelNotLoaded, ErrBackend, ErrConfig, ErrInvalidParameter, ErrOther} {
		cause := errors.New("cause")
		if err := wrap(kind, cause); !errors.Is(err, kind) || !errors.Is(err, cause) {
			t.Errorf("%v is not both its kind %v and its cause", err, kind)
		}
	}
	if err := wrap(ErrOther, errors.New("cause")); err.Error() != "cause" {
		t.Errorf("ErrOther reads %q, want its cause alone", err)
	}
	var tooLong *ContextTooLongError
	err := classify(&engine.ContextTooLongError{Length: 12, Limit: 10})
	if !errors.As(err, &tooLong) || tooLong.Length != 12 || tooLong.Limit != 10 || !errors.Is(err, ErrContextTooLong) {
		t.Errorf("classify = %v, want a ContextTooLongError of 12 and 10", err)
	}
	if want := "by at least 3"; !strings.Contains(err.Error(), want) {
		t.Errorf("%q does not say %q", err, want)
	}
}
