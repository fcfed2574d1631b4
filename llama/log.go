package llama

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ebitengine/purego"
)

// The levels of ggml_log_level.
const (
	logDebug = 1
	logInfo  = 2
	logWarn  = 3
	logError = 4
	logCont  = 5 // continues the line before
)

// logQueueLength bounds the lines waiting for the logger. llama.cpp writes some
// 200 while it loads a model and almost none afterwards.
const logQueueLength = 1024

// SetLogger sends llama.cpp's log to l, at the levels that llama.cpp gives; nil,
// the default, discards it. It may be called at any time and from any
// goroutine. Lines are handed over by a goroutine that lives while there are
// any: llama.cpp never waits for the logger, and if the logger is more than
// 1024 lines behind, lines are dropped and their number is logged. Only its
// Handler's Enabled is called by llama.cpp's threads, for each line, and must
// return at once.
//
// SetLogger waits until the former logger has what was written before; it must
// not be called from within a logger's handler.
func SetLogger(l *slog.Logger) {
	log.wait()
	log.mu.Lock()
	log.logger = l
	log.update()
	log.mu.Unlock()
}

type logLine struct {
	level int32
	text  string
}

// lineLog assembles the fragments that llama.cpp writes into lines.
type lineLog struct {
	active atomic.Bool // a logger is set or errors are being captured

	mu       sync.Mutex
	drained  sync.Cond
	logger   *slog.Logger
	captures map[*errorCapture]struct{}
	level    int32 // of the line being assembled
	partial  []byte
	queue    []logLine
	dropped  int
	draining bool
}

var log = newLineLog()

func newLineLog() *lineLog {
	l := &lineLog{captures: map[*errorCapture]struct{}{}}
	l.drained.L = &l.mu
	return l
}

// wait returns when the lines written before have been handed over.
func (l *lineLog) wait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.draining {
		l.drained.Wait()
	}
}

// update is called with mu held, after logger or captures changed.
func (l *lineLog) update() {
	active := l.logger != nil || len(l.captures) > 0
	if !active {
		l.partial = l.partial[:0]
	}
	l.active.Store(active)
}

// write takes one fragment. It never blocks on a logger.
func (l *lineLog) write(level int32, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if level != logCont {
		l.flush()
		l.level = level
	}
	for {
		line, rest, whole := strings.Cut(text, "\n")
		l.partial = append(l.partial, line...)
		if !whole {
			return
		}
		l.flush()
		text = rest
	}
}

// flush ends the line being assembled.
func (l *lineLog) flush() {
	if len(l.partial) == 0 {
		return
	}
	line := logLine{l.level, string(l.partial)}
	l.partial = l.partial[:0]
	for c := range l.captures {
		c.add(line)
	}
	// A level that the logger does not want is not queued: while a context is made
	// llama.cpp writes thousands of debug lines, which would displace the others.
	if l.logger == nil || !l.logger.Enabled(context.Background(), slogLevel(line.level)) {
		return
	}
	if len(l.queue) == logQueueLength {
		l.dropped++
		return
	}
	l.queue = append(l.queue, line)
	if !l.draining {
		l.draining = true
		go l.drain()
	}
}

// drain hands lines to the logger until none is left.
func (l *lineLog) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 || l.dropped > 0 {
		lines, dropped, logger := l.queue, l.dropped, l.logger
		l.queue, l.dropped = nil, 0
		if logger == nil {
			continue
		}
		l.mu.Unlock()
		for _, line := range lines {
			logger.Log(context.Background(), slogLevel(line.level), line.text)
		}
		if dropped > 0 {
			logger.Warn("llama.cpp log lines dropped", "count", dropped)
		}
		l.mu.Lock()
	}
	l.draining = false
	l.drained.Broadcast()
}

func slogLevel(level int32) slog.Level {
	switch level {
	case logDebug:
		return slog.LevelDebug
	case logWarn:
		return slog.LevelWarn
	case logError:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// errorCapture keeps the errors that are logged while it runs, so that a call
// that only returns NULL can say why. Calls that fail at the same time see each
// other's lines.
type errorCapture struct{ lines []string }

const maxCaptured = 4

func captureErrors() *errorCapture {
	c := &errorCapture{}
	log.mu.Lock()
	log.captures[c] = struct{}{}
	log.update()
	log.mu.Unlock()
	return c
}

// add is called with the log's mutex held.
func (c *errorCapture) add(line logLine) {
	if line.level == logError && len(c.lines) < maxCaptured {
		c.lines = append(c.lines, strings.TrimSpace(line.text))
	}
}

// ErrMemory is wrapped by the errors of models and contexts for which a device or the
// machine had not enough memory left.
var ErrMemory = errors.New("not enough memory")

// failed is stop as an error, which wraps [ErrMemory] if memory could not be had: ggml's
// backends then log that a buffer cannot be allocated, and C++ that it was a bad_alloc.
func (c *errorCapture) failed() error {
	why := c.stop()
	if strings.Contains(why, "allocate") || strings.Contains(why, "bad_alloc") {
		return fmt.Errorf("%w: %s", ErrMemory, why)
	}
	return errors.New(why)
}

// stop ends the capture and returns what was caught, as one line.
func (c *errorCapture) stop() string {
	log.mu.Lock()
	log.flush()
	delete(log.captures, c)
	log.update()
	log.mu.Unlock()
	if len(c.lines) == 0 {
		return "llama.cpp gave no reason"
	}
	return oneLine(strings.Join(c.lines, "; "))
}

// logCallback returns the C function that feeds the log. Callbacks are never
// freed, so there is one.
var logCallback = sync.OnceValue(func() uintptr {
	return purego.NewCallback(func(level int32, text, _ uintptr) uintptr {
		if log.active.Load() {
			log.write(level, goString(text))
		}
		return 0
	})
})
