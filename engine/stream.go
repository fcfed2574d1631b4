package engine

import (
	"strings"
	"sync"
)

// stream carries one request's output from the owner to its reader. The owner
// never waits: what is not read yet is kept, joined. A request whose reader is
// too far behind computes nothing until it has caught up.
type stream struct {
	wake chan struct{} // holds one value while there is news
	done chan struct{} // closed when the engine has let go of the request

	mu     sync.Mutex
	text   strings.Builder // the whole output
	taken  int             // bytes of it that were read
	paused bool            // the request waits for its reader
	probs  []TokenLogprob  // that were not read
	alts   int             // alternatives in them
	usage  Usage           // so far
	reason FinishReason    // with done
	err    error
	panic  any // of the request's matcher
}

// newStream returns a stream that sends its news to wake, a channel for one value
// that streams may share.
func newStream(wake chan struct{}) stream {
	return stream{wake: wake, done: make(chan struct{})}
}

// fewTokens is how long an output may be for which there is room from the start, so
// that nothing is allocated as it grows.
const fewTokens = 256

// reserve makes room for an output of at most n tokens, if they are few.
func (s *stream) reserve(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Grow(8 * min(n, fewTokens))
}

// write appends text and notes what has been used by now. It does not allocate
// between growths of the whole.
func (s *stream) write(text []byte, usage Usage) {
	s.mu.Lock()
	s.text.Write(text)
	s.usage = usage
	s.mu.Unlock()
	if len(text) > 0 {
		s.notify()
	}
}

// writeLogprob adds a token's log probability, which comes with the next text.
func (s *stream) writeLogprob(l TokenLogprob) {
	s.mu.Lock()
	s.probs = append(s.probs, l)
	s.alts += 1 + len(l.Top)
	s.mu.Unlock()
}

// finish ends the stream; it is called once.
func (s *stream) finish(finish FinishReason, usage Usage, err error) {
	s.mu.Lock()
	s.reason, s.usage, s.err = finish, usage, err
	s.mu.Unlock()
	close(s.done)
	s.notify()
}

// maxUnread is how many bytes of output, or log probabilities, may wait to be read
// before the request waits too.
const maxUnread = 64 << 10

// behind reports whether the reader is too far behind; the take that changes
// that says so.
func (s *stream) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = s.text.Len()-s.taken > maxUnread || s.alts > maxUnread
	return s.paused
}

func (s *stream) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns what there is to read. The text shares the memory of the whole
// output, so taking it costs nothing. If resume, the request has waited for that.
func (s *stream) take() (c Chunk, ended, resume bool, err error) {
	select {
	case <-s.done:
		ended = true
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended {
		c.Finish, err = s.reason, s.err
	}
	c.Usage = s.usage
	c.Text = s.text.String()[s.taken:]
	s.taken += len(c.Text)
	c.Logprobs, s.probs, s.alts = s.probs, nil, 0
	resume, s.paused = s.paused, false
	return c, ended, resume, err
}
