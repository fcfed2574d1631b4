package engine

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestPriority(t *testing.T) {
	q := newQueue(10)
	var jobs []*job
	for i, priority := range []int{0, 1, 0, 2, 1} {
		j := &job{req: &Request{Priority: priority}, usage: Usage{PromptTokens: i}}
		jobs = append(jobs, j)
		if err := q.push(j); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{3, 1, 4, 0, 2} {
		if got := q.take(); got != jobs[want] {
			t.Errorf("took request %d, want %d", got.usage.PromptTokens, want)
		}
	}
	if q.take() != nil {
		t.Error("an empty queue gave a request")
	}
}

// A million requests may wait: they come and go in the logarithm of their number.
func TestQueueMillion(t *testing.T) {
	const n = 1_000_000
	q := newQueue(n)
	q.interrupt(func() {}, func() {})
	jobs := make([]*job, n)
	for i := range jobs {
		jobs[i] = &job{req: &Request{Priority: i % 3}}
	}
	if err := q.push(slices.Clone(jobs)...); err != nil {
		t.Fatal(err)
	}
	if err := q.push(&job{req: &Request{}}); !errors.Is(err, ErrOverloaded) {
		t.Errorf("one more: %v", err)
	}
	for i := 0; i < n; i += 2 {
		if !q.cancel(jobs[i]) {
			t.Fatalf("request %d did not wait", i)
		}
	}
	for priority := 2; priority >= 0; priority-- {
		for i := priority; i < n; i += 3 {
			if i%2 == 0 {
				continue
			}
			if q.take() != jobs[i] {
				t.Fatalf("not request %d", i)
			}
			q.release(jobs[i])
		}
	}
	if q.take() != nil || q.held != 0 || len(q.running) != 0 {
		t.Errorf("%d are held, %d run", q.held, len(q.running))
	}
}

// awaitWaiting returns when n requests wait.
func (q *queue) awaitWaiting(n int) { q.await(func() bool { return len(q.waiting) >= n }) }

// awaitHeld returns when n requests that were taken wait for room.
func (q *queue) awaitHeld(n int) { q.await(func() bool { return q.held >= n }) }

func (q *queue) await(yes func() bool) {
	for done := false; !done; time.Sleep(time.Millisecond) {
		q.mu.Lock()
		done = yes()
		q.mu.Unlock()
	}
}

// A million requests at once: those that the queue has no room for learn that at
// once, and the others are served.
func TestMillionRequests(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 512, QueueLength: 4})
	defer e.Close()
	decoding, goOn := make(chan struct{}), make(chan struct{})
	beforeSteps(e, func(step int) {
		if step == 1 {
			close(decoding)
			<-goOn
		}
	})
	served := make(chan []result)
	go func() { served <- together(t, e, []*Request{{Prompt: []Token{20}, MaxTokens: 4}}) }()
	<-decoding
	for range 4 {
		go func() { served <- together(t, e, []*Request{{Prompt: []Token{20, 21}, MaxTokens: 4}}) }()
	}
	e.queue.awaitWaiting(4)
	overloaded := 0
	for overloaded < 1_000_000 {
		_, _, err := collect(t.Context(), e, &Request{Prompt: []Token{20}, MaxTokens: 1, Priority: 1})
		if !errors.Is(err, ErrOverloaded) {
			t.Fatalf("request %d: %v", overloaded, err)
		}
		overloaded++
	}
	close(goOn)
	for range 5 {
		checkAll(t, <-served, 4)
	}
}
