package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"context"
)

// A reader that does not read makes its own request wait, and no other.
func TestReaderBehind(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 512})
	defer e.Close()
	prompt := encode(t, e, "Once upon a time")
	// A text that is as long as many tokens, so that the limit is reached.
	j := &job{ctx: t.Context(), req: &Request{Prompt: prompt, MaxTokens: 200}, stream: newStream(make(chan struct{}, 1))}
	j.write([]byte(strings.Repeat("x", maxUnread+1)), Usage{})
	if err := e.queue.push(j); err != nil {
		t.Fatal(err)
	}
	_, last, err := collect(t.Context(), e, &Request{Prompt: prompt, MaxTokens: 30})
	if err != nil || last.Usage.CompletionTokens != 30 {
		t.Errorf("another request: %+v, %v", last, err)
	}
	c, ended, resume, _ := j.take()
	if ended || !resume || c.Usage.CompletionTokens > 1 {
		t.Errorf("ended %v, resume %v, %+v; want a request that waits", ended, resume, c.Usage)
	}
	e.queue.wake()
	<-j.done
	if c, ended, _, err := j.take(); !ended || err != nil || c.Usage.CompletionTokens != 200 {
		t.Errorf("when read: %+v, %v", c, err)
	}
}

// A request that waits for its reader can be cancelled.
func TestReaderBehindCancels(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 512})
	defer e.Close()
	ctx, cancel := context.WithCancel(t.Context())
	j := &job{ctx: ctx, req: &Request{Prompt: []Token{20}, MaxTokens: 200}, stream: newStream(make(chan struct{}, 1))}
	j.write([]byte(strings.Repeat("x", maxUnread+1)), Usage{})
	if err := e.queue.push(j); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // long enough to have begun
	cancel()
	e.cancel(j)
	<-j.done
	if c, _, _, err := j.take(); !errors.Is(err, context.Canceled) || c.Finish != FinishCancelled {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestShutdown(t *testing.T) {
	for name, early := range map[string]bool{"drained": false, "cut off": true} {
		t.Run(name, func(t *testing.T) {
			e := newTestEngine(t, &Options{ContextLength: 512})
			ended := make(chan error)
			started := make(chan bool, 1)
			go func() {
				var last error
				for _, err := range e.Generate(context.Background(), &Request{Prompt: encode(t, e, "Once upon a time"), MaxTokens: 60}) {
					last = err
					select {
					case started <- true:
					default:
					}
				}
				ended <- last
			}()
			<-started
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if early {
				cancel()
			}
			err := e.Shutdown(ctx)
			if early != errors.Is(err, context.Canceled) || !early && err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			if err := <-ended; early != errors.Is(err, ErrClosed) || !early && err != nil {
				t.Errorf("the request under way: %v", err)
			}
			if _, _, err := collect(t.Context(), e, &Request{Prompt: []Token{20}, MaxTokens: 1}); !errors.Is(err, ErrClosed) {
				t.Errorf("a request after it: %v", err)
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Requests whose readers do not read hold neither slots nor room that others need,
// and go on when they are read.
func TestStalledReadersBlockNobody(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 256, CacheLength: 256, Slots: 2, BatchSize: smallBatch})
	defer e.Close()
	var stalled []*job
	for i := range 2 {
		j := &job{ctx: t.Context(), req: &Request{Prompt: story(t, e, i, 20), MaxTokens: 80}, stream: newStream(make(chan struct{}, 1))}
		if err := e.queue.push(j); err != nil {
			t.Fatal(err)
		}
		<-j.wake // it has begun
		j.write([]byte(strings.Repeat("x", maxUnread+1)), Usage{})
		stalled = append(stalled, j)
	}
	checkAll(t, together(t, e, []*Request{
		{Prompt: story(t, e, 10, 20), MaxTokens: 8}, {Prompt: story(t, e, 11, 200), MaxTokens: 8}, {Prompt: story(t, e, 12, 20), MaxTokens: 8},
	}), 8)
	for i, j := range stalled {
		for ended := false; !ended; {
			c, over, resume, err := j.take()
			if resume {
				e.queue.wake()
			}
			if over && (err != nil || c.Finish != FinishLength || c.Usage.CompletionTokens != 80) {
				t.Errorf("request %d: %+v, %v", i, c.Usage, err)
			}
			if ended = over; !ended {
				<-j.wake
			}
		}
	}
}
